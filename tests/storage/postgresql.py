"""A PostgreSQL server of the tests' own: a temporary folder, a unix socket, no TCP, gone afterwards."""

import itertools
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from sqlalchemy import create_engine, text

PROGRAMS = ("initdb", "pg_ctl", "postgres")
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
    identity = {} if user is None else {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
    folder = Path(tempfile.mkdtemp(prefix="bulb-postgresql-"))
    data = folder / "data"

    def run(*command: str) -> None:
        with (folder / "tests.log").open("ab") as log:
            subprocess.run(command, check=True, stdout=log, stderr=log, cwd=folder, timeout=60, **identity)

    if user is not None:
        os.chown(folder, user.pw_uid, user.pw_gid)
    try:
        run("initdb", "-D", str(data), "-U", "bulb", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync")
        options = f"-k {folder} -c listen_addresses='' -c max_connections=40 -c fsync=off"
        run("pg_ctl", "-D", str(data), "-w", "-t", "30", "-l", str(folder / "server.log"), "-o", options, "start")
        try:
            yield "postgresql+psycopg://bulb@/{name}?host=" + quote(str(folder))
        finally:
            run("pg_ctl", "-D", str(data), "-w", "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder)


def new_database(server: str) -> str:
    """The URL of another fresh, empty database of a server."""
    name = f"bulb{next(_databases)}"
    engine = create_engine(server.format(name="postgres"), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    engine.dispose()
    return server.format(name=name)
