"""What may be published: from the parameters of a call, or of another room's delivery, to a message. Pure.

Texts and codes are AWS's. A message's size is that of its text and of its attributes: names, types and values.
"""

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

from bulb.services.sns import errors
from bulb.services.sns.model import Attribute, Message, Topic

_SUBJECT_CHARACTERS = 100
_NAME_BYTES = 256
_NAME_CHARACTER = re.compile(r"[A-Za-z0-9_.-]")
_TYPE = re.compile(r"(String|Number|Binary)(\..+)?")
_ID = re.compile(r"[!-~]{1,128}")
_PROTOCOLS = ("sqs", "lambda", "http", "https")
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?")
_NUMBER_CHARACTERS = 76


def message(
    topic: Topic, params: Mapping[str, Any], *, message_id: str, now: float, trace_header: str | None
) -> Message:
    """The message that `params` (of Publish, or of an entry of PublishBatch) describe.

    Raises InvalidParameter and ParameterValueInvalid.
    """
    text: str = params["Message"]
    if not text:
        raise errors.invalid("Empty message")
    subject = params.get("Subject")
    if subject is not None:
        _check_subject(subject)
    attributes = {name: _attribute(name, given) for name, given in (params.get("MessageAttributes") or {}).items()}
    default, texts = _by_protocol(text, params.get("MessageStructure"))
    group_id, deduplication_id = _ids(topic, params, text)
    return Message(
        message_id=message_id,
        text=default,
        published_at=now,
        subject=subject,
        attributes=attributes,
        texts=texts,
        group_id=group_id,
        deduplication_id=deduplication_id,
        trace_header=trace_header,
        is_structured=params.get("MessageStructure") == "json",
    )


def size(params: Mapping[str, Any]) -> int:
    """How many bytes a publisher's message has."""
    total = len(params["Message"].encode())
    for name, given in (params.get("MessageAttributes") or {}).items():
        value = given.get("BinaryValue", given.get("StringValue")) or b""
        total += len(name.encode()) + len(given["DataType"].encode())
        total += len(value if isinstance(value, bytes) else value.encode())
    return total


def check_size(topic: Topic, params: Mapping[str, Any]) -> None:
    """Raise InvalidParameter for a message that is too long for the topic."""
    if size(params) > topic.message_bytes:
        raise errors.invalid("Message too long")


def _check_subject(subject: str) -> None:
    has_control = any(one < " " or "\x7f" <= one <= "\x9f" or one in "\u2028\u2029" for one in subject)
    if not subject or len(subject) > _SUBJECT_CHARACTERS or has_control:
        raise errors.invalid("Subject")


def _by_protocol(text: str, structure: str | None) -> tuple[str, dict[str, str]]:
    if structure != "json":
        return text, {}
    try:
        document = json.loads(text)
        json.dumps(document, ensure_ascii=False).encode()  # half a surrogate pair, escaped, is no text
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        raise errors.invalid("Message Structure - JSON message body failed to parse")
    default = document.get("default")
    if not isinstance(default, str):
        raise errors.invalid("Message Structure - No default entry in JSON message body")
    return default, {name: document[name] for name in _PROTOCOLS if isinstance(document.get(name), str)}


def _ids(topic: Topic, params: Mapping[str, Any], text: str) -> tuple[str | None, str | None]:
    group_id, deduplication_id = params.get("MessageGroupId"), params.get("MessageDeduplicationId")
    if not topic.is_fifo:
        if deduplication_id is not None:
            raise errors.invalid(
                "MessageDeduplicationId Reason: The request includes MessageDeduplicationId parameter that is not "
                "valid for this topic type"
            )
        _check_id("MessageGroupId", group_id)
        return group_id, None
    if not group_id:
        raise errors.invalid("The MessageGroupId parameter is required for FIFO topics")
    _check_id("MessageGroupId", group_id)
    _check_id("MessageDeduplicationId", deduplication_id)
    if deduplication_id is None:
        if topic.attributes.get("ContentBasedDeduplication") != "true":
            raise errors.invalid(
                "The topic should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided "
                "explicitly"
            )
        deduplication_id = hashlib.sha256(text.encode()).hexdigest()
    return group_id, deduplication_id


def _check_id(name: str, value: str | None) -> None:
    if value is not None and not _ID.fullmatch(value):
        raise errors.invalid(f"{name} Reason: must be 1 to 128 alphanumeric characters and punctuation")


def _attribute(name: str, given: Mapping[str, Any]) -> Attribute:
    _check_name(name)
    data_type = given["DataType"]
    matched = _TYPE.fullmatch(data_type)
    if matched is None:
        raise errors.invalid_value(
            f"The message attribute '{name}' has an invalid message attribute type, the set of supported type prefixes "
            "is Binary, Number, and String."
        )
    kind = matched[1]
    field, other = ("BinaryValue", "StringValue") if kind == "Binary" else ("StringValue", "BinaryValue")
    if given.get(other) and not given.get(field):
        raise errors.invalid_value(
            f"The message attribute '{name}' with type '{kind}' must use field '{field.removesuffix('Value')}'."
        )
    value = given.get(field)
    if not value:
        raise errors.invalid_value(
            f"The message attribute '{name}' must contain non-empty message attribute value for message attribute type "
            f"'{data_type}'."
        )
    if isinstance(value, bytes):
        return {"DataType": data_type, "BinaryValue": base64.b64encode(value).decode()}
    if kind == "Number" and not _is_number(value):
        raise errors.invalid_value(f"Could not cast message attribute '{name}' value to number.")
    return {"DataType": data_type, "StringValue": value}


def _check_name(name: str) -> None:
    if len(name.encode()) >= _NAME_BYTES:
        raise errors.invalid_value("Length of message attribute name must be less than 256 bytes.")
    if not name:
        raise errors.invalid_value("The message attribute name must not be empty.")
    for one in name:
        if not _NAME_CHARACTER.match(one):
            raise errors.invalid_value(
                f"Invalid non-alphanumeric character '#x{ord(one):X}' was found in the message attribute name. "
                "Can only include alphanumeric characters, hyphens, underscores, or dots."
            )
    if name.startswith("."):
        raise errors.invalid_value("Invalid message attribute name starting with character '.' was found.")
    if name.endswith("."):
        raise errors.invalid_value("Invalid message attribute name ending with character '.' was found.")
    if ".." in name:
        raise errors.invalid_value("Message attribute name can not have successive '.' character.")


def _is_number(value: str) -> bool:
    return len(value) <= _NUMBER_CHARACTERS and _NUMBER.fullmatch(value) is not None


def entry_params(payload: bytes, about: Mapping[str, Any]) -> dict[str, Any]:
    """What another room wants published, as parameters of Publish. Raises InvalidParameter."""
    try:
        text = payload.decode("utf-8")
    except UnicodeDecodeError as error:
        raise errors.invalid("Message must be UTF-8") from error
    params: dict[str, Any] = {"Message": text}
    given = about.get("message_attributes") or {}
    params["MessageAttributes"] = {name: _decoded(one) for name, one in given.items()}
    for parameter, name in (
        ("Subject", "subject"),
        ("MessageGroupId", "message_group_id"),
        ("MessageDeduplicationId", "message_deduplication_id"),
    ):
        if about.get(name) is not None:
            params[parameter] = about[name]
    return params


def _decoded(attribute: Mapping[str, Any]) -> dict[str, Any]:
    if "BinaryValue" not in attribute:
        return dict(attribute)
    return {**attribute, "BinaryValue": base64.b64decode(attribute["BinaryValue"])}
