"""The durable queue: order, fairness, leases, and what a restart gives back."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, text

from bulb.storage import queue
from bulb.storage.database import Database
from bulb.storage.schema.storage import storage_queue

Q = "lambda:async"


def put(connection: Connection, lane: str, payload: str, at: float = 0.0, **more: Any) -> None:
    queue.put(connection, Q, lane, payload.encode(), {"n": payload}, at, **more)


def with_database(location: str | Path, body: Callable[[Database], Awaitable[None]]) -> None:
    async def main() -> None:
        database = await Database.open(location)
        try:
            await body(database)
        finally:
            await database.close()

    asyncio.run(main())


def test_a_message_comes_back_as_it_was_put_and_is_gone_when_completed(location: str | Path) -> None:
    async def body(database: Database) -> None:
        me = database.generation
        attributes = {"request": "r-1", "nested": {"list": [1, None, "ü"]}}
        await database.write(lambda c: queue.put(c, Q, "f", b"\x00\xff", attributes, 10.0, expires_at=99.0))
        (message,) = await database.write(lambda c: queue.claim(c, Q, me, 10.0, 5))
        assert (message.payload, message.attributes, message.lane) == (b"\x00\xff", attributes, "f")
        assert (message.attempts, message.enqueued_at, message.visible_at, message.expires_at) == (0, 10.0, 10.0, 99.0)
        assert await database.write(lambda c: queue.claim(c, Q, me, 10.0, 5)) == []
        assert await database.read(lambda c: queue.depth(c, Q)) == 1
        assert await database.write(lambda c: queue.complete(c, [message.id], me)) == 1
        assert await database.write(lambda c: queue.complete(c, [message.id], me)) == 0
        assert await database.read(lambda c: queue.depth(c, Q)) == 0

    with_database(location, body)


def test_a_row_may_be_inserted_without_a_function_of_its_own(location: str | Path) -> None:
    async def body(database: Database) -> None:
        told = asyncio.Event()
        database.on_commit(queue.channel(Q), told.set)
        rows = [queue.row(Q, "f", str(n).encode(), {}, float(n)) for n in range(10)]
        await asyncio.gather(*(database.insert(storage_queue, row, channel=queue.channel(Q)) for row in rows))
        assert told.is_set()
        claimed = await database.write(lambda c: queue.claim(c, Q, 1, 100.0, 10))
        assert [m.payload for m in claimed] == [str(n).encode() for n in range(10)]

    with_database(location, body)


def test_nothing_is_handed_out_before_its_time_and_other_queues_are_left_alone(location: str | Path) -> None:
    async def body(database: Database) -> None:
        await database.write(lambda c: put(c, "f", "later", 0.0, visible_at=60.0))
        await database.write(lambda c: queue.put(c, "other", "f", b"", {}, 0.0))
        assert await database.read(lambda c: queue.next_visible_at(c, Q)) == 60.0
        assert await database.read(lambda c: queue.next_visible_at(c, Q, skip=["f"])) is None
        assert await database.read(lambda c: queue.next_visible_at(c, "none")) is None
        assert await database.write(lambda c: queue.claim(c, Q, 1, 59.9, 5)) == []
        assert len(await database.write(lambda c: queue.claim(c, Q, 1, 60.0, 5))) == 1
        assert await database.read(lambda c: queue.next_visible_at(c, Q)) is None

    with_database(location, body)


def test_a_retried_message_waits_and_tells_its_attempts(location: str | Path) -> None:
    async def body(database: Database) -> None:
        told: list[str] = []
        database.on_commit(queue.channel(Q), lambda: told.append("due"))
        await database.write(lambda c: put(c, "f", "x"))
        (message,) = await database.write(lambda c: queue.claim(c, Q, 1, 0.0, 5))
        again = {"visible_at": 60.0, "attempts": 1}
        assert await database.write(lambda c: queue.retry(c, message.id, 1, **again))
        assert not await database.write(lambda c: queue.retry(c, message.id, 1, **again))
        assert told == ["due", "due"]
        assert await database.write(lambda c: queue.claim(c, Q, 1, 59.0, 5)) == []
        (second,) = await database.write(lambda c: queue.claim(c, Q, 1, 60.0, 5))
        assert (second.id, second.attempts, second.payload) == (message.id, 1, b"x")
        assert second.attributes == message.attributes
        noted = {**message.attributes, "last": {"why": "no \x00 room", "status": 429}}
        await database.write(lambda c: queue.retry(c, message.id, 1, visible_at=60.0, attempts=2, attributes=noted))
        (third,) = await database.write(lambda c: queue.claim(c, Q, 1, 60.0, 5))
        assert (third.attempts, third.payload, third.attributes) == (2, b"x", noted)

    with_database(location, body)


def test_a_long_lane_does_not_delay_the_others(location: str | Path) -> None:
    async def body(database: Database) -> None:
        def fill(connection: Connection) -> None:
            for n in range(500):
                put(connection, "busy", f"b{n}")
            for lane in ("one", "two", "three"):
                put(connection, lane, lane, 50.0)

        await database.write(fill)
        claimed = await database.write(lambda c: queue.claim(c, Q, 1, 100.0, 20))
        assert Counter(m.lane for m in claimed) == {"busy": 17, "one": 1, "two": 1, "three": 1}
        assert [m.payload for m in claimed if m.lane == "busy"] == [f"b{n}".encode() for n in range(17)]

    with_database(location, body)


def test_with_more_lanes_than_room_each_is_served_in_turn(location: str | Path) -> None:
    async def body(database: Database) -> None:
        def fill(connection: Connection) -> None:
            for n in range(40):
                for k in range(5):
                    put(connection, f"lane{n:02}", f"{n}-{k}", n + 100.0 * k)

        await database.write(fill)
        served: list[str] = []
        for _ in range(4):
            served += [m.lane for m in await database.write(lambda c: queue.claim(c, Q, 1, 1000.0, 10))]
        assert served == [f"lane{n:02}" for n in range(40)]

    with_database(location, body)


def test_lanes_are_limited_and_left_alone_when_told(location: str | Path) -> None:
    async def body(database: Database) -> None:
        def fill(connection: Connection) -> None:
            for lane in ("a", "b", "c"):
                for n in range(10):
                    put(connection, lane, f"{lane}{n}")

        await database.write(fill)
        limits = {"a": 0, "b": 7}
        claimed = await database.write(lambda c: queue.claim(c, Q, 1, 0.0, 100, lane_limits=limits, per_lane=2))
        assert Counter(m.lane for m in claimed) == {"b": 7, "c": 2}

    with_database(location, body)


def test_a_restart_gives_back_what_was_claimed_and_ignores_the_dead(location: str | Path) -> None:
    async def first(database: Database) -> None:
        await database.write(lambda c: put(c, "f", "x"))
        assert len(await database.write(lambda c: queue.claim(c, Q, database.generation, 0.0, 5))) == 1

    async def second(database: Database) -> None:
        assert database.generation == 2
        (message,) = await database.write(lambda c: queue.claim(c, Q, 2, 0.0, 5))
        assert await database.write(lambda c: queue.complete(c, [message.id], 1)) == 0
        assert not await database.write(lambda c: queue.retry(c, message.id, 1, visible_at=0.0, attempts=9))
        assert await database.write(lambda c: queue.complete(c, [message.id], 2)) == 1

    with_database(location, first)
    with_database(location, second)


def test_ids_are_never_given_twice(location: str | Path) -> None:
    async def body(database: Database) -> None:
        seen: list[int] = []
        for _ in range(3):
            await database.write(lambda c: put(c, "f", "x"))
            (message,) = await database.write(lambda c: queue.claim(c, Q, 1, 0.0, 1))
            await database.write(lambda c, i=message.id: queue.complete(c, [i], 1))
            seen.append(message.id)
        assert len(set(seen)) == 3

    with_database(location, body)


def test_claiming_costs_no_more_with_a_long_queue(tmp_path: Path) -> None:
    """Counted in SQLite's own steps, so that a slow machine cannot fail it: 100,000 rows cost what 1,000 do."""

    def steps(connection: Connection) -> int:
        counted = 0

        def tick() -> int:
            nonlocal counted
            counted += 1
            return 0

        driver: Any = connection.connection.driver_connection
        driver.set_progress_handler(tick, 10)
        claimed = queue.claim(connection, Q, 1, 1e9, 50)
        queue.next_visible_at(connection, Q)
        driver.set_progress_handler(None, 0)
        assert len(claimed) == 50
        return counted

    def fill(connection: Connection, rows: int) -> None:
        many = [queue.row(Q, f"lane{n % 10}", b"x", {}, float(n)) for n in range(rows)]
        connection.execute(storage_queue.insert(), many)

    async def body(database: Database) -> None:
        await database.write(lambda c: fill(c, 1_000))
        short = await database.write(steps)
        await database.write(lambda c: fill(c, 99_000))
        assert await database.write(steps) < 2 * short
        plan = "EXPLAIN QUERY PLAN UPDATE storage_queue SET lease_generation = 0 WHERE lease_generation > 0"
        assert "USING" in str(await database.read(lambda c: c.execute(text(plan)).all()))

    with_database(tmp_path / "bulb.db", body)


