"""Pages of events. Every function runs inside one of the database's transactions."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import ColumnElement, Connection, and_

from bulb.storage.schema.telemetry import log_chunks as chunks
from bulb.storage.schema.telemetry import log_streams as streams
from bulb.telemetry.cursor import LATEST_MS, Position, StoredEvent, backward, forward
from bulb.telemetry.listings import starts_with
from bulb.telemetry.model import Found, Page

PAGE_BYTES = 1_048_576
# How much one FilterLogEvents looks at before it answers what it has: a fraction of a second.
LOOKED_AT_BYTES = 16 * 1_048_576
_DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class Range:
    """Which events are wanted: not before `start_ms`, before `end_ms` (Unix milliseconds), at most `limit`."""

    start_ms: int
    end_ms: int
    limit: int

    def kept_for(self, retention_days: int | None, now_ms: int) -> "Range":
        """Without what retention has let go (and within what a database can compare)."""
        start, end = (min(max(value, 0), LATEST_MS) for value in (self.start_ms, self.end_ms))
        if retention_days is not None:
            start = max(start, now_ms - retention_days * _DAY_MS)
        return replace(self, start_ms=start, end_ms=end)


def of_group(group_id: int, names: Sequence[str] | None, prefix: str) -> ColumnElement[bool]:
    """The chunks of a group, or of some of its streams."""
    which = chunks.c.group_id == group_id
    if names is not None:
        return and_(which, streams.c.name.in_(list(names)))
    return and_(which, *starts_with(streams.c.name, prefix))


def page_behind(connection: Connection, stream_id: int, within: Range, behind: Position | None) -> Page:
    """The next events behind a place, or the first ones."""
    start = max(behind or Position(0, 0, 0), Position(within.start_ms, 0, 0))
    events = _filled(forward(connection, chunks.c.stream_id == stream_id, start, within.end_ms), within.limit)
    if not events:
        place = behind or start
        return Page([], place, place)
    return Page(events, events[0].position, events[-1].position.after)


def page_before(connection: Connection, stream_id: int, within: Range, before: Position | None) -> Page:
    """The next events before a place, or the last ones."""
    end = min(before or Position(within.end_ms, 0, 0), Position(within.end_ms, 0, 0))
    found = backward(connection, chunks.c.stream_id == stream_id, within.start_ms, end)
    events = _filled(found, within.limit)
    events.reverse()
    if not events:
        # With no place to start from, what comes later is behind the beginning, not behind the end of time.
        place = before or Position(within.start_ms, 0, 0)
        return Page([], place, place)
    return Page(events, events[0].position, events[-1].position.after)


def matching(
    connection: Connection,
    which: ColumnElement[bool],
    within: Range,
    start: Position | None,
    matches: Callable[[str], bool],
) -> Found:
    """The next events whose message matches."""
    found: list[StoredEvent] = []
    looked_at = size = 0
    first = max(start or Position(0, 0, 0), Position(within.start_ms, 0, 0))
    for event in forward(connection, which, first, within.end_ms):
        if len(found) >= within.limit or looked_at >= LOOKED_AT_BYTES or size >= PAGE_BYTES:
            return Found(found, event.position)
        looked_at += len(event.message)
        if matches(event.message):
            found.append(event)
            size += event.size
    return Found(found, None)


def _filled(events: Iterable[StoredEvent], limit: int) -> list[StoredEvent]:
    page: list[StoredEvent] = []
    size = 0
    for event in events:
        if len(page) >= limit or (page and size + event.size > PAGE_BYTES):
            break
        page.append(event)
        size += event.size
    return page
