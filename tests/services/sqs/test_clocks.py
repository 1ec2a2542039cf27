"""What was sent, received or begun by a clock that was years ahead does not wait for that time once it is right."""

import asyncio
import itertools
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bulb.services.sqs import Keeper, SqsApi, Waiting
from bulb.services.sqs.model import Claimed, NewMessage, Queue, QueueKey, StoredMessage
from bulb.services.sqs.store.receiving import Asked
from bulb.services.sqs.store.settling import Ending
from bulb.services.sqs.throughput import Throughput
from tests.services.sqs.conftest import name_of, opened
from tests.services.sqs.test_store import HOME, Room, handle, new, run
from tests.support.clock import MovableClock
from tests.support.gateway import client, running_gateway

NOW = 2_000_000_000.0
YEARS = 3 * 365 * 86_400.0
AHEAD = NOW + YEARS
HOURS_12 = 43_200.0


@pytest.fixture(params=[False, True], ids=["standard", "fifo"])
def fifo(request: pytest.FixtureRequest) -> bool:
    found: bool = request.param
    return found


async def right(room: Room, at: float = NOW, *, everything: bool = False) -> int:
    return await room.store.righting.right(at, everything=everything)


async def only(room: Room, queue: Queue, at: float) -> StoredMessage:
    (message,) = await room.store.looking.peek(queue, 10, at)
    return message


def test_what_was_sent_ahead_was_sent_now(location: str | Path, fifo: bool) -> None:
    async def scenario(room: Room) -> None:
        queue = await room.queue(fifo=fifo, DelaySeconds="10", MessageRetentionPeriod="60")
        await room.send(queue, "a1", "a2", at=AHEAD)
        assert await room.bodies(queue, 9, NOW + 50.0) == []
        assert await right(room) == 2
        assert await room.bodies(queue, 9, NOW + 9.9) == []
        assert await room.bodies(queue, 9, NOW + 10.0, hidden=1.0) == ["a1", "a2"]
        assert await room.store.sweeping.sweep(NOW + 59.9) == 0
        assert await room.store.sweeping.sweep(NOW + 60.0) == 2
        assert await right(room) == 0

    run(location, scenario)


@pytest.mark.parametrize("by", [3 * 86_400.0, 3_600.0], ids=["three days", "an hour"])
def test_what_was_received_ahead_was_received_now(location: str | Path, fifo: bool, by: float) -> None:
    async def scenario(room: Room) -> None:
        queue = await room.queue(fifo=fifo)
        await room.send(queue, "a1", "a2", at=NOW)
        assert await room.bodies(queue, 1, NOW + by) == ["a1"]
        assert await right(room, NOW + 1.0, everything=True) == 1
        assert await room.bodies(queue, 9, NOW + 1.0) == ([] if fifo else ["a2"])
        assert sorted(await room.bodies(queue, 9, NOW + 31.0)) == ["a1", "a2"]
        first = min(await room.store.looking.peek(queue, 10, NOW), key=lambda one: one.id)
        assert (first.receive_count, first.first_received_at) == (2, NOW + 1.0)

    run(location, scenario)


def test_more_than_half_a_day_is_found_without_looking_at_everything(location: str | Path, fifo: bool) -> None:
    async def scenario(room: Room) -> None:
        queue = await room.queue(fifo=fifo)
        await room.send(queue, "a1", "b1", at=NOW)
        assert await room.bodies(queue, 1, NOW + 3 * 86_400.0) == ["a1"]
        assert await room.bodies(queue, 1, NOW + 3_600.0) == ["b1"]
        assert [await right(room), await right(room)] == [1, 0]
        assert await right(room, everything=True) == 1
        assert await room.counts(queue, NOW + 30.0) == (2, 0, 0)

    run(location, scenario)


