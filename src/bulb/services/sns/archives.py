"""Archives of FIFO topics and their replay: the two policies, read and checked. Pure.

A topic with an archive policy keeps its messages for so many days. A subscription with a replay policy gets those of a
stretch of time once more, and meanwhile nothing that is new: that waits in the archive for its turn. After a replay
with an end nothing new comes either, until the policy goes.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from bulb.core.clock import iso_millis
from bulb.services.sns import errors
from bulb.services.sns.model import Message, Topic

POLICY = "ArchivePolicy"
# Since when there is an archive, kept beside its policy; what is shown by that name follows from both.
BEGINNING = "BeginningArchiveTime"
_DAY_S = 86_400.0
_MOST_DAYS = 365


@dataclass(frozen=True, slots=True)
class Stretch:
    """What a replay policy asks for, in Unix seconds: from `begins_at` on, up to before `ends_at` where it is given."""

    begins_at: float
    ends_at: float | None


def checked_policy(value: str) -> str | None:
    """An archive policy as it is kept, None for none. Raises InvalidParameter (without where it was given)."""
    fields = _fields(value, POLICY)
    if not fields:
        return None
    if "MessageRetentionPeriod" not in fields:
        raise _missing(POLICY)
    if not 1 <= _days(fields["MessageRetentionPeriod"]) <= _MOST_DAYS:
        raise errors.invalid(f"{POLICY}: MessageRetentionPeriod value is invalid")
    return value


def with_beginning(attributes: dict[str, str], before: Mapping[str, str], now: float) -> dict[str, str]:
    """A topic's attributes, with the beginning of its archive if it has one, which goes on from `before`."""
    kept = {name: value for name, value in attributes.items() if name != BEGINNING}
    if POLICY not in kept:
        return kept
    return {**kept, BEGINNING: before.get(BEGINNING, iso_millis(now))}


def has_archive(topic: Topic) -> bool:
    """Does the topic keep its messages?"""
    return POLICY in topic.attributes


def oldest(topic: Topic, now: float) -> float:
    """Messages from before this time are gone from the topic's archive; it may not have been there that long."""
    return now - _days(json.loads(topic.attributes[POLICY])["MessageRetentionPeriod"]) * _DAY_S


def beginning(topic: Topic, now: float) -> str:
    """The earliest time that can be replayed from, as it is shown."""
    return max(topic.attributes[BEGINNING], iso_millis(oldest(topic, now)))


def checked_replay(topic: Topic, value: str, now: float) -> str | None:
    """A replay policy as it is kept, None for none. Raises InvalidParameter (without where it was given)."""
    if not topic.is_fifo:
        raise errors.invalid("AttributeName")
    fields = _fields(value, "ReplayPolicy")
    if not fields:
        return None
    if not fields.keys() >= {"PointType", "StartingPoint"}:
        raise _missing("ReplayPolicy")
    if fields["PointType"] != "Timestamp":
        raise errors.invalid("ReplayPolicy: Invalid PointType")
    if not has_archive(topic):
        raise errors.invalid("ReplayPolicy: Topic does not have an ArchivePolicy")
    begins_at = _point(fields, "StartingPoint", _moment(beginning(topic, now)), now)
    if "EndingPoint" in fields:
        _point(fields, "EndingPoint", begins_at, now)
    return value


def stretch(policy: str) -> Stretch:
    """What a policy that was checked asks for."""
    fields = json.loads(policy)
    ends_at = _moment(fields["EndingPoint"]) if "EndingPoint" in fields else None
    return Stretch(_moment(fields["StartingPoint"]), ends_at)


def packed(message: Message) -> bytes:
    """A message as it is archived."""
    names = (name for name in Message.__slots__ if name not in ("sequence_number", "is_replay"))
    return json.dumps({name: getattr(message, name) for name in names}, ensure_ascii=False).encode()


def unpacked(archived: bytes, sequence_number: str) -> Message:
    """A message of an archive, to be sent again."""
    return Message(**json.loads(archived), sequence_number=sequence_number, is_replay=True)


def _fields(value: str, name: str) -> Mapping[str, Any]:
    if not value:
        return {}
    try:
        fields = json.loads(value)
    except (ValueError, RecursionError):
        raise errors.invalid(f"{name}: Unable to parse JSON") from None
    if not isinstance(fields, dict):
        raise _missing(name)
    return fields


def _missing(name: str) -> Exception:
    return errors.invalid(f"{name}: JSON is missing required fields")


def _days(value: Any) -> int:
    """A number, also one in quotes; 0 for what is none."""
    text = str(value) if type(value) in (int, str) else ""
    return int(text) if text.isascii() and text.isdigit() and len(text) < len("1000") else 0


def _point(fields: Mapping[str, Any], name: str, earliest: float, latest: float) -> float:
    try:
        moment = _moment(fields[name])
    except (ValueError, TypeError, OverflowError):
        moment = -1.0
    if not earliest <= moment <= latest:
        raise errors.invalid(f"ReplayPolicy: Invalid {name} value")
    return moment


def _moment(text: str) -> float:
    """`2025-11-24T23:11:08.123Z`, or with an offset, in Unix seconds. Raises ValueError, TypeError, OverflowError."""
    found = datetime.fromisoformat(text)
    return (found if found.tzinfo is not None else found.replace(tzinfo=UTC)).timestamp()
