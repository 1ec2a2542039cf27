"""Packages that stay in their owners' buckets: whether they are still there.

AWS reads them now and then, and a function whose package it can read no more becomes Inactive. How often is not
documented; here it is at the start and every hour.
"""

import asyncio
import contextlib
import logging

from bulb.core.clock import Clock
from bulb.services.lambda_.activation import Activator
from bulb.services.lambda_.packages import Packages, UnreachableCodeError
from bulb.services.lambda_.store import LambdaStore

EVERY_S = 3600.0

_log = logging.getLogger(__name__)


class SourceWatch:
    """Looks for the objects that functions refer to, in the background."""

    def __init__(self, store: LambdaStore, packages: Packages, activator: Activator, clock: Clock) -> None:
        self._store = store.versions
        self._packages = packages
        self._activator = activator
        self._clock = clock
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Look now, and from now on every hour."""
        self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        """Stop."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _run(self) -> None:
        while True:
            try:
                await self._look()
            except Exception:
                _log.exception("whether functions still have their code in S3 is not known; looking again later")
            await self._clock.sleep(EVERY_S)

    async def _look(self) -> None:
        for record in await self._store.in_buckets():
            if (running := record.running) is None:
                continue
            try:
                await self._packages.check(running.code)
            except UnreachableCodeError as error:
                await self._activator.lost(record.ref, running.code, error.message)