def test_what_only_waits_for_a_clock_that_was_ahead_is_made_due(location: str | Path) -> None:
    async def body(database: Database) -> None:
        me, day = database.generation, 86_400.0

        def fill(c: Connection) -> None:
            put(c, "sent ahead", "a", 5_000.0)
            put(c, "sent ahead", "b", 5_000.0, visible_at=5_300.0)
            put(c, "tried ahead", "c", 900.0, visible_at=1_000.0 + 2 * day)
            put(c, "waits", "d", 900.0, visible_at=1_000.0 + day)
            put(c, "trimmed", "e", 1_050.0)
            queue.put(c, "another", "waits", b"f", {}, 5_000.0)

        await database.write(fill)
        assert await database.write(lambda c: queue.claim(c, Q, me, 1_000.0, 9)) == []
        assert await database.write(lambda c: queue.set_right(c, Q, 1_000.0)) == 3
        claimed = await database.write(lambda c: queue.claim(c, Q, me, 1_000.0, 9))
        assert sorted((m.payload, m.enqueued_at) for m in claimed) == [(b"a", 5_000.0), (b"b", 5_000.0), (b"c", 900.0)]
        assert await database.write(lambda c: queue.set_right(c, Q, 1_000.0)) == 0
        assert await database.write(lambda c: queue.claim(c, "another", me, 1_000.0, 9)) == []

    with_database(location, body)
