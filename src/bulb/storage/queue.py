"""The durable queue: events that were accepted and must be worked on, even after kill -9.

Everything is a function of the connection of a `Database.write`, so putting and completing can share a transaction with
whatever else they belong to. Rules:

- A queue is split in lanes (a function's ARN). `claim` serves every lane that has something due, so that a long or slow
  lane never delays another. Within a lane the order is by `visible_at`, then by age.
- A claimed message is leased to a process generation until it is completed or retried. Leases of a process that ended
  are void when the next one opens the database: delivery is at least once.
- `complete` and `retry` act only on messages that the given generation still holds.
- The queue decides nothing: attempts are counted by `retry`'s caller, and an expired message is handed out like any
  other for the claimer to drop (whoever retries sets `visible_at` no later than `expires_at` to have it told in time).

The channel `queue:<name>` is signalled when messages are put or made visible. Times are Unix seconds.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, and_, bindparam, delete, func, or_, select, text, update

from bulb.core.clock import TRIMMED_S
from bulb.storage import gathering
from bulb.storage.schema.storage import storage_queue
from bulb.storage.signals import notify

_FREE = 0
_table = storage_queue.c

# The lanes that have free messages, and since when each is due. It steps from one lane to the next in the index: its
# cost is the number of lanes, not of messages.
_LANES = text(
    """
    WITH RECURSIVE lanes(lane) AS (
        SELECT (SELECT lane FROM storage_queue WHERE lease_generation = 0 AND queue = :queue ORDER BY lane LIMIT 1)
        UNION ALL
        SELECT (SELECT m.lane FROM storage_queue AS m
                WHERE m.lease_generation = 0 AND m.queue = :queue AND m.lane > lanes.lane ORDER BY m.lane LIMIT 1)
        FROM lanes WHERE lanes.lane IS NOT NULL
    )
    SELECT lane, (SELECT min(visible_at) FROM storage_queue AS m
                  WHERE m.lease_generation = 0 AND m.queue = :queue AND m.lane = lanes.lane) AS due
    FROM lanes WHERE lane IS NOT NULL ORDER BY due, lane
    """
)
_DUE = (
    select(storage_queue)
    .where(
        _table.lease_generation == _FREE,
        _table.queue == bindparam("queue"),
        _table.lane == bindparam("lane"),
        _table.visible_at <= bindparam("now"),
    )
    .order_by(_table.visible_at, _table.id)
    .limit(bindparam("limit"))
)
_LEASE = update(storage_queue).where(_table.id == bindparam("message")).values(lease_generation=bindparam("generation"))
_FREED = update(storage_queue).where(_table.id == bindparam("message")).values(lease_generation=_FREE)
_HELD = and_(_table.id == bindparam("message"), _table.lease_generation == bindparam("generation"))
_COMPLETE = delete(storage_queue).where(_HELD)
_RETRY = (
    update(storage_queue)
    .where(_HELD)
    .values(lease_generation=_FREE, visible_at=bindparam("at"), attempts=bindparam("count"))
)
_RETRY_NOTING = _RETRY.values(attributes=bindparam("noted", type_=_table.attributes.type))

# What was put by a clock that was ahead, or is to be tried again later than anything is by one that was not.
_SET_RIGHT = (
    update(storage_queue)
    .where(
        _table.lease_generation == _FREE,
        _table.queue == bindparam("of"),
        _table.visible_at > bindparam("soon"),
        or_(_table.enqueued_at > bindparam("soon"), _table.visible_at > bindparam("latest")),
    )
    .values(visible_at=bindparam("now"))
)
# No attempt waits longer.
_LONGEST_WAIT_S = 86_400.0


@dataclass(frozen=True, slots=True)
class Message:
    """A claimed message. `attempts` is what the last `retry` said, at first what `put` did."""

    id: int
    queue: str
    lane: str
    payload: bytes
    attributes: Mapping[str, Any]
    attempts: int
    enqueued_at: float
    visible_at: float
    expires_at: float | None


def channel(queue: str) -> str:
    """The channel to give `Database.on_commit` (and `Database.insert`) for `queue`."""
    return f"queue:{queue}"


def row(
    queue: str,
    lane: str,
    payload: bytes,
    attributes: Mapping[str, Any],
    now: float,
    *,
    visible_at: float | None = None,
    expires_at: float | None = None,
    attempts: int = 0,
) -> dict[str, Any]:
    """A message as a row of `storage_queue`, for `Database.insert(storage_queue, row(...), channel=channel(queue))`."""
    return {
        "queue": queue,
        "lane": lane,
        "visible_at": now if visible_at is None else visible_at,
        "lease_generation": _FREE,
        "attempts": attempts,
        "enqueued_at": now,
        "expires_at": expires_at,
        "attributes": dict(attributes),
        "payload": payload,
    }


def put(
    connection: Connection,
    queue: str,
    lane: str,
    payload: bytes,
    attributes: Mapping[str, Any],
    now: float,
    *,
    visible_at: float | None = None,
    expires_at: float | None = None,
    attempts: int = 0,
) -> None:
    """Add a message, due at `visible_at` (else at once). `attributes` are JSON values."""
    values = row(queue, lane, payload, attributes, now, visible_at=visible_at, expires_at=expires_at, attempts=attempts)
    put_row(connection, values)


def put_row(connection: Connection, values: Mapping[str, Any]) -> None:
    """Add a message that `row` made; several of one transaction may be gathered (`gathering`)."""
    gathering.insert(connection, storage_queue, [values])
    notify(connection, channel(values["queue"]))


def claim(
    connection: Connection,
    queue: str,
    generation: int,
    now: float,
    limit: int,
    *,
    lane_limits: Mapping[str, int] | None = None,
    per_lane: int | None = None,
) -> list[Message]:
    """Lease up to `limit` due messages to `generation`, shared evenly among the lanes, longest due first.

    At most `per_lane` of one lane, or what `lane_limits` says for it (0: leave this lane alone).
    """
    room = {
        lane: min(limit, (lane_limits or {}).get(lane, limit if per_lane is None else per_lane))
        for lane, due in connection.execute(_LANES, {"queue": queue})
        if due <= now
    }
    claimed = _take_fairly(connection, queue, now, room, limit)
    if claimed:
        connection.execute(_LEASE, [{"message": message.id, "generation": generation} for message in claimed])
    return claimed


def complete(connection: Connection, ids: Sequence[int], generation: int) -> int:
    """Remove messages that are done. How many were still held by `generation`."""
    return sum(connection.execute(_COMPLETE, {"message": id_, "generation": generation}).rowcount for id_ in ids)


def retry(
    connection: Connection,
    id_: int,
    generation: int,
    *,
    visible_at: float,
    attempts: int,
    attributes: Mapping[str, Any] | None = None,
) -> bool:
    """Give a message back, due again at `visible_at`, with other `attributes` if any are given.

    False when `generation` no longer holds it.
    """
    given: dict[str, Any] = {"message": id_, "generation": generation, "at": visible_at, "count": attempts}
    statement = _RETRY
    if attributes is not None:
        statement, given["noted"] = _RETRY_NOTING, dict(attributes)
    if not connection.execute(statement, given).rowcount:
        return False
    queue = connection.execute(select(_table.queue).where(_table.id == id_)).scalar_one()
    notify(connection, channel(queue))
    return True


def free(connection: Connection, queue: str, generation: int, held: Collection[int]) -> int:
    """Take back what is leased to `generation` and is not in `held` (ids of messages); how many messages."""
    leased = select(_table.id).where(_table.lease_generation == generation, _table.queue == queue)
    left = [{"message": id_} for id_ in connection.execute(leased).scalars() if id_ not in held]
    if left:
        connection.execute(_FREED, left)
    return len(left)


def set_right(connection: Connection, queue: str, now: float) -> int:
    """Make due what only waits because the clock was ahead; how many messages. Looks at all that waits.

    When they were put stays as it is: a clock that is behind for a while must not make them old.
    """
    times = {"now": now, "soon": now + TRIMMED_S, "latest": now + _LONGEST_WAIT_S}
    return connection.execute(_SET_RIGHT, {"of": queue, **times}).rowcount


def next_visible_at(connection: Connection, queue: str, skip: Collection[str] = ()) -> float | None:
    """When the next free message of a lane that is not in `skip` is due (may be past); None when there is none."""
    for lane, due in connection.execute(_LANES, {"queue": queue}):
        if lane not in skip:
            return float(due)
    return None


def depth(connection: Connection, queue: str) -> int:
    """How many messages are in `queue`, claimed ones included. It counts them all: for status, not for hot paths."""
    counted = select(func.count()).select_from(storage_queue).where(_table.queue == queue, _table.lease_generation >= 0)
    return int(connection.execute(counted).scalar_one())


def _take_fairly(connection: Connection, queue: str, now: float, room: Mapping[str, int], limit: int) -> list[Message]:
    shares = _shares(room, limit)
    found = {lane: _due(connection, queue, lane, now, share) for lane, share in shares.items()}
    left = limit - sum(map(len, found.values()))
    for lane, share in shares.items():  # a lane with less than its share leaves room to those that were cut short
        if left > 0 and share == len(found[lane]) < room[lane]:
            more = _due(connection, queue, lane, now, min(room[lane], share + left))
            left -= len(more) - share
            found[lane] = more
    return [message for messages in found.values() for message in messages]


def _shares(room: Mapping[str, int], limit: int) -> dict[str, int]:
    """How many to take of each lane: one each, longest due first, and again, until the limit or the room is used up."""
    shares: dict[str, int] = {}
    left = limit
    open_lanes = [lane for lane, most in room.items() if most > 0]
    while left > 0 and open_lanes:
        each = max(1, left // len(open_lanes))
        for lane in open_lanes[:left]:
            given = min(each, room[lane] - shares.get(lane, 0))
            shares[lane] = shares.get(lane, 0) + given
            left -= given
        open_lanes = [lane for lane in open_lanes if shares.get(lane, 0) < room[lane]]
    return shares


def _due(connection: Connection, queue: str, lane: str, now: float, limit: int) -> list[Message]:
    rows = connection.execute(_DUE, {"queue": queue, "lane": lane, "now": now, "limit": limit})
    return [
        Message(
            id=found.id,
            queue=found.queue,
            lane=found.lane,
            payload=bytes(found.payload),
            attributes=found.attributes,
            attempts=found.attempts,
            enqueued_at=found.enqueued_at,
            visible_at=found.visible_at,
            expires_at=found.expires_at,
        )
        for found in rows
    ]
