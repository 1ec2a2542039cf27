"""Every promise of the room is tested over SQLite and PostgreSQL: `location` is a fresh, empty database of either."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from tests.storage import postgresql

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[str]:
    if (reason := postgresql.missing()) is not None:
        pytest.skip(reason)
    with postgresql.server() as url:
        yield url


@pytest.fixture
def postgresql_location(postgresql_server: str) -> str:
    name = f"bulb{next(_numbers)}"
    engine = create_engine(postgresql_server.format(name="postgres"), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    engine.dispose()
    return postgresql_server.format(name=name)


@pytest.fixture(params=["sqlite", "postgresql"])
def location(request: pytest.FixtureRequest, tmp_path: Path) -> str | Path:
    if request.param == "postgresql":
        return request.getfixturevalue("postgresql_location")
    return tmp_path / "bulb.db"
