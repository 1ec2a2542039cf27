"""Fair queues: in a standard queue whose messages have groups, one that takes up the receivers waits for the others.

A group is noisy while it has more than a tenth of what is in flight, and at least thirty messages. Who is, is looked at
now and then, for it means counting what is in flight. While anybody is, a receive first takes the messages of groups
that are not, one a group, and messages without a group from near the head of the queue; what is left of it takes
whatever is due. Groups are found by stepping from one to the next in their index, so many a receive, on from where the
last one stopped: a backlog of any size costs nothing.
"""

from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, func, select, text

from bulb.services.sqs.model import Queue, StoredMessage
from bulb.services.sqs.store.rows import m

SHARE, LEAST = 0.1, 30
_STEPS, _WINDOW = 100, 500
_EVERY_S, _COUNTED_A_SECOND = 1.0, 20_000

_IN_FLIGHT = (
    select(m.lane, func.count())
    .where(m.queue_id == bindparam("queue"), m.visible_at > bindparam("now"), m.claim != 0)
    .group_by(m.lane)
)
_GROUPS = text(
    """
    WITH RECURSIVE lanes(lane, number) AS (
        SELECT (SELECT lane FROM sqs_messages
                WHERE queue_id = :queue AND lane IS NOT NULL AND lane > :after ORDER BY lane LIMIT 1), 1
        UNION ALL
        SELECT (SELECT next.lane FROM sqs_messages AS next
                WHERE next.queue_id = :queue AND next.lane IS NOT NULL AND next.lane > lanes.lane
                ORDER BY next.lane LIMIT 1), lanes.number + 1
        FROM lanes WHERE lanes.lane IS NOT NULL AND lanes.number < :most
    )
    SELECT lane, (SELECT head.id FROM sqs_messages AS head
                  WHERE head.queue_id = :queue AND head.lane = lanes.lane AND head.visible_at <= :now
                  ORDER BY head.id LIMIT 1) AS id
    FROM lanes WHERE lane IS NOT NULL
    """
)
_window = (
    select(m.id, m.lane)
    .where(m.queue_id == bindparam("queue"), m.visible_at <= bindparam("now"))
    .order_by(m.visible_at, m.id)
    .limit(_WINDOW)
    .subquery()
)
_WITHOUT_GROUP = select(_window.c.id).where(_window.c.lane.is_(None)).limit(bindparam("limit"))


@dataclass(slots=True)
class _State:
    """What is known of one queue: its noisy groups, when to count again, and the group that was looked at last."""

    noisy: frozenset[str] = frozenset()
    count_at: float = 0.0
    after: str = ""


class Fairness:
    """What is known of the queues whose messages have groups. Only the writer's thread touches it."""

    def __init__(self) -> None:
        self._states: dict[int, _State] = {}

    def saw(self, queue: Queue, found: list[StoredMessage]) -> None:
        """These messages were received: a queue is fair from the first one on that has a group."""
        if queue.id not in self._states and any(message.lane is not None for message in found):
            self._states[queue.id] = _State()

    def quiet(self, connection: Connection, queue: Queue, limit: int, now: float) -> list[int]:
        """The messages that go before others: none where no group is noisy."""
        state = self._states.get(queue.id)
        if state is None:
            return []
        if now >= state.count_at or state.count_at > now + _EVERY_S * 60:
            self._count(connection, queue, state, now)
        if not state.noisy:
            return []
        found = [id_ for lane, id_ in self._step(connection, queue, state, now) if id_ and lane not in state.noisy]
        if len(found) < limit:
            place = {"queue": queue.id, "now": now, "limit": limit - len(found)}
            found += connection.execute(_WITHOUT_GROUP, place).scalars()
        return found[:limit]

    @staticmethod
    def _count(connection: Connection, queue: Queue, state: _State, now: float) -> None:
        rows = connection.execute(_IN_FLIGHT, {"queue": queue.id, "now": now}).all()
        total = sum(count for _, count in rows)
        state.noisy = frozenset(
            lane for lane, count in rows if lane is not None and count >= LEAST and count > SHARE * total
        )
        state.count_at = now + _EVERY_S + total / _COUNTED_A_SECOND

    @staticmethod
    def _step(connection: Connection, queue: Queue, state: _State, now: float) -> list[tuple[str, int | None]]:
        place = {"queue": queue.id, "now": now, "after": state.after, "most": _STEPS}
        rows = [(row.lane, row.id) for row in connection.execute(_GROUPS, place)]
        if len(rows) < _STEPS and state.after:  # around the end, to the first again
            seen = {lane for lane, _ in rows}
            again = connection.execute(_GROUPS, {**place, "after": "", "most": _STEPS - len(rows)})
            rows += [(row.lane, row.id) for row in again if row.lane not in seen]
        state.after = rows[-1][0] if len(rows) >= _STEPS else ""
        return rows
