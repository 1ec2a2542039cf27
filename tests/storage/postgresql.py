"""A PostgreSQL server of the tests' own: a temporary folder, a unix socket, no TCP, gone afterwards.

Also gone when the run is killed: it lives no longer than its keeper, who lives no longer than the run (`keeper.py`).
"""

import itertools
import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from sqlalchemy import create_engine, text
from sqlalchemy.exc import OperationalError

from tests.storage import keeper
from tests.support.waiting import until

PROGRAMS = ("initdb", "postgres")
ORDINARY_USERS = ("postgres", "nobody")

_databases = itertools.count(1)


def missing() -> str | None:
    """Why there can be no server here; None when there can."""
    absent = [program for program in PROGRAMS if shutil.which(program) is None]
    return f"no PostgreSQL on this machine ({', '.join(absent)} not found)" if absent else None


def _ordinary_user() -> pwd.struct_passwd | None:
    """Whom to run as when we are root, which PostgreSQL refuses to be run by."""
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name: entry for entry in pwd.getpwall()}
    return next(names[name] for name in ORDINARY_USERS if name in names)


@contextmanager
def server() -> Iterator[str]:
    """A running server. Yields the prefix of a URL that wants a database name in place of `{name}`."""
    user = _ordinary_user()
    folder = Path(tempfile.mkdtemp(prefix="bulb-postgresql-"))
    if user is not None:
        os.chown(folder, user.pw_uid, user.pw_gid)
    url = "postgresql+psycopg://bulb@/{name}?host=" + quote(str(folder))
    try:
        with _kept(folder, -1 if user is None else user.pw_uid) as process:
            until(lambda: process.poll() is not None or _answers(url), "an answer of PostgreSQL", seconds=90)
            if process.poll() is not None:
                raise RuntimeError((folder / "log").read_text(errors="replace"))
            yield url
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _kept(folder: Path, user: int) -> Iterator["subprocess.Popen[bytes]"]:
    """The keeper of a server: starts it, ends it when this process lets go or dies, and then removes its folder."""
    data = str(folder / "data")
    initdb = ("initdb", "-D", data, "-U", "bulb", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync")
    options = ("-k", str(folder), "-c", "listen_addresses=", "-c", "max_connections=40", "-c", "fsync=off")
    command = (sys.executable, keeper.__file__, str(folder), str(user), *initdb, "--", "postgres", "-D", data, *options)
    with (
        (folder / "log").open("ab") as log,
        # In a session of its own: what is sent to the run's process group is not meant for who cleans up after it.
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=log, stderr=log, start_new_session=True) as process,
    ):
        yield process


def _answers(server: str) -> bool:
    engine = create_engine(server.format(name="postgres"))
    try:
        engine.connect().close()
    except OperationalError:
        return False
    finally:
        engine.dispose()
    return True


def new_database(server: str) -> str:
    """The URL of another fresh, empty database of a server."""
    name = f"bulb{next(_databases)}"
    engine = create_engine(server.format(name="postgres"), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    engine.dispose()
    return server.format(name=name)
