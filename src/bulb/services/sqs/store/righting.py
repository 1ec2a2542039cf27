"""Setting right what a clock that was ahead has written, now that it shows an earlier time.

A message that was sent or received in the future was so by a wrong clock. It is taken to have been just now, and what
follows from it (a delay, a visibility timeout, its age, a twin's five minutes, a redrive's hours) counts from there.

Sending and receiving never ask for this: the sweep does, by index, and finds what was sent ahead or is hidden for
longer than anything may be. What was received by a clock that was less than twelve hours ahead is hidden for a time
that may be true; to find it every hidden message is looked at: `everything`, for when the clock may have been set back.
"""

from functools import partial
from typing import Any

from sqlalchemy import Connection, Select, bindparam, delete, exists, or_, select, update

from bulb.core.clock import TRIMMED_S
from bulb.services.sqs.model import Queue
from bulb.services.sqs.store import groups
from bulb.services.sqs.store.attempts import ATTEMPT_S
from bulb.services.sqs.store.batches import BATCH, repeat
from bulb.services.sqs.store.queues import QueueStore
from bulb.services.sqs.store.rows import m
from bulb.services.sqs.store.settling import MOST_HIDDEN_S
from bulb.services.sqs.store.tasks import RUNNING
from bulb.storage import signals
from bulb.storage.database import Database
from bulb.storage.schema.sqs import attempts, deduplications, messages, move_tasks, queues

# No message is hidden for longer, by a true clock: from its receive, which an attempt may repeat.
_LONGEST_S = MOST_HIDDEN_S + ATTEMPT_S + TRIMMED_S

_Times = dict[str, float]

_COLUMNS = (m.id, m.lane, m.visible_at, m.sent_at, m.claim, m.claimed_at, m.first_received_at)
_IS_SENT_AHEAD = m.sent_at > bindparam("soon")
_IS_HIDDEN_AHEAD = (m.visible_at > bindparam("hidden_from")) & or_(
    m.claimed_at > bindparam("soon"), m.visible_at > bindparam("latest")
)
_QUEUES = select(queues.c.id).where(
    queues.c.deleted_at == 0,
    or_(*(exists().where(m.queue_id == queues.c.id, ahead) for ahead in (_IS_SENT_AHEAD, _IS_HIDDEN_AHEAD))),
)
_SENT_AHEAD, _HIDDEN_AHEAD = (
    select(*_COLUMNS).where(m.queue_id == bindparam("queue"), ahead).limit(BATCH)
    for ahead in (_IS_SENT_AHEAD, _IS_HIDDEN_AHEAD)
)
_SET_RIGHT = (
    update(messages)
    .where(m.id == bindparam("message"))
    .values(
        visible_at=bindparam("visible"),
        sent_at=bindparam("sent"),
        claimed_at=bindparam("claimed"),
        first_received_at=bindparam("first"),
    )
)

_d, _a, _t = deduplications.c, attempts.c, move_tasks.c
_TWINS = select(_d.queue_id, _d.deduplication_id, _d.scope).where(_d.sent_at > bindparam("soon")).limit(BATCH)
_TWIN = (_d.queue_id == bindparam("queue"), _d.deduplication_id == bindparam("id"), _d.scope == bindparam("group"))
_SET_TWIN = update(deduplications).where(*_TWIN).values(sent_at=bindparam("now"))
_ATTEMPTS = select(_a.queue_id, _a.attempt_id).where(_a.received_at > bindparam("soon")).limit(BATCH)
_FORGET_ATTEMPT = delete(attempts).where(_a.queue_id == bindparam("queue"), _a.attempt_id == bindparam("id"))
_TASKS = select(_t.id).where(_t.status == RUNNING, _t.started_at > bindparam("soon")).limit(BATCH)
_SET_TASK = update(move_tasks).where(_t.id == bindparam("task")).values(started_at=bindparam("now"))


class Righting:
    """Looks for what lies further ahead than it can, and sets it right."""

    def __init__(self, database: Database, queues: QueueStore) -> None:
        self._database = database
        self._queues = queues

    async def right(self, now: float, *, everything: bool) -> int:
        """Set right what is to be; how many messages were. Reads a little where nothing is, and writes nothing."""
        latest = now + _LONGEST_S
        times = {"now": now, "soon": now + TRIMMED_S, "latest": latest, "hidden_from": now if everything else latest}
        found = await self._database.read(lambda connection: list(connection.execute(_QUEUES, times).scalars()))
        righted = 0
        for queue in filter(None, map(self._queues.by_id, found)):
            righted += await repeat(self._database, partial(_right_messages, queue=queue, times=times))
        for query, step in ((_TWINS, _right_twins), (_ATTEMPTS, _forget_attempts), (_TASKS, _right_tasks)):
            if await self._database.read(partial(_finds, query=query, times=times)):
                await repeat(self._database, partial(step, times=times))
        return righted


def _finds(connection: Connection, query: Select[Any], times: _Times) -> bool:
    return connection.execute(query, times).first() is not None


def _right_messages(connection: Connection, queue: Queue, times: _Times) -> int:
    place = {"queue": queue.id, **times}
    rows = {row.id: row for query in (_SENT_AHEAD, _HIDDEN_AHEAD) for row in connection.execute(query, place)}
    if rows:
        connection.execute(_SET_RIGHT, [_righted(row, times["now"]) for row in rows.values()])
        if queue.is_fifo:
            groups.review(connection, queue.id, [row.lane for row in rows.values() if row.lane is not None])
        signals.notify(connection, queue.channel)
    return len(rows)


def _righted(row: Any, now: float) -> dict[str, Any]:
    """The message as it would be had what was ahead happened now."""
    since = row.claimed_at if row.claim else row.sent_at
    visible_at = row.visible_at - max(0.0, since - now) if row.visible_at >= since else row.visible_at
    return {
        "message": row.id,
        "visible": visible_at if visible_at <= now + _LONGEST_S else now,
        "sent": min(row.sent_at, now),
        "claimed": None if row.claimed_at is None else min(row.claimed_at, now),
        "first": None if row.first_received_at is None else min(row.first_received_at, now),
    }


def _right_twins(connection: Connection, times: _Times) -> int:
    rows = connection.execute(_TWINS, times).all()
    if rows:
        places = [{"queue": row.queue_id, "id": row.deduplication_id, "group": row.scope} for row in rows]
        connection.execute(_SET_TWIN, [{**place, "now": times["now"]} for place in places])
    return len(rows)


def _forget_attempts(connection: Connection, times: _Times) -> int:
    """Their messages come again when they are visible."""
    rows = connection.execute(_ATTEMPTS, times).all()
    if rows:
        connection.execute(_FORGET_ATTEMPT, [{"queue": row.queue_id, "id": row.attempt_id} for row in rows])
    return len(rows)


def _right_tasks(connection: Connection, times: _Times) -> int:
    ids = list(connection.execute(_TASKS, times).scalars())
    if ids:
        connection.execute(_SET_TASK, [{"task": id_, "now": times["now"]} for id_ in ids])
    return len(ids)
