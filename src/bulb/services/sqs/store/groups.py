"""The groups of FIFO queues: which of them may be received from, by index.

A group has a row as long as it has messages. `ready_at` is when its first message may be received: a receive takes a
group's messages from the first one on, as far as they are visible. So nothing comes before what was sent before it, and
while all that was received of a group is hidden it gives nothing; but where one that was received is given back before
those that were sent before it are, it waits for them.
"""

from collections.abc import Iterable, Mapping

from sqlalchemy import Connection, bindparam, delete, exists, func, select, text, update

from bulb.services.sqs.store.rows import m
from bulb.storage.schema.sqs import groups

_g = groups.c
_HERE = (_g.queue_id == bindparam("queue"), _g.lane == bindparam("group"))
_HEAD = (
    select(m.visible_at).where(m.queue_id == bindparam("queue"), m.lane == bindparam("group")).order_by(m.id).limit(1)
)
_JOIN = text("INSERT INTO sqs_groups (queue_id, lane, ready_at) VALUES (:queue, :group, :at) ON CONFLICT DO NOTHING")
_SET = update(groups).where(*_HERE).values(ready_at=bindparam("at"))
_REMOVE = delete(groups).where(*_HERE)
_READY = (
    select(_g.lane)
    .where(_g.queue_id == bindparam("queue"), _g.ready_at <= bindparam("now"))
    .order_by(_g.ready_at, _g.lane)
    .limit(bindparam("limit"))
)
_READY_UP_TO = _READY.where(
    exists().where(m.queue_id == _g.queue_id, m.lane == _g.lane, m.id <= bindparam("last")).correlate(groups)
)
_NEXT = select(func.min(_g.ready_at)).where(_g.queue_id == bindparam("queue"))


def ready(connection: Connection, queue_id: int, now: float, limit: int, last: int | None = None) -> list[str]:
    """Groups that may be received from, longest ready first; with `last` those that have messages up to that number."""
    place = {"queue": queue_id, "now": now, "limit": limit}
    if last is None:
        return list(connection.execute(_READY, place).scalars())
    return list(connection.execute(_READY_UP_TO, {**place, "last": last}).scalars())


def next_ready_at(connection: Connection, queue_id: int) -> float | None:
    """When the next group may be received from (may be past); None without any message."""
    at: float | None = connection.execute(_NEXT, {"queue": queue_id}).scalar()
    return at


def joined(connection: Connection, queue_id: int, visible: Mapping[str, float]) -> None:
    """Messages were put at the ends of groups: it matters where they are the only ones, visible at the time given."""
    connection.execute(_JOIN, [{"queue": queue_id, "group": group, "at": at} for group, at in visible.items()])


def held(connection: Connection, queue_id: int, group: str, until: float) -> None:
    """The first messages of a group were received and are in flight until then."""
    connection.execute(_SET, {"queue": queue_id, "group": group, "at": until})


def review(connection: Connection, queue_id: int, changed: Iterable[str]) -> None:
    """Messages of these groups were removed, or will be visible at another time."""
    for group in set(changed):
        at: float | None = connection.execute(_HEAD, {"queue": queue_id, "group": group}).scalar()
        if at is None:
            connection.execute(_REMOVE, {"queue": queue_id, "group": group})
        else:
            connection.execute(_SET, {"queue": queue_id, "group": group, "at": at})


def rebuild(connection: Connection, queue_id: int) -> None:
    """Every group may have changed."""
    every = list(connection.execute(select(_g.lane).where(_g.queue_id == queue_id)).scalars())
    review(connection, queue_id, every)
