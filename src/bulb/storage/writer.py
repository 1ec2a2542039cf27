"""The one writer: a thread that commits many callers' work at once.

Rules:
1. Whatever waits when the writer is free goes into one transaction; a lone write never waits for company.
2. Each function runs in its own savepoint: an exception undoes that function only and goes to its caller.
3. A caller is answered after the commit, never before. When the commit fails every caller of the batch is told.
4. No caller is left waiting: whatever ends the thread answers everybody in the queue with an error.
5. A connection that was lost is made again only while nobody else has had the database: what is kept in memory here
   would not be what is on disk any more.

Inserts of the same columns of one table are gathered from all callers into one `executemany`; they run after the
batch's functions. Between calls that were not awaited one after the other no order is promised.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any

from sqlalchemy import Connection, Engine, Table
from sqlalchemy.exc import DBAPIError

from bulb.storage import signals
from bulb.storage.errors import DatabaseClosedError, NotCommittedError
from bulb.storage.generations import current_generation

MAX_BATCH = 512
MAX_BATCH_S = 0.05  # a batch stops growing after this long, so that its first caller is not kept waiting
_PAUSE_S = 1.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class Write:
    """Run `function` on the writer's connection. `ticket` is handed back with the outcome."""

    ticket: Any
    function: Callable[[Connection], Any]


