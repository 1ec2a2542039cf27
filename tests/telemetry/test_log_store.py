"""The log store on a real database."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from bulb.core.errors import AwsError
from bulb.storage.database import Database
from bulb.storage.writebehind import WriteBehind
from bulb.telemetry.buffer import GroupName
from bulb.telemetry.log_store import LogStore
from tests.support.clock import MovableClock

NAME = GroupName("000000000000", "us-east-1", "/aws/lambda/f")
EVER = 10**15


@asynccontextmanager
async def opened(folder: Path, clock: MovableClock) -> AsyncIterator[LogStore]:
    database = await Database.open(folder / "bulb.db")
    writebehind = WriteBehind(database, clock)
    try:
        yield LogStore(database, writebehind, clock)
    finally:
        await writebehind.close()
        await database.close()


def run(folder: Path, test: Callable[[LogStore, MovableClock], Coroutine[Any, Any, None]]) -> None:
    async def main() -> None:
        clock = MovableClock()
        async with opened(folder, clock) as store:
            await test(store, clock)

    asyncio.run(main())


async def messages(store: LogStore, stream: str = "s", **options: Any) -> list[str]:
    wanted: dict[str, Any] = {"start_ms": 0, "end_ms": EVER, "limit": 10_000, "from_head": True, **options}
    page = await store.get_events(NAME, stream, **wanted)
    return [event.message for event in page.events]


def test_lines_are_readable_at_once_and_after_a_restart(tmp_path: Path) -> None:
    async def write(store: LogStore, clock: MovableClock) -> None:
        stream = store.open_stream(*NAME, "s")
        now = int(clock.now() * 1000)
        stream.write(now, "one\n")
        assert await messages(store) == ["one\n"]
        stream.write(now + 1, "two\n")

    async def read(store: LogStore, clock: MovableClock) -> None:
        assert await messages(store) == ["one\n", "two\n"]
        assert (await store.group(NAME)).stored_bytes == 2 * (4 + 26)

    run(tmp_path, write)
    run(tmp_path, read)


def test_a_flush_is_one_row_a_stream(tmp_path: Path) -> None:
    async def test(store: LogStore, clock: MovableClock) -> None:
        streams = [store.open_stream(*NAME, f"s{i}") for i in range(3)]
        for i in range(3000):
            streams[i % 3].write(1000 + i, f"{i}\n")
        assert len(await messages(store, "s1")) == 1000
        count = await store._database.read(
            lambda connection: connection.exec_driver_sql("select count(*) from telemetry_log_chunks").scalar()
        )
        assert count == 3

    run(tmp_path, test)


def test_events_of_overlapping_chunks_come_in_the_order_of_their_time(tmp_path: Path) -> None:
    async def test(store: LogStore, clock: MovableClock) -> None:
        await store.create_group(NAME)
        await store.create_stream(NAME, "s")
        await store.create_stream(NAME, "t")
        expected = []
        for chunk in range(40):
            events = [(chunk * 10 + 37 * i, f"{chunk * 10 + 37 * i:06d}") for i in range(20)]
            expected += [message for _, message in events]
            await store.put_events(NAME, "s" if chunk % 3 else "t", events)
        expected.sort()
        found = await store.filter_events(NAME, start_ms=0, end_ms=EVER, limit=10_000, matches=lambda _: True)
        assert [event.message for event in found.events] == expected
        assert found.next is None
        seen: list[str] = []
        start = None
        while True:
            part = await store.filter_events(
                NAME, start_ms=0, end_ms=EVER, limit=7, matches=lambda _: True, start=start
            )
            seen += [event.message for event in part.events]
            if (start := part.next) is None:
                break
        assert seen == expected

        walked: list[str] = []
        page = await store.get_events(NAME, "s", start_ms=0, end_ms=EVER, limit=11)
        while page.events:
            walked = [event.message for event in page.events] + walked
            page = await store.get_events(NAME, "s", start_ms=0, end_ms=EVER, limit=11, before=page.before)
        assert walked == await messages(store, "s")
        assert sorted(walked) == walked

    run(tmp_path, test)


def test_retention_acts_on_reads_at_once_and_on_the_disk_with_the_sweep(tmp_path: Path) -> None:
    async def test(store: LogStore, clock: MovableClock) -> None:
        now = int(clock.now() * 1000)
        store.open_stream(*NAME, "s").write(now - 2 * 86_400_000, "old\n")
        store.open_stream(*NAME, "s").write(now, "new\n")
        assert await messages(store) == ["old\n", "new\n"]
        await store.set_retention(NAME, 1)
        assert await messages(store) == ["new\n"]
        assert await store.sweep() == 1
        assert (await store.group(NAME)).stored_bytes == 30
        await store.set_retention(NAME, None)
        assert await messages(store) == ["new\n"]
        await store.set_retention(NAME, 1)
        clock.advance(3 * 86_400)
        await store.sweep()
        assert await store.describe_streams(NAME) == []

    run(tmp_path, test)


def test_deleting_a_group_takes_everything_and_a_later_line_makes_it_again(tmp_path: Path) -> None:
    async def test(store: LogStore, clock: MovableClock) -> None:
        stream = store.open_stream(*NAME, "s")
        stream.write(1000, "one\n")
        await store.delete_group(NAME)
        with pytest.raises(AwsError, match="The specified log group does not exist"):
            await messages(store)
        stream.write(2000, "two\n")
        assert await messages(store) == ["two\n"]

    run(tmp_path, test)


def test_messages_that_are_no_unicode_are_kept_all_the_same(tmp_path: Path) -> None:
    async def test(store: LogStore, clock: MovableClock) -> None:
        store.open_stream(*NAME, "s").write(1000, "a\ud800\0b")
        assert await messages(store) == ["a?\0b"]

    run(tmp_path, test)
