"""A message changes its queue: to a dead-letter queue by being received too often, and back by a redrive."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, bindparam, update

from bulb.core.ids import request_id
from bulb.services.sqs.model import Queue, Sent, StoredMessage
from bulb.services.sqs.store import groups, twins
from bulb.services.sqs.store.numbers import Numbers
from bulb.services.sqs.store.rows import m, remove
from bulb.storage import signals
from bulb.storage.schema.sqs import messages

_MOVE = (
    update(messages)
    .where(m.id == bindparam("message"))
    .values(
        id=bindparam("number"),
        queue_id=bindparam("to"),
        visible_at=bindparam("at"),
        sent_at=bindparam("sent"),
        claim=0,
        claimed_at=None,
        source_arn=bindparam("source"),
        deduplication_id=bindparam("deduplication"),
        receive_count=m.receive_count - bindparam("times"),
        received_elsewhere=m.receive_count - bindparam("times"),
    )
)


def bury(
    connection: Connection,
    numbers: Numbers,
    found: Sequence[StoredMessage],
    source: Queue,
    target: Queue,
    now: float,
    times: int,
) -> None:
    """Move messages that were received too often, and by `times` fewer than is written.

    Their age goes on, but in a FIFO queue, where it begins anew, and where a message's id is its deduplication id: what
    is sent there under it is its twin.

    The moved are the last in their groups there, whatever their age, and visible at once.
    """
    moved: list[dict[str, Any]] = [
        {
            "message": message.id,
            "number": numbers.next(),
            "to": target.id,
            # Those of old stay the first to be received, and the first in the sweep's way.
            "at": now if target.is_fifo else message.sent_at,
            "sent": now if target.is_fifo else message.sent_at,
            "source": source.arn,
            "deduplication": message.message_id if target.is_fifo else None,
            "times": times,
        }
        for message in found
    ]
    connection.execute(_MOVE, moved)
    if target.is_fifo:
        groups.joined(connection, target.id, {message.lane: now for message in found if message.lane is not None})
        came = {
            twins.place(target, message.lane, message.message_id): Sent(message.message_id, row["number"])
            for message, row in zip(found, moved, strict=True)
        }
        known = twins.find(connection, target, came.keys(), now)
        twins.remember(connection, target, {place: came[place] for place in came.keys() - known.keys()}, now)
    signals.notify(connection, target.channel)


_RETURN = (
    update(messages)
    .where(m.id == bindparam("message"))
    .values(
        id=bindparam("number"),
        queue_id=bindparam("to"),
        message_id=bindparam("name"),
        visible_at=bindparam("at"),
        sent_at=bindparam("now"),
        claim=0,
        claimed_at=None,
        receive_count=0,
        received_elsewhere=0,
        first_received_at=None,
        source_arn=None,
        deduplication_id=bindparam("deduplication"),
    )
)


def give_back(
    connection: Connection, numbers: Numbers, found: Sequence[tuple[StoredMessage, Queue]], source: Queue, now: float
) -> int:
    """Move messages of a dead-letter queue to other queues, where they are new messages under new names; how many.

    In a FIFO queue the old name is the deduplication id. What is a twin there of something that came before goes.
    """
    taken = _without_twins(connection, found, now) if source.is_fifo else found
    moved: list[dict[str, Any]] = [
        {
            "message": message.id,
            "number": numbers.next(),
            "to": target.id,
            "name": request_id(),
            "at": now + target.delay_s,
            "now": now,
            "deduplication": message.message_id if target.is_fifo else None,
        }
        for message, target in taken
    ]
    if moved:
        connection.execute(_RETURN, moved)
    if source.is_fifo:
        groups.review(connection, source.id, [one.lane for one, _ in found if one.lane is not None])
        for (message, target), row in zip(taken, moved, strict=True):
            assert message.lane is not None
            groups.joined(connection, target.id, {message.lane: now + target.delay_s})
            place = twins.place(target, message.lane, message.message_id)
            twins.remember(connection, target, {place: Sent(row["name"], row["number"])}, now)
        signals.notify(connection, source.channel)
    for channel in {target.channel for _, target in taken}:
        signals.notify(connection, channel)
    return len(moved)


def _without_twins(
    connection: Connection, found: Sequence[tuple[StoredMessage, Queue]], now: float
) -> list[tuple[StoredMessage, Queue]]:
    taken: list[tuple[StoredMessage, Queue]] = []
    for message, target in found:
        place = twins.place(target, message.lane, message.message_id)
        if twins.find(connection, target, [place], now):
            remove(connection, [message.id])
        else:
            taken.append((message, target))
    return taken
