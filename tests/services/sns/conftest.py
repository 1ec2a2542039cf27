"""One server for all tests of this folder that do not move its clock; topics and queues have names of their own."""

from collections.abc import Iterator

import pytest

from tests.services.sns.room import Endpoint, endpoint
from tests.support.bulb import Running, running_bulb


@pytest.fixture(scope="session")
def bulb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running_bulb(tmp_path_factory.mktemp("sns") / "data", stock=1, egress="none") as running:
        yield running


@pytest.fixture
def there() -> Iterator[Endpoint]:
    with endpoint() as opened:
        yield opened


@pytest.fixture(scope="session")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A server whose clock tests move: what is there before a test may be older than it looks."""
    with running_bulb(tmp_path_factory.mktemp("sns-own") / "data", stock=0, egress="none") as running:
        yield running
