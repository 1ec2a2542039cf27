"""Delivery status logging: what became of messages, in log groups as AWS names them, for topics that ask for it.

A topic asks with its feedback attributes. Successes are sampled by their percentage; of a failure the end is logged,
not each attempt on the way. Texts to phone numbers, which go nowhere else, are logged here as well.
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from bulb.core.arn import parse_arn
from bulb.core.clock import Clock
from bulb.core.facts import Delivered, Fact
from bulb.core.ids import hex_id
from bulb.telemetry.buffer import LogStream
from bulb.telemetry.log_store import LogStore

PHONES = "DirectPublishToPhoneNumber"
_MOST_STREAMS = 1_000
_STATUS = {"NO_RESOURCE": 404, "NO_PERMISSIONS": 403, "THROTTLING": 429, "SDK_CLIENT_ERROR": 400, "TIMEOUT": 408}
_IDS = {"lambda": "lambdaRequestId", "sqs": "sqsMessageId"}


class Statuses:
    """Writes to the log store. `listen` is to hear the facts."""

    def __init__(self, logs: LogStore, clock: Clock) -> None:
        self._logs = logs
        self._clock = clock
        self._stream_name = hex_id(32)
        self._streams: dict[tuple[str, str, str], LogStream] = {}

    def listen(self, fact: Fact) -> None:
        """Log the end of a delivery whose topic asked for that."""
        if not isinstance(fact, Delivered) or fact.source != "sns" or fact.details is None:
            return
        details, is_success = fact.details, fact.outcome == "delivered"
        if fact.outcome == "retrying" or not _is_wanted(fact.delivery_id, details, is_success=is_success):
            return
        topic = parse_arn(fact.source_arn)
        if topic is None:
            return
        group = f"sns/{topic.region}/{topic.account}/{topic.resource}"
        line = _line(fact, details, is_success=is_success)
        self._write(topic.account, topic.region, group if is_success else f"{group}/Failure", line)

    def text_message(self, account: str, region: str, message_id: str, phone: str, message: str) -> None:
        """Log a message to a phone number: nobody carries it any further."""
        now = self._clock.now()
        line = {
            "notification": {"messageId": message_id, "timestamp": _timestamp(now)},
            "delivery": {
                "destination": phone,
                "message": message,
                "providerResponse": "Bulb has no carrier: the message was written to this log",
            },
            "status": "SUCCESS",
        }
        self._write(account, region, f"sns/{region}/{account}/{PHONES}", line)

    def _write(self, account: str, region: str, group: str, line: dict[str, Any]) -> None:
        key = (account, region, group)
        if key not in self._streams:
            if len(self._streams) >= _MOST_STREAMS:
                self._streams.clear()
            self._streams[key] = self._logs.open_stream(account, region, group, self._stream_name)
        self._streams[key].write(int(self._clock.now() * 1000), json.dumps(line, ensure_ascii=False))


def _is_wanted(delivery_id: str, details: Mapping[str, Any], *, is_success: bool) -> bool:
    if not is_success:
        return bool(details["failures"])
    # The id is random, so its digits draw the sample.
    return int(delivery_id[:8], 16) % 100 < int(details["rate"])


def _line(fact: Delivered, details: Mapping[str, Any], *, is_success: bool) -> dict[str, Any]:
    name = _IDS.get(details["protocol"])
    response = {name: fact.delivery_id} if name is not None and is_success else {}
    success = 202 if details["protocol"] == "lambda" else 200
    return {
        "notification": {
            "messageMD5Sum": details["md5"],
            "messageId": details["message_id"],
            "topicArn": fact.source_arn,
            "timestamp": _timestamp(details["published_at"]),
        },
        "delivery": {
            "deliveryId": fact.delivery_id,
            "destination": details["destination"],
            "providerResponse": json.dumps(response) if is_success else fact.message,
            "dwellTimeMs": max(round((fact.at - details["published_at"]) * 1000), 0),
            "attempts": fact.attempts,
            "statusCode": success if is_success else _STATUS.get(fact.code or "", 500),
        },
        "status": "SUCCESS" if is_success else "FAILURE",
    }


def _timestamp(unix_seconds: float) -> str:
    return datetime.fromtimestamp(unix_seconds, UTC).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
