"""Every promise of the room is tested over SQLite and PostgreSQL: `location` is a fresh, empty database of either."""

from pathlib import Path

import pytest


@pytest.fixture(params=["sqlite", "postgresql"])
def location(request: pytest.FixtureRequest, tmp_path: Path) -> str | Path:
    if request.param == "postgresql":
        return request.getfixturevalue("postgresql_location")
    return tmp_path / "bulb.db"
