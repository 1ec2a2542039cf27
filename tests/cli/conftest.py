from collections.abc import Iterator

import pytest

from tests.support.bulb import Process


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    """One server process for the tests of a file."""
    process = Process(tmp_path_factory.mktemp("cli") / "data")
    process.start()
    try:
        yield process
    finally:
        process.stop()
