"""One server for all end-to-end tests of a worker; tests take names of their own."""

from collections.abc import Iterator

import pytest

from tests.support.bulb import Running, running_bulb


@pytest.fixture(scope="session")
def bulb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running_bulb(tmp_path_factory.mktemp("bulb") / "data") as running:
        yield running
