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


@dataclass(frozen=True, slots=True)
class Opened:
    """An open database. `generation` is this process's number in it; `marker` is None for PostgreSQL."""

    engines: Engines
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
        return Opened(engines, _prepare(engines, lambda connection: None), None)
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
        generation = _prepare(engines, _integrity_check(path, marker.found))
        marker.write(State.OPEN)
    except DatabaseError as error:
        marker.release()
        raise DatabaseRefusedError(f"The database {path} cannot be used ({error.orig}); {_RESTORE}.") from error
    except BaseException:
        marker.release()
        raise
    return Opened(engines, generation, marker)


def _prepare(engines: Engines, check: Callable[[Connection], None]) -> int:
    with engines.writer.begin() as connection:
        check(connection)
        bring_up_to_date(connection)
        return begin_generation(connection)


def _refuse_vanished(path: Path, found: State) -> None:
    if found is not State.NEW and not (path.exists() and path.stat().st_size):
        raise DatabaseRefusedError(
            f"The database {path} is gone or empty although Bulb has used it before; {_RESTORE}, "
            f"or delete {path.name}.lock to begin with an empty one."
        )


def _integrity_check(path: Path, found: State) -> Callable[[Connection], None]:
    """After a clean end only the length is looked at: reading a large file through would make every start slow."""

    wal = path.with_name(path.name + "-wal")
    wal_left = wal.exists() and wal.stat().st_size > 0

    def check(connection: Connection) -> None:
        pages, page_size = (
            connection.exec_driver_sql(f"PRAGMA {what}").scalar_one() for what in ("page_count", "page_size")
        )
        if found is State.CLEAN and not wal_left and path.stat().st_size < pages * page_size:
            raise DatabaseRefusedError(f"The database {path} has lost its end; {_RESTORE}.")
        if found is State.OPEN:
            verdict = connection.exec_driver_sql("PRAGMA quick_check(1)").scalar_one()
            if verdict != "ok":
                raise DatabaseRefusedError(f"The database {path} is damaged ({verdict}); {_RESTORE}.")

    return check
