"""Lists of groups and streams. Every function runs inside one of the database's transactions."""

from typing import Any, Literal

from sqlalchemy import ColumnElement, Connection, Row, func, select

from bulb.storage.schema.telemetry import log_groups, log_streams
from bulb.telemetry import rows
from bulb.telemetry.buffer import GroupName
from bulb.telemetry.model import Group, Stream, no_such_group

StreamOrder = Literal["LogStreamName", "LastEventTime"]

_stored = (
    select(func.coalesce(func.sum(log_streams.c.stored_bytes), 0))
    .where(log_streams.c.group_id == log_groups.c.id)
    .scalar_subquery()
)


def group(connection: Connection, name: GroupName) -> Group:
    """One group. Raises AwsError ResourceNotFoundException."""
    query = select(log_groups, _stored.label("stored_bytes")).where(
        log_groups.c.account == name.account, log_groups.c.region == name.region, log_groups.c.name == name.group
    )
    row = connection.execute(query).one_or_none()
    if row is None:
        raise no_such_group()
    return _group(row)


def groups(
    connection: Connection,
    account: str,
    region: str,
    *,
    prefix: str,
    pattern: str,
    log_class: str | None,
    after: str,
    limit: int,
) -> list[Group]:
    """Groups of an account and region behind `after`, by name."""
    query = (
        select(log_groups, _stored.label("stored_bytes"))
        .where(log_groups.c.account == account, log_groups.c.region == region, log_groups.c.name > after)
        .where(*starts_with(log_groups.c.name, prefix))
        .order_by(log_groups.c.name)
        .limit(limit)
    )
    if pattern:
        # Not LIKE: SQLite's takes an upper-case letter for a lower-case one.
        query = query.where(func.replace(log_groups.c.name, pattern, "") != log_groups.c.name)
    if log_class is not None:
        query = query.where(log_groups.c.log_class == log_class)
    return [_group(row) for row in connection.execute(query)]


def streams(
    connection: Connection,
    name: GroupName,
    *,
    prefix: str,
    order: StreamOrder,
    descending: bool,
    offset: int,
    limit: int,
) -> list[Stream]:
    """Streams of a group. Raises AwsError ResourceNotFoundException."""
    group_row = rows.find_group(connection, name)
    if group_row is None:
        raise no_such_group()
    column: ColumnElement[Any] = log_streams.c.name
    if order == "LastEventTime":
        column = func.coalesce(log_streams.c.last_ms, 0)
    query = (
        select(log_streams)
        .where(log_streams.c.group_id == group_row.id, *starts_with(log_streams.c.name, prefix))
        .order_by(column.desc() if descending else column, log_streams.c.name)
        .offset(offset)
        .limit(limit)
    )
    return [
        Stream(row.name, row.created_ms, row.first_ms, row.last_ms, row.ingested_ms, row.stored_bytes)
        for row in connection.execute(query)
    ]


def starts_with(column: ColumnElement[str], prefix: str) -> tuple[ColumnElement[bool], ...]:
    """Conditions for a name (in the characters log names have) to begin with `prefix`, by a range an index can use."""
    return (column >= prefix, column < prefix + "\U0010ffff") if prefix else ()


def _group(row: Row[Any]) -> Group:
    return Group(
        account=row.account,
        region=row.region,
        name=row.name,
        created_ms=row.created_ms,
        retention_days=row.retention_days,
        log_class=row.log_class,
        is_protected=row.is_protected,
        tags=row.tags,
        stored_bytes=int(row.stored_bytes),
    )