def test_what_is_true_is_left_alone(location: str | Path, fifo: bool) -> None:
    async def scenario(room: Room) -> None:
        queue = await room.queue(fifo=fifo, DelaySeconds="900")
        await room.send(queue, "a1", at=NOW - 900.0)
        await room.send(queue, "b1", at=NOW + 30.0)  # by a clock that was trimmed since
        (held,) = (await room.claim(queue, 1, NOW + 30.0, hidden=HOURS_12)).messages
        before = await room.store.looking.peek(queue, 10, NOW)
        assert len(before) == 2
        assert await right(room, everything=True) == 0
        assert await room.store.looking.peek(queue, 10, NOW) == before
        assert await room.store.settling.delete(queue, [handle(held)], NOW) == [Ending.DONE]

    run(location, scenario)


def test_a_time_that_a_client_has_set_since_is_kept(location: str | Path, fifo: bool) -> None:
    async def scenario(room: Room) -> None:
        queue = await room.queue(fifo=fifo)
        await room.send(queue, "a1", at=AHEAD)
        (held,) = (await room.claim(queue, 1, AHEAD)).messages
        assert await room.store.settling.change(queue, [(handle(held), 100.0)], NOW) == [Ending.DONE]
        assert await right(room) == 1
        assert await room.bodies(queue, 1, NOW + 99.0) == []
        assert await room.bodies(queue, 1, NOW + 100.0) == ["a1"]

    run(location, scenario)


def test_a_receive_that_is_undone_ahead_hides_nothing(location: str | Path, fifo: bool) -> None:
    async def scenario(room: Room) -> None:
        queue = await room.queue(fifo=fifo)
        await room.send(queue, "a1", at=NOW)
        (held,) = (await room.claim(queue, 1, NOW)).messages
        await room.store.settling.unclaim(queue, [(held.id, held.claim)], NOW + 3_600.0)
        assert await room.bodies(queue, 1, NOW + 30.0) == ["a1"]

    run(location, scenario)


def test_any_number_and_whoever_waits_is_told(location: str | Path, fifo: bool) -> None:
    async def scenario(room: Room) -> None:
        queue, other = await room.queue(fifo=fifo), await room.queue("other", fifo=fifo)
        words = [f"{'abc'[number % 3]}{number}" for number in range(1_203)]
        await room.send(queue, *words, at=AHEAD)
        await room.send(other, "a1", at=NOW)
        told: list[str] = []
        room.store.database.on_commit(queue.channel, lambda: told.append("queue"))
        room.store.database.on_commit(other.channel, lambda: told.append("other"))
        assert await right(room) == 1_203
        assert set(told) == {"queue"}
        assert await room.counts(queue, NOW) == (1_203, 0, 0)
        found = await room.bodies(queue, 1_203, NOW)
        assert sorted(found) == sorted(words)
        assert [word for word in found if word[0] == "a"] == [word for word in words if word[0] == "a"]

    run(location, scenario)


def test_twins_of_what_was_sent_ahead_are_so_for_five_minutes(location: str | Path) -> None:
    async def scenario(room: Room) -> None:
        queue = await room.queue(fifo=True)
        await room.send(queue, "a1", at=AHEAD)
        await right(room)
        await room.send(queue, "a1", at=NOW + 299.0)
        assert sum(await room.counts(queue, NOW)) == 1
        await room.send(queue, "a1", at=NOW + 300.0)
        assert sum(await room.counts(queue, NOW)) == 2

    run(location, scenario)


def test_attempts_of_a_receive_ahead_are_forgotten(location: str | Path) -> None:
    async def scenario(room: Room) -> None:
        async def attempt(at: float) -> list[str]:
            claimed = await room.store.receiving.claim(queue, Asked(1, 600.0, "try"), at)
            return [message.body for message in claimed.messages]

        queue = await room.queue(fifo=True)
        await room.send(queue, "a1", "b1", at=AHEAD)
        assert await attempt(AHEAD) == ["a1"]
        await right(room)
        assert await attempt(NOW + 1.0) == ["b1"]
        assert await attempt(NOW + 2.0) == ["b1"]
        assert await attempt(NOW + 302.0) == []
        assert await attempt(NOW + 600.0) == ["a1"]

    run(location, scenario)


