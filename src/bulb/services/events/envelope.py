"""Events as documents: from what PutEvents is given, from what other services put on a bus, and for a replay. Pure.

The detail goes into the document as it was written (only the spaces between its parts go): no number is changed on the
way. What rules match is the parsed document.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson

from bulb.core.ids import request_id
from bulb.delivery.patterns import parse_event
from bulb.services.events import errors
from bulb.services.events.names import BusName

MOST_BYTES = 1_048_576
_TIME_BYTES = 14
_AWS = "aws."
_SPACES = re.compile(r'("(?:[^"\\]|\\.)*")|\s+')
_LONG, _LONG_BYTES = re.compile(r"[0-9]{16}"), re.compile(rb"[0-9]{16}")
_HEAD = b'{"version":"0","id":%b,'  # of every event that is written here
_MEMBERS = ("version", "id", "detail-type", "source", "account", "time", "region", "resources", "detail")
_ENVELOPE_STRINGS = ("id", "account", "source", "time", "region", "detail-type")


@dataclass(frozen=True, slots=True)
class Event:
    """An event: `document` is `payload` parsed. `at` is the time it says of itself, in Unix seconds."""

    id: str
    document: Mapping[str, Any]
    payload: bytes
    at: float


@dataclass(frozen=True, slots=True)
class Refused:
    """An entry of PutEvents that is not an event."""

    code: str
    message: str


def size_of(entries: list[dict[str, Any]]) -> int:
    """The bytes that count against the limit of PutEvents."""
    return sum(
        (_TIME_BYTES if entry.get("Time") is not None else 0)
        + sum(len((entry.get(member) or "").encode()) for member in ("Source", "DetailType", "Detail"))
        + sum(len(resource.encode()) for resource in entry.get("Resources") or ())
        for entry in entries
    )


def event_of_entry(entry: Mapping[str, Any], account: str, region: str, now: float) -> Event | Refused:
    """The event of an entry of PutEvents."""
    for member in ("Source", "DetailType", "Detail"):
        if not entry.get(member):
            return Refused(
                "InvalidArgument", f"Parameter {member} is not valid. Reason: {member} is a required argument."
            )
    if entry["Source"].startswith(_AWS):
        return Refused("NotAuthorizedForSourceException", "Not authorized for the source.")
    detail = _object(entry["Detail"])
    if detail is None:
        return Refused("MalformedDetail", "Detail is malformed.")
    at = entry["Time"].timestamp() if entry.get("Time") is not None else now
    head = {
        "version": "0",
        "id": request_id(),
        "detail-type": entry["DetailType"],
        "source": entry["Source"],
        "account": account,
        "time": seconds(at),
        "region": region,
        "resources": list(entry.get("Resources") or ()),
    }
    return _event(head, detail, entry["Detail"], float(int(at)))


def event_of_payload(payload: bytes, bus: BusName, account: str, now: float) -> Event | None:
    """The event of a document that a service put on a bus, with what it leaves out; None for what is none."""
    document = _object(payload)
    if document is None or not isinstance(document.get("detail", {}), dict):
        return None
    if not all(isinstance(document.get(name), str) and document[name] for name in ("source", "detail-type")):
        return None
    if all(name in document for name in _MEMBERS) and (at := _moment(document["time"])) is not None:
        return Event(str(document["id"]), document, payload, at)
    given: dict[str, Any] = {"version": "0", "id": request_id(), "account": account, "time": seconds(now)}
    given |= {"region": bus.region, "resources": [], "detail": {}}
    whole = {name: document.get(name, given.get(name)) for name in _MEMBERS}
    at = _moment(whole["time"])
    try:
        return None if at is None else Event(str(whole["id"]), whole, dumps(whole), at)
    except RecursionError:
        return None


def scheduled(bus: BusName, rule_arn: str, at: float) -> Event:
    """What a rule's schedule gives at that time."""
    head = {
        "version": "0",
        "id": request_id(),
        "detail-type": "Scheduled Event",
        "source": "aws.events",
        "account": bus.account,
        "time": seconds(at),
        "region": bus.region,
        "resources": [rule_arn],
    }
    return _event(head, {}, "{}", float(int(at)))


def replayed(payload: bytes, replay: str) -> Event:
    """An archived event as a replay of that name gives it: with its name, and otherwise as it was.

    Raises RecursionError for one that was not written here and is nested too deeply to be written anew.
    """
    document = _read(payload)
    head = {name: value for name, value in document.items() if name not in ("resources", "detail")}
    named = {**head, "replay-name": replay, "resources": document["resources"], "detail": document["detail"]}
    start = payload.find(b',"resources":')
    if start > 0 and _object(payload[:start] + b"}") == head:  # as we write them: all of the head comes first
        written = payload[:start] + b',"replay-name":' + orjson.dumps(replay) + payload[start:]
    else:
        written = dumps(named)
    return Event(str(document["id"]), named, written, _moment(document["time"]) or 0.0)


def abroad(event: Event) -> Event:
    """An event as a bus of another region has it: with an id of its own.

    Raises RecursionError for one that was not written here and is nested too deeply to be written anew.
    """
    new = request_id()
    document = {**event.document, "id": new}
    head = _HEAD % orjson.dumps(event.id)
    known = event.payload.startswith(head)
    written = _HEAD % orjson.dumps(new) + event.payload[len(head) :] if known else dumps(document)
    return Event(new, document, written, event.at)


def event_to_test(text: str) -> Mapping[str, Any]:
    """The event given to TestEventPattern. Raises AwsError ValidationException unless its envelope is complete."""
    document = _object(text)
    if (
        document is None
        or not all(isinstance(document.get(name), str) for name in _ENVELOPE_STRINGS)
        or not isinstance(document.get("resources"), list)
    ):
        raise errors.validation("Parameter Event is not valid.")
    return document


def seconds(at: float) -> str:
    """`2025-11-24T23:11:08Z`."""
    return datetime.fromtimestamp(int(at), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def dumps(value: Any) -> bytes:
    """Compact JSON, also of integers that are longer than 64 bits."""
    try:
        return orjson.dumps(value)
    except orjson.JSONEncodeError:
        return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def _event(head: dict[str, Any], detail: Mapping[str, Any], text: str, at: float) -> Event:
    payload = orjson.dumps(head)[:-1] + b',"detail":' + _compact(text).encode() + b"}"
    return Event(head["id"], {**head, "detail": detail}, payload, at)


def _compact(text: str) -> str:
    """JSON without the spaces between its parts."""
    if " " not in text and "\n" not in text and "\t" not in text and "\r" not in text:
        return text
    return _SPACES.sub(lambda match: match[1] or "", text)


def _object(text: str | bytes) -> dict[str, Any] | None:
    try:
        document = _read(text)
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


def _read(text: str | bytes) -> Any:
    """Quickly, or without rounding where there are numbers long enough to be rounded."""
    document = orjson.loads(text)
    long = _LONG.search(text) if isinstance(text, str) else _LONG_BYTES.search(text)
    return document if long is None else parse_event(text)


def _moment(text: Any) -> float | None:
    try:
        moment = datetime.fromisoformat(text)
        return float(int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()))
    except (TypeError, ValueError, OverflowError):
        return None
