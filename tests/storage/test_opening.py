"""What is refused at the door, and that nothing is ever booted empty in its place."""

import asyncio
import errno
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from bulb.storage import engines
from bulb.storage.database import Database
from bulb.storage.errors import DatabaseRefusedError
from bulb.storage.marker import Marker, State
from bulb.storage.schema.storage import storage_blobs


def open_and_close(location: str | Path, *, rows: int = 0) -> int:
    async def main() -> int:
        database = await Database.open(location)
        for number in range(rows):
            row = {"digest": f"{number}" * 500, "size": 1, "reference_count": 1, "released_at": 0.0}
            await database.insert(storage_blobs, row)
        await database.close()
        return database.generation

    return asyncio.run(main())


def refusal(location: str | Path) -> str:
    with pytest.raises(DatabaseRefusedError) as refused:
        open_and_close(location)
    return str(refused.value)


def test_the_generation_rises(location: str | Path) -> None:
    assert [open_and_close(location) for _ in range(3)] == [1, 2, 3]


def test_a_second_server_is_refused_while_the_first_is_there(location: str | Path) -> None:
    async def main() -> None:
        first = await Database.open(location)
        with pytest.raises(DatabaseRefusedError, match="Another Bulb"):
            await Database.open(location)
        await first.close()
        await (await Database.open(location)).close()

    asyncio.run(main())


def test_a_newer_schema_is_refused(location: str | Path) -> None:
    async def main() -> None:
        database = await Database.open(location)
        await database.write(lambda c: c.execute(text("UPDATE alembic_version SET version_num = '9999'")))
        await database.close()

    asyncio.run(main())
    assert "newer Bulb (schema 9999" in refusal(location)
    assert "newer Bulb" in refusal(location)


def test_another_programs_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bulb.db"
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE recipes (name TEXT)")
    other.close()
    assert "another program" in refusal(path)


def test_what_is_not_a_database_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "bulb.db"
    path.write_bytes(b"Dear diary, " * 1000)
    assert "restore it from a backup" in refusal(path)
    assert path.read_bytes() == b"Dear diary, " * 1000


def test_what_is_only_in_the_way_is_no_reason_for_a_backup(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, connect = tmp_path / "bulb.db", engines._connect_writer

    def connect_to_full(path: Path) -> Any:
        connection = connect(path)
        connection.execute("PRAGMA max_page_count=1")
        return connection

    with monkeypatch.context() as full:
        full.setattr(engines, "_connect_writer", connect_to_full)
        assert "make room on its disk" in refusal(path)
    open_and_close(path)
    monkeypatch.setattr(engines, "BUSY_S", 0.0)
    with sqlite3.connect(path) as other:
        other.execute("BEGIN IMMEDIATE")
        assert "end the program that has it open" in refusal(path)
    other.close()
    folder = tmp_path / "folder" / "bulb.db"
    folder.mkdir(parents=True)
    assert "may write to it" in refusal(folder)


def test_the_marker_is_never_empty_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would say that there was no database before, which could then be begun anew."""
    path = tmp_path / "bulb.db"
    open_and_close(path)

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    marker = Marker(path)
    with monkeypatch.context() as patched:
        patched.setattr("os.pwrite", full)
        with pytest.raises(OSError, match="No space"):
            marker.write(State.OPEN)
    marker.release()
    for state in (State.OPEN, State.CLEAN, State.OPEN):
        marker = Marker(path)
        assert marker.found is not State.NEW
        marker.write(state)
        marker.release()
        assert (tmp_path / "bulb.db.lock").read_text() == f"{state}\n"


def test_a_lost_or_emptied_file_is_not_replaced_by_an_empty_database(tmp_path: Path) -> None:
    path = tmp_path / "bulb.db"
    open_and_close(path)
    path.write_bytes(b"")
    assert "gone or empty" in refusal(path)
    path.unlink()
    assert "gone or empty" in refusal(path)
    assert not path.exists()
    (tmp_path / "bulb.db.lock").unlink()
    assert open_and_close(path) == 1


def test_a_shortened_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bulb.db"
    open_and_close(path, rows=20)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) - 8192])
    assert "malformed" in refusal(path)
    path.write_bytes(whole)
    open_and_close(path)


def test_damage_is_found_after_an_unclean_end(tmp_path: Path) -> None:
    path = tmp_path / "bulb.db"
    open_and_close(path, rows=200)
    with sqlite3.connect(path) as connection:
        page = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'storage_blobs'").fetchone()[0]
    connection.close()
    content = bytearray(path.read_bytes())
    content[(page - 1) * 4096 : page * 4096] = b"\xa5" * 4096
    path.write_bytes(content)
    (tmp_path / "bulb.db.lock").write_text("open\n")
    assert "damaged" in refusal(path) or "malformed" in refusal(path)


def test_it_is_known_whether_the_last_server_ended_well(tmp_path: Path) -> None:
    async def was_interrupted() -> bool:
        database = await Database.open(tmp_path / "bulb.db")
        found = database.was_interrupted
        await database.close()
        return found

    assert [asyncio.run(was_interrupted()) for _ in range(2)] == [False, False]
    (tmp_path / "bulb.db.lock").write_text("open\n")
    assert asyncio.run(was_interrupted())


def test_a_wrong_url_is_refused(tmp_path: Path) -> None:
    assert "postgresql+psycopg://" in refusal("mysql://somewhere/else")
    assert "check the URL" in refusal(f"postgresql+psycopg://bulb@/bulb?host={tmp_path}")


def test_starting_loads_neither_alembic_nor_psycopg(tmp_path: Path) -> None:
    program = (
        "import asyncio, sys, pathlib\n"
        "from bulb.storage.database import Database\n"
        "async def main():\n"
        "    for _ in range(2):\n"
        "        await (await Database.open(pathlib.Path(sys.argv[1]))).close()\n"
        "asyncio.run(main())\n"
        "print([name for name in ('alembic', 'psycopg') if name in sys.modules])\n"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "bulb.db")]
    assert subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout == "[]\n"
