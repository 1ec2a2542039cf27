"""Working off a queue: as much as there is room for, lane by lane, and again when something changed."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection

from bulb.storage import queue
from bulb.storage.database import Database
from bulb.storage.errors import NotCommittedError
from bulb.storage.queue import Message
from bulb.storage.workers import Workers
from tests.support.clock import MovableClock

PER_LANE, MOST = 2, 3


@dataclass
class House:
    """Has a queue, room for two messages a lane and three a look, and ends a message when it is told to."""

    database: Database
    clock: MovableClock
    workers: Workers = field(init=False)
    ends: dict[str, asyncio.Event] = field(default_factory=dict)
    begun: list[str] = field(default_factory=list)
    trouble: int = 0
    broken: int = 0

    def __post_init__(self) -> None:
        self.workers = Workers(self.database, "q", self.clock, self.look, self.work)

    async def look(self) -> float:
        if self.trouble:
            self.trouble -= 1
            raise OSError("the disk is away")
        room = {lane: PER_LANE - count for lane, count in self.workers.running.items()}
        _, wait = await self.workers.take(self.clock.now(), MOST, room, PER_LANE)
        return wait

    async def work(self, message: Message) -> None:
        name = message.payload.decode()
        self.begun.append(name)
        if self.broken:
            self.broken -= 1
            raise KeyError(name)
        await self.ends.setdefault(name, asyncio.Event()).wait()
        await self.database.write(lambda c: queue.complete(c, [message.id], self.database.generation))

    async def put(self, *names: str, after: float = 0.0) -> None:
        """Messages whose lane is their first letter."""
        now = self.clock.now()

        def write(connection: Connection) -> None:
            for name in names:
                queue.put(connection, "q", name[0], name.encode(), {}, now, visible_at=now + after)

        await self.database.write(write)

    def end(self, name: str) -> None:
        self.ends[name].set()

    async def until(self, condition: Callable[[], bool]) -> None:
        for _ in range(3_000):
            if condition():
                return
            await asyncio.sleep(0.01)
        pytest.fail(f"never: begun {self.begun}, under way {self.workers.running}")

    async def has_begun(self, *names: str) -> None:
        await self.until(lambda: sorted(self.begun) == sorted(names))


def run(folder: Path, test: Callable[[House], Awaitable[None]]) -> None:
    async def main() -> None:
        database = await Database.open(folder / "bulb.db")
        house = House(database, MovableClock())
        try:
            await test(house)
        finally:
            await house.workers.close()
            await database.close()

    asyncio.run(asyncio.wait_for(main(), 60))


def test_a_lane_has_so_many_at_once_and_its_next_when_one_of_them_ends(tmp_path: Path) -> None:
    async def test(house: House) -> None:
        await house.put("a1", "a2", "a3")
        house.workers.start()
        await house.has_begun("a1", "a2")
        await house.put("b1")
        await house.has_begun("a1", "a2", "b1")
        assert house.workers.running == {"a": 2, "b": 1}
        house.end("a1")
        await house.has_begun("a1", "a2", "b1", "a3")
        for name in ("a2", "a3", "b1"):
            house.end(name)
        await house.until(lambda: not house.workers.running)
        assert await house.database.read(lambda c: queue.depth(c, "q")) == 0

    run(tmp_path, test)


def test_what_is_due_later_is_begun_then(tmp_path: Path) -> None:
    async def test(house: House) -> None:
        house.workers.start()
        await house.put("a1", after=500)
        await house.put("b1")
        await house.has_begun("b1")
        house.clock.advance(450)
        await house.put("c1")
        await house.has_begun("b1", "c1")
        house.clock.advance(50)
        await house.has_begun("a1", "b1", "c1")

    run(tmp_path, test)


def test_a_look_that_fails_is_tried_again_in_a_second(tmp_path: Path) -> None:
    async def test(house: House) -> None:
        house.trouble = 1
        await house.put("a1")
        house.workers.start()
        await house.until(lambda: not house.trouble)
        await asyncio.sleep(0.05)
        assert house.begun == []
        house.clock.advance(1)
        await house.has_begun("a1")

    run(tmp_path, test)


def test_a_claim_that_is_on_disk_although_it_failed_keeps_nothing(tmp_path: Path) -> None:
    """A connection that breaks while a commit is answered."""

    async def test(house: House) -> None:
        write = house.database.write

        async def unanswered(function: Callable[[Connection], Any]) -> Any:
            result = await write(function)
            if isinstance(result, tuple) and result[0]:
                house.database.write = write
                raise NotCommittedError("the connection is lost")
            return result

        await house.put("a1", "a2")
        house.workers.start()
        await house.has_begun("a1", "a2")
        house.database.write = unanswered
        await house.put("b1")
        await house.until(lambda: house.database.write is write)
        await asyncio.sleep(0.05)
        house.clock.advance(1)
        await house.has_begun("a1", "a2", "b1")

    run(tmp_path, test)


def test_what_is_under_way_goes_on_when_no_more_is_taken(tmp_path: Path) -> None:
    async def test(house: House) -> None:
        await house.put("a1")
        house.workers.start()
        await house.has_begun("a1")
        await house.workers.stop()
        await house.put("b1")
        house.end("a1")
        await house.until(lambda: not house.workers.running)
        assert house.begun == ["a1"]
        house.workers.start()
        await house.has_begun("a1", "b1")

    run(tmp_path, test)


def test_what_came_while_the_clock_was_ahead_is_begun_when_it_is_right_again(tmp_path: Path) -> None:
    async def test(house: House) -> None:
        year = 365 * 86_400.0
        house.clock.advance(year)
        await house.put("a1")
        house.clock.advance(-year)
        house.workers.start()
        await house.has_begun("a1")
        house.clock.advance(year)
        await house.put("b1", after=300)
        await house.put("c1")
        await house.has_begun("a1", "c1")
        house.clock.advance(-year)
        await house.put("d1")
        await house.has_begun("a1", "b1", "c1", "d1")

    run(tmp_path, test)


def test_a_message_whose_work_fails_is_not_held_until_the_next_start(tmp_path: Path) -> None:
    async def test(house: House) -> None:
        house.broken = 1
        await house.put("a1")
        house.workers.start()
        await house.has_begun("a1")
        await house.until(lambda: not house.workers.running)
        house.clock.advance(61)
        await house.has_begun("a1", "a1")
        house.end("a1")

    run(tmp_path, test)
