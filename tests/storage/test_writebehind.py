"""Write-behind: one transaction for all collectors, nothing lost by a failure, everything bounded."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import Connection

from bulb.storage import outbox
from bulb.storage.database import Database
from bulb.storage.writebehind import Part, WriteBehind
from tests.support.clock import MovableClock


class Gatherer:
    """A collector: names to write, and whether writing fails at present."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.fails = False

    def collect(self) -> Part | None:
        names, self.names = self.names, []
        if not names:
            return None

        def write(connection: Connection) -> None:
            for name in names:
                outbox.add(connection, name, b"", {}, 0.0)
            if self.fails:
                raise ValueError("not now")

        return write


def stored(database: Database) -> "asyncio.Future[list[str]]":
    return asyncio.ensure_future(database.read(lambda c: [e.destination_arn for e in outbox.pending(c, 1000)]))


async def committed(database: Database, cause: Callable[[], object]) -> None:
    """Do `cause` and return once a commit has followed."""
    told = asyncio.Event()
    database.on_commit(outbox.CHANNEL, told.set)
    cause()
    await asyncio.wait_for(told.wait(), 30)


def test_all_collectors_are_written_in_one_commit_in_their_order(location: str | Path) -> None:
    async def main() -> None:
        database = await Database.open(location)
        behind = WriteBehind(database, MovableClock())
        first, second = Gatherer(), Gatherer()
        behind.register(first.collect)
        behind.register(second.collect)
        second.names, first.names = ["s1", "s2"], ["f1"]
        await behind.flush()
        assert await stored(database) == ["f1", "s1", "s2"]
        assert database.commits == 1
        await behind.flush()
        assert database.commits == 1
        await database.close()

    asyncio.run(main())


def test_the_clock_flushes_and_closing_flushes_the_rest(location: str | Path) -> None:
    async def main() -> None:
        database = await Database.open(location)
        clock = MovableClock()
        behind = WriteBehind(database, clock, interval_s=3600)
        gatherer = Gatherer()
        behind.register(gatherer.collect)
        behind.start()
        gatherer.names = ["a"]
        await asyncio.sleep(0.05)
        assert await stored(database) == []
        await committed(database, lambda: clock.advance(3601))
        assert await stored(database) == ["a"]
        gatherer.names = ["b"]
        await behind.close()
        assert await stored(database) == ["a", "b"]
        await database.close()

    asyncio.run(main())


def test_a_failing_collector_keeps_its_part_and_does_not_hold_up_the_others(location: str | Path) -> None:
    async def main() -> None:
        database = await Database.open(location)
        behind = WriteBehind(database, MovableClock())
        bad, good = Gatherer(), Gatherer()
        behind.register(bad.collect)
        behind.register(good.collect)
        bad.fails, bad.names, good.names = True, ["bad1"], ["good1"]
        await behind.flush()
        assert await stored(database) == ["good1"]
        bad.fails, bad.names = False, ["bad2"]
        await behind.flush()
        await behind.flush()
        assert await stored(database) == ["good1", "bad1", "bad2"]
        assert behind.dropped == 0
        await database.close()

    asyncio.run(main())


def test_what_is_kept_is_bounded_and_the_oldest_goes(location: str | Path) -> None:
    async def main() -> None:
        database = await Database.open(location)
        behind = WriteBehind(database, MovableClock(), kept=3)
        gatherer = Gatherer()
        behind.register(gatherer.collect)
        gatherer.fails = True
        for n in range(5):
            gatherer.names = [str(n)]
            await behind.flush()
        assert behind.dropped == 2
        gatherer.fails = False
        await behind.flush()
        assert await stored(database) == ["2", "3", "4"]
        await database.close()

    asyncio.run(main())


def test_a_failure_is_logged_when_it_begins_and_when_it_is_over(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        database = await Database.open(tmp_path / "bulb.db")
        behind = WriteBehind(database, MovableClock())
        gatherer = Gatherer()
        behind.register(gatherer.collect)
        for fails in (True, True, True, False, True):
            gatherer.fails, gatherer.names = fails, ["again"]
            await behind.flush()
        await database.close()

    asyncio.run(main())
    assert [record.levelname for record in caplog.records] == ["ERROR", "WARNING", "ERROR"]
    assert "ValueError: not now" in caplog.text


def test_a_database_that_refuses_loses_nothing_that_was_gathered(tmp_path: Path) -> None:
    async def main() -> None:
        database = await Database.open(tmp_path / "bulb.db")
        await database.close()
        behind = WriteBehind(database, MovableClock())
        gatherer = Gatherer()
        behind.register(gatherer.collect)
        gatherer.names = ["kept"]
        await behind.flush()
        behind._database = await Database.open(tmp_path / "bulb.db")
        await behind.flush()
        assert await stored(behind._database) == ["kept"]
        await behind._database.close()

    asyncio.run(main())


def test_a_cancelled_flush_still_writes(location: str | Path) -> None:
    async def main() -> None:
        database = await Database.open(location)
        behind = WriteBehind(database, MovableClock())
        gatherer = Gatherer()
        behind.register(gatherer.collect)
        gatherer.names = ["a"]
        flush = asyncio.ensure_future(behind.flush())
        await asyncio.sleep(0)
        await committed(database, flush.cancel)
        assert await stored(database) == ["a"]
        await database.close()

    asyncio.run(main())


def test_somebody_in_a_hurry_does_not_wait_for_the_interval(tmp_path: Path) -> None:
    async def main() -> None:
        database = await Database.open(tmp_path / "bulb.db")
        behind = WriteBehind(database, MovableClock(), interval_s=3600)
        gatherer = Gatherer()
        behind.register(gatherer.collect)
        behind.start()
        gatherer.names = ["a"]
        await committed(database, behind.hurry)
        assert await stored(database) == ["a"]
        await behind.close()
        await database.close()

    asyncio.run(main())
