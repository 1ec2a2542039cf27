"""The database port: durable answers, group commit, isolation of callers, signals, an orderly end."""

import asyncio
import threading
from pathlib import Path

import pytest
from sqlalchemy import Connection, create_engine, func, select, text
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from bulb.storage import writer
from bulb.storage.database import Database
from bulb.storage.errors import DatabaseClosedError, NotCommittedError
from bulb.storage.schema.storage import storage_blobs
from bulb.storage.signals import notify


def row(name: str) -> dict[str, object]:
    return {"digest": name, "size": 1, "reference_count": 1, "released_at": 0.0}


def add(connection: Connection, name: str) -> str:
    connection.execute(storage_blobs.insert(), row(name))
    return name


def names(connection: Connection) -> set[str]:
    return set(connection.execute(select(storage_blobs.c.digest)).scalars())


def count(connection: Connection) -> int:
    return connection.execute(select(func.count()).select_from(storage_blobs)).scalar_one()


def test_a_write_is_read_after_it_was_answered_and_after_a_restart(location: str | Path) -> None:
    async def main() -> None:
        database = await Database.open(location)
        for number in range(20):
            assert await database.write(lambda c, n=number: add(c, f"w{n}")) == f"w{number}"
            assert f"w{number}" in await database.read(names)
        await database.insert(storage_blobs, row("inserted"))
        assert await database.read(count) == 21
        await database.close()
        again = await Database.open(location)
        assert await again.read(names) == {"inserted", *(f"w{n}" for n in range(20))}
        await again.close()

    asyncio.run(main())


def test_callers_at_the_same_time_share_commits(location: str | Path) -> None:
    async def main() -> None:
        database = await Database.open(location)
        await asyncio.gather(*(database.write(lambda c, n=n: add(c, f"w{n}")) for n in range(300)))
        await asyncio.gather(*(database.insert(storage_blobs, row(f"i{n}")) for n in range(300)))
        assert await database.read(count) == 600
        assert database.commits < 100
        await database.close()

    asyncio.run(main())


def test_a_lone_write_is_committed_at_once(location: str | Path) -> None:
    async def main() -> None:
        database = await Database.open(location)
        for number in range(5):
            await asyncio.wait_for(database.write(lambda c, n=number: add(c, str(n))), 20)
            assert database.commits == number + 1
        await database.close()

    asyncio.run(main())


def test_an_exception_undoes_only_its_own_function(location: str | Path) -> None:
    async def main() -> None:
        database = await Database.open(location)
        told: list[str] = []
        database.on_commit("refused", lambda: told.append("refused"))

        def half(connection: Connection) -> None:
            add(connection, "half")
            notify(connection, "refused")
            raise KeyError("changed my mind")

        def broken(connection: Connection) -> None:
            add(connection, "broken")
            connection.execute(text("SELECT * FROM nowhere"))

        results = await asyncio.gather(
            database.write(lambda c: add(c, "before")),
            database.write(half),
            database.write(broken),
            database.write(lambda c: next(iter(()))),
            database.write(lambda c: add(c, "after")),
            return_exceptions=True,
        )
        assert results[0] == "before"
        assert isinstance(results[1], KeyError)
        assert isinstance(results[2], SQLAlchemyError)
        assert isinstance(results[3], RuntimeError)
        assert results[4] == "after"
        assert await database.read(names) == {"before", "after"}
        assert told == []
        await database.close()

    asyncio.run(main())


def test_one_bad_row_does_not_refuse_the_others_inserted_with_it(location: str | Path) -> None:
    async def main() -> None:
        database = await Database.open(location)
        rows = [row("a"), row("b"), row("a"), row("c")]
        results = await asyncio.gather(*(database.insert(storage_blobs, r) for r in rows), return_exceptions=True)
        assert results[:2] == [None, None]
        assert isinstance(results[2], IntegrityError)
        assert results[3] is None
        assert await database.read(names) == {"a", "b", "c"}
        await database.close()

    asyncio.run(main())


def test_a_cancelled_caller_does_not_disturb_the_batch(location: str | Path) -> None:
    async def main() -> None:
        database = await Database.open(location)
        begun, release = threading.Event(), threading.Event()
        first = asyncio.ensure_future(database.write(lambda c: begun.set() or release.wait(30)))
        assert await asyncio.to_thread(begun.wait, 30)
        doomed = asyncio.ensure_future(database.write(lambda c: add(c, "doomed")))
        other = asyncio.ensure_future(database.write(lambda c: add(c, "other")))
        await asyncio.sleep(0)
        doomed.cancel()
        release.set()
        assert await other == "other"
        assert await first is True
        with pytest.raises(asyncio.CancelledError):
            await doomed
        await database.close()

    asyncio.run(main())


def test_a_read_sees_one_moment_and_cannot_write(location: str | Path) -> None:
    async def main() -> None:
        database = await Database.open(location)
        started, go_on = threading.Event(), threading.Event()

        def twice(connection: Connection) -> tuple[int, int]:
            first = count(connection)
            started.set()
            go_on.wait(30)
            return first, count(connection)

        reading = asyncio.ensure_future(database.read(twice))
        await asyncio.to_thread(started.wait, 30)
        await database.write(lambda c: add(c, "meanwhile"))
        go_on.set()
        assert await reading == (0, 0)
        assert await database.read(count) == 1
        with pytest.raises(SQLAlchemyError):
            await database.read(lambda c: add(c, "by a reader"))
        assert await database.read(count) == 1
        await database.close()

    asyncio.run(main())


