"""The relay: from the outbox to wherever each entry is meant to go, in one transaction a batch.

An entry leaves the outbox in the same commit in which it arrives at its destination, so it is neither lost nor, by the
relay, doubled. A destination is a function of the connection, found by the service its ARN names.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping

from sqlalchemy import Connection

from bulb.core.arn import parse_arn
from bulb.core.clock import Clock
from bulb.storage import outbox
from bulb.storage.database import Database

_log = logging.getLogger(__name__)
_BATCH = 200
_RETRY_S = 1.0


# Takes (connection, destination ARN, payload, Unix time) inside the relay's transaction; False: no such destination.
Destination = Callable[[Connection, str, bytes, float], bool]


class Relay:
    """Empties the outbox as soon as something is in it, and once at start."""

    def __init__(self, database: Database, destinations: Mapping[str, Destination], clock: Clock) -> None:
        self._database = database
        self._destinations = destinations
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
                while await self._database.write(self._move_some) == _BATCH:
                    pass
            except Exception:
                _log.exception("the outbox could not be relayed; trying again")
                await asyncio.sleep(_RETRY_S)
                self._wake.set()

    def _move_some(self, connection: Connection) -> int:
        entries = outbox.pending(connection, _BATCH)
        now = self._clock.now()
        for entry in entries:
            arn = parse_arn(entry.destination_arn)
            deliver = self._destinations.get(arn.service) if arn is not None else None
            if deliver is None or not deliver(connection, entry.destination_arn, entry.payload, now):
                _log.error("no destination %s: what was meant for it is dropped", entry.destination_arn)
        outbox.remove(connection, [entry.id for entry in entries])
        return len(entries)
