"""The journal: which events came in, what each triggered and how it ended, now and some days back.

It listens to the facts about deliveries and asynchronous events and writes them a moment later, with everything that
may be late; nobody waits for it. A synchronous invocation costs it one look into a set. What it holds is bounded: under
a storm the oldest facts that still wait are dropped and counted, and rows go by age and by number.
"""

import asyncio
import contextlib
import logging
from collections import deque
from functools import partial
from itertools import islice

from sqlalchemy import Connection

from bulb.core.clock import Clock, sleep_unless
from bulb.core.facts import AsyncEventReceived, AsyncEventTried, BatchFinished, Delivered, Fact
from bulb.storage.database import Database
from bulb.storage.signals import notify
from bulb.storage.writebehind import Part, WriteBehind
from bulb.telemetry import journal_rows
from bulb.telemetry.happenings import Told, rows
from bulb.telemetry.journal_rows import SWEPT, Found, Query

CHANNEL = "journal"
MOST_EVENTS = 100_000
# Facts that may wait, and those written in one transaction: other writes wait for that.
MOST_WAITING, MOST_WRITTEN = 50_000, 500
SWEEP_S = 60.0
_TOLD = frozenset({Delivered, AsyncEventReceived, AsyncEventTried, BatchFinished})

_log = logging.getLogger(__name__)


class Journal:
    """`listen` is a listener of `Facts`. Between `start` and `close` it acts on retention by itself."""

    def __init__(
        self, database: Database, writebehind: WriteBehind, clock: Clock, *, days: float, most: int = MOST_EVENTS
    ) -> None:
        """Keep events for `days` after their last change, and `most` at most."""
        self.days = days
        self.dropped = 0
        self._database = database
        self._writebehind = writebehind
        self._clock = clock
        self._most = most
        self._waiting: deque[Told] = deque(maxlen=MOST_WAITING)
        self._dropped_told = 0
        self._written = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        database.on_commit(CHANNEL, self._tell)
        writebehind.register(self._collect)

    def listen(self, fact: Fact) -> None:
        """Remember what belongs into the journal; other facts cost nothing."""
        if type(fact) in _TOLD:
            waiting = self._waiting
            if len(waiting) == MOST_WAITING:
                self.dropped += 1
            waiting.append(fact)  # type: ignore[arg-type]  # the set holds the types of the union

    def start(self) -> None:
        """Begin to sweep."""
        self._task = asyncio.get_running_loop().create_task(self._sweep_forever(), name="journal retention")

    async def close(self) -> None:
        """Stop sweeping. What waits is written by the write-behind's own close."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def find(self, query: Query, wait_s: float = 0.0) -> Found:
        """The events asked for. Asked for changes after a cursor, wait up to `wait_s` until there is one.

        What happened before this call is told to who asks for a time; changes are told when they are written.
        """
        if query.after is None:
            for _ in range(1 + len(self._waiting) // MOST_WRITTEN):
                await self._writebehind.flush()
        until = self._clock.now() + wait_s
        while True:
            written = self._written  # taken before looking, so that nothing falls between
            found = await self._database.read(partial(journal_rows.find, query=query))
            left = until - self._clock.now()
            if found.events or query.after is None or left <= 0:
                return found
            await sleep_unless(written, self._clock, left)

    async def sweep(self) -> int:
        """Delete what is too old or too much. How many events went."""
        before, gone = self._clock.now() - self.days * 86_400, 0
        while True:
            some = await self._database.write(partial(journal_rows.sweep, before=before, most=self._most))
            gone += some
            if some < SWEPT:
                return gone

    def _collect(self) -> Part | None:
        if not self._waiting:
            return None
        taken = list(islice(self._waiting, MOST_WRITTEN))
        if len(taken) == len(self._waiting):
            self._waiting.clear()
        else:
            for _ in taken:
                self._waiting.popleft()
            self._writebehind.hurry()
        if self.dropped > self._dropped_told:
            _log.warning("More happened than the journal can take down: %d facts are missing so far", self.dropped)
            self._dropped_told = self.dropped
        return partial(_write, facts=taken)

    def _tell(self) -> None:
        self._written.set()
        self._written = asyncio.Event()

    async def _sweep_forever(self) -> None:
        while True:
            try:
                await self.sweep()
            except Exception:
                _log.exception("Old events could not be deleted from the journal; trying again in a minute")
            await self._clock.sleep(SWEEP_S)


def _write(connection: Connection, facts: list[Told]) -> None:
    journal_rows.write(connection, rows(facts))
    notify(connection, CHANNEL)
