"""The relay: from the outbox to wherever each entry is meant to go, in one transaction a batch.

An entry leaves the outbox in the same commit in which it arrives at its destination, so it is neither lost nor, by the
relay, doubled. A destination is found by the service its ARN names.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from sqlalchemy import Connection

from bulb.core.arn import parse_arn
from bulb.core.clock import Clock
from bulb.storage import outbox
from bulb.storage.database import Database
from bulb.storage.outbox import Entry

_log = logging.getLogger(__name__)
_BATCH = 200
_RETRY_S = 1.0


# Takes an entry (at a Unix time) inside the relay's transaction; False: no such destination.
Destination = Callable[[Connection, Entry, float], bool]
# The second half of a delivery that needed something on disk first.
Finish = Callable[[Connection], bool]
# For bytes too big for the database: puts them on disk, and answers what makes them count inside the transaction.
# It may be asked again for the same entry.
PreparedDestination = Callable[[Entry, float], Awaitable[Finish]]


@dataclass(slots=True)
class _Moved:
    """What one transaction did: entries handed on, entries nobody takes, and those that must be prepared first."""

    count: int = 0
    lost: list[Entry] = field(default_factory=list)
    unprepared: list[Entry] = field(default_factory=list)


class Relay:
    """Empties the outbox as soon as something is in it, and once at start."""

    def __init__(
        self,
        database: Database,
        destinations: Mapping[str, Destination],
        clock: Clock,
        *,
        prepared: Mapping[str, PreparedDestination] | None = None,
        lost: Callable[[Entry], None] = lambda entry: None,
    ) -> None:
        """`lost` is told of entries that nobody takes, after they left the outbox; it returns at once."""
        self._database = database
        self._destinations = destinations
        self._prepared = prepared or {}
        self._lost = lost
        self._clock = clock
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        database.on_commit(outbox.CHANNEL, self._wake.set)

    def start(self) -> None:
        """Begin to relay."""
        self._wake.set()  # what was left of before a restart
        self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        """Stop; what is in the outbox stays there."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            try:
                while await self._move_batch() == _BATCH:
                    pass
            except Exception:
                _log.exception("the outbox could not be relayed; trying again")
                await asyncio.sleep(_RETRY_S)
                self._wake.set()

    async def _move_batch(self) -> int:
        """Hand on what is at the head of the outbox; how many entries left it."""
        moved = await self._database.write(lambda connection: self._move(connection, {}))
        self._tell(moved.lost)
        if not moved.unprepared:
            return moved.count
        now = self._clock.now()
        prepared = await asyncio.gather(*[self._preparer(entry)(entry, now) for entry in moved.unprepared])
        finishes = {entry.id: finish for entry, finish in zip(moved.unprepared, prepared, strict=True)}
        rest = await self._database.write(lambda connection: self._move(connection, finishes))
        self._tell(rest.lost)
        # Those of the second look come on top of the first one's: together they are at least a batch if more is left.
        return _BATCH if moved.count + len(moved.unprepared) == _BATCH else 0

    def _move(self, connection: Connection, finishes: Mapping[int, Finish]) -> _Moved:
        moved, done = _Moved(), []
        now = self._clock.now()
        for entry in outbox.pending(connection, _BATCH):
            if (finish := finishes.get(entry.id)) is not None:
                taken = finish(connection)
            elif _service(entry) in self._prepared:
                moved.unprepared.append(entry)
                continue
            else:
                deliver = self._destinations.get(_service(entry))
                taken = deliver is not None and deliver(connection, entry, now)
            done.append(entry.id)
            if not taken:
                moved.lost.append(entry)
        outbox.remove(connection, done)
        moved.count = len(done)
        return moved

    def _preparer(self, entry: Entry) -> PreparedDestination:
        return self._prepared[_service(entry)]

    def _tell(self, lost: list[Entry]) -> None:
        for entry in lost:
            _log.error("no destination %s: what was meant for it is dropped", entry.destination_arn)
            self._lost(entry)


def _service(entry: Entry) -> str:
    arn = parse_arn(entry.destination_arn)
    return "" if arn is None else arn.service
