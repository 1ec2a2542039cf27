"""What may be sent: bodies, attributes, groups, batches; in SQS's words where it may not. Pure."""

import re
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from bulb.core.errors import AwsError
from bulb.core.texts import UNSENDABLE
from bulb.services.sqs import digests, errors
from bulb.services.sqs.model import NewMessage, Queue

MOST_ENTRIES = 10
MOST_BYTES = 1_048_576
_MOST_ATTRIBUTES = 10
_LONGEST_NAME = 256
_MOST_DELAY_S = 900
_ENTRY_ID = re.compile(r"[A-Za-z0-9_-]{1,80}")
_ATTRIBUTE_NAME = re.compile(r"[\w.-]+")  # of any alphabet, as AWS is seen to do
_TOKEN = re.compile(r"[A-Za-z0-9!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~]{1,128}")
_TYPE = re.compile(r"(?:String|Number|Binary)(?:\..+)?")
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?")
_DIGITS, _LEAST, _GREATEST = 38, -(Decimal(10) ** 128), Decimal(10) ** 126


def message_of(
    given: Mapping[str, Any], queue: Queue, message_id: str, sender: str, trace_header: str | None
) -> tuple[NewMessage, int]:
    """The message that a request, or an entry of a batch, asks to send, and its size. Raises AwsError."""
    body = given["MessageBody"]
    if not body:
        raise errors.missing("MessageBody")
    attributes = given.get("MessageAttributes") or {}
    size = len(check_body(body)) + check_attributes(attributes)
    if size > queue.max_bytes:
        reason = f"One or more parameters are invalid. Reason: Message must be shorter than {queue.max_bytes} bytes."
        raise errors.invalid_plainly(reason)
    system = given.get("MessageSystemAttributes") or {}
    message = NewMessage(
        message_id=message_id,
        body=body,
        body_md5=digests.md5_of_text(body),
        sender=sender,
        attributes=digests.kept(attributes) if attributes else None,
        attributes_md5=digests.md5_of_attributes(attributes) if attributes else None,
        trace_header=_trace_header(system) or trace_header,
        delay_s=check_delay(given.get("DelaySeconds"), queue),
        group=check_group(given.get("MessageGroupId"), queue),
        deduplication_id=check_deduplication(given.get("MessageDeduplicationId"), queue, body),
    )
    return message, size


def size_of(given: Mapping[str, Any]) -> int:
    """How many bytes an entry of a batch takes, sound or not."""
    size = len(given["MessageBody"].encode("utf-8", "replace"))
    for name, value in (given.get("MessageAttributes") or {}).items():
        data = value.get("BinaryValue") or (value.get("StringValue") or "").encode("utf-8", "replace")
        size += len(name.encode("utf-8", "replace")) + len((value.get("DataType") or "").encode()) + len(data)
    return size


def check_body(body: str) -> bytes:
    """A body's bytes. Raises InvalidMessageContents."""
    if UNSENDABLE.search(body) is not None:
        raise AwsError(
            "InvalidMessageContents",
            "Invalid characters found. Valid unicode characters are #x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to "
            "#xFFFD | #x10000 to #x10FFFF",
        )
    return body.encode()


def check_attributes(attributes: digests.Attributes) -> int:
    """How many bytes attributes take. Raises InvalidParameterValue."""
    if len(attributes) > _MOST_ATTRIBUTES:
        raise errors.invalid_plainly(
            f"Number of message attributes [{len(attributes)}] exceeds the allowed maximum [{_MOST_ATTRIBUTES}]."
        )
    return sum(_check_attribute(name, value) for name, value in attributes.items())


def _check_attribute(name: str, value: Mapping[str, Any]) -> int:
    _check_attribute_name(name)
    kind = value.get("DataType") or ""
    if value.get("StringListValues") or value.get("BinaryListValues"):
        raise errors.unsupported("Message attribute list values in SendMessage operation are not supported.")
    if not kind:
        raise errors.invalid_plainly(
            f"The message (user) attribute '{name}' must contain a non-empty message attribute type."
        )
    if len(kind.encode("utf-8", "replace")) > _LONGEST_NAME:
        raise errors.invalid_plainly(f"Message (user) attribute type must be shorter than {_LONGEST_NAME} bytes.")
    if not _TYPE.fullmatch(kind):
        raise errors.invalid_plainly(
            f"The type of message (user) attribute '{name}' is invalid. You must use only the following supported type "
            "prefixes: Binary, Number, String."
        )
    return len(name.encode()) + len(kind.encode()) + len(_value(name, kind, value))


def _check_attribute_name(name: str) -> None:
    if not name:
        raise errors.invalid_plainly("The request must contain non-empty message (user) attribute names.")
    if len(name.encode("utf-8", "replace")) > _LONGEST_NAME:
        raise errors.invalid_plainly(f"Message (user) attribute name must be shorter than {_LONGEST_NAME} bytes.")
    if not _ATTRIBUTE_NAME.fullmatch(name):
        raise errors.invalid_plainly(
            f"Invalid message (user) attribute name '{name}': it can only include alphanumeric characters, hyphens, "
            "underscores and periods."
        )
    if name.lower().startswith(("aws.", "amazon.")):
        raise errors.invalid_plainly(
            "You can't use message attribute names beginning with 'AWS.' or 'Amazon'. These strings are reserved for "
            "internal use."
        )
    if name.startswith(".") or name.endswith(".") or ".." in name:
        raise errors.invalid_plainly(
            f"The message (user) attribute name '{name}' must not start or end with a period, or have periods in "
            "succession."
        )