def test_dead_letters_that_moved_ahead(location: str | Path, fifo: bool) -> None:
    async def scenario(room: Room) -> None:
        letters = await room.queue("letters", fifo=fifo, MessageRetentionPeriod="60")
        policy = json.dumps({"deadLetterTargetArn": letters.arn, "maxReceiveCount": 1})
        queue = await room.queue(fifo=fifo, RedrivePolicy=policy, MessageRetentionPeriod="1209600")
        await room.send(queue, "a1", at=AHEAD)
        await room.claim(queue, 1, AHEAD, hidden=1.0)
        assert await room.bodies(queue, 1, AHEAD + 2.0) == []
        await right(room)
        assert await room.bodies(letters, 1, NOW, hidden=1.0) == ["a1"]
        assert await room.bodies(letters, 1, NOW + 60.0) == []

    run(location, scenario)


def test_a_redrive_that_began_ahead_has_36_hours_from_now(location: str | Path) -> None:
    async def scenario(room: Room) -> None:
        letters, there = await room.queue("letters"), await room.queue("there")
        await room.send(letters, "a1", "a2", "a3", at=NOW)
        task = await room.store.tasks.start("handle", letters, there.arn, 1, AHEAD)
        await right(room)
        assert await room.store.tasks.step(task.id, 1, NOW + 36 * 3600 - 1.0)
        assert not await room.store.tasks.step(task.id, 1, NOW + 36 * 3600)
        (ended,) = await room.store.tasks.of(letters.arn, 1)
        assert (ended.status, ended.moved) == ("FAILED", 1)

    run(location, scenario)


def test_the_name_of_a_queue_that_was_deleted_ahead_is_free(location: str | Path) -> None:
    async def scenario(room: Room) -> None:
        queue = await room.queue()
        await room.send(queue, "a1", at=AHEAD)
        await room.store.queues.delete(queue.key, AHEAD)
        await room.store.sweeping.sweep(NOW)
        assert await room.store.queues.deleted() == []
        again = await room.store.queues.create(replace(queue, created_at=NOW))
        await room.store.queues.delete(again.key, AHEAD)
        assert (await room.store.queues.create(replace(queue, created_at=NOW))).id not in (queue.id, again.id)

    run(location, scenario)


# The room as it runs, by a clock that is set while it does or does not.


@asynccontextmanager
async def waiting_in(folder: Path, clock: MovableClock) -> AsyncIterator[tuple[SqsApi, Queue]]:
    async with opened(folder / "bulb.db", clock) as api:
        store = api._store
        yield api, await store.queues.create(Queue(0, HOME, False, 1.0, 1.0))


async def sent_and_received(api: Any, queue: Queue, clock: MovableClock) -> None:
    for word in ("a1", "b1"):
        await api._store.sending.send(queue, new(word), clock.now())
    assert len((await api._store.receiving.claim(queue, Asked(1, 30.0), clock.now())).messages) == 1


async def both_come(api: Any, queue: Queue, clock: MovableClock) -> None:
    """After a sweep or two, long before the clock shows what it did."""

    async def visible() -> int:
        found: int = (await api._store.looking.counts(queue, clock.now())).visible
        return found

    assert await visible() == 0
    for _ in range(60):
        clock.advance(61.0)
        await asyncio.sleep(0.2)
        if await visible() == 2:
            return
    raise AssertionError("they did not come")


@pytest.mark.parametrize("by", [YEARS, 7_200.0], ids=["years", "two hours"])
def test_a_clock_that_is_set_right_while_the_room_runs(tmp_path: Path, by: float) -> None:
    async def main() -> None:
        clock = MovableClock()
        async with waiting_in(tmp_path, clock) as (api, queue):
            clock.advance(by)
            await sent_and_received(api, queue, clock)
            clock.advance(-by)
            await both_come(api, queue, clock)

    asyncio.run(main())


