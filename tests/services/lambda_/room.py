"""The Lambda room behind a real front door, with real storage; only the rooms below and beside it are stand-ins."""

import asyncio
import io
import random
import threading
import zipfile
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bulb.core.errors import AwsError
from bulb.core.facts import FunctionRef
from bulb.environments.model import FunctionSpec
from bulb.environments.provisioned import Allocation
from bulb.http.message import Handler, Request, Response
from bulb.invoke.concurrency import Concurrency, Limits
from bulb.invoke.model import AsyncEvent, Invocation, Outcome
from bulb.invoke.tracing import Traces
from bulb.runtimes.packages import CodeStore
from bulb.services.lambda_ import (
    CODE_DOWNLOAD_PATH,
    Activator,
    Allotments,
    Catalog,
    EventSources,
    LambdaApi,
    LambdaOptions,
    LambdaStore,
    Packages,
)
from bulb.services.lambda_.model import FunctionRecord
from bulb.storage.blobs import BlobStore
from bulb.storage.database import Database
from tests.support.clock import MovableClock
from tests.support.gateway import client, running_gateway

ROLE = "arn:aws:iam::000000000000:role/r"
ARN = "arn:aws:lambda:us-east-1:000000000000:function"


def zipped(files: Mapping[str, str | bytes] | None = None) -> bytes:
    """A zip with `files`, or with a small handler: the same bytes whenever it is made."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in (files or {"app.py": "def handler(event, context):\n    return event\n"}).items():
            entry = zipfile.ZipInfo(name)  # of one date; zipfile's own is the present
            entry.external_attr, entry.compress_type = 0o600 << 16, zipfile.ZIP_DEFLATED
            archive.writestr(entry, content)
    return target.getvalue()


class HeldActivator(Activator):
    """An activator that can be held up, so that tests see Pending and InProgress."""

    gate = threading.Event()

    async def _prepare(self, record: FunctionRecord) -> str | None:
        await asyncio.to_thread(self.gate.wait, 60)
        return await super()._prepare(record)


@dataclass
class Runner:
    """Records what reaches the invoke room and answers what it is told to."""

    invocations: list[Invocation] = field(default_factory=list)
    events: list[tuple[str, str | None, AsyncEvent]] = field(default_factory=list)
    error: AwsError | None = None
    function_error: str | None = None
    log: bytes = b"START\nEND\n"

    async def invoke(self, invocation: Invocation) -> Outcome:
        self.invocations.append(invocation)
        if self.error is not None:
            raise self.error
        return Outcome(
            invocation.payload,
            invocation.spec.ref.version,
            self.function_error,
            self.log if invocation.log_tail else None,
        )

    async def accept(self, account: str, region: str, name: str, qualifier: str | None, event: AsyncEvent) -> None:
        self.events.append((name, qualifier, event))


@dataclass
class Shelves:
    """Stands for the keeper of provisioned environments: has at once what is wanted, unless it is `empty`."""

    wanted: dict[FunctionRef, int] = field(default_factory=dict)
    empty: bool = False

    def arrange(self, function: tuple[str, str, str], wanted: Iterable[tuple[FunctionSpec, int]]) -> None:
        self.wanted = {
            ref: count for ref, count in self.wanted.items() if (ref.account, ref.region, ref.name) != function
        }
        self.wanted |= {spec.ref: count for spec, count in wanted}

    def allocation(self, ref: FunctionRef) -> Allocation:
        count = self.wanted.get(ref, 0)
        return Allocation(count) if self.empty else Allocation(count, count, count)

    async def settled(self, function: tuple[str, str, str]) -> None:
        return


@dataclass
class Bucket:
    """Stands for S3: objects by (bucket, key, version)."""

    objects: dict[tuple[str, str, str | None], bytes] = field(default_factory=dict)

    async def fetch(
        self, account: str, region: str | None, bucket: str, key: str, version_id: str | None, limit: int
    ) -> bytes:
        if not any(name == bucket for name, _, _ in self.objects):
            raise AwsError("NoSuchBucket", "The specified bucket does not exist", status=404)
        if (bucket, key, version_id) not in self.objects:
            raise AwsError("NoSuchKey", "The specified key does not exist.", status=404)
        return self.objects[bucket, key, version_id]

    async def resolve(self, account: str, bucket: str, key: str, version_id: str | None) -> str | None:
        await self.fetch(account, None, bucket, key, version_id, 0)
        return version_id


@dataclass
class Room:
    """What a test holds in its hands."""

    url: str = ""
    runner: Runner = field(default_factory=Runner)
    sources: EventSources = field(default_factory=EventSources)
    bucket: Bucket = field(default_factory=Bucket)
    shelves: Shelves = field(default_factory=Shelves)
    clock: MovableClock = field(default_factory=MovableClock)
    changed: list[FunctionRef] = field(default_factory=list)
    gate: threading.Event = field(default_factory=threading.Event)
    opened: dict[str, Any] = field(default_factory=dict)
    clients: dict[Any, Any] = field(default_factory=dict)
    draws: list[float] = field(default_factory=list)

    def chance(self) -> float:
        """The next of `draws`; any number when there is none left."""
        return self.draws.pop(0) if self.draws else random.random()

    def client(self, **further: Any) -> Any:
        """A client, made once: making one takes longer than most tests."""
        kept = (tuple(sorted(further.items())),)
        if kept not in self.clients:
            self.clients[kept] = client("lambda", self.url, parameter_validation=False, **further)
        return self.clients[kept]

    def create(self, name: str = "f", **further: Any) -> dict[str, Any]:
        """A function, Active unless the gate is shut."""
        aws = self.client()
        params = {"Runtime": "python3.12", "Role": ROLE, "Handler": "app.handler", "Code": {"ZipFile": zipped()}}
        created: dict[str, Any] = aws.create_function(FunctionName=name, **{**params, **further})
        if self.gate.is_set():
            self.settle(name)
        return created

    def settle(self, name: str = "f") -> dict[str, Any]:
        """The configuration once nothing is Pending or InProgress."""
        aws = self.client()
        for _ in range(3_000):
            shown: dict[str, Any] = aws.get_function_configuration(FunctionName=name)
            if shown["State"] != "Pending" and shown.get("LastUpdateStatus") != "InProgress":
                ref = FunctionRef("000000000000", "us-east-1", name, "$LATEST")
                self.run(self.opened["activator"].settled(ref, 30))  # those who run it are told after the commit
                return shown
            threading.Event().wait(0.005)
        raise AssertionError(f"{name} did not settle: {shown}")

    def run(self, coroutine: Any) -> Any:
        """The result of a coroutine run on the server's loop."""
        return asyncio.run_coroutine_threadsafe(coroutine, self.opened["loop"]).result(60)


