"""Subscription filters in the database. Every function runs inside one of its transactions."""

from sqlalchemy import Connection, Row, delete, insert, select

from bulb.core.errors import AwsError
from bulb.services.logs.model import SubscriptionFilter
from bulb.storage.schema.logs import subscription_filters as filters
from bulb.telemetry import rows
from bulb.telemetry.buffer import GroupName
from bulb.telemetry.model import no_such_group


def group_id(connection: Connection, name: GroupName) -> int:
    """The number of a group. Raises ResourceNotFoundException."""
    group = rows.find_group(connection, name)
    if group is None:
        raise no_such_group()
    return int(group.id)


def of_group(connection: Connection, group: int) -> list[SubscriptionFilter]:
    """The filters of one group, by name."""
    query = select(filters).where(filters.c.group_id == group).order_by(filters.c.name)
    return [_filter(row) for row in connection.execute(query)]


def of_all(connection: Connection) -> dict[int, tuple[SubscriptionFilter, ...]]:
    """The filters of every group that has some."""
    found: dict[int, tuple[SubscriptionFilter, ...]] = {}
    for row in connection.execute(select(filters).order_by(filters.c.group_id, filters.c.name)):
        found[row.group_id] = (*found.get(row.group_id, ()), _filter(row))
    return found


def put(connection: Connection, group: int, new: SubscriptionFilter) -> None:
    """Keep a filter, in place of the one of that name."""
    connection.execute(delete(filters).where(filters.c.group_id == group, filters.c.name == new.name))
    row = {
        "group_id": group,
        "name": new.name,
        "pattern": new.pattern,
        "destination_arn": new.destination_arn,
        "distribution": new.distribution,
        "created_ms": new.created_ms,
    }
    connection.execute(insert(filters), row)


def remove(connection: Connection, group: int, name: str) -> None:
    """Forget a filter. Raises ResourceNotFoundException."""
    gone = connection.execute(delete(filters).where(filters.c.group_id == group, filters.c.name == name))
    if not gone.rowcount:
        raise AwsError("ResourceNotFoundException", "The specified subscription filter does not exist.")


def _filter(row: Row[tuple[object, ...]]) -> SubscriptionFilter:
    return SubscriptionFilter(row.name, row.pattern, row.destination_arn, row.distribution, row.created_ms)