def test_listeners_are_called_once_a_commit_after_it_and_on_the_loop(
    location: str | Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "MAX_BATCH_S", 60.0)  # what waits together is committed together, however slowly

    async def main() -> None:
        database = await Database.open(location)
        begun, release = threading.Event(), threading.Event()
        told: list[tuple[int, int]] = []

        def listener() -> None:
            told.append((database.commits, threading.get_ident()))

        def failing() -> None:
            raise ValueError("a listener's own fault")

        database.on_commit("news", failing)
        database.on_commit("news", listener)
        first = asyncio.ensure_future(database.write(lambda c: begun.set() or release.wait(30)))
        assert await asyncio.to_thread(begun.wait, 30)
        writes = [asyncio.ensure_future(database.write(lambda c: notify(c, "news"))) for _ in range(5)]
        writes.append(asyncio.ensure_future(database.insert(storage_blobs, row("x"), channel="news")))
        await asyncio.sleep(0)
        assert told == []
        release.set()
        await asyncio.gather(first, *writes)
        assert told == [(2, threading.get_ident())]
        await database.write(lambda c: add(c, "no news"))
        assert len(told) == 1
        await database.close()

    asyncio.run(main())


def test_closing_finishes_what_was_asked_for_and_refuses_what_comes_after(location: str | Path) -> None:
    async def main() -> None:
        database = await Database.open(location)
        writes = [asyncio.ensure_future(database.write(lambda c, n=n: add(c, str(n)))) for n in range(50)]
        await asyncio.sleep(0)
        await database.close()
        assert sorted(await asyncio.gather(*writes)) == sorted(map(str, range(50)))
        for call in (database.write(count), database.read(count), database.insert(storage_blobs, row("late"))):
            with pytest.raises(DatabaseClosedError):
                await call
        await database.close()

    asyncio.run(main())


def test_a_lost_connection_fails_its_batch_and_the_next_one_works(postgresql_location: str) -> None:
    async def main() -> None:
        database = await Database.open(postgresql_location)

        def cut(connection: Connection) -> None:
            add(connection, "lost")
            connection.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))

        with pytest.raises(NotCommittedError):
            await asyncio.wait_for(database.write(cut), 30)
        assert await asyncio.wait_for(database.write(lambda c: add(c, "kept")), 30) == "kept"
        assert await database.read(names) == {"kept"}
        await database.close()

    asyncio.run(main())


def test_connections_that_were_lost_in_a_pause_cost_nothing(
    postgresql_location: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PostgreSQL was restarted while nobody called."""
    monkeypatch.setattr(writer, "_PAUSE_S", 0.0)
    end_all = (
        "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity "
        "WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )

    async def main() -> None:
        database = await Database.open(postgresql_location)
        await database.write(lambda c: add(c, "before"))
        assert await asyncio.gather(*[database.read(names) for _ in range(9)]) == [{"before"}] * 9
        other = create_engine(postgresql_location)
        with other.connect() as connection:
            assert set(connection.execute(text(end_all)).scalars()) == {True}
        other.dispose()
        await asyncio.wait_for(database.write(lambda c: add(c, "after")), 30)
        assert await asyncio.gather(*[database.read(names) for _ in range(9)]) == [{"before", "after"}] * 9
        await database.close()

    asyncio.run(main())


def test_a_server_that_was_cut_off_does_not_go_on_where_another_has_been(postgresql_location: str) -> None:
    """What it remembers of the database may not be so any more, and its numbers are those of the past."""

    async def main() -> None:
        first = await Database.open(postgresql_location)

        def cut(connection: Connection) -> None:
            connection.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))

        with pytest.raises(NotCommittedError):
            await asyncio.wait_for(first.write(cut), 30)
        second = await Database.open(postgresql_location)
        await second.write(lambda c: add(c, "second"))
        await second.close()
        for _ in range(2):
            with pytest.raises(DatabaseClosedError, match="another Bulb has used the database"):
                await asyncio.wait_for(first.write(lambda c: add(c, "first")), 30)
        assert await first.read(names) == {"second"}
        await first.close()

    asyncio.run(main())


def test_a_full_disk_answers_nobody_as_stored(tmp_path: Path) -> None:
    async def main() -> None:
        database = await Database.open(tmp_path / "bulb.db")
        await database.write(lambda c: add(c, "before"))
        # SQLite's own way to run out of room: it rolls back the whole transaction, as on a full disk.
        await database.write(lambda c: c.exec_driver_sql("PRAGMA max_page_count = 1"))
        big = "x" * 1_000_000
        results = await asyncio.gather(
            database.write(lambda c: add(c, "small")), database.write(lambda c: add(c, big)), return_exceptions=True
        )
        assert isinstance(results[1], NotCommittedError | SQLAlchemyError)
        await database.write(lambda c: add(c, "after"))
        found = await database.read(names)
        assert big not in found
        assert {"before", "after"} <= found
        assert ("small" in found) == (results[0] == "small")
        await database.close()

    asyncio.run(main())


def test_a_writer_that_dies_leaves_no_caller_waiting(tmp_path: Path) -> None:
    async def main() -> None:
        database = await Database.open(tmp_path / "bulb.db")

        def kill(connection: Connection) -> None:
            raise SystemExit("the thread ends here")

        calls = [database.write(kill), database.write(count), database.insert(storage_blobs, row("x"))]
        results = await asyncio.wait_for(asyncio.gather(*calls, return_exceptions=True), 30)
        assert all(isinstance(result, DatabaseClosedError) for result in results)
        with pytest.raises(DatabaseClosedError, match="restart Bulb"):
            await database.write(count)
        await asyncio.wait_for(database.close(), 30)
        again = await Database.open(tmp_path / "bulb.db")
        assert await again.read(count) == 0
        await again.close()

    asyncio.run(main())
