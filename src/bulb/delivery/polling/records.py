"""What a function sees of messages: the event of a batch. Pure.

A record is encoded once, when its message is claimed; an event is its records put side by side.
"""

import base64
from collections.abc import Iterable, Mapping
from typing import Any

import orjson

from bulb.delivery.polling.queues import QueueMessage

_HEAD, _TAIL = b'{"Records":[', b"]}"
ENVELOPE_BYTES = len(_HEAD) + len(_TAIL)


def record(message: QueueMessage, queue_arn: str, region: str) -> dict[str, Any]:
    """One entry of `Records`."""
    return {
        "messageId": message.message_id,
        "receiptHandle": message.receipt_handle,
        "body": message.body,
        "attributes": dict(message.attributes),
        "messageAttributes": {name: _attribute(value) for name, value in message.message_attributes.items()},
        "md5OfMessageAttributes": message.md5_of_message_attributes if message.message_attributes else None,
        "md5OfBody": message.md5_of_body,
        "eventSource": "aws:sqs",
        "eventSourceARN": queue_arn,
        "awsRegion": region,
    }


def encoded(of: Mapping[str, Any]) -> bytes:
    """A record as JSON."""
    return orjson.dumps(of)


def event(records: Iterable[bytes]) -> bytes:
    """The event of a batch, from its encoded records."""
    return _HEAD + b",".join(records) + _TAIL


def _attribute(value: Mapping[str, Any]) -> dict[str, Any]:
    shown: dict[str, Any] = {}
    if value.get("StringValue") is not None:
        shown["stringValue"] = value["StringValue"]
    if value.get("BinaryValue") is not None:
        binary = value["BinaryValue"]
        shown["binaryValue"] = binary if isinstance(binary, str) else base64.b64encode(binary).decode()
    return {**shown, "stringListValues": [], "binaryListValues": [], "dataType": value["DataType"]}
