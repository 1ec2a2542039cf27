"""One server for all end-to-end tests of a worker; tests take names of their own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.bulb import Running, running_bulb
from tests.support.strict import Keys, root_of, strict_server


@pytest.fixture(scope="session")
def bulb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running_bulb(tmp_path_factory.mktemp("bulb") / "data") as running:
        yield running


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with strict_server(tmp_path_factory.mktemp("strict") / "data") as bulb:
        yield bulb


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Running]:
    """A server whose clock can be moved without anybody else noticing."""
    with strict_server(tmp_path / "data") as bulb:
        yield bulb


@pytest.fixture(scope="module")
def root(strict: Running) -> Keys:
    return root_of(strict)
