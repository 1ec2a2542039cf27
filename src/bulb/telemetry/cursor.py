"""Walking through stored events in the order of their time.

The order is that of `Position`: timestamp, then the chunk an event came in, then its place there. A position never
changes, so it names an event (`event_id`) and a place to go on from. Chunks overlap in time: a heap holds the events of
those that are open, and a chunk is opened before anything that could come after its first event is given out.
"""

import heapq
from collections.abc import Iterator
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Row, select

from bulb.storage.schema.telemetry import log_chunks as chunks
from bulb.storage.schema.telemetry import log_streams as streams
from bulb.telemetry.chunks import SPAN_MS, unpacked

_CHUNKS_AT_ONCE = 32
_TIMESTAMP_DIGITS, _CHUNK_DIGITS, _PLACE_DIGITS = 20, 20, 16
LATEST_MS = 10**18


class Position(NamedTuple):
    """Where an event stands among all events."""

    timestamp_ms: int
    chunk_id: int
    place: int

    @property
    def event_id(self) -> str:
        """56 digits."""
        return (
            f"{self.timestamp_ms:0{_TIMESTAMP_DIGITS}d}{self.chunk_id:0{_CHUNK_DIGITS}d}{self.place:0{_PLACE_DIGITS}d}"
        )

    @property
    def after(self) -> "Position":
        """The place just behind this event."""
        return Position(self.timestamp_ms, self.chunk_id, self.place + 1)

    @classmethod
    def parse(cls, event_id: str) -> "Position | None":
        """The position an event id names, or None when it is none."""
        if len(event_id) != _TIMESTAMP_DIGITS + _CHUNK_DIGITS + _PLACE_DIGITS or not event_id.isascii():
            return None
        if not event_id.isdigit():
            return None
        chunk_at, place_at = _TIMESTAMP_DIGITS, _TIMESTAMP_DIGITS + _CHUNK_DIGITS
        timestamp, chunk = int(event_id[:chunk_at]), int(event_id[chunk_at:place_at])
        if timestamp > LATEST_MS or chunk > LATEST_MS:
            return None
        return cls(timestamp, chunk, int(event_id[place_at:]))


class StoredEvent(NamedTuple):
    """An event as it is read."""

    position: Position
    stream: str
    message: str
    ingested_ms: int

    @property
    def size(self) -> int:
        """Its share of a page, in bytes."""
        return len(self.message.encode("utf-8", "replace")) + 26


def forward(connection: Connection, which: ColumnElement[bool], start: Position, end_ms: int) -> Iterator[StoredEvent]:
    """Events at or behind `start` and before `end_ms`, earliest first. `which` chooses chunks (and their streams)."""
    heap: list[tuple[Position, StoredEvent]] = []
    for row in _chunks(connection, which, start.timestamp_ms, end_ms, backward=False):
        while heap and heap[0][0].timestamp_ms < row.first_ms:
            yield heapq.heappop(heap)[1]
        for event in _events(row):
            if event.position >= start and event.position.timestamp_ms < end_ms:
                heapq.heappush(heap, (event.position, event))
    while heap:
        yield heapq.heappop(heap)[1]


def backward(connection: Connection, which: ColumnElement[bool], start_ms: int, end: Position) -> Iterator[StoredEvent]:
    """Events before `end` and not before `start_ms`, latest first."""
    heap: list[tuple[tuple[int, int, int], StoredEvent]] = []
    for row in _chunks(connection, which, start_ms, end.timestamp_ms + 1, backward=True):
        while heap and -heap[0][0][0] > row.last_ms:
            yield heapq.heappop(heap)[1]
        for event in _events(row):
            if event.position < end and event.position.timestamp_ms >= start_ms:
                timestamp, chunk, place = event.position
                heapq.heappush(heap, ((-timestamp, -chunk, -place), event))
    while heap:
        yield heapq.heappop(heap)[1]


def _chunks(
    connection: Connection, which: ColumnElement[bool], start_ms: int, end_ms: int, *, backward: bool
) -> Iterator[Row[Any]]:
    """Chunks that may have events in the range, by their first (or, backward, their last) timestamp."""
    column = chunks.c.last_ms if backward else chunks.c.first_ms
    order = (column.desc(), chunks.c.id.desc()) if backward else (column, chunks.c.id)
    query = (
        select(chunks, streams.c.name.label("stream"))
        .join(streams, streams.c.id == chunks.c.stream_id)
        .where(which, chunks.c.last_ms >= start_ms, chunks.c.first_ms < end_ms)
        # A chunk spans a day at most. Said here so that the index on the first timestamp narrows both ends.
        .where(chunks.c.first_ms >= start_ms - SPAN_MS)
        .order_by(*order)
        .limit(_CHUNKS_AT_ONCE)
    )
    rest: ColumnElement[bool] | None = None
    while True:
        rows = connection.execute(query if rest is None else query.where(rest)).all()
        yield from rows
        if len(rows) < _CHUNKS_AT_ONCE:
            return
        last = rows[-1]
        value = last.last_ms if backward else last.first_ms
        same = column == value
        if backward:
            rest = (column < value) | (same & (chunks.c.id < last.id))
        else:
            rest = (column > value) | (same & (chunks.c.id > last.id))


def _events(row: Row[Any]) -> Iterator[StoredEvent]:
    for place, (timestamp, message) in enumerate(unpacked(row.body)):
        yield StoredEvent(Position(timestamp, row.id, place), row.stream, message, row.ingested_ms)
