"""The relay: from the outbox to wherever each entry is meant to go, in one transaction a batch.

An entry leaves the outbox in the same commit in which it arrives at its destination, so it is neither lost nor, by the
relay, doubled. A destination is found by the service its ARN names.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from functools import partial

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
                _log.exception("the outbox could not be relayed as a whole; trying entry by entry")
                await self._move_each()

    async def _move_batch(self) -> int:
        """Hand on what is at the head of the outbox; how many entries left it."""
        entries = await self._database.read(lambda connection: outbox.pending(connection, _BATCH))
        await self._move(entries)
        return len(entries)

    async def _move_each(self) -> None:
        """One entry fails: it goes to the end of the outbox and is tried again in a moment; no other waits for it."""
        try:
            for entry in await self._database.read(lambda connection: outbox.pending(connection, _BATCH)):
                try:
                    await self._move([entry])
                except Exception:
                    _log.exception("nothing could be delivered to %s; trying again", entry.destination_arn)
                    await self._database.write(partial(outbox.postpone, entry=entry))
        except Exception:
            _log.exception("the outbox could not be read or written; trying again")
        await asyncio.sleep(_RETRY_S)
        self._wake.set()

    async def _move(self, entries: list[Entry]) -> None:
        """Hand on `entries` in one transaction. Raises what a destination raises, and then none has moved."""
        now = self._clock.now()
        large = [entry for entry in entries if _service(entry) in self._prepared]
        prepared = await asyncio.gather(*[self._prepared[_service(entry)](entry, now) for entry in large])
        finishes = {entry.id: finish for entry, finish in zip(large, prepared, strict=True)}

        def move(connection: Connection) -> list[Entry]:
            lost = [entry for entry in entries if not self._deliver(connection, entry, finishes.get(entry.id), now)]
            outbox.remove(connection, [entry.id for entry in entries])
            return lost

        for entry in await self._database.write(move) if entries else ():
            _log.error("no destination %s: what was meant for it is dropped", entry.destination_arn)
            self._lost(entry)

    def _deliver(self, connection: Connection, entry: Entry, finish: Finish | None, now: float) -> bool:
        if finish is not None:
            return finish(connection)
        deliver = self._destinations.get(_service(entry))
        return deliver is not None and deliver(connection, entry, now)


def _service(entry: Entry) -> str:
    arn = parse_arn(entry.destination_arn)
    return "" if arn is None else arn.service