@contextmanager
def open_room(folder: Path, *, resume: bool = True, **options: Any) -> Iterator[Room]:
    """The room over the data in `folder`."""
    room = Room()
    room.gate.set()
    opened = room.opened

    @asynccontextmanager
    async def services() -> AsyncIterator[Mapping[str, object]]:
        opened["loop"] = asyncio.get_running_loop()
        database = await Database.open(folder / "bulb.db")
        blobs = await BlobStore.open(folder / "blobs", database, room.clock)
        store = LambdaStore(database, blobs)
        packages = Packages(blobs, CodeStore(folder / "code"), room.bucket)
        activator = HeldActivator(store, packages, lambda ref, _revision: room.changed.append(ref), room.clock)
        activator.gate = room.gate
        catalog = opened["catalog"] = Catalog(store, packages, activator, chance=room.chance)
        limits = LambdaOptions(architectures=("x86_64",), **options)
        books = Concurrency(Limits(limits.account_concurrency))
        allotments = Allotments(store, catalog, books, room.shelves)
        api = LambdaApi(
            store=store,
            blobs=blobs,
            packages=packages,
            activator=activator,
            catalog=catalog,
            allotments=allotments,
            invoker=room.runner,
            async_invoker=room.runner,
            sources=room.sources,
            traces=Traces(),
            clock=room.clock,
            options=limits,
        )
        opened.update(api=api, activator=activator, catalog=catalog, store=store, database=database)
        if resume:
            await activator.resume()
            await api.mapping_work.resume()
        await allotments.load()
        yield {"lambda": api}
        await allotments.close()
        await api.mapping_work.close()
        await activator.close()
        room.gate.set()  # lets go of the threads of what was held up
        blobs.close()
        await database.close()

    async def download(request: Request) -> Response:
        api: LambdaApi = opened["api"]
        return await api.code_download(request)

    routes: dict[str, Handler] = {CODE_DOWNLOAD_PATH: download}
    with running_gateway(services, clock=room.clock, routes=routes) as url:
        room.url = url
        yield room
