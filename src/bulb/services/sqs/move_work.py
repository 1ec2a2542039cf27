"""The work of redrives: step by step, at the rate asked for, until nothing is left; resumed after a restart."""

import asyncio
import logging

from bulb.core.clock import Clock
from bulb.services.sqs.model import MoveTask
from bulb.services.sqs.store import SqsStore
from bulb.services.sqs.store.tasks import Step

BATCH = 200
_PAUSE_S = 1.0

_log = logging.getLogger(__name__)


class MoveWork:
    """Runs redrives."""

    def __init__(self, store: SqsStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._running: set[asyncio.Task[None]] = set()

    async def resume(self) -> None:
        """Go on with what a stopped server left."""
        for task in await self._store.tasks.running():
            self.begin(task)

    def begin(self, task: MoveTask) -> None:
        """Work on a redrive from now on."""
        running = asyncio.create_task(self._run(task))
        self._running.add(running)
        running.add_done_callback(self._running.discard)

    async def close(self) -> None:
        """Stop; what is not moved yet is moved after the next start."""
        for running in self._running:
            running.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    async def _run(self, task: MoveTask) -> None:
        """With a rate, a second's worth each second. What is in flight is waited for, as long as a redrive may last."""
        limit = BATCH if task.rate is None else task.rate
        while True:
            try:
                step = await self._store.tasks.step(task.id, limit, self._clock.now())
            except Exception:
                _log.exception("the redrive of %s failed; trying again", task.source_arn)
                step = Step.WAITS
            if step is Step.OVER:
                return
            if step is Step.WAITS or task.rate is not None:
                await self._clock.sleep(_PAUSE_S)
