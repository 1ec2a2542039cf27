"""Writing what may be a moment late: log lines, metric points, ledger lines.

Collectors gather in memory; every interval what all of them have goes into one write transaction, in the order they
were registered. What could not be written is kept for the next time, each collector's part on its own, so that one that
fails does not hold up the others. What is kept is bounded: the oldest is dropped and counted.
"""

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Callable, Collection

from sqlalchemy import Connection

from bulb.core.clock import Clock
from bulb.storage.database import Database

INTERVAL_S = 0.25
KEPT = 40  # failed parts kept for one collector: ten seconds at the usual interval

Part = Callable[[Connection], None]
# Called on the event loop; gives everything gathered since the last call as a function that writes it, or None. The
# function may be called more than once until it succeeds, so it only writes.
Collector = Callable[[], Part | None]

_log = logging.getLogger(__name__)


class WriteBehind:
    """Flushes its collectors every `interval_s` of `clock` between `start` and `close`, and when asked."""

    def __init__(self, database: Database, clock: Clock, *, interval_s: float = INTERVAL_S, kept: int = KEPT) -> None:
        self._database = database
        self._clock = clock
        self._interval_s = interval_s
        self._kept = kept
        self._collectors: list[tuple[Collector, deque[Part]]] = []
        self._flushing = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None
        self._hurried = asyncio.Event()
        self._told: set[str] = set()
        self.dropped = 0

    def register(self, collector: Collector) -> None:
        """From now on flush `collector` too, after those registered before."""
        self._collectors.append((collector, deque()))

    def start(self) -> None:
        """Begin to flush by itself."""
        self._task = asyncio.get_running_loop().create_task(self._run(), name="write-behind")

    def hurry(self) -> None:
        """Do not wait for the end of the interval: somebody has gathered as much as they may. Returns at once."""
        self._hurried.set()

    async def flush(self) -> None:
        """Write what has been gathered so far. Afterwards it can be read, unless the database refused it (logged)."""
        # Shielded: when the caller is cancelled, what was taken must still be written or kept.
        await asyncio.shield(self._flush())

    async def _flush(self) -> None:
        async with self._flushing:
            parts = [(kept, part) for collector, kept in self._collectors for part in self._take(collector, kept)]
            if parts:
                await self._write(parts)

    async def close(self) -> None:
        """Stop, after a last flush. The database is closed after this, not before."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        await self.flush()

    async def _run(self) -> None:
        while True:
            await self._interval()
            await self.flush()

    async def _interval(self) -> None:
        """Until the interval is over or somebody hurries."""
        passed = asyncio.ensure_future(self._clock.sleep(self._interval_s))
        hurried = asyncio.ensure_future(self._hurried.wait())
        try:
            await asyncio.wait((passed, hurried), return_when=asyncio.FIRST_COMPLETED)
        finally:
            passed.cancel()
            hurried.cancel()
        self._hurried.clear()

    def _take(self, collector: Collector, kept: deque[Part]) -> list[Part]:
        try:
            part = collector()
        except Exception:
            _log.exception("A collector failed")
            part = None
        parts = [*kept, part] if part is not None else list(kept)
        kept.clear()
        return parts

    async def _write(self, parts: list[tuple[deque[Part], Part]]) -> None:
        try:
            failed = await self._database.write(lambda connection: _write_each(connection, [part for _, part in parts]))
        except Exception as error:
            failed = dict.fromkeys(range(len(parts)), error)
        self._tell(failed.values())
        for position in failed:
            kept, part = parts[position]
            kept.append(part)
            if len(kept) > self._kept:
                kept.popleft()
                self.dropped += 1

    def _tell(self, failures: Collection[Exception]) -> None:
        """Log each failure when it is new, not at every flush, and that it is over."""
        if not failures and self._told:
            _log.warning("What was gathered is written again")
            self._told.clear()
        for error in failures:
            what = str(error).partition("\n")[0]
            if what not in self._told:
                self._told.add(what)
                _log.error("What was gathered cannot be written; trying again at each flush", exc_info=error)


def _write_each(connection: Connection, parts: list[Part]) -> dict[int, Exception]:
    """Call every part in a savepoint of its own. The failures, by position, in order."""
    failed: dict[int, Exception] = {}
    for position, part in enumerate(parts):
        try:
            with connection.begin_nested():
                part(connection)
        except Exception as error:
            failed[position] = error
    return failed
