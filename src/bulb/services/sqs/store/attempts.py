"""Receive attempts: a receive from a FIFO queue that is tried again under its id gets the same messages, hidden anew.

That is over after five minutes, and as soon as one of the messages was deleted, received again, or hidden until another
time than the attempt itself has set.
"""

import json
from collections.abc import Sequence

from sqlalchemy import Connection, bindparam, select, update

from bulb.services.sqs.model import Queue, StoredMessage
from bulb.services.sqs.store import groups
from bulb.services.sqs.store.rows import SELECT, m, message_of
from bulb.storage.schema.sqs import attempts, messages

ATTEMPT_S = 300.0

_a = attempts.c
_HERE = (_a.queue_id == bindparam("queue"), _a.attempt_id == bindparam("attempt"))
_FIND = select(_a.received_at, _a.claim, _a.hidden_until, _a.message_ids).where(*_HERE)
_FORGET = attempts.delete().where(*_HERE)
_HIDE = attempts.update().where(*_HERE).values(hidden_until=bindparam("until"))


def again(
    connection: Connection, queue: Queue, attempt_id: str, visibility_s: float, now: float
) -> tuple[StoredMessage, ...] | None:
    """What the same attempt got before, hidden anew; None where it got nothing, or it is over."""
    place = {"queue": queue.id, "attempt": attempt_id}
    before = connection.execute(_FIND, place).first()
    if before is None:
        return None
    ids = json.loads(before.message_ids)
    query = SELECT.where(m.id.in_(ids), m.queue_id == queue.id, m.claim == before.claim, m.visible_at > now)
    found = [message_of(row) for row in connection.execute(query.order_by(m.id))]
    unchanged = len(found) == len(ids) and all(one.visible_at == before.hidden_until for one in found)
    if not unchanged or now - before.received_at >= ATTEMPT_S:
        connection.execute(_FORGET, place)
        return None
    until = now + visibility_s
    connection.execute(update(messages).where(m.id.in_(ids)).values(visible_at=until))
    groups.review(connection, queue.id, [one.lane for one in found if one.lane is not None])
    connection.execute(_HIDE, {**place, "until": until})
    return tuple(one._replace(visible_at=until) for one in found)


def remember(
    connection: Connection, queue: Queue, attempt_id: str, claimed: Sequence[StoredMessage], now: float
) -> None:
    """What an attempt got, all of it by one claim and hidden until one time."""
    connection.execute(_FORGET, {"queue": queue.id, "attempt": attempt_id})
    row = {
        "queue_id": queue.id,
        "attempt_id": attempt_id,
        "received_at": now,
        "claim": claimed[0].claim,
        "hidden_until": claimed[0].visible_at,
        "message_ids": json.dumps([message.id for message in claimed]),
    }
    connection.execute(attempts.insert(), row)
