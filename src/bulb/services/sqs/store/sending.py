"""Putting messages into queues.

A standard queue's message is one row: those that many callers send at once become one statement. A FIFO queue's is
compared with what was sent before it, so the writer runs a function for it; ids are taken there, so that they are in
the order of the commits.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

from sqlalchemy import Connection, bindparam

from bulb.services.sqs.model import NewMessage, Queue, Sent
from bulb.services.sqs.store import groups, twins
from bulb.services.sqs.store.numbers import Numbers
from bulb.services.sqs.store.rows import m, row_of
from bulb.storage import gathering, signals
from bulb.storage.database import Database
from bulb.storage.schema.sqs import messages

# Those that were never received, here or, before they were moved here, elsewhere.
_DELAY = (
    messages.update()
    .where(m.queue_id == bindparam("queue"), m.receive_count == 0)
    .values(visible_at=m.sent_at + bindparam("delay"))
)


class Sending:
    """Puts messages into queues."""

    def __init__(self, database: Database, numbers: Numbers) -> None:
        self._database = database
        self._numbers = numbers

    async def send(self, queue: Queue, new: NewMessage, now: float) -> Sent:
        """Put one message into `queue`; on disk when this returns."""
        if queue.is_fifo:
            return (await self._database.write(partial(self.put, queue=queue, new=[new], now=now)))[0]
        row = row_of(queue, new, self._numbers.next(), now)
        await self._database.insert(messages, row, channel=queue.channel)
        return Sent(new.message_id)

    async def send_all(self, queue: Queue, new: Sequence[NewMessage], now: float) -> list[Sent]:
        """Put messages into `queue`, in order."""
        return await self._database.write(partial(self.put, queue=queue, new=new, now=now))

    def put(self, connection: Connection, queue: Queue, new: Sequence[NewMessage], now: float) -> list[Sent]:
        """The same inside a transaction of somebody else's."""
        signals.notify(connection, queue.channel)
        if queue.is_fifo:
            return self._put_in_order(connection, queue, new, now)
        rows = [row_of(queue, message, self._numbers.next(), now) for message in new]
        gathering.insert(connection, messages, rows)
        return [Sent(message.message_id) for message in new]

    @staticmethod
    def delay_anew(connection: Connection, queue: Queue) -> None:
        """The delay of a FIFO queue was changed: it is that of the messages in it, too."""
        connection.execute(_DELAY, {"queue": queue.id, "delay": queue.delay_s})
        groups.rebuild(connection, queue.id)
        signals.notify(connection, queue.channel)

    def _put_in_order(self, connection: Connection, queue: Queue, new: Sequence[NewMessage], now: float) -> list[Sent]:
        """A few statements, however many messages: twins are looked for first, and among the new ones too."""
        places = [twins.place(queue, message.group, message.deduplication_id) for message in new]
        known = twins.find(connection, queue, set(places), now)
        rows: list[dict[str, Any]] = []
        came: dict[twins.Place, Sent] = {}
        for message, place in zip(new, places, strict=True):
            if place not in known:
                number = self._numbers.next()
                known[place] = came[place] = Sent(message.message_id, number)
                rows.append(row_of(queue, message, number, now))
        if rows:
            connection.execute(messages.insert(), rows)
            groups.joined(connection, queue.id, {row["lane"]: row["visible_at"] for row in rows})
            twins.remember(connection, queue, came, now)
        return [known[place] for place in places]
