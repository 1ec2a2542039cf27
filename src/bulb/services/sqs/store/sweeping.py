"""Removing what nobody will ask for again, some hundred rows a transaction, so that nobody waits for it."""

from functools import partial

from sqlalchemy import Connection, Table, delete, select

from bulb.services.sqs.model import Queue
from bulb.services.sqs.store import aging
from bulb.services.sqs.store.attempts import ATTEMPT_S
from bulb.services.sqs.store.batches import BATCH, repeat
from bulb.services.sqs.store.numbers import Numbers
from bulb.services.sqs.store.queues import QueueStore
from bulb.services.sqs.store.rows import m, remove
from bulb.services.sqs.store.twins import DEDUPLICATION_S
from bulb.storage.database import Database
from bulb.storage.schema.sqs import attempts, deduplications
from bulb.storage.schema.sqs import groups as groups_table


class Sweeping:
    """Removes what is too old, what was purged, and what is left of deleted queues."""

    def __init__(self, database: Database, queues: QueueStore, numbers: Numbers) -> None:
        self._database = database
        self._queues = queues
        self._numbers = numbers

    async def purge(self, queue: Queue) -> None:
        """Remove every message that is there now."""
        last = self._numbers.next()
        while await self._database.write(lambda connection: _remove_some(connection, queue, last)) == BATCH:
            pass

    async def sweep(self, now: float) -> int:
        """Remove what is due for it; how many messages went."""
        removed = 0
        for queue in self._queues.all():
            removed += await self.expire(queue, now)
        await repeat(
            self._database, lambda connection: _forget(connection, deduplications, "sent_at", now - DEDUPLICATION_S)
        )
        await repeat(self._database, lambda connection: _forget(connection, attempts, "received_at", now - ATTEMPT_S))
        for id_ in await self._queues.deleted():
            await repeat(self._database, partial(_remove_rest, queue_id=id_))
            await self._queues.erase(id_, now)
        return removed

    async def expire(self, queue: Queue, now: float) -> int:
        """Remove what is too old in one queue; how many messages went."""
        return await repeat(self._database, partial(aging.remove_old, queue=queue, now=now))


def _remove_some(connection: Connection, queue: Queue, last: int) -> int:
    query = select(m.id, m.lane).where(m.queue_id == queue.id, m.id <= last).limit(BATCH)
    return aging.remove_rows(connection, queue, connection.execute(query).all())


def _remove_rest(connection: Connection, queue_id: int) -> int:
    ids = list(connection.execute(select(m.id).where(m.queue_id == queue_id).limit(BATCH)).scalars())
    remove(connection, ids)
    if len(ids) < BATCH:
        for table in (groups_table, deduplications, attempts):
            connection.execute(delete(table).where(table.c.queue_id == queue_id))
    return len(ids)


def _forget(connection: Connection, table: Table, column: str, before: float) -> int:
    old = select(*table.primary_key.columns).where(table.c[column] <= before).limit(BATCH)
    rows = connection.execute(old).all()
    for row in rows:
        here = [key == value for key, value in zip(table.primary_key.columns, row, strict=True)]
        connection.execute(delete(table).where(*here))
    return len(rows)
