"""Redrives have AWS's limits: a hundred at once an account and Region, one a queue, 36 hours each."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from bulb.core.errors import AwsError
from bulb.services.sqs.model import MoveTask, NewMessage, Queue, QueueKey
from bulb.services.sqs.store import tasks
from tests.services.sqs.conftest import arn_of, opened, refused
from tests.services.sqs.test_store import Room, run
from tests.support.clock import MovableClock

HOURS_36 = 36 * 3600.0
LETTERS, THERE = QueueKey("0", "r", "letters"), QueueKey("0", "r", "there")


def test_an_account_has_a_hundred_at_once_in_a_region(location: str | Path) -> None:
    async def start(room: Room, key: QueueKey) -> MoveTask:
        queue = await room.store.queues.create(Queue(0, key, False, 1_000.0, 1_000.0))
        return await room.store.tasks.start(key.arn, queue, None, 1, 1_000.0)

    async def scenario(room: Room) -> None:
        started = [await start(room, QueueKey("0", "r", f"q{number}")) for number in range(100)]
        late = QueueKey("0", "r", "late")
        with pytest.raises(AwsError) as caught:
            await start(room, late)
        assert caught.value.code == "OverLimit"
        assert await room.store.tasks.of(late.arn, 1) == []
        await start(room, QueueKey("0", "elsewhere", "q"))
        await start(room, QueueKey("1", "r", "q"))
        await room.store.tasks.cancel(started[7].handle, started[7].source_arn)
        await start(room, late)

    run(location, scenario)


def test_the_refusal_of_one_too_many(sqs: Any, make: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "MOST_ACTIVE", 0)
    letters = make("letters")
    make(RedrivePolicy=json.dumps({"deadLetterTargetArn": arn_of(letters), "maxReceiveCount": 1}))
    assert refused(sqs.start_message_move_task, SourceArn=arn_of(letters)) == (
        "OverLimit",
        "The maximum number of active message move tasks is reached: 0.",
    )


async def began(api: Any, clock: MovableClock) -> None:
    """A redrive of five messages, of which one was moved and one will be each second."""
    store = api._store
    letters = await store.queues.create(Queue(0, LETTERS, False, 1.0, 1.0))
    await store.queues.create(Queue(0, THERE, False, 1.0, 1.0))
    new = [NewMessage(str(number), str(number), "md5", "me") for number in range(5)]
    await store.sending.send_all(letters, new, clock.now())
    api._moves.begin(await store.tasks.start("handle", letters, THERE.arn, 1, clock.now()))
    await soon(lambda: moved(api))


async def moved(api: Any) -> int:
    return (await task_of(api)).moved


async def ended(api: Any) -> bool:
    return (await task_of(api)).status != "RUNNING"


async def task_of(api: Any) -> MoveTask:
    (task,) = await api._store.tasks.of(LETTERS.arn, 1)
    found: MoveTask = task
    return found


async def soon(happened: Callable[[], Awaitable[Any]]) -> None:
    for _ in range(1_000):
        if await happened():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it did not happen")


async def check_it_was_ended(api: Any, clock: MovableClock) -> None:
    await soon(lambda: ended(api))
    task = await task_of(api)
    assert (task.status, task.failure) == ("FAILED", "MaximumTaskDurationExceeded")
    assert 1 <= task.moved < 5
    store = api._store
    letters, there = store.queues.find(LETTERS), store.queues.find(THERE)
    assert (await store.looking.counts(there, clock.now())).visible == task.moved
    assert (await store.looking.counts(letters, clock.now())).visible == 5 - task.moved
    await store.tasks.start("next", letters, THERE.arn, 1, clock.now())


def test_a_redrive_ends_after_36_hours(tmp_path: Path) -> None:
    clock = MovableClock()

    async def main() -> None:
        async with opened(tmp_path / "bulb.db", clock) as api:
            await began(api, clock)
            clock.advance(HOURS_36)
            await check_it_was_ended(api, clock)

    asyncio.run(main())


def test_a_redrive_whose_36_hours_passed_while_nobody_ran_ends(tmp_path: Path) -> None:
    clock = MovableClock()

    async def main() -> None:
        async with opened(tmp_path / "bulb.db", clock) as api:
            await began(api, clock)
        clock.advance(HOURS_36)
        async with opened(tmp_path / "bulb.db", clock) as api:
            await check_it_was_ended(api, clock)

    asyncio.run(main())


def test_a_redrive_that_has_36_hours_less_a_minute_goes_on(tmp_path: Path) -> None:
    clock = MovableClock()

    async def main() -> None:
        async with opened(tmp_path / "bulb.db", clock) as api:
            await began(api, clock)
            clock.advance(HOURS_36 - 60)
            await soon(lambda: ended(api))
            task = await task_of(api)
            assert (task.status, task.moved) == ("COMPLETED", 5)

    asyncio.run(main())
