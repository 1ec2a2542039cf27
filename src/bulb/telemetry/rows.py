"""The log store's rows. Every function runs inside one of the database's transactions."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import BindParameter, Connection, Row, bindparam, case, delete, func, insert, select, update

from bulb.storage.schema.base import metadata
from bulb.storage.schema.telemetry import log_chunks as chunks
from bulb.storage.schema.telemetry import log_groups as groups
from bulb.storage.schema.telemetry import log_streams as streams
from bulb.telemetry.buffer import Event, GroupName, StreamName
from bulb.telemetry.chunks import Chunk, packed, unpacked
from bulb.telemetry.cursor import Position
from bulb.telemetry.followers import Followers, Written

_NAMES_AT_ONCE = 400  # SQLite takes 32,766 parameters, PostgreSQL 65,535; statements this long are cached well


def find_group(connection: Connection, name: GroupName) -> Row[Any] | None:
    """The group's row."""
    return connection.execute(select(groups).where(*_is_group(name))).one_or_none()


def find_stream(connection: Connection, group_id: int, stream: str) -> Row[Any] | None:
    """The stream's row."""
    query = select(streams).where(streams.c.group_id == group_id, streams.c.name == stream)
    return connection.execute(query).one_or_none()


def add_group(
    connection: Connection,
    name: GroupName,
    now_ms: int,
    *,
    log_class: str = "STANDARD",
    is_protected: bool = False,
    tags: Mapping[str, str] | None = None,
) -> int:
    """Make a group that is not there yet; its id."""
    row = {
        "account": name.account,
        "region": name.region,
        "name": name.group,
        "created_ms": now_ms,
        "log_class": log_class,
        "is_protected": is_protected,
        "tags": dict(tags or {}),
    }
    return int(connection.execute(insert(groups).returning(groups.c.id), row).scalar_one())


def add_stream(connection: Connection, group_id: int, stream: str, now_ms: int) -> int:
    """Make a stream that is not there yet; its id."""
    row = {"group_id": group_id, "name": stream, "created_ms": now_ms, "stored_bytes": 0}
    return int(connection.execute(insert(streams).returning(streams.c.id), row).scalar_one())


def delete_group(connection: Connection, group_id: int) -> None:
    """Delete a group with all that is in it, and what other rooms have attached to it."""
    for table in metadata.sorted_tables:
        if table.info.get("part_of") == "log group":
            connection.execute(delete(table).where(table.c.group_id == group_id))
    connection.execute(delete(chunks).where(chunks.c.group_id == group_id))
    connection.execute(delete(streams).where(streams.c.group_id == group_id))
    connection.execute(delete(groups).where(groups.c.id == group_id))


def delete_stream(connection: Connection, stream_id: int) -> None:
    """Delete a stream with all that is in it."""
    connection.execute(delete(chunks).where(chunks.c.stream_id == stream_id))
    connection.execute(delete(streams).where(streams.c.id == stream_id))


def append(
    connection: Connection,
    taken: Iterable[tuple[StreamName, Sequence[Event]]],
    now_ms: int,
    followers: Followers | None = None,
) -> None:
    """Append events to streams; groups and streams that are missing are made."""
    by_group: dict[GroupName, list[tuple[str, Sequence[Event]]]] = {}
    for name, events in taken:
        by_group.setdefault(GroupName(*name[:3]), []).append((name.stream, events))
    for group, parts in by_group.items():
        row = find_group(connection, group)
        group_id = row.id if row is not None else add_group(connection, group, now_ms)
        ids = _stream_ids(connection, group_id, {stream for stream, _ in parts}, now_ms)
        known = [(ids[stream], stream, events) for stream, events in parts]
        append_known(connection, group, group_id, known, now_ms, followers)


