"""Looking at a queue without receiving: nothing here changes anything."""

from collections.abc import Sequence

from sqlalchemy import Connection, bindparam, func, select

from bulb.services.sqs.model import Counts, Queue, StoredMessage
from bulb.services.sqs.store.receiving import next_at
from bulb.services.sqs.store.rows import SELECT, m, message_of
from bulb.storage.database import Database

_OF_QUEUE = m.queue_id == bindparam("queue")
_ALL = select(func.count(), func.min(m.sent_at)).where(_OF_QUEUE)
_OLD = select(func.count()).where(_OF_QUEUE, m.sent_at <= bindparam("oldest"))
_HIDDEN = select(func.count(), func.count().filter(m.claim != 0)).where(
    _OF_QUEUE, m.visible_at > bindparam("now"), m.sent_at > bindparam("oldest")
)
_PEEK = SELECT.where(_OF_QUEUE, m.sent_at > bindparam("oldest")).order_by(m.sent_at, m.id).limit(bindparam("limit"))


class Looking:
    """Reads queues."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def counts(self, queue: Queue, now: float) -> Counts:
        """How many messages there are of each kind; those that are too old are not counted."""

        def read(connection: Connection) -> Counts:
            place = {"queue": queue.id, "now": now, "oldest": now - queue.retention_s}
            (every, first) = connection.execute(_ALL, place).one()
            old = connection.execute(_OLD, place).scalar_one() if first is not None and first <= place["oldest"] else 0
            hidden, in_flight = connection.execute(_HIDDEN, place).one()
            return Counts(every - old - hidden, in_flight, hidden - in_flight)

        return await self._database.read(read)

    async def peek(self, queue: Queue, limit: int, now: float) -> Sequence[StoredMessage]:
        """The oldest `limit` messages, in flight and delayed ones too; they stay as they are."""

        def read(connection: Connection) -> list[StoredMessage]:
            place = {"queue": queue.id, "limit": limit, "oldest": now - queue.retention_s}
            return [message_of(row) for row in connection.execute(_PEEK, place)]

        return await self._database.read(read)

    async def next_at(self, queue: Queue) -> float | None:
        """When the next message may be received (may be past); None when there is none."""
        return await self._database.read(lambda connection: next_at(connection, queue))
