"""Removing messages that are older than their queue keeps them, some hundred a transaction."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, bindparam, select

from bulb.services.sqs.model import Queue
from bulb.services.sqs.store import batches, groups
from bulb.services.sqs.store.rows import m, remove
from bulb.storage import signals

_OLD = (
    select(m.id, m.lane)
    .where(m.queue_id == bindparam("queue"), m.sent_at <= bindparam("oldest"))
    .order_by(m.sent_at)
    .limit(bindparam("limit"))
)


def remove_old(connection: Connection, queue: Queue, now: float) -> int:
    """Remove the oldest of those that are too old; how many. A whole batch: there may be more."""
    place = {"queue": queue.id, "oldest": now - queue.retention_s, "limit": batches.BATCH}
    return remove_rows(connection, queue, connection.execute(_OLD, place).all())


def remove_rows(connection: Connection, queue: Queue, rows: Sequence[Any]) -> int:
    """Remove messages, of which id and lane are given; how many."""
    remove(connection, [row[0] for row in rows])
    if queue.is_fifo and rows:
        groups.review(connection, queue.id, {row[1] for row in rows if row[1] is not None})
        signals.notify(connection, queue.channel)
    return len(rows)
