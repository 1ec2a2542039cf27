"""Carrying out replays: archived messages go to one subscription, some a transaction, until it has caught up.

What is published meanwhile is in the archive as well, so it comes in its turn. The step that finds nothing more, inside
its transaction, ends the replay: from that commit on new messages go straight to the subscription again.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from bulb.core.clock import Clock
from bulb.delivery.replaying import ReplayWork
from bulb.services.sns import archive_store, archives, deliveries, names, store
from bulb.services.sns.archive_store import Replay
from bulb.services.sns.directory import Directory
from bulb.services.sns.model import Audience, Delivery, OwnUrl, Subscriber
from bulb.storage import outbox
from bulb.storage.database import Database

_BATCH = 100
_SWEPT_AT_ONCE = 1_000


@dataclass(frozen=True, slots=True)
class _Batch:
    """What comes next: the number of the last message that was looked at, and what goes out of those."""

    last_number: int
    deliveries: Sequence[Delivery]


class Replaying:
    """Works off replays; also takes from archives what is past its retention."""

    def __init__(self, database: Database, directory: Directory, own_url: OwnUrl, clock: Clock) -> None:
        self._database = database
        self._directory = directory
        self._own_url = own_url
        self._work = ReplayWork(
            database,
            archive_store.CHANGED,
            clock,
            unfinished=archive_store.unfinished,
            step=self._step,
            sweep=self._sweep,
        )

    def start(self) -> None:
        """Begin, with what an earlier process left."""
        self._work.start()

    async def close(self) -> None:
        """Stop; replays go on at the next start."""
        await self._work.close()

    async def _step(self, replay: Replay, now: float) -> None:
        key = names.topic_key(replay.topic_arn, None)
        audience = await self._directory.audience(key)
        has_archive = audience is not None and archives.has_archive(audience.topic)
        oldest = archives.oldest(audience.topic, now) if audience is not None and has_archive else now
        batch: _Batch | None = None
        if audience is not None and has_archive and replay.state == "In progress":
            kept = await self._database.read(
                lambda connection: archive_store.next_kept(connection, replay, oldest, _BATCH)
            )
            if kept and (taker := _taker(audience, replay)) is None:
                return  # what is in memory of the topic is older than its subscription: it is about to be read anew
            batch = _made(audience, taker, kept, await self._own_url()) if kept and taker is not None else None

        def write(connection: Connection) -> None:
            if archive_store.find(connection, replay.subscription_arn) != replay:
                return  # it was stopped, or begun anew, since it was read
            if not has_archive:
                archive_store.move(connection, replay, "Failed")
            elif replay.state == "Pending":
                archive_store.move(connection, replay, "In progress")
            elif batch is not None:
                sent = [(one.destination_arn, one.payload, one.attributes) for one in batch.deliveries]
                outbox.add_all(connection, sent, now)
                archive_store.move(connection, replay, "In progress", batch.last_number)
            elif not archive_store.next_kept(connection, replay, oldest, 1):
                archive_store.move(connection, replay, "Completed")

        await self._database.write(write)

    async def _sweep(self, now: float) -> None:
        for topic in await self._database.read(store.archiving_topics):
            arn, oldest = topic.arn, archives.oldest(topic, now)

            def forget(connection: Connection, arn: str = arn, oldest: float = oldest) -> int:
                return archive_store.forget_before(connection, arn, oldest, _SWEPT_AT_ONCE)

            while await self._database.write(forget) >= _SWEPT_AT_ONCE:
                pass


def _taker(audience: Audience, replay: Replay) -> Subscriber | None:
    return next((one for one in audience.subscribers if one.subscription.arn == replay.subscription_arn), None)


def _made(audience: Audience, taker: Subscriber, kept: Sequence[tuple[int, bytes]], own_url: str) -> _Batch:
    """The deliveries of those messages that the subscription takes."""
    messages = [archives.unpacked(message, store.sequence_number(number)) for number, message in kept]
    made = [
        deliveries.delivery(audience.topic, taker.subscription, message, {}, own_url)
        for message in messages
        if taker.takes(message)
    ]
    return _Batch(kept[-1][0], made)
