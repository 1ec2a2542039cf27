"""The S3 room over a real database and real blobs, called without HTTP."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from botocore import xform_name
from sqlalchemy import Connection

from bulb.core.calls import Answer, Call, Caller
from bulb.delivery.model import Finish, Refusal
from bulb.services.s3 import IdentitySigners, S3Api, S3Store
from bulb.storage import outbox
from bulb.storage.blobs import BlobStore
from bulb.storage.database import Database
from tests.support.clock import MovableClock
from tests.support.gateway import NoIdentities

ACCOUNT = "000000000000"


class Targets:
    """What a bucket may tell: everything but what is in `refused`. `tried` is what was sent to try it out."""

    def __init__(self) -> None:
        self.refused: dict[str, Refusal] = {}
        self.tried: list[outbox.Entry] = []

    async def prepare(self, entry: outbox.Entry, now: float) -> Finish:
        def finish(connection: Connection) -> Refusal | None:
            self.tried.append(entry)
            return self.refused.get(entry.destination_arn)

        return finish


class Room:
    """An open room. `await room("PutObject", Bucket=..., ...)` calls an operation as the gateway would."""

    def __init__(self, database: Database, blobs: BlobStore, clock: MovableClock) -> None:
        self.database, self.blobs, self.clock = database, blobs, clock
        self.targets = Targets()
        self.store = S3Store.over(database, blobs)
        self.api = S3Api(self.store, self.targets, clock, IdentitySigners(NoIdentities(), enforce=False))

    async def __call__(
        self, operation: str, account: str = ACCOUNT, region: str = "us-east-1", **params: Any
    ) -> Answer:
        caller = Caller(account, account, f"arn:aws:iam::{account}:root", account)
        call = Call(
            service="s3",
            operation=operation,
            params=params,
            caller=caller,
            region=region,
            request_id="REQUEST",
            now=self.clock.now(),
            headers={},
            base_url="http://localhost:4566",
        )
        method: Callable[[Call], Coroutine[Any, Any, Answer]] = getattr(self.api, xform_name(operation))
        return await method(call)

    async def read(self, **params: Any) -> bytes:
        """The body of a GetObject."""
        return await whole((await self("GetObject", **params))["Body"])

    async def pending(self) -> list[outbox.Entry]:
        """What waits in the outbox."""
        return await self.database.read(lambda connection: outbox.pending(connection, 100_000))


async def whole(body: Any) -> bytes:
    """A streamed body, collected."""
    return body if isinstance(body, bytes) else b"".join([chunk async for chunk in body])


@asynccontextmanager
async def opened(folder: Path, url: str | None = None) -> AsyncIterator[Room]:
    """A room in `folder` (its rows in the database at `url`, if given), closed at the end."""
    clock = MovableClock()
    database = await Database.open(url or folder / "bulb.db")
    blobs = await BlobStore.open(folder / "blobs", database, clock)
    try:
        yield Room(database, blobs, clock)
    finally:
        await database.close()
        blobs.close()


def in_room(folder: Path, scenario: Callable[[Room], Coroutine[Any, Any, None]]) -> None:
    """Run `scenario` in a room in `folder`."""

    async def run() -> None:
        async with opened(folder) as room:
            await scenario(room)

    asyncio.run(run())
