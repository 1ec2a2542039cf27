"""Opening a database: taken for this process alone, whole, of a schema we know; else refused with a sentence.

Everything here blocks and runs in a thread.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection
from sqlalchemy.exc import DatabaseError

from bulb.storage.engines import Engines, postgresql_engines, sqlite_engines
from bulb.storage.errors import DatabaseRefusedError
from bulb.storage.generations import begin_generation
from bulb.storage.marker import Marker, State
from bulb.storage.migrations import bring_up_to_date

_RESTORE = "restore it from a backup (with its -wal file, if there is one)"
# What to do about what SQLite calls by these names. Whatever else it says is about the file itself.
_ADVICE = {
    "SQLITE_FULL": "make room on its disk and start again, nothing is lost",
    "SQLITE_BUSY": "end the program that has it open",
    "SQLITE_LOCKED": "end the program that has it open",
    "SQLITE_READONLY": "see that this user may write to it and its folder",
    "SQLITE_CANTOPEN": "see that this user may write to it and its folder",
    "SQLITE_PERM": "see that this user may write to it and its folder",
    "SQLITE_IOERR": "look at the disk before anything else",
}


@dataclass(frozen=True, slots=True)
class Opened:
    """An open database. `generation` is this process's number in it; `marker` is None for PostgreSQL.

    `connection` is the one that writes. It stays open from here on: on PostgreSQL it holds the lock.
    """

    engines: Engines
    connection: Connection
    generation: int
    marker: Marker | None


def open_database(url: str | Path) -> Opened:
    """Open the SQLite file at a path, or the PostgreSQL database at a URL. Raises DatabaseRefusedError."""
    if isinstance(url, str) and "://" in url:
        return _open_postgresql(url)
    return _open_sqlite(Path(url))


def _open_postgresql(url: str) -> Opened:
    if not url.startswith("postgresql+psycopg://"):
        raise DatabaseRefusedError("A database URL must begin with postgresql+psycopg://; a plain path means SQLite.")
    try:
        engines = postgresql_engines(url)
        return _prepare(engines, _check_nothing, None)
    except ImportError as error:
        raise DatabaseRefusedError(
            "PostgreSQL needs psycopg; install it with: pip install 'bulb[postgresql]'"
        ) from error
    except DatabaseError as error:
        raise DatabaseRefusedError(f"The PostgreSQL database cannot be used: {error.orig}; check the URL.") from error


def _open_sqlite(path: Path) -> Opened:
    path.parent.mkdir(parents=True, exist_ok=True)
    marker = Marker(path)
    try:
        _refuse_vanished(path, marker.found)
        engines = sqlite_engines(path)
        check = _read_through if marker.found is State.OPEN else _check_nothing
        opened = _prepare(engines, check, marker)
        marker.write(State.OPEN)
    except DatabaseError as error:
        marker.release()
        raise DatabaseRefusedError(f"The database {path} cannot be used ({error.orig}); {_advice(error)}.") from error
    except BaseException:
        marker.release()
        raise
    return opened


def _advice(error: DatabaseError) -> str:
    """Restoring a backup costs what came after it: only for what nothing else helps against."""
    primary = "_".join(getattr(error.orig, "sqlite_errorname", "").split("_")[:2])  # without what extends the code
    return _ADVICE.get(primary, _RESTORE)


def _prepare(engines: Engines, check: Callable[[Connection], None], marker: Marker | None) -> Opened:
    connection = engines.writer.connect()
    try:
        with connection.begin():
            check(connection)
            bring_up_to_date(connection)
            return Opened(engines, connection, begin_generation(connection), marker)
    except BaseException:
        connection.close()
        raise


def _refuse_vanished(path: Path, found: State) -> None:
    if found is not State.NEW and not (path.exists() and path.stat().st_size):
        raise DatabaseRefusedError(
            f"The database {path} is gone or empty although Bulb has used it before; {_RESTORE}, "
            f"or delete {path.name}.lock to begin with an empty one."
        )


def _check_nothing(_connection: Connection) -> None:
    """After a clean end: reading a large file through would make every start slow, and SQLite notices a short one."""


def _read_through(connection: Connection) -> None:
    """After a server was killed: look at every page."""
    verdict = connection.exec_driver_sql("PRAGMA quick_check(1)").scalar_one()
    if verdict != "ok":
        raise DatabaseRefusedError(f"The database is damaged ({verdict}); {_RESTORE}.")
