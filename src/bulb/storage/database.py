"""The database port: one writer that commits many callers' work in one fsync, a few readers, never the event loop.

A write or a read is a plain function of a SQLAlchemy `Connection`. It runs in another thread: it takes what it needs by
argument, returns plain values (never a cursor), and does not commit, roll back or begin by itself.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Self, TypeVar

from sqlalchemy import Connection, Table

from bulb.storage.errors import DatabaseClosedError
from bulb.storage.marker import State
from bulb.storage.opening import Opened, open_database
from bulb.storage.readers import Readers
from bulb.storage.writer import Insert, Job, Outcome, Write, Writer

T = TypeVar("T")
Listener = Callable[[], None]

_log = logging.getLogger(__name__)


class Database:
    """An open database. Made by `Database.open`, used from the event loop it was opened on."""

    def __init__(self, opened: Opened, loop: asyncio.AbstractEventLoop, readers: int) -> None:
        self._opened = opened
        self._loop = loop
        self._readers = Readers(opened.engines.reader, readers)
        self._writer = Writer(opened.engines.writer, opened.connection, opened.generation, self._report)
        self._listeners: dict[str, list[Listener]] = {}
        self._closed = False

    @classmethod
    async def open(cls, url: str | Path, *, readers: int = 3) -> Self:
        """Open the SQLite file at a path (made when absent) or the database at a `postgresql+psycopg://` URL.

        Takes it for this process alone, checks it, brings its schema up to date and voids the leases of earlier
        processes. Raises DatabaseRefusedError when another server has it, when it is damaged or of a newer Bulb.
        """
        opened = await asyncio.to_thread(open_database, url)
        database = cls(opened, asyncio.get_running_loop(), readers)
        database._writer.start()
        return database

    @property
    def generation(self) -> int:
        """This process's number in this database: higher than that of every server before it. See `generations`."""
        return self._opened.generation

    @property
    def was_interrupted(self) -> bool:
        """The last server did not end by closing this database, or nobody knows: distrust files not synced."""
        return self._opened.marker is None or self._opened.marker.found is State.OPEN

    @property
    def commits(self) -> int:
        """How many times the writer has committed."""
        return self._writer.commits

    async def write(self, function: Callable[[Connection], T]) -> T:
        """Run `function` in a write transaction and answer once it is on disk.

        What it raises is raised here, and only its own work is undone. Raises NotCommittedError when the commit failed.
        A caller that is cancelled does not know whether its write happened.
        """
        future: asyncio.Future[T] = self._loop.create_future()
        self._submit(Write(future, function))
        return await future

    async def insert(self, table: Table, row: dict[str, Any], *, channel: str | None = None) -> None:
        """Insert one row and answer once it is on disk; the cheapest write there is.

        Rows that many callers insert at once become one statement. `channel` is signalled as by `signals.notify`.
        """
        future: asyncio.Future[None] = self._loop.create_future()
        self._submit(Insert(future, table, row, channel))
        await future

    async def read(self, function: Callable[[Connection], T]) -> T:
        """Run `function` in a read-only transaction. It sees every write that was answered before this call."""
        if self._closed:
            raise DatabaseClosedError("The database is closed.")
        return await asyncio.wrap_future(self._readers.submit(function))

    def on_commit(self, channel: str, listener: Listener) -> Callable[[], None]:
        """Call `listener` on the event loop after each commit in which a write named `channel` (`signals.notify`).

        Several writes of one commit are one call. A listener returns at once and does not raise. What is returned ends
        it, once and for all; a channel that nobody listens to costs nothing.
        """
        self._listeners.setdefault(channel, []).append(listener)

        def remove() -> None:
            left = self._listeners.get(channel, [])
            if listener in left:
                left.remove(listener)
                if not left:
                    del self._listeners[channel]

        return remove

    async def close(self) -> None:
        """Finish every write and read that was asked for, then let go of the database."""
        if self._closed:
            return
        self._closed = True
        await asyncio.to_thread(self._close)

    def _close(self) -> None:
        self._readers.close()
        self._writer.close()  # last: on SQLite the last connection to go folds the WAL into the file, readers cannot
        self._opened.engines.dispose()
        if self._opened.marker is not None:
            self._opened.marker.write(State.CLEAN)
            self._opened.marker.release()

    def _submit(self, job: Job) -> None:
        if self._closed:
            raise DatabaseClosedError("The database is closed.")
        self._writer.submit(job)

    def _report(self, outcomes: Sequence[Outcome], channels: frozenset[str]) -> None:
        """In the writer's thread: wake the loop once for the whole batch."""
        try:
            self._loop.call_soon_threadsafe(self._settle, outcomes, channels)
        except RuntimeError:  # the loop is closed: nobody is left to be told
            _log.warning("The event loop ended before %d writes were answered", len(outcomes))

    def _settle(self, outcomes: Sequence[Outcome], channels: frozenset[str]) -> None:
        for outcome in outcomes:
            _answer(outcome)
        for channel in channels:
            for listener in tuple(self._listeners.get(channel, ())):  # one may remove itself, or another
                try:
                    listener()
                except Exception:
                    _log.exception("A listener of %s failed", channel)


def _answer(outcome: Outcome) -> None:
    future: asyncio.Future[Any] = outcome.ticket
    if future.done():  # its caller was cancelled
        return
    if outcome.error is None:
        future.set_result(outcome.result)
    elif isinstance(outcome.error, StopIteration):  # a future cannot carry this one
        future.set_exception(RuntimeError("A database function raised StopIteration"))
    else:
        future.set_exception(outcome.error)