@dataclass(frozen=True, slots=True, eq=False)
class Insert:
    """Insert `row`, then signal `channel`."""

    ticket: Any
    table: Table
    row: dict[str, Any]
    channel: str | None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one job: a result, or the error to raise to its caller."""

    ticket: Any
    result: Any = None
    error: BaseException | None = None


Job = Write | Insert
Report = Callable[[Sequence[Outcome], frozenset[str]], None]


class BatchLostError(Exception):
    """The transaction is gone (disk full, connection lost); nobody in the batch can be answered as stored."""


class DatabaseTakenError(BaseException):
    """Another server has had the database since the connection was lost. Ends the thread: nobody may go on."""


class Writer:
    """Owns the writing connection, and makes another from `engine` when it is lost.

    `generation` is this process's (`generations`). `report` is called in the writer's thread, once a batch.
    """

    def __init__(self, engine: Engine, connection: Connection, generation: int, report: Report) -> None:
        self._engine = engine
        self._generation = generation
        self._report = report
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        self._connection: Connection | None = connection
        self._death: BaseException | None = None
        self._submitting = threading.Lock()
        self._thread = threading.Thread(target=self._main, name="bulb-writer", daemon=True)
        self._used_at = time.monotonic()
        self.commits = 0

    def start(self) -> None:
        """Begin taking jobs."""
        self._thread.start()

    def submit(self, job: Job) -> None:
        """Queue `job`. Raises DatabaseClosedError when the writer is dead."""
        with self._submitting:
            if self._death is not None:
                raise DatabaseClosedError(
                    f"The database writer stopped ({self._death}); restart Bulb."
                ) from self._death
            self._jobs.put(job)

    def close(self) -> None:
        """Finish what is queued, then stop. Blocks; the caller makes sure that nothing is submitted afterwards."""
        self._jobs.put(None)
        self._thread.join()

    def _main(self) -> None:
        batch: list[Job] = []
        try:
            while (first := self._jobs.get()) is not None:
                batch.append(first)
                outcomes, channels = self._commit(batch)
                self._report(outcomes, channels)
                batch.clear()
        except BaseException as error:
            _log.critical("The database writer died", exc_info=True)
            self._die(error, batch)
        finally:
            self._discard_connection()

    def _die(self, error: BaseException, batch: Sequence[Job]) -> None:
        with self._submitting:
            self._death = error
        left = [*batch, *(job for job in self._waiting() if job is not None)]
        refusal = DatabaseClosedError(f"The database writer stopped ({error}); restart Bulb.")
        self._report([Outcome(job.ticket, error=refusal) for job in left], frozenset())

    def _waiting(self) -> Iterator[Job | None]:
        while True:
            try:
                yield self._jobs.get_nowait()
            except Empty:
                return

    def _commit(self, batch: list[Job]) -> tuple[list[Outcome], frozenset[str]]:
        """Run `batch` and whatever else waits, in one transaction. `batch` grows by what was taken."""
        try:
            connection = self._living_connection()
            signals.reset(connection)
            with connection.begin():
                outcomes = self._run(connection, batch)
                channels = signals.named(connection)
        except Exception as error:
            self._discard_connection()
            return [Outcome(job.ticket, error=_not_committed(error)) for job in batch], frozenset()
        self.commits += 1
        self._used_at = time.monotonic()
        return outcomes, channels

    def _living_connection(self) -> Connection:
        """Looked at after a pause, in which PostgreSQL may have been restarted: that costs no batch then."""
        if (
            self._connection is not None
            and time.monotonic() - self._used_at > _PAUSE_S
            and not _answers(self._connection)
        ):
            self._discard_connection()
        if self._connection is None:
            self._connection = self._connect_again()
        return self._connection

    def _connect_again(self) -> Connection:
        connection = self._engine.connect()
        try:
            with connection.begin():
                found = current_generation(connection)
        except BaseException:
            connection.close()
            raise
        if found != self._generation:
            connection.close()
            raise DatabaseTakenError("another Bulb has used the database meanwhile")
        return connection

    def _run(self, connection: Connection, batch: list[Job]) -> list[Outcome]:
        outcomes: list[Outcome] = []
        inserts: list[Insert] = []
        for job in self._take(batch):
            if isinstance(job, Insert):
                inserts.append(job)
            else:
                outcomes.append(_run_one(connection, job))
        outcomes += _run_inserts(connection, inserts)
        return outcomes

    def _take(self, batch: list[Job]) -> Iterator[Job]:
        """The first job, then those that wait already; those that arrive meanwhile would only delay this commit."""
        waiting = min(self._jobs.qsize(), MAX_BATCH - 1)
        deadline = time.monotonic() + MAX_BATCH_S
        yield batch[0]
        for _ in range(waiting):
            if time.monotonic() > deadline:
                return
            job = self._jobs.get_nowait()
            if job is None:
                self._jobs.put(None)  # the order to stop is the last thing in the queue and stays so
                return
            batch.append(job)
            yield job

    def _discard_connection(self) -> None:
        connection, self._connection = self._connection, None
        if connection is None:
            return
        try:
            connection.invalidate()
            connection.close()
        except Exception:
            _log.warning("Closing the writing connection failed", exc_info=True)


def _answers(connection: Connection) -> bool:
    try:
        with connection.begin():
            connection.exec_driver_sql("SELECT 1")
    except DBAPIError:
        return False
    return True


def _run_one(connection: Connection, job: Write) -> Outcome:
    # Straight to the driver: SQLAlchemy's own savepoints cost several times as much as a small insert.
    driver: Any = connection.connection.driver_connection
    channels = signals.named(connection)
    driver.execute("SAVEPOINT one_write")
    try:
        result = job.function(connection)
    except Exception as error:
        _undo(driver, error)
        signals.reset(connection, channels)
        return Outcome(job.ticket, error=error)
    driver.execute("RELEASE SAVEPOINT one_write")
    return Outcome(job.ticket, result)


def _undo(driver: Any, error: Exception) -> None:
    try:
        driver.execute("ROLLBACK TO SAVEPOINT one_write")
        driver.execute("RELEASE SAVEPOINT one_write")
    except Exception as lost:  # the engine gave up the whole transaction, as SQLite does when the disk is full
        raise BatchLostError(str(error)) from lost


def _run_inserts(connection: Connection, jobs: Sequence[Insert]) -> list[Outcome]:
    groups: dict[tuple[Table, tuple[str, ...]], list[Insert]] = {}
    for job in jobs:
        groups.setdefault((job.table, tuple(job.row)), []).append(job)
    outcomes: list[Outcome] = []
    for group in groups.values():
        if _run_one(connection, Write(None, partial(_insert, jobs=group))).error is None:
            outcomes += [Outcome(job.ticket) for job in group]
        else:  # one row is refused: find out whose, the others are stored
            outcomes += [_run_one(connection, Write(job.ticket, partial(_insert, jobs=[job]))) for job in group]
    return outcomes


def _insert(connection: Connection, jobs: Sequence[Insert]) -> None:
    connection.execute(jobs[0].table.insert(), [job.row for job in jobs])
    for channel in {job.channel for job in jobs if job.channel is not None}:
        signals.notify(connection, channel)


def _not_committed(error: Exception) -> NotCommittedError:
    refusal = NotCommittedError(f"The database did not say that it has committed this write: {error}")
    refusal.__cause__ = error
    return refusal