def _value(name: str, kind: str, value: Mapping[str, Any]) -> bytes:
    logical = kind.partition(".")[0]
    member, other = ("BinaryValue", "StringValue") if logical == "Binary" else ("StringValue", "BinaryValue")
    given = value.get(member)
    if not given:
        raise errors.invalid_plainly(
            f"Message (user) attribute '{name}' must contain a non-empty value of type '{kind}'."
        )
    if value.get(other):
        raise errors.invalid_plainly(f"The message (user) attribute '{name}' has multiple values.")
    if isinstance(given, bytes):
        return given
    if UNSENDABLE.search(given) is not None:
        raise errors.invalid_plainly(f"Invalid characters found in the value of the message (user) attribute '{name}'.")
    if logical == "Number" and not _is_number(given):
        raise errors.invalid_plainly(f"Can't cast the value of message (user) attribute '{name}' to a number.")
    return bytes(given.encode())


def _is_number(text: str) -> bool:
    """Up to 38 digits, between -10^128 and 10^126."""
    if _NUMBER.fullmatch(text) is None or sum(map(str.isdigit, text.lower().partition("e")[0])) > _DIGITS:
        return False
    return _LEAST <= Decimal(text) <= _GREATEST


def _trace_header(system: Mapping[str, Mapping[str, Any]]) -> str | None:
    """The only system attribute that may be sent. Its size does not count."""
    for name, value in system.items():
        if name != "AWSTraceHeader":
            raise errors.invalid_plainly(f"Message system attribute name '{name[:256]}' is invalid.")
        text = value.get("StringValue")
        if value.get("DataType") != "String" or not text or UNSENDABLE.search(text) is not None:
            raise errors.invalid_plainly("The message system attribute 'AWSTraceHeader' must be a non-empty String.")
        return str(text)
    return None


def check_delay(given: int | None, queue: Queue) -> float | None:
    """A message's own delay; only the queue's counts in a FIFO queue. Raises InvalidParameterValue."""
    if given is None:
        return None
    if not 0 <= given <= _MOST_DELAY_S:
        raise errors.invalid(given, "DelaySeconds", f"DelaySeconds must be >= 0 and <= {_MOST_DELAY_S}.")
    if queue.is_fifo:
        if given:
            reason = "The request include parameter that is not valid for this queue type."
            raise errors.invalid(given, "DelaySeconds", reason)
        return None
    return float(given)


def check_group(given: str | None, queue: Queue) -> str | None:
    """A message's group: needed in a FIFO queue, a tenant in a standard one. Raises AwsError."""
    if given is None:
        if queue.is_fifo:
            raise errors.missing("MessageGroupId")
        return None
    return check_token("MessageGroupId", given)


def check_deduplication(given: str | None, queue: Queue, body: str) -> str | None:
    """What a message of a FIFO queue is compared by. Raises InvalidParameterValue."""
    if not queue.is_fifo:
        if given is not None:
            reason = "The request include parameter that is not valid for this queue type."
            raise errors.invalid(given[:200], "MessageDeduplicationId", reason)
        return None
    if given is not None:
        return check_token("MessageDeduplicationId", given)
    if not queue.dedups_by_content:
        raise _no_deduplication()
    return digests.sha256_of_text(body)


def check_complete(entries: Sequence[Mapping[str, Any]], queue: Queue) -> None:
    """Raise InvalidParameterValue where an entry lacks what a FIFO queue needs: then nothing of the batch is sent."""
    if not queue.is_fifo:
        return
    for entry in entries:
        if entry.get("MessageGroupId") is None:
            raise errors.invalid_plainly(errors.missing("MessageGroupId").message)
        if entry.get("MessageDeduplicationId") is None and not queue.dedups_by_content:
            raise _no_deduplication()


def _no_deduplication() -> AwsError:
    return errors.invalid_plainly(
        "The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly"
    )


def check_token(parameter: str, given: str) -> str:
    """An id of up to 128 letters, digits and signs. Raises InvalidParameterValue."""
    if not _TOKEN.fullmatch(given):
        reason = f"{parameter} can only include alphanumeric and punctuation characters. 1 to 128 in length."
        raise errors.invalid(given[:200], parameter, reason)
    return given


def check_entries(entries: Sequence[Mapping[str, Any]], kind: str) -> None:
    """Raise what is wrong with a batch as a whole. `kind` is the name of its entries."""
    if not entries:
        raise AwsError("EmptyBatchRequest", f"There should be at least one {kind} in the request.")
    if len(entries) > MOST_ENTRIES:
        message = f"Maximum number of entries per request are {MOST_ENTRIES}. You have sent {len(entries)}."
        raise AwsError("TooManyEntriesInBatchRequest", message)
    seen: set[str] = set()
    for entry in entries:
        id_ = entry["Id"]
        if not _ENTRY_ID.fullmatch(id_):
            message = "A batch entry id can only contain alphanumeric characters, hyphens and underscores. "
            raise AwsError("InvalidBatchEntryId", message + "It can be at most 80 letters long.")
        if id_ in seen:
            raise AwsError("BatchEntryIdsNotDistinct", f"Id {id_} repeated.")
        seen.add(id_)


def entry_by_entry(
    entries: Sequence[Mapping[str, Any]], act: Callable[[Mapping[str, Any]], Any]
) -> tuple[list[tuple[str, Any]], list[dict[str, Any]]]:
    """What `act` makes of each entry, by its id, and the `Failed` of those of which it raises an AwsError."""
    made: list[tuple[str, Any]] = []
    failed: list[dict[str, Any]] = []
    for entry in entries:
        try:
            made.append((entry["Id"], act(entry)))
        except AwsError as error:
            failed.append(failure(entry["Id"], error))
    return made, failed


def failure(id_: str, error: AwsError) -> dict[str, Any]:
    """An entry's `Failed`."""
    return {"Id": id_, "SenderFault": error.fault == "User", "Code": error.code, "Message": error.message}
