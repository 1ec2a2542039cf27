"""Carrying out replays: events of an archive are put on its bus, some a transaction, until the end or a cancellation.

Where a replay stands is written in the transaction that puts the events: one that was interrupted goes on where it was,
without doubling or leaving out any.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from bulb.core.clock import Clock
from bulb.delivery.replaying import ReplayWork
from bulb.services.events.envelope import Event, replayed, seconds
from bulb.services.events.matching import Way
from bulb.services.events.model import Replay
from bulb.services.events.putting import Put, Putting
from bulb.services.events.store import EventsStore, archives, buses, replays

_log = logging.getLogger(__name__)
_BATCH = 100


class Replaying:
    """Works off replays, one batch of each in turn; also takes from archives what is past its retention."""

    def __init__(self, store: EventsStore, putting: Putting, clock: Clock) -> None:
        self._store = store
        self._putting = putting
        self._work = ReplayWork(
            store.database,
            replays.CHANGED,
            clock,
            unfinished=replays.unfinished,
            step=self._step,
            sweep=store.archives.sweep,
        )

    def start(self) -> None:
        """Begin, with what an earlier process left."""
        self._work.start()

    async def close(self) -> None:
        """Stop; replays go on at the next start."""
        await self._work.close()

    async def _step(self, replay: Replay, now: float) -> None:
        """One batch, or one move. What is to be put is read and worked out before the transaction that puts it."""
        batch = _Batch()
        if replay.state == "RUNNING":
            batch = await self._store.database.read(lambda connection: _next(connection, replay, now))
        only = frozenset(replay.filter_arns) if replay.filter_arns is not None else None
        way = Way(now, seconds(now))
        events = (_replayed(event, replay.place.name) for _, _, event in batch.found)
        prepared = await self._putting.prepare(
            [Put(replay.bus, event, way, is_replay=True, only=only) for event in events if event is not None]
        )

        def write(connection: Connection) -> None:
            current = replays.find(connection, replay.place)
            if current is None or current.state != replay.state:
                return  # it has been cancelled since it was read
            if replay.state == "CANCELLING":
                replays.move(connection, replay, "CANCELLED", {"ended_at": now})
            elif replay.state == "STARTING":
                replays.move(connection, replay, "RUNNING")
            elif batch.missing is not None:
                replays.move(connection, replay, "FAILED", {"ended_at": now, "state_reason": batch.missing})
            else:
                self._putting.write(connection, prepared)
                _move_on(connection, replay, batch, now)

        await self._store.database.write(write)


@dataclass(frozen=True, slots=True)
class _Batch:
    """Events of an archive (id, time, document), or what there is not any more."""

    found: Sequence[tuple[int, float, bytes]] = ()
    missing: str | None = None


def _next(connection: Connection, replay: Replay, now: float) -> _Batch:
    archive = archives.by_id(connection, replay.archive_id)
    if archive is None:
        return _Batch(missing="The archive was deleted.")
    if not replay.bus.is_default and buses.find(connection, replay.bus) is None:
        return _Batch(missing="The event bus was deleted.")
    behind = (replay.last_at, replay.last_id) if replay.last_at is not None else (replay.event_start, 0)
    return _Batch(archives.next_events(connection, archive, behind, replay.event_end, now, _BATCH))


def _move_on(connection: Connection, replay: Replay, batch: _Batch, now: float) -> None:
    place = {"last_at": batch.found[-1][1], "last_id": batch.found[-1][0]} if batch.found else {}
    if len(batch.found) < _BATCH:
        replays.move(connection, replay, "COMPLETED", {"ended_at": now, **place})
    else:
        replays.move(connection, replay, "RUNNING", place)


def _replayed(event: bytes, replay: str) -> Event | None:
    try:
        return replayed(event, replay)
    except RecursionError:
        _log.error("an event is nested too deeply for replay %s and is left out", replay)
        return None
