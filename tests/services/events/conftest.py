"""One server for all tests of EventBridge, and somebody else's server for what it sends out."""

import contextlib
from collections.abc import Iterator

import pytest

from tests.services.events.endpoint import Endpoint, running_endpoint
from tests.services.events.room import Room
from tests.support.bulb import Running, running_bulb


@pytest.fixture(scope="package")
def bulb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running_bulb(tmp_path_factory.mktemp("events") / "data", stock=0, egress="none") as running:
        yield running


@pytest.fixture(scope="package")
def room(bulb: Running) -> Room:
    return Room(bulb)


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    with contextlib.closing(running_endpoint()) as running:
        yield running
