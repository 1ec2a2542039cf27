"""One room a test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.services.lambda_.room import Room, open_room


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    """The Lambda room over an empty folder."""
    with open_room(tmp_path) as opened:
        yield opened
