"""A served S3 room: real boto3, real HTTP, real disk."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.services.s3.room import Room, opened
from tests.support.gateway import client, running_gateway


@dataclass
class Served:
    """A front door with S3 behind it. `room` lives on the server's loop: only look at it, never await it here."""

    url: str
    folder: Path
    room: Room

    def client(self, **config: Any) -> Any:
        return client("s3", self.url, **config)


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("s3")
    rooms: list[Room] = []

    @asynccontextmanager
    async def services() -> AsyncIterator[dict[str, object]]:
        async with opened(folder) as room:
            rooms.append(room)
            yield {"s3": room.api}

    with running_gateway(services) as url:
        yield Served(url, folder, rooms[0])


@pytest.fixture
def s3(served: Served) -> Any:
    return served.client(s3={"addressing_style": "path"})


@pytest.fixture
def bucket(s3: Any, request: pytest.FixtureRequest) -> str:
    """A new bucket, named after the test."""
    name = f"b{abs(hash(request.node.nodeid)):x}"
    s3.create_bucket(Bucket=name)
    return name