def append_known(
    connection: Connection,
    group: GroupName,
    group_id: int,
    parts: Sequence[tuple[int, str, Sequence[Event]]],
    now_ms: int,
    followers: Followers | None = None,
) -> None:
    """Append events to streams of one group, by their ids and names."""
    new = [(stream_id, stream, chunk) for stream_id, stream, events in parts for chunk in packed(events)]
    if not new:
        return
    rows = [
        {
            "group_id": group_id,
            "stream_id": stream_id,
            "first_ms": chunk.first_ms,
            "last_ms": chunk.last_ms,
            "ingested_ms": now_ms,
            "stored_bytes": chunk.stored_bytes,
            "body": chunk.body,
        }
        for stream_id, _, chunk in new
    ]
    if followers is not None and followers.follow(group_id):
        ids = connection.execute(_NUMBERED, rows).scalars().all()
        for chunk_id, (_, stream, chunk) in zip(ids, new, strict=True):
            followers.take(connection, Written(group, group_id, stream, _placed(chunk_id, chunk)), now_ms)
    else:
        connection.execute(insert(chunks), rows)
    connection.execute(_GROWN, [{f"new_{key}": row[key] for key in _GROWN_KEYS} for row in rows])


def _placed(chunk_id: int, chunk: Chunk) -> list[tuple[Position, str]]:
    return [
        (Position(timestamp, chunk_id, place), message)
        for place, (timestamp, message) in enumerate(unpacked(chunk.body))
    ]


def sweep(connection: Connection, now_ms: int) -> int:
    """Act on the groups' retention: delete what is older, and streams that only had older events. Number of chunks."""
    gone = 0
    kept = select(groups.c.id, groups.c.retention_days).where(groups.c.retention_days.is_not(None))
    for group_id, days in connection.execute(kept).all():
        oldest = now_ms - days * 86_400_000
        old = (chunks.c.group_id == group_id) & (chunks.c.first_ms < oldest) & (chunks.c.last_ms < oldest)
        freed = connection.execute(
            select(chunks.c.stream_id, func.sum(chunks.c.stored_bytes)).where(old).group_by(chunks.c.stream_id)
        ).all()
        gone += connection.execute(delete(chunks).where(old)).rowcount
        for stream_id, size in freed:
            less = streams.c.stored_bytes - int(size)
            connection.execute(update(streams).where(streams.c.id == stream_id).values(stored_bytes=less))
        used = func.coalesce(streams.c.ingested_ms, streams.c.created_ms)
        empty = ~select(chunks.c.id).where(chunks.c.stream_id == streams.c.id).exists()
        connection.execute(delete(streams).where(streams.c.group_id == group_id, used < oldest, empty))
    return gone


def _is_group(name: GroupName) -> tuple[Any, ...]:
    return groups.c.account == name.account, groups.c.region == name.region, groups.c.name == name.group


def _stream_ids(connection: Connection, group_id: int, names: set[str], now_ms: int) -> dict[str, int]:
    ids: dict[str, int] = {}
    ordered = sorted(names)
    for start in range(0, len(ordered), _NAMES_AT_ONCE):
        wanted = ordered[start : start + _NAMES_AT_ONCE]
        query = select(streams.c.name, streams.c.id).where(streams.c.group_id == group_id, streams.c.name.in_(wanted))
        ids.update((name, stream_id) for name, stream_id in connection.execute(query))
    for name in ordered:
        if name not in ids:
            ids[name] = add_stream(connection, group_id, name, now_ms)
    return ids


_NUMBERED = insert(chunks).returning(chunks.c.id, sort_by_parameter_order=True)
_GROWN_KEYS = ("stream_id", "first_ms", "last_ms", "ingested_ms", "stored_bytes")
_FIRST: BindParameter[int] = bindparam("new_first_ms")
_LAST: BindParameter[int] = bindparam("new_last_ms")
_GROWN = (
    update(streams)
    .where(streams.c.id == bindparam("new_stream_id"))
    .values(
        first_ms=case((streams.c.first_ms < _FIRST, streams.c.first_ms), else_=_FIRST),
        last_ms=case((streams.c.last_ms > _LAST, streams.c.last_ms), else_=_LAST),
        ingested_ms=bindparam("new_ingested_ms"),
        stored_bytes=streams.c.stored_bytes + bindparam("new_stored_bytes"),
    )
)
