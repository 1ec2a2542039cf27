"""Carrying out replays of what rooms have archived: one step of each in turn, for as long as there are unfinished ones.

A room says what is unfinished and makes the steps. Where a replay stands is for a step to write in the transaction that
puts what it replays, so that one that was interrupted goes on where it was, without doubling or leaving out any.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from sqlalchemy import Connection

from bulb.core.clock import Clock
from bulb.storage.database import Database

T = TypeVar("T")

_log = logging.getLogger(__name__)
_RETRY_S = 1.0
_SWEEP_S = 3_600.0


class ReplayWork(Generic[T]):
    """The replays of one room. `unfinished` reads them, `step` makes one step of one at a Unix time; `sweep` clears
    archives of what is past its retention, once an hour. Commits on `channel` leave something to do.
    """

    def __init__(
        self,
        database: Database,
        channel: str,
        clock: Clock,
        *,
        unfinished: Callable[[Connection], Sequence[T]],
        step: Callable[[T, float], Awaitable[None]],
        sweep: Callable[[float], Awaitable[None]],
    ) -> None:
        self._database = database
        self._clock = clock
        self._unfinished = unfinished
        self._step = step
        self._sweep = sweep
        self._wake = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        database.on_commit(channel, self._wake.set)

    def start(self) -> None:
        """Begin, with what an earlier process left."""
        self._wake.set()
        self._tasks = [asyncio.create_task(self._run()), asyncio.create_task(self._keep_sweeping())]

    async def close(self) -> None:
        """Stop; replays go on at the next start."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            try:
                while work := await self._database.read(self._unfinished):
                    for replay in work:
                        await self._step(replay, self._clock.now())
            except Exception:
                _log.exception("replays could not be carried on; trying again")
                await self._clock.sleep(_RETRY_S)
                self._wake.set()

    async def _keep_sweeping(self) -> None:
        while True:
            try:
                await self._sweep(self._clock.now())
            except Exception:
                _log.exception("archives could not be cleared; trying again later")
            await self._clock.sleep(_SWEEP_S)
