"""Connections to SQLite and PostgreSQL, set up so that the rest of the room need not know which one it is.

One writing engine (its single connection lives in the writer's thread) and one reading engine whose connections cannot
write. Both engines commit to disk before COMMIT returns: SQLite by WAL with synchronous=FULL, PostgreSQL by
synchronous_commit=on.
"""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import orjson
from sqlalchemy import Engine, create_engine, event
from sqlalchemy.pool import NullPool

from bulb.storage.errors import DatabaseRefusedError

BUSY_S = 5.0
_CACHED_STATEMENTS = 512
_ADVISORY_LOCK = 0x62756C62  # "bulb": held for as long as a server writes to this PostgreSQL database
_LOCK_PATIENCE_S = 5.0


@dataclass(frozen=True, slots=True)
class Engines:
    """Where to write and where to read."""

    writer: Engine
    reader: Engine

    def dispose(self) -> None:
        """Close what is still open."""
        self.writer.dispose()
        self.reader.dispose()


def sqlite_engines(path: Path) -> Engines:
    """Engines over the file at `path`, which is made when it is absent."""
    writer = _engine("sqlite+pysqlite://", creator=lambda: _connect_writer(path))
    # Python's driver would begin transactions by itself, and only before some statements; ours begin when we say so.
    event.listen(writer, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))
    reader = _engine("sqlite+pysqlite://", creator=lambda: _connect_reader(path))
    event.listen(reader, "begin", lambda connection: connection.exec_driver_sql("BEGIN"))
    return Engines(writer, reader)


def postgresql_engines(url: str) -> Engines:
    """Engines over the PostgreSQL database at `url` (`postgresql+psycopg://...`)."""
    from bulb.storage.postgresql_text import use_every_character  # noqa: PLC0415 - psycopg is optional

    writer = _engine(url)
    reader = _engine(url, isolation_level="REPEATABLE READ", execution_options={"postgresql_readonly": True})
    for engine in (writer, reader):
        event.listen(engine, "connect", lambda connection, _record: use_every_character(connection))
    event.listen(writer, "connect", _prepare_postgresql_writer)
    return Engines(writer, reader)


def _engine(url: str, **options: Any) -> Engine:
    return create_engine(
        url,
        poolclass=NullPool,
        json_serializer=lambda value: orjson.dumps(value).decode(),
        json_deserializer=orjson.loads,
        **options,
    )


def _connect_writer(path: Path) -> Any:
    connection = _connect_sqlite(path, "rwc")
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
        "temp_store=MEMORY",
        "cache_size=-32768",
        "wal_autocheckpoint=4000",  # pages; fewer checkpoints than by default, a checkpoint holds up one commit
        "journal_size_limit=67108864",
    ):
        connection.execute(f"PRAGMA {pragma}")
    return connection


def _connect_reader(path: Path) -> Any:
    connection = _connect_sqlite(path, "ro")
    connection.execute("PRAGMA query_only=ON")
    connection.execute("PRAGMA cache_size=-16384")
    return connection


def _connect_sqlite(path: Path, mode: str) -> Any:
    import sqlite3  # noqa: PLC0415 - a server on PostgreSQL does not need it

    return sqlite3.connect(
        f"file:{quote(str(path))}?mode={mode}",
        uri=True,
        timeout=BUSY_S,
        isolation_level=None,
        check_same_thread=False,  # opened in one thread, used in another; never in two at once
        cached_statements=_CACHED_STATEMENTS,
    )


def _prepare_postgresql_writer(connection: Any, _record: object) -> None:
    """Take the database for this server. The server's process ending frees it."""
    connection.execute("SET synchronous_commit = on")
    give_up = time.monotonic() + _LOCK_PATIENCE_S  # PostgreSQL needs a moment to notice that a killed client is gone
    while not connection.execute(f"SELECT pg_try_advisory_lock({_ADVISORY_LOCK})").fetchone()[0]:
        connection.commit()
        if time.monotonic() > give_up:
            raise DatabaseRefusedError(
                "Another Bulb is using this PostgreSQL database; stop it, or give this one a database of its own."
            )
        time.sleep(0.1)
    connection.commit()
