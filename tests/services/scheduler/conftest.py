from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.bulb import Running, running_bulb


@pytest.fixture(scope="package")
def bulb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running_bulb(tmp_path_factory.mktemp("scheduler") / "data", stock=0, egress="none") as running:
        yield running


@pytest.fixture(scope="package")
def scheduler(bulb: Running) -> Any:
    return bulb.client("scheduler")


@pytest.fixture(scope="package")
def sqs(bulb: Running) -> Any:
    return bulb.client("sqs")
