"""Redrives as they are remembered, and their steps: each moves some messages and counts them in one transaction, so
that a redrive goes on after a crash where it was.
"""

from collections.abc import Sequence
from enum import IntEnum
from functools import partial
from typing import Any

from sqlalchemy import Connection, Row, delete, func, insert, select, update

from bulb.core.errors import AwsError
from bulb.services.sqs import errors
from bulb.services.sqs.model import MoveTask, Queue, StoredMessage, key_of_arn
from bulb.services.sqs.store import moving
from bulb.services.sqs.store.numbers import Numbers
from bulb.services.sqs.store.queues import QueueStore
from bulb.services.sqs.store.receiving import Receiving
from bulb.services.sqs.store.rows import m
from bulb.storage.database import Database
from bulb.storage.schema.sqs import messages, move_tasks

RUNNING, COMPLETED, CANCELLED, FAILED = "RUNNING", "COMPLETED", "CANCELLED", "FAILED"
KEPT = 10
MOST_ACTIVE, LONGEST_S = 100, 36 * 3600.0  # an account's in a Region; the time of one

_t = move_tasks.c


class Step(IntEnum):
    """How a redrive goes on: not at all, at once, or when a message that is hidden is visible again."""

    OVER = 0
    ON = 1
    WAITS = 2


class Tasks:
    """Remembers redrives and takes their steps."""

    def __init__(self, database: Database, queues: QueueStore, receiving: Receiving, numbers: Numbers) -> None:
        self._database = database
        self._queues = queues
        self._receiving = receiving
        self._numbers = numbers

    async def start(
        self, handle: str, source: Queue, destination_arn: str | None, rate: int | None, now: float
    ) -> MoveTask:
        """Remember a redrive of all that is in `source` now. Raises InvalidParameterValue and OverLimit."""

        def write(connection: Connection) -> MoveTask:
            _check_may_start(connection, source)
            _forget_oldest(connection, source.arn)
            count = select(func.count()).select_from(messages).where(m.queue_id == source.id)
            values = {
                "handle": handle,
                "account": source.key.account,
                "source_arn": source.arn,
                "destination_arn": destination_arn,
                "rate": rate,
                "status": RUNNING,
                "started_at": now,
                "last_number": self._numbers.next(),
                "moved": 0,
                "to_move": connection.execute(count).scalar_one(),
                "failure": None,
            }
            return _task(connection.execute(insert(move_tasks).values(values).returning(*_t)).one())

        return await self._database.write(write)

    async def running(self) -> list[MoveTask]:
        """Those that a stopped server left."""
        query = select(move_tasks).where(_t.status == RUNNING).order_by(_t.id)
        return await self._database.read(lambda connection: [_task(row) for row in connection.execute(query)])

    async def of(self, source_arn: str, limit: int) -> list[MoveTask]:
        """The last ones of a queue, newest first."""
        query = select(move_tasks).where(_t.source_arn == source_arn).order_by(_t.id.desc()).limit(limit)
        return await self._database.read(lambda connection: [_task(row) for row in connection.execute(query)])

    async def cancel(self, handle: str, source_arn: str) -> MoveTask:
        """End a redrive; what it moved stays moved. Raises ResourceNotFoundException and InvalidParameterValue."""

        def write(connection: Connection) -> MoveTask:
            query = select(move_tasks).where(_t.source_arn == source_arn, _t.handle == handle)
            row = connection.execute(query).one_or_none()
            if row is None:
                raise AwsError("ResourceNotFoundException", "Task does not exist.", status=404)
            if row.status != RUNNING:
                raise errors.invalid_plainly("Only active tasks can be cancelled.")
            connection.execute(update(move_tasks).where(_t.id == row.id).values(status=CANCELLED))
            return _task(row)

        return await self._database.write(write)

    async def step(self, id_: int, limit: int, now: float) -> Step:
        """Move up to `limit` messages."""
        return await self._database.write(partial(self._step, id_=id_, limit=limit, now=now))

    def _step(self, connection: Connection, id_: int, limit: int, now: float) -> Step:
        row = connection.execute(select(move_tasks).where(_t.id == id_, _t.status == RUNNING)).one_or_none()
        if row is None:
            return Step.OVER
        task = _task(row)
        if now - task.started_at >= LONGEST_S:
            return _end(connection, task, FAILED, "MaximumTaskDurationExceeded")
        source = self._queues.named(task.source_arn)
        if source is None:
            return _end(connection, task, FAILED, "AWS.SimpleQueueService.NonExistentQueue")
        found, is_cut_short = self._receiving.waiting(connection, source, limit, now, last=task.last_number)
        if not found:
            if is_cut_short:
                return Step.ON
            hidden = _hidden(connection, source, task.last_number, now)
            return Step.WAITS if hidden else _end(connection, task, COMPLETED, None)
        return self._give_back(connection, task, source, found, now)

    def _give_back(
        self, connection: Connection, task: MoveTask, source: Queue, found: Sequence[StoredMessage], now: float
    ) -> Step:
        placed: list[tuple[StoredMessage, Queue]] = []
        for message in found:
            arn = task.destination_arn or message.source_arn
            target = None if arn is None else self._queues.named(arn)
            if target is None or target.is_fifo != source.is_fifo:
                missing = "AWS.SimpleQueueService.NonExistentQueue"
                return _end(connection, task, FAILED, missing if arn else "CouldNotDetermineMessageSource")
            placed.append((message, target))
        moved = moving.give_back(connection, self._numbers, placed, source, now)
        connection.execute(update(move_tasks).where(_t.id == task.id).values(moved=_t.moved + moved))
        return Step.ON


def _hidden(connection: Connection, source: Queue, last: int, now: float) -> bool:
    """Whether some of the redrive's messages are in flight or delayed; in FIFO queues others may be behind them."""
    oldest = now - source.retention_s
    left = select(m.id).where(m.queue_id == source.id, m.visible_at > now, m.id <= last, m.sent_at > oldest).limit(1)
    return connection.execute(left).first() is not None


def _check_may_start(connection: Connection, source: Queue) -> None:
    """Raises InvalidParameterValue while a redrive of the queue runs, OverLimit while too many of the account do."""
    running = select(_t.source_arn).where(_t.account == source.key.account, _t.status == RUNNING)
    sources = list(connection.execute(running).scalars())
    if source.arn in sources:
        raise errors.invalid_plainly(
            "There is already a task running. Only one active task is allowed for a source queue arn at a given time."
        )
    keys = [key_of_arn(arn) for arn in sources]
    if sum(key is not None and key.region == source.key.region for key in keys) >= MOST_ACTIVE:
        raise errors.over_limit(f"The maximum number of active message move tasks is reached: {MOST_ACTIVE}.")


def _end(connection: Connection, task: MoveTask, status: str, failure: str | None) -> Step:
    connection.execute(update(move_tasks).where(_t.id == task.id).values(status=status, failure=failure))
    return Step.OVER


def _forget_oldest(connection: Connection, source_arn: str) -> None:
    every = select(_t.id).where(_t.source_arn == source_arn).order_by(_t.id.desc()).offset(KEPT - 1)
    ids: Sequence[int] = list(connection.execute(every).scalars())
    if ids:
        connection.execute(delete(move_tasks).where(_t.id.in_(ids)))


def _task(row: Row[Any]) -> MoveTask:
    return MoveTask(*row)  # type: ignore[call-arg]  # the columns are its fields, in order
