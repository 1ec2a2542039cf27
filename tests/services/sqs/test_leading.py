"""A receive gets what there is, however many messages in front of it are too old or were received too often."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from bulb.services.sqs.model import Queue
from bulb.services.sqs.store import batches
from tests.services.sqs.test_store import Room, run

KEPT_S = 60


@pytest.fixture(params=[1, 7, 500], ids=lambda batch: f"{batch} a transaction")
def batch(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "BATCH", request.param)


async def grown_old(room: Room, *, fifo: bool, words: list[str]) -> Queue:
    queue = await room.queue(fifo=fifo, MessageRetentionPeriod=str(KEPT_S))
    await room.send(queue, *words, at=1_000.0)
    return queue


@pytest.mark.usefixtures("batch")
@pytest.mark.parametrize("limit", [1, 3, 10])
def test_what_is_too_old_at_the_head_of_a_group_is_passed_over(location: str | Path, limit: int) -> None:
    async def scenario(room: Room) -> None:
        queue = await grown_old(room, fifo=True, words=[f"a-old-{number}" for number in range(45)])
        await room.send(queue, "a1", "a2", "b1", "a3", at=1_050.0)
        assert await room.bodies(queue, limit, 1_061.0) == ["a1", "a2", "a3", "b1"][:limit]
        assert await room.bodies(queue, 10, 1_062.0) == ([] if limit > 3 else ["b1"])  # the group is in flight
        assert sum(await room.counts(queue, 1_062.0)) == 4

    run(location, scenario)


@pytest.mark.usefixtures("batch")
def test_groups_of_nothing_else_are_passed_over(location: str | Path) -> None:
    async def scenario(room: Room) -> None:
        queue = await grown_old(room, fifo=True, words=[f"{chr(0x4E00 + number)}1" for number in range(50)])
        await room.send(queue, "z1", "y1", at=1_050.0)
        assert await room.bodies(queue, 2, 1_061.0) == ["y1", "z1"]

    run(location, scenario)


@pytest.mark.usefixtures("batch")
@pytest.mark.parametrize("limit", [1, 10])
def test_a_standard_queue_does_the_same(location: str | Path, limit: int) -> None:
    async def scenario(room: Room) -> None:
        queue = await grown_old(room, fifo=False, words=[f"old-{number}" for number in range(45)])
        words = [str(number) for number in range(10)]
        await room.send(queue, *words, at=1_050.0)
        assert await room.bodies(queue, limit, 1_061.0) == words[:limit]
        assert await room.counts(queue, 1_061.0) == (10 - limit, limit, 0)

    run(location, scenario)


@pytest.mark.parametrize("fifo", [False, True])
def test_what_was_received_too_often_is_passed_over(location: str | Path, fifo: bool) -> None:
    async def scenario(room: Room) -> None:
        letters = await room.queue("letters", fifo=fifo)
        queue = await room.queue(fifo=fifo)
        worn = [f"a{number:02}" for number in range(45)]
        await room.send(queue, *worn, at=1_000.0)
        assert len(await room.bodies(queue, 45, 1_001.0, hidden=1.0)) == 45
        await room.send(queue, "a-next", at=1_050.0)
        policy = json.dumps({"deadLetterTargetArn": letters.arn, "maxReceiveCount": 1})
        changed = replace(queue, attributes={"RedrivePolicy": policy})
        queue = await room.store.queues.change(queue.key, lambda _: changed)
        assert await room.bodies(queue, 1, 1_061.0) == ["a-next"]
        assert await room.counts(queue, 1_061.0) == (0, 1, 0)
        assert await room.bodies(letters, 45, 1_061.0) == worn

    run(location, scenario)


def test_a_redrive_passes_over_them_too(location: str | Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario(room: Room) -> None:
        letters = await grown_old(room, fifo=True, words=[f"a-old-{number}" for number in range(45)])
        await room.send(letters, "a1", "b1", at=1_050.0)
        there = await room.queue("there", fifo=True)
        task = await room.store.tasks.start("handle", letters, there.arn, 1, 1_061.0)
        steps = 0
        while await room.store.tasks.step(task.id, 1, 1_061.0):
            steps += 1
            assert steps < 50
        (ended,) = await room.store.tasks.of(letters.arn, 1)
        assert (ended.status, ended.moved) == ("COMPLETED", 2)
        assert sorted(await room.bodies(there, 10, 1_062.0)) == ["a1", "b1"]

    monkeypatch.setattr(batches, "BATCH", 7)
    run(location, scenario)


def test_a_redrive_passes_over_groups_that_came_after_its_start(location: str | Path) -> None:
    async def scenario(room: Room) -> None:
        letters, there = await room.queue(fifo=True), await room.queue("there", fifo=True)
        await room.send(letters, "a1", "a2", at=1_000.0)
        (first,) = (await room.claim(letters, 1, 1_001.0, hidden=10.0)).messages
        await room.send(letters, "b1", "c1", at=1_002.0)
        task = await room.store.tasks.start("handle", letters, there.arn, None, 1_003.0)
        await room.send(letters, "d1", "e1", "a3", at=1_004.0)
        assert first.body == "a1"
        steps = 0
        while await room.store.tasks.step(task.id, 1, 1_020.0):  # those that came later are ready for longer than a1
            steps += 1
            assert steps < 50
        assert steps == 4
        assert sorted(await room.bodies(there, 10, 1_021.0)) == ["a1", "a2", "b1", "c1"]
        assert sorted(await room.bodies(letters, 10, 1_021.0)) == ["a3", "d1", "e1"]

    run(location, scenario)


def test_what_is_old_for_one_queue_is_not_for_another(location: str | Path) -> None:
    async def scenario(room: Room) -> None:
        queue = await grown_old(room, fifo=True, words=["a-old"])
        other = await room.queue("other", fifo=True)
        await room.send(other, "a-old", at=1_000.0)
        assert await room.bodies(queue, 1, 1_061.0) == []
        assert await room.bodies(other, 1, 1_061.0) == ["a-old"]

    run(location, scenario)
