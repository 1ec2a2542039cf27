"""Events to and from the bytes of a chunk. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import orjson

from bulb.telemetry.buffer import EVENT_OVERHEAD_BYTES, Event

CHUNK_BYTES = 1_048_576
SPAN_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class Chunk:
    """Events of one stream, packed; `first_ms` and `last_ms` are the extremes of their timestamps."""

    first_ms: int
    last_ms: int
    stored_bytes: int
    body: bytes


def packed(events: Sequence[Event]) -> list[Chunk]:
    """`events` in their order, in chunks of about a megabyte that span a day at most."""
    return [_pack(part) for part in _parts(events)]


def unpacked(body: bytes) -> list[Event]:
    """The events of a chunk."""
    return [(timestamp, message) for timestamp, message in orjson.loads(body)]


def _parts(events: Sequence[Event]) -> Iterator[list[Event]]:
    part: list[Event] = []
    size = first = last = 0
    for event in events:
        timestamp, weight = event[0], len(event[1])
        if part and (size + weight > CHUNK_BYTES or max(last, timestamp) - min(first, timestamp) > SPAN_MS):
            yield part
            part, size = [], 0
        if not part:
            first = last = timestamp
        part.append(event)
        size += weight
        first, last = min(first, timestamp), max(last, timestamp)
    if part:
        yield part


def _pack(events: list[Event]) -> Chunk:
    timestamps = [timestamp for timestamp, _ in events]
    try:
        body = orjson.dumps(events)
    except TypeError:  # lone surrogates, which JSON requests can carry and UTF-8 cannot
        events = [(timestamp, message.encode("utf-8", "replace").decode()) for timestamp, message in events]
        body = orjson.dumps(events)
    size = sum(len(message.encode()) for _, message in events) + EVENT_OVERHEAD_BYTES * len(events)
    return Chunk(min(timestamps), max(timestamps), size, body)
