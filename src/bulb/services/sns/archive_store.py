"""The rows of archives and their replays: the other file of this room that touches the database.

The archive of a topic is in the order of its messages' numbers. Commits that leave something to replay tell `CHANGED`.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import Connection, Row, delete, exists, insert, select, update

from bulb.services.sns import archives
from bulb.services.sns.archives import Stretch
from bulb.services.sns.model import Message
from bulb.storage.schema.sns import sns_archived as archived
from bulb.storage.schema.sns import sns_replays as replays
from bulb.storage.schema.sns import sns_subscriptions as subscriptions
from bulb.storage.signals import notify

CHANGED = "sns:replays"
# As subscriptions show them.
State = Literal["Pending", "In progress", "Completed", "Failed"]
_UNFINISHED = ("Pending", "In progress")
_MOVES: Mapping[str, frozenset[str]] = {
    "Pending": frozenset({"In progress", "Failed"}),
    "In progress": frozenset({"In progress", "Completed", "Failed"}),
    "Completed": frozenset(),
    "Failed": frozenset(),
}


@dataclass(frozen=True, slots=True)
class Replay:
    """What a subscription is sent once more; `last_number` is that of the last message it has had."""

    subscription_arn: str
    topic_arn: str
    begins_at: float
    ends_at: float | None
    last_number: int
    state: State


def keep(connection: Connection, topic_arn: str, number: int, message: Message, *, is_awaited: bool) -> None:
    """Put a message into the archive of its topic; `is_awaited` where a replay may have come as far."""
    row = {
        "topic_arn": topic_arn,
        "number": number,
        "published_at": message.published_at,
        "message": archives.packed(message),
    }
    connection.execute(insert(archived), row)
    if is_awaited:
        notify(connection, CHANGED)


def next_kept(connection: Connection, replay: Replay, oldest: float, limit: int) -> Sequence[tuple[int, bytes]]:
    """The messages that are next for a replay: number and message."""
    c = archived.c
    query = select(c.number, c.message).where(
        c.topic_arn == replay.topic_arn,
        c.number > replay.last_number,
        c.published_at >= max(oldest, replay.begins_at),
    )
    if replay.ends_at is not None:
        query = query.where(c.published_at < replay.ends_at)
    return [(row.number, bytes(row.message)) for row in connection.execute(query.order_by(c.number).limit(limit))]


def forget_before(connection: Connection, topic_arn: str, oldest: float, limit: int) -> int:
    """Remove up to so many messages from before a time; how many there were."""
    c = archived.c
    old = select(c.number).where(c.topic_arn == topic_arn, c.published_at < oldest).limit(limit)
    return connection.execute(delete(archived).where(c.topic_arn == topic_arn, c.number.in_(old))).rowcount


def close(connection: Connection, topic_arn: str) -> None:
    """Remove the archive of a topic; what is replayed of it ends there."""
    connection.execute(delete(archived).where(archived.c.topic_arn == topic_arn))
    c = replays.c
    connection.execute(update(replays).where(c.topic_arn == topic_arn, c.state.in_(_UNFINISHED)).values(state="Failed"))


def start(connection: Connection, subscription_arn: str, topic_arn: str, wanted: Stretch) -> None:
    """Begin a replay, in place of the one that subscription had."""
    stop(connection, [subscription_arn])
    row = {
        "subscription_arn": subscription_arn,
        "topic_arn": topic_arn,
        "begins_at": wanted.begins_at,
        "ends_at": wanted.ends_at,
        "last_number": 0,
        "state": "Pending",
    }
    connection.execute(insert(replays), row)
    notify(connection, CHANGED)


def stop(connection: Connection, subscription_arns: Collection[str]) -> None:
    """Forget the replays of subscriptions, at whatever point they are."""
    connection.execute(delete(replays).where(replays.c.subscription_arn.in_(subscription_arns)))


def stop_orphaned(connection: Connection) -> None:
    """Forget the replays of subscriptions that are gone."""
    there = exists().where(subscriptions.c.arn == replays.c.subscription_arn)
    connection.execute(delete(replays).where(~there))


def find(connection: Connection, subscription_arn: str) -> Replay | None:
    """The replay of a subscription, ended or not."""
    row = connection.execute(select(replays).where(replays.c.subscription_arn == subscription_arn)).one_or_none()
    return None if row is None else _replay(row)


def unfinished(connection: Connection) -> list[Replay]:
    """All there is to do, of subscriptions that get messages."""
    is_there = exists().where(subscriptions.c.arn == replays.c.subscription_arn, subscriptions.c.state == "confirmed")
    query = select(replays).where(replays.c.state.in_(_UNFINISHED), is_there).order_by(replays.c.subscription_arn)
    return [_replay(row) for row in connection.execute(query)]


def waiting(connection: Connection, topic_arn: str) -> frozenset[str]:
    """The subscriptions of a topic that get nothing new: their replay is not at its end, or was given one."""
    c = replays.c
    is_past_end = (c.state == "Completed") & c.ends_at.is_not(None)
    query = select(c.subscription_arn).where(c.topic_arn == topic_arn, c.state.in_(_UNFINISHED) | is_past_end)
    return frozenset(connection.execute(query).scalars())


def move(connection: Connection, replay: Replay, state: State, last_number: int | None = None) -> None:
    """Bring a replay into a state, and to a message."""
    if state not in _MOVES[replay.state]:
        raise ValueError(f"a replay that is {replay.state} cannot become {state}")
    values: dict[str, Any] = {"state": state}
    if last_number is not None:
        values["last_number"] = last_number
    connection.execute(update(replays).where(replays.c.subscription_arn == replay.subscription_arn).values(**values))


def _replay(row: Row[Any]) -> Replay:
    return Replay(**row._mapping)
