"""What a FIFO queue remembers for five minutes of each message that came: what counts as the same is its twin."""

from collections.abc import Collection, Mapping

from sqlalchemy import Connection, bindparam, select

from bulb.services.sqs.model import Queue, Sent
from bulb.storage.schema.sqs import deduplications

DEDUPLICATION_S = 300.0

# The scope and the id that messages are compared by.
Place = tuple[str, str]

_d = deduplications.c
_TWINS = select(_d.scope, _d.deduplication_id, _d.sent_at, _d.message_id, _d.number).where(
    _d.queue_id == bindparam("queue"), _d.deduplication_id.in_(bindparam("ids", expanding=True))
)
_FORGET = deduplications.delete().where(
    _d.queue_id == bindparam("queue"), _d.scope == bindparam("scope"), _d.deduplication_id == bindparam("id")
)


def place(queue: Queue, group: str | None, deduplication_id: str | None) -> Place:
    """What a message of a FIFO queue is compared by."""
    assert group is not None
    assert deduplication_id is not None
    return (group if queue.dedups_by_group else "", deduplication_id)


def find(connection: Connection, queue: Queue, places: Collection[Place], now: float) -> dict[Place, Sent]:
    """What came to these places in the last five minutes. Older ones are forgotten."""
    twins: dict[Place, Sent] = {}
    for row in connection.execute(_TWINS, {"queue": queue.id, "ids": sorted({id_ for _, id_ in places})}):
        found = (row.scope, row.deduplication_id)
        if found not in places:
            continue
        if now - row.sent_at < DEDUPLICATION_S:
            twins[found] = Sent(row.message_id, row.number)
        else:
            connection.execute(_FORGET, {"queue": queue.id, "scope": found[0], "id": found[1]})
    return twins


def remember(connection: Connection, queue: Queue, came: Mapping[Place, Sent], now: float) -> None:
    """Remember messages that came to places where nothing is remembered of any."""
    rows = [
        {
            "queue_id": queue.id,
            "scope": scope,
            "deduplication_id": id_,
            "sent_at": now,
            "message_id": sent.message_id,
            "number": sent.number,
        }
        for (scope, id_), sent in came.items()
    ]
    if rows:
        connection.execute(deduplications.insert(), rows)
