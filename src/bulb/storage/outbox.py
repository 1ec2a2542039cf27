"""The outbox: what a change wants delivered, written in the change's own transaction.

Either both are on disk or neither. A relay takes rows in order, hands them on and removes them in one transaction; the
channel `outbox` is signalled at each commit that added some, so it need not poll.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, bindparam, delete, select

from bulb.storage.schema.storage import storage_outbox
from bulb.storage.signals import notify

CHANNEL = "outbox"

_REMOVE = delete(storage_outbox).where(storage_outbox.c.id == bindparam("entry"))


@dataclass(frozen=True, slots=True)
class Entry:
    """Something to deliver. `created_at` is Unix seconds."""

    id: int
    destination_arn: str
    payload: bytes
    attributes: Mapping[str, Any]
    created_at: float


def add(
    connection: Connection, destination_arn: str, payload: bytes, attributes: Mapping[str, Any], now: float
) -> None:
    """Have `payload` delivered to `destination_arn` if this transaction commits. `attributes` are JSON values."""
    _insert(connection, destination_arn, payload, attributes, now)
    notify(connection, CHANNEL)


def pending(connection: Connection, limit: int) -> list[Entry]:
    """The oldest `limit` entries, oldest first."""
    rows = connection.execute(select(storage_outbox).order_by(storage_outbox.c.id).limit(limit))
    return [Entry(r.id, r.destination_arn, bytes(r.payload), r.attributes, r.created_at) for r in rows]


def remove(connection: Connection, ids: Sequence[int]) -> None:
    """Forget entries that were handed on."""
    if ids:
        connection.execute(_REMOVE, [{"entry": id_} for id_ in ids])


def postpone(connection: Connection, entry: Entry) -> None:
    """Put an entry behind all others."""
    remove(connection, [entry.id])
    _insert(connection, entry.destination_arn, entry.payload, entry.attributes, entry.created_at)


def _insert(
    connection: Connection, destination_arn: str, payload: bytes, attributes: Mapping[str, Any], created_at: float
) -> None:
    values = {
        "destination_arn": destination_arn,
        "payload": payload,
        "attributes": dict(attributes),
        "created_at": created_at,
    }
    connection.execute(storage_outbox.insert(), values)
