"""What a subscription sends to a function: log events of one stream, as JSON in gzip in base64 in JSON. Pure.

A message must fit into an asynchronous event. It is made of as many events as surely do; only when their text is so
random that it does not, is it halved until it fits. One event that does not fit by itself is cut.
"""

import base64
import gzip
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from bulb.core.limits import ASYNC_REQUEST_BYTES

# So many bytes of messages go into one; gzip makes them a fraction of it, unless there is no pattern in them at all.
BATCH_BYTES = 1_048_576
_LEVEL = 3  # a third of the time of the usual one, for a tenth more bytes


@dataclass(frozen=True, slots=True)
class Source:
    """Where the events of a message come from, and the filter that chose them."""

    owner: str
    group: str
    stream: str
    filter: str


@dataclass(frozen=True, slots=True)
class LogEvent:
    """One event. `fields` are what a pattern of fields found in it."""

    id: str
    timestamp_ms: int
    message: str
    fields: Mapping[str, str] | None = None


def data(source: Source, events: Sequence[LogEvent], most_bytes: int = ASYNC_REQUEST_BYTES) -> Iterator[bytes]:
    """The messages that carry `events`, in their order."""
    for batch in _batches(events):
        yield from _fitting(source, batch, most_bytes)


def control(destination: str, now_ms: int) -> bytes:
    """The message that tries out a new subscription."""
    message = f"CWL CONTROL MESSAGE: Checking health of destination {destination}."
    return _message(
        {
            "messageType": "CONTROL_MESSAGE",
            "owner": "CloudwatchLogs",
            "logGroup": "",
            "logStream": "",
            "subscriptionFilters": [],
            "logEvents": [{"id": "", "timestamp": now_ms, "message": message}],
        }
    )


def _batches(events: Sequence[LogEvent]) -> Iterator[list[LogEvent]]:
    batch: list[LogEvent] = []
    size = 0
    for event in events:
        weight = len(event.message)
        if batch and size + weight > BATCH_BYTES:
            yield batch
            batch, size = [], 0
        batch.append(event)
        size += weight
    if batch:
        yield batch


def _fitting(source: Source, events: list[LogEvent], most_bytes: int) -> Iterator[bytes]:
    message = _message(
        {
            "messageType": "DATA_MESSAGE",
            "owner": source.owner,
            "logGroup": source.group,
            "logStream": source.stream,
            "subscriptionFilters": [source.filter],
            "logEvents": [_shown(event) for event in events],
        }
    )
    if len(message) <= most_bytes:
        yield message
    elif len(events) > 1:
        half = len(events) // 2
        yield from _fitting(source, events[:half], most_bytes)
        yield from _fitting(source, events[half:], most_bytes)
    else:
        [event] = events
        cut = event.message[: len(event.message) // 4 * 3]
        yield from _fitting(source, [LogEvent(event.id, event.timestamp_ms, cut)], most_bytes)


def _shown(event: LogEvent) -> dict[str, Any]:
    shown: dict[str, Any] = {"id": event.id, "timestamp": event.timestamp_ms, "message": event.message}
    if event.fields is not None:
        shown["extractedFields"] = dict(event.fields)
    return shown


def _message(document: Mapping[str, Any]) -> bytes:
    packed = base64.b64encode(gzip.compress(orjson.dumps(document), _LEVEL, mtime=0)).decode()
    return orjson.dumps({"awslogs": {"data": packed}})
