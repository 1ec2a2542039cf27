"""What a queue needs while nobody asks: messages that are too old go, and what is left of deleted queues; what was
written by a clock that was ahead is set right.

The first sweep is a minute after the start: a machine that boots with a clock that is behind has asked the network by
then. By such a clock all messages lie ahead, and would be too old as soon as it is right.
"""

import asyncio
import logging

from bulb.core.clock import TRIMMED_S, Clock
from bulb.services.sqs.store import SqsStore

SWEEP_S = 60.0
# November 2026, when this was written: a clock that shows an earlier time was not set right.
_WRITTEN_AT = 1_793_491_200.0

_log = logging.getLogger(__name__)


class Keeper:
    """Sweeps once a minute."""

    def __init__(self, store: SqsStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._righted_at: float | None = None
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to sweep."""
        self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        """Stop."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            await self._clock.sleep(SWEEP_S)
            try:
                await self._right(self._clock.now())
                await self._store.sweeping.sweep(self._clock.now())
            except Exception:
                _log.exception("old messages could not be removed; trying again in a minute")

    async def _right(self, now: float) -> None:
        """The clock may have been set back since the last time, and before the first."""
        if now < _WRITTEN_AT:
            return
        is_set_back = self._righted_at is None or now < self._righted_at - TRIMMED_S
        if righted := await self._store.righting.right(now, everything=is_set_back):
            _log.warning("the clock was set back: %d messages lay ahead of it", righted)
        self._righted_at = now
