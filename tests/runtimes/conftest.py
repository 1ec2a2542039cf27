"""The interpreters of this machine, and an image for each, built once a session."""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from bulb.runtimes.catalogue import RUNTIMES
from bulb.runtimes.image import Images, RuntimeImage
from bulb.runtimes.interpreters import Interpreter, Interpreters, Missing

Prepared = tuple[Interpreter, RuntimeImage]


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Prepared]:
    """A function from a runtime's identifier to its interpreter and image; skips where the machine has none."""
    data = tmp_path_factory.mktemp("data")
    # TEST_NODEJS22_X=/path/to/node and the like name interpreters that are installed nowhere.
    overrides = {
        name: Path(os.environ[variable])
        for name in RUNTIMES
        if (variable := "TEST_" + name.upper().replace(".", "_")) in os.environ
    }
    interpreters = Interpreters(data, overrides=overrides, path=os.environ["PATH"], home=Path.home())
    images: dict[str, Prepared] = {}

    def prepare(identifier: str) -> Prepared:
        if identifier not in images:
            found = asyncio.run(interpreters.find(RUNTIMES[identifier]))
            if isinstance(found, Missing):
                pytest.skip(str(found))
            images[identifier] = found, asyncio.run(Images(data / "images").image(found))
        return images[identifier]

    return prepare