@pytest.mark.parametrize("by", [YEARS, 7_200.0], ids=["years", "two hours"])
def test_a_clock_that_was_set_right_while_nobody_ran(tmp_path: Path, by: float) -> None:
    async def main() -> None:
        clock = MovableClock()
        clock.advance(by)
        async with waiting_in(tmp_path, clock) as (api, queue):
            await sent_and_received(api, queue, clock)
        clock.advance(-by)
        async with waiting_in(tmp_path, clock) as (api, queue):
            await both_come(api, queue, clock)

    asyncio.run(main())


def test_a_clock_that_is_behind_makes_no_message_old(tmp_path: Path) -> None:
    """A machine that boots in 1970 and asks the network then."""

    async def main() -> None:
        clock = MovableClock()
        async with waiting_in(tmp_path, clock) as (api, queue):
            store, now = api._store, clock.now()
            await store.sending.send(queue, NewMessage("id", "x", "md5", "me"), now)
            clock.advance(-now)
            keeper = Keeper(store, clock)
            await keeper._right(clock.now())
            clock.advance(now)
            await keeper._right(clock.now())
            assert await store.sweeping.sweep(clock.now()) == 0
            (message,) = await store.looking.peek(queue, 1, clock.now())
            assert message.sent_at == now

    asyncio.run(main())


def test_a_long_poll_does_not_wait_for_what_the_clock_showed(tmp_path: Path) -> None:
    async def main() -> None:
        clock = MovableClock()
        async with waiting_in(tmp_path, clock) as (api, queue):
            waiting = Waiting(api._store, clock)
            poll = asyncio.create_task(waiting.receive(queue, Asked(1, 30.0), 1.0, None))
            for _ in range(1_000):
                if waiting._lines:
                    break
                await asyncio.sleep(0.01)
            clock.advance(-YEARS)
            claimed = await asyncio.wait_for(poll, 20)
            assert not claimed.messages

    asyncio.run(main())


def test_nor_for_what_it_showed_when_the_poll_looked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        clock = MovableClock()
        async with waiting_in(tmp_path, clock) as (api, queue):
            claim, claims = api._store.receiving.claim, itertools.count()

            async def claimed_before_it_was_set_back(*asked: Any) -> Claimed:
                claimed = await claim(*asked)
                if next(claims) == 0:
                    clock.advance(-YEARS)
                return claimed

            monkeypatch.setattr(api._store.receiving, "claim", claimed_before_it_was_set_back)
            poll = Waiting(api._store, clock).receive(queue, Asked(1, 30.0), 1.0, None)
            assert not (await asyncio.wait_for(poll, 20)).messages

    asyncio.run(main())


def test_a_quota_is_not_used_up_until_then() -> None:
    queue, throughput = Queue(1, QueueKey("0", "r", "a.fifo"), True, 0.0, 0.0), Throughput()
    for at in (AHEAD, NOW):
        for _ in range(300):
            throughput.take(queue, "SendMessage", ["a"], at)


def test_a_queue_that_was_purged_ahead_can_be_purged(tmp_path: Path) -> None:
    clock = MovableClock()

    @asynccontextmanager
    async def services() -> AsyncIterator[dict[str, object]]:
        async with opened(tmp_path / "bulb.db", clock) as api:
            yield {"sqs": api}

    with running_gateway(services, clock=clock) as url:
        sqs = client("sqs", url)
        queue = sqs.create_queue(QueueName="purged")["QueueUrl"]
        assert name_of(queue) == "purged"
        clock.advance(YEARS)
        sqs.purge_queue(QueueUrl=queue)
        clock.advance(-YEARS)
        sqs.purge_queue(QueueUrl=queue)
