"""Working off a durable queue: a task for each message that is claimed, as many in a lane as whose queue it is allows.

Whoever has the queue is asked to `look` when there may be something to do: a commit put messages there, the work on one
ended, or the time is over that the last look answered. It takes what it has room for (`take`), and `work` ends each
message, in whatever way, before it returns. A process that dies in between leaves the message to the next one. A clock
that was ahead keeps nothing waiting: at the start, and when the clock shows an earlier time, that is set right.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from functools import partial
from typing import Any

from sqlalchemy import Connection

from bulb.core.clock import TRIMMED_S, Clock, sleep_unless
from bulb.storage import queue
from bulb.storage.database import Database
from bulb.storage.queue import Message

_log = logging.getLogger(__name__)

LONGEST_WAIT_S = 60.0
_RETRY_S = 1.0
_GIVEN_BACK_S = 60.0


class Workers:
    """Works off the queue `name`. `running` is how many messages of each lane are being worked on."""

    def __init__(
        self,
        database: Database,
        name: str,
        clock: Clock,
        look: Callable[[], Awaitable[float]],
        work: Callable[[Message], Coroutine[Any, Any, None]],
    ) -> None:
        """`look` answers the seconds until it is worth looking again."""
        self._database = database
        self._name = name
        self._clock = clock
        self._look = look
        self._work = work
        self._wake = asyncio.Event()
        self._tasks: dict[asyncio.Task[None], int] = {}  # what is under way, by the ids of its messages
        # A claim was asked for and not answered: it may be on disk, where the connection broke while it was told.
        self._is_in_doubt = False
        self._loop: asyncio.Task[None] | None = None
        # The latest time the clock has shown; None before the first look.
        self._latest: float | None = None
        self.running: Counter[str] = Counter()
        database.on_commit(queue.channel(name), self._wake.set)

    def start(self) -> None:
        """Begin, with what waits from before a restart too."""
        self._loop = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Take nothing more. What is under way goes on; what waits is there at the next start."""
        if self._loop is not None:
            self._loop.cancel()
            await asyncio.gather(self._loop, return_exceptions=True)
            self._loop = None

    async def close(self) -> None:
        """Stop, and abandon what is under way: it is begun anew at the next start."""
        await self.stop()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def take(
        self, now: float, most: int, room: Mapping[str, int], per_lane: int
    ) -> tuple[Sequence[Message], float]:
        """Claim what is due and begin with it: what that is, and the seconds until there is more that has room.

        `room` is for the lanes that have messages under way, `per_lane` for all others.
        """
        generation = self._database.generation
        limits = {lane: max(left, 0) for lane, left in room.items()}
        full = [lane for lane, left in limits.items() if not left]

        def claim(connection: Connection) -> tuple[list[Message], float | None]:
            found = queue.claim(connection, self._name, generation, now, most, lane_limits=limits, per_lane=per_lane)
            return found, queue.next_visible_at(connection, self._name, skip=full)

        self._is_in_doubt = True
        claimed, next_at = await self._database.write(claim)
        self._is_in_doubt = False
        for message in claimed:
            self.running[message.lane] += 1
            task = asyncio.create_task(self._work_on(message))
            self._tasks[task] = message.id
            task.add_done_callback(partial(self._ended, message.lane))
        if next_at is None:
            return claimed, LONGEST_WAIT_S
        return claimed, min(max(next_at - self._clock.now(), 0.0), LONGEST_WAIT_S)

    async def _work_on(self, message: Message) -> None:
        """What is not ended for an error of ours would be held until the next start: it is given back instead."""
        try:
            await self._work(message)
        except Exception:
            _log.exception("the work on a message of the queue %s failed; it will be tried again", self._name)
            visible_at, generation = self._clock.now() + _GIVEN_BACK_S, self._database.generation
            await self._database.write(
                partial(
                    queue.retry,
                    id_=message.id,
                    generation=generation,
                    visible_at=visible_at,
                    attempts=message.attempts,
                )
            )

    def _ended(self, lane: str, task: asyncio.Task[None]) -> None:
        del self._tasks[task]
        self.running[lane] -= 1
        if not self.running[lane]:
            del self.running[lane]
        self._wake.set()

    async def _look_at_clock(self) -> None:
        """What was put by a clock that was ahead would wait until it shows that time again."""
        now, latest = self._clock.now(), self._latest
        if latest is None or now < latest - TRIMMED_S:
            await self._database.write(partial(queue.set_right, queue=self._name, now=now))
            latest = now
        self._latest = max(now, latest)

    async def _settle_doubt(self) -> None:
        """Nobody works on what a claim took that was not answered: it is free again."""
        if self._is_in_doubt:
            held, generation = set(self._tasks.values()), self._database.generation
            await self._database.write(lambda connection: queue.free(connection, self._name, generation, held))
            self._is_in_doubt = False

    async def _run(self) -> None:
        while True:
            self._wake.clear()
            try:
                await self._settle_doubt()
                await self._look_at_clock()
                wait = await self._look()
            except Exception:
                _log.exception("the queue %s could not be read; trying again", self._name)
                wait = _RETRY_S
            await sleep_unless(self._wake, self._clock, wait)
