"""Putting messages into queues.

A standard queue's message is one row: those that many callers send at once become one statement. A FIFO queue's is
compared with what was sent before it, so the writer runs a function for it; ids are taken there, so that they are in
the order of the commits.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

from sqlalchemy import Connection, bindparam, select

from bulb.services.sqs.model import NewMessage, Queue, Sent
from bulb.services.sqs.store import groups
from bulb.services.sqs.store.numbers import Numbers
from bulb.services.sqs.store.rows import m, row_of
from bulb.storage import gathering, signals
from bulb.storage.database import Database
from bulb.storage.schema.sqs import deduplications, messages

DEDUPLICATION_S = 300.0

_d = deduplications.c
_TWINS = select(_d.scope, _d.deduplication_id, _d.sent_at, _d.message_id, _d.number).where(
    _d.queue_id == bindparam("queue"), _d.deduplication_id.in_(bindparam("ids", expanding=True))
)
_FORGET = deduplications.delete().where(
    _d.queue_id == bindparam("queue"), _d.scope == bindparam("scope"), _d.deduplication_id == bindparam("id")
)
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
        twins = _twins(connection, queue, new, now)
        rows: list[dict[str, Any]] = []
        seen: list[dict[str, Any]] = []
        sent: list[Sent] = []
        for message in new:
            place = _place(queue, message)
            twin = twins.get(place)
            if twin is None:
                number = self._numbers.next()
                twin = twins[place] = Sent(message.message_id, number)
                rows.append(row_of(queue, message, number, now))
                remembered = {"queue_id": queue.id, "sent_at": now, "message_id": message.message_id, "number": number}
                seen.append({"scope": place[0], "deduplication_id": place[1], **remembered})
            sent.append(twin)
        if rows:
            connection.execute(messages.insert(), rows)
            groups.joined(connection, queue.id, {row["lane"]: row["visible_at"] for row in rows})
            connection.execute(deduplications.insert(), seen)
        return sent


def _place(queue: Queue, message: NewMessage) -> tuple[str, str]:
    """What a message of a FIFO queue is compared by: its scope and its id."""
    assert message.group is not None
    assert message.deduplication_id is not None
    return (message.group if queue.dedups_by_group else "", message.deduplication_id)


def _twins(connection: Connection, queue: Queue, new: Sequence[NewMessage], now: float) -> dict[tuple[str, str], Sent]:
    """What was sent in the last five minutes and counts as the same as a new message. Older ones are forgotten."""
    ids = sorted({message.deduplication_id for message in new if message.deduplication_id is not None})
    places = {_place(queue, message) for message in new}
    twins: dict[tuple[str, str], Sent] = {}
    for row in connection.execute(_TWINS, {"queue": queue.id, "ids": ids}):
        place = (row.scope, row.deduplication_id)
        if place not in places:
            continue
        if now - row.sent_at < DEDUPLICATION_S:
            twins[place] = Sent(row.message_id, row.number)
        else:
            connection.execute(_FORGET, {"queue": queue.id, "scope": place[0], "id": place[1]})
    return twins
