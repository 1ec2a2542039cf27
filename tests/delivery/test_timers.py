"""Durable timers, over both engines, by a clock that is moved."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import Connection, func, select
from tests.support.clock import MovableClock

from bulb.delivery import timers
from bulb.delivery.timers import Due, Timers
from bulb.storage import outbox
from bulb.storage.database import Database
from bulb.storage.schema.delivery import delivery_clock, delivery_timers
from bulb.storage.schema.storage import storage_outbox

YEAR = 365 * 86_400
TARGET = "arn:aws:sqs:us-east-1:000000000000:q"


class Owner:
    """Remembers what fired, and in how large batches; fails where told to."""

    def __init__(self, *poison: str) -> None:
        self.poison = set(poison)
        self.fired: list[Due] = []
        self.batches: list[int] = []

    def __call__(self, connection: Connection, dues: Sequence[Due], now: float) -> None:
        if bad := self.poison & {due.key for due in dues}:
            raise OSError(f"not {bad}")
        self.fired += dues
        self.batches.append(len(dues))
        outbox.add_all(connection, [(TARGET, due.key.encode(), {}) for due in dues], now)

    @property
    def keys(self) -> list[str]:
        return [due.key for due in self.fired]


async def soon(look: Callable[[], bool], seconds: float = 30.0) -> None:
    until = time.monotonic() + seconds
    while not look():
        assert time.monotonic() < until, "not in time"
        await asyncio.sleep(0.005)


async def setting(database: Database, owner: str, **at: float) -> None:
    await database.write(lambda c: timers.set_all(c, owner, [Due(key, due) for key, due in at.items()]))


def with_database(location: str | Path, test: Callable[[Database, MovableClock], Awaitable[None]]) -> None:
    async def main() -> None:
        database = await Database.open(location)
        try:
            await test(database, MovableClock())
        finally:
            await database.close()

    asyncio.run(main())


async def running(database: Database, clock: MovableClock, **owners: Owner) -> Timers:
    loop = Timers(database, clock)
    for name, owner in owners.items():
        loop.register(name, owner)
    loop.start()
    return loop


async def left(database: Database, count: int) -> None:
    """So many timers are left, as soon as what fires has been committed."""
    counted = select(func.count()).select_from(delivery_timers)
    until = time.monotonic() + 30
    while (found := await database.read(lambda c: c.execute(counted).scalar_one())) != count:
        assert time.monotonic() < until, found
        await asyncio.sleep(0.005)


def test_timers_fire_when_they_are_due_and_once(location: str | Path) -> None:
    async def test(database: Database, clock: MovableClock) -> None:
        owner = Owner()
        loop = await running(database, clock, a=owner)
        now = clock.now()
        await setting(database, "a", second=now + 200, first=now + 100)
        await asyncio.sleep(0.05)
        assert owner.keys == []
        clock.advance(101)
        await soon(lambda: owner.keys == ["first"])
        # One that is set to an earlier time while the loop sleeps wakes it.
        await setting(database, "a", third=clock.now() + 0.05)
        await soon(lambda: owner.keys == ["first", "third"])
        await setting(database, "a", second=now + 900, fourth=now + 800, fifth=now + 850)
        await database.write(lambda c: timers.cancel(c, "a", "fifth"))
        clock.advance(500)
        await asyncio.sleep(0.05)
        assert owner.keys == ["first", "third"]
        assert await database.read(lambda c: timers.due_at(c, "a", "second")) == now + 900
        clock.advance(300)
        await soon(lambda: len(owner.fired) == 4)
        assert owner.fired[2:] == [Due("fourth", now + 800), Due("second", now + 900)]
        await left(database, 0)
        await loop.close()

    with_database(location, test)


def test_what_was_due_while_nobody_ran_fires_at_the_start_in_order(location: str | Path) -> None:
    async def test(database: Database, clock: MovableClock) -> None:
        now = clock.now()
        await setting(database, "a", late=now - 10, later=now - 5, latest=now - 1, ahead=now + 99)
        await setting(database, "somebody else", late=now - 10)
        owner = Owner()
        loop = await running(database, clock, a=owner)
        await soon(lambda: owner.keys == ["late", "later", "latest"])
        await left(database, 2)
        await loop.close()

    with_database(location, test)


def test_a_timer_can_set_itself_again(tmp_path: Path) -> None:
    async def test(database: Database, clock: MovableClock) -> None:
        fired: list[float] = []

        def tick(connection: Connection, dues: Sequence[Due], now: float) -> None:
            fired.extend(due.due_at for due in dues)
            timers.set_all(connection, "a", [Due(due.key, due.due_at + 60) for due in dues])

        loop = Timers(database, clock)
        loop.register("a", tick)
        loop.start()
        begun = clock.now() + 60
        await setting(database, "a", tick=begun)
        for count in (1, 2, 3):
            clock.advance(60.5)
            await soon(lambda count=count: len(fired) == count)
        assert fired == [begun, begun + 60, begun + 120]
        await loop.close()

    with_database(tmp_path / "bulb.db", test)


def test_what_fails_delays_neither_others_nor_itself_for_ever(location: str | Path) -> None:
    async def test(database: Database, clock: MovableClock) -> None:
        failing, other = Owner("bad"), Owner()
        loop = await running(database, clock, failing=failing, other=other)
        now = clock.now()
        await setting(database, "failing", bad=now - 2, good=now - 1)
        await setting(database, "other", fine=now)
        await soon(lambda: failing.keys == ["good"] and other.keys == ["fine"])
        await left(database, 1)
        assert await database.read(lambda c: timers.due_at(c, "failing", "bad")) == now - 2
        await setting(database, "failing", another=clock.now())
        await soon(lambda: failing.keys == ["good", "another"])
        await left(database, 1)
        assert len(await database.read(lambda c: outbox.pending(c, 10))) == 3
        failing.poison.clear()
        clock.advance(11)
        await soon(lambda: failing.keys == ["good", "another", "bad"])
        assert failing.fired[-1].due_at == now - 2
        await loop.close()

    with_database(location, test)


def test_a_clock_that_jumps_by_years_is_harmless(tmp_path: Path) -> None:
    async def test(database: Database, clock: MovableClock) -> None:
        owner, told = Owner(), []
        loop = Timers(database, clock)
        loop.register("a", owner, lambda connection, now, place: told.append(now))
        loop.start()
        begun = clock.now()
        await setting(database, "a", soon=begun + 60, far=begun + 3 * YEAR)
        clock.advance(2 * YEAR)
        await soon(lambda: owner.keys == ["soon"])
        assert told == []
        clock.advance(-3 * YEAR)
        await setting(database, "a", back=begun - YEAR + 60)  # This clock's sleepers sleep on where it is set back.
        await soon(lambda: len(told) == 1)
        assert told[0] == pytest.approx(begun - YEAR, abs=10)
        clock.advance(61)
        await soon(lambda: owner.keys == ["soon", "back"])
        clock.advance(4 * YEAR)
        await soon(lambda: owner.keys == ["soon", "back", "far"])
        assert len(told) == 1
        await loop.close()

    with_database(tmp_path / "bulb.db", test)


def test_a_clock_set_back_between_two_runs_is_noticed(tmp_path: Path) -> None:
    async def test(database: Database, clock: MovableClock) -> None:
        owner, told = Owner(), []
        loop = await running(database, clock, a=owner)
        clock.advance(YEAR)
        await setting(database, "a", late=clock.now() + 60)  # Nothing fires at that time.
        await shown(database, clock.now())  # so it need not end well to be known
        clock.advance(-30)
        await loop.close()
        clock.advance(30 - YEAR)
        again = Timers(database, clock)

        def rewound(connection: Connection, now: float, place: int) -> int | None:
            told.append(place)
            return {0: 7, 7: 3}.get(place)

        again.register("a", owner, rewound)
        again.start()
        await soon(lambda: told == [0, 7, 3])
        await shown(database, clock.now())
        await again.close()
        assert owner.keys == []

    with_database(tmp_path / "bulb.db", test)


async def shown(database: Database, at: float) -> None:
    """The time that is written down is that one, soon."""
    until = time.monotonic() + 30
    while abs((await database.read(lambda c: c.execute(select(delivery_clock.c.latest)).scalar()) or 0.0) - at) > 60:
        assert time.monotonic() < until
        await asyncio.sleep(0.005)


def test_what_was_put_off_by_a_clock_that_was_ahead_is_tried_soon(location: str | Path) -> None:
    async def test(database: Database, clock: MovableClock) -> None:
        owner = Owner("bad")
        loop = await running(database, clock, a=owner)
        await setting(database, "a", bad=clock.now(), far=clock.now() + 10 * YEAR)
        clock.advance(YEAR)
        await put_off_to(database, clock.now())
        clock.advance(-YEAR)
        owner.poison.clear()
        await setting(database, "a", good=clock.now())  # This clock's sleepers sleep on where it is set back.
        await soon(lambda: {*owner.keys} == {"good", "bad"})
        await loop.close()

    with_database(location, test)


async def put_off_to(database: Database, moment: float) -> None:
    """A timer is, soon, that is looked at after `moment` and was due before."""
    columns = delivery_timers.c
    counted = select(func.count()).where(columns.try_at > moment, columns.due_at < moment)
    until = time.monotonic() + 30
    while not await database.read(lambda c: c.execute(counted).scalar_one()):
        assert time.monotonic() < until
        await asyncio.sleep(0.005)


def test_ten_thousand_due_in_one_second_fire_within_three(tmp_path: Path) -> None:
    """Each writes an entry into the outbox, in batches of some hundred."""

    async def test(database: Database, clock: MovableClock) -> None:
        owner, other = Owner(), Owner()
        due = clock.now() + 50
        dues = [Due(f"{number:05d}", due + number / 10_000) for number in range(10_000)]
        await database.write(partial(timers.set_all, owner="a", dues=dues))
        await setting(database, "b", one=due)
        loop = await running(database, clock, a=owner, b=other)
        clock.advance(51)
        begun = time.process_time()  # not what others have of the processors
        await soon(lambda: len(owner.fired) == 10_000)
        took = time.process_time() - begun
        assert owner.fired == dues
        assert max(owner.batches) <= timers.BATCH
        assert other.keys == ["one"]
        counted = select(func.count()).select_from(storage_outbox)
        await left(database, 0)
        await loop.close()
        assert await database.read(lambda c: c.execute(counted).scalar_one()) == 10_001
        assert took < 3, took
        print(f"10,000 timers fired in {took:.2f} s of the processor")

    with_database(tmp_path / "bulb.db", test)
