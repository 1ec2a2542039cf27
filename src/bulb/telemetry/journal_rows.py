"""The journal's table. Every function runs inside one of the database's transactions."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, delete, func, or_, select

from bulb.storage.schema.journal import journal_events as events
from bulb.telemetry.happenings import ORIGIN, Row

# What a later row of an event changes whatever an earlier one said.
_STANDING = ("sequence", "changed_at", "status", "attempts", "code", "message", "duration_ms", "next_at", "told")
# Rows deleted in one transaction: others wait for it.
SWEPT = 2_000


@dataclass(frozen=True, slots=True)
class Query:
    """Which events: those that came since a time (Unix seconds), or that changed after a cursor.

    Of those since a time it is the last `limit`, in the order in which they came; of those after a cursor the first
    `limit`, in the order in which they changed. `source` and `target` are part of a label or an ARN.
    """

    since: float = 0.0
    after: int | None = None
    limit: int = 1_000
    source: str | None = None
    target: str | None = None
    statuses: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Found:
    """Events as rows; where to go on; whether there were more than the limit."""

    events: Sequence[Row]
    cursor: int
    more: bool


def write(connection: Connection, rows: Sequence[Row]) -> None:
    """Write rows, in order; an event that is there already keeps where it came from and when."""
    top = _top(connection)
    numbered = [{**row, "sequence": sequence} for sequence, row in enumerate(rows, top + 1)]
    fresh = _insert(connection)
    changed = {name: fresh.excluded[name] for name in _STANDING}
    changed |= {name: func.coalesce(events.c[name], fresh.excluded[name]) for name in ORIGIN}
    connection.execute(fresh.on_conflict_do_update(index_elements=["id"], set_=changed), numbered)


def find(connection: Connection, query: Query) -> Found:
    """What `query` asks for."""
    # First, and then nothing above it: a row that is written meanwhile is told of the next time.
    top = _top(connection)
    statement = select(events).where(events.c.sequence <= top, *_wanted(query)).limit(query.limit + 1)
    if query.after is None:
        return _latest(connection, statement.where(events.c.at >= query.since), query.limit, top)
    statement = statement.where(events.c.sequence > query.after).order_by(events.c.sequence)
    found = [_plain(row) for row in connection.execute(statement).mappings()]
    more = len(found) > query.limit
    found = found[: query.limit]
    return Found(found, found[-1]["sequence"] if more else top, more)


def sweep(connection: Connection, before: float, most: int) -> int:
    """Delete some of the events that have not changed since `before`, or are more than `most`. How many."""
    beyond = connection.execute(
        select(events.c.sequence).order_by(events.c.sequence.desc()).offset(most).limit(1)
    ).scalar()
    oldest = connection.execute(
        select(events.c.id, events.c.sequence, events.c.changed_at).order_by(events.c.sequence).limit(SWEPT)
    )
    gone = [row.id for row in oldest if row.changed_at < before or (beyond is not None and row.sequence <= beyond)]
    if gone:
        connection.execute(delete(events).where(events.c.id.in_(gone)))
    return len(gone)


def _latest(connection: Connection, statement: Select[Any], limit: int, top: int) -> Found:
    latest = statement.order_by(events.c.at.desc(), events.c.sequence.desc())
    found = [_plain(row) for row in connection.execute(latest).mappings()]
    return Found(found[limit - 1 :: -1] if limit else [], top, len(found) > limit)


def _wanted(query: Query) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    for text, names in (
        (query.source, ("source", "source_label")),
        (query.target, ("target", "target_label")),
    ):
        if text:
            conditions.append(or_(*(events.c[name].icontains(text, autoescape=True) for name in names)))
    if query.statuses:
        conditions.append(events.c.status.in_(query.statuses))
    return conditions


def _plain(row: Any) -> Row:
    return dict(row)


def _top(connection: Connection) -> int:
    return connection.execute(select(func.max(events.c.sequence))).scalar() or 0


def _insert(connection: Connection) -> Any:
    """Insert, or change what is there: the engines spell it alike and SQLAlchemy does not."""
    # Not on top: the start of a server should not wait for the dialect of an engine it does not use.
    if connection.dialect.name == "postgresql":
        from sqlalchemy.dialects import postgresql  # noqa: PLC0415

        return postgresql.insert(events)
    from sqlalchemy.dialects import sqlite  # noqa: PLC0415

    return sqlite.insert(events)
