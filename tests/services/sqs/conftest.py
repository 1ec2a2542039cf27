"""A served SQS room: real boto3, real HTTP, real disk, and a clock the test can move."""

import itertools
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from bulb.services.sqs import Keeper, MoveWork, SqsApi, SqsStore, Waiting
from bulb.storage.database import Database
from tests.support.clock import MovableClock
from tests.support.gateway import client, running_gateway

ACCOUNT, REGION = "000000000000", "us-east-1"
_numbers = itertools.count(1)


@dataclass
class Served:
    """A front door with SQS behind it."""

    url: str
    clock: MovableClock
    waiting: Waiting

    def polls(self) -> int:
        """How many receives wait for a message."""
        return sum(len(line.waiters) for line in list(self.waiting._lines.values()))

    def client(self, account: str = ACCOUNT, region: str = REGION, **config: Any) -> Any:
        return client("sqs", self.url, access_key=account, region=region, **config)


@asynccontextmanager
async def opened(location: str | Path, clock: MovableClock) -> AsyncIterator[SqsApi]:
    """The room, with all that works in it by itself."""
    database = await Database.open(location)
    store = await SqsStore.open(database)
    keeper, moves, waiting = Keeper(store, clock), MoveWork(store, clock), Waiting(store, clock)
    keeper.start()
    await moves.resume()
    try:
        yield SqsApi(store, waiting, moves, clock)
    finally:
        waiting.stop()
        await moves.close()
        await keeper.close()
        await database.close()


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder, clock, rooms = tmp_path_factory.mktemp("sqs"), MovableClock(), []

    @asynccontextmanager
    async def services() -> AsyncIterator[dict[str, object]]:
        async with opened(folder / "bulb.db", clock) as api:
            rooms.append(api)
            yield {"sqs": api}

    with running_gateway(services, clock=clock) as url:
        yield Served(url, clock, rooms[0]._waiting)


@pytest.fixture(scope="session")
def sqs(served: Served) -> Any:
    return served.client()


@pytest.fixture
def make(sqs: Any) -> Callable[..., str]:
    """Makes a queue of a name nobody had before; its URL. `fifo=True` for a FIFO queue."""

    def make(name: str = "q", *, fifo: bool = False, **attributes: str) -> str:
        name = f"{name}-{next(_numbers)}" + (".fifo" if fifo else "")
        given = ({"FifoQueue": "true"} if fifo else {}) | attributes
        url: str = sqs.create_queue(QueueName=name, Attributes=given)["QueueUrl"]
        return url

    return make


def name_of(url: str) -> str:
    return url.rpartition("/")[2]


def arn_of(url: str) -> str:
    return f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name_of(url)}"


def received(sqs: Any, url: str, limit: int = 10, **options: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=limit, **options).get(
        "Messages", []
    )
    return found


def bodies(sqs: Any, url: str, limit: int = 10, **options: Any) -> list[str]:
    return [message["Body"] for message in received(sqs, url, limit, **options)]


def counts(sqs: Any, url: str) -> tuple[int, int, int]:
    """How many messages are visible, in flight and delayed."""
    names = ["", "NotVisible", "Delayed"]
    shown = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    visible, in_flight, delayed = (int(shown[f"ApproximateNumberOfMessages{name}"]) for name in names)
    return visible, in_flight, delayed


def refused(act: Callable[..., Any], *arguments: Any, **options: Any) -> tuple[str, str]:
    """The code and the message of a refusal."""
    with pytest.raises(ClientError) as caught:
        act(*arguments, **options)
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]
