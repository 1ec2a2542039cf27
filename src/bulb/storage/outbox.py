"""The outbox: what a change wants delivered, written in the change's own transaction.

Either both are on disk or neither. A relay takes rows in order, hands them on and removes them in one transaction; the
channel `outbox` is signalled at each commit that added some, so it need not poll.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, bindparam, delete, func, select

from bulb.core.ids import request_id
from bulb.storage.schema.storage import storage_outbox
from bulb.storage.signals import notify

CHANNEL = "outbox"

_REMOVE = delete(storage_outbox).where(storage_outbox.c.id.in_(bindparam("entries", expanding=True)))


@dataclass(frozen=True, slots=True)
class Entry:
    """Something to deliver. `created_at` is Unix seconds. `delivery_id` names it for as long as it is tried: what it
    becomes at its destination (an invocation, a message) goes by that name. One that is read anew gets another.
    """

    id: int
    destination_arn: str
    payload: bytes
    attributes: Mapping[str, Any]
    created_at: float
    delivery_id: str = ""


def add(
    connection: Connection, destination_arn: str, payload: bytes, attributes: Mapping[str, Any], now: float
) -> None:
    """Have `payload` delivered to `destination_arn` if this transaction commits. `attributes` are JSON values."""
    connection.execute(storage_outbox.insert(), _values(destination_arn, payload, attributes, now))
    notify(connection, CHANNEL)


def add_all(connection: Connection, entries: Sequence[tuple[str, bytes, Mapping[str, Any]]], now: float) -> None:
    """Add many, in order: each a destination's ARN, a payload and attributes. One statement."""
    if entries:
        rows = [_values(arn, payload, attributes, now) for arn, payload, attributes in entries]
        connection.execute(storage_outbox.insert(), rows)
        notify(connection, CHANNEL)


def pending(connection: Connection, limit: int) -> list[Entry]:
    """The oldest `limit` entries, oldest first."""
    rows = connection.execute(select(storage_outbox).order_by(storage_outbox.c.id).limit(limit))
    return [Entry(r.id, r.destination_arn, bytes(r.payload), r.attributes, r.created_at, request_id()) for r in rows]


def remove(connection: Connection, ids: Sequence[int]) -> None:
    """Forget entries that were handed on."""
    if ids:
        connection.execute(_REMOVE, {"entries": list(ids)})


def postpone(connection: Connection, destination_arn: str) -> None:
    """Put all entries for a destination behind those for others; they stay in order among themselves."""
    own = storage_outbox.c.destination_arn == destination_arn
    columns = [column for column in storage_outbox.c if column is not storage_outbox.c.id]
    last = connection.execute(select(func.max(storage_outbox.c.id)).where(own)).scalar()
    if last is not None:
        again = select(*columns).where(own).order_by(storage_outbox.c.id)
        connection.execute(storage_outbox.insert().from_select([column.name for column in columns], again))
        connection.execute(delete(storage_outbox).where(own, storage_outbox.c.id <= last))


def _values(destination_arn: str, payload: bytes, attributes: Mapping[str, Any], created_at: float) -> dict[str, Any]:
    return {
        "destination_arn": destination_arn,
        "payload": payload,
        "attributes": dict(attributes),
        "created_at": created_at,
    }
