"""A real front door for tests: the gateway on a real socket, in a thread with its own event loop."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from typing import Any

import boto3
import uvloop
from botocore.config import Config

from bulb.core.clock import Clock, SystemClock
from bulb.gateway.authentication import Identities
from bulb.gateway.chain import Gateway
from bulb.gateway.options import GatewayOptions
from bulb.http.server import serve_tcp
from bulb.identity.credentials import Identity
from bulb.wire.catalog import Catalog

_CATALOG = Catalog()  # Models are loaded once for the whole test run.

Services = Mapping[str, object]
ServicesFactory = Callable[[], AbstractAsyncContextManager[Services]]


class NoIdentities:
    """Nobody's access keys are known: accounts come from the keys."""

    def resolve(self, access_key: str, session_token: str | None, now: float) -> Identity | None:
        return None


@contextmanager
def running_gateway(
    services: Services | ServicesFactory,
    *,
    options: GatewayOptions | None = None,
    identities: Identities | None = None,
    clock: Clock | None = None,
    **further: Any,
) -> Iterator[str]:
    """Yield the base URL of a gateway that serves `services`.

    `services` is a mapping of service objects by name, or, for services that must be opened on the event loop, a
    function returning an async context manager of one. `further` goes to `Gateway` (routes, authorizer, access_log).
    """
    ready: threading.Event = threading.Event()
    outcome: dict[str, Any] = {}

    async def serve() -> None:
        stop = asyncio.Event()
        outcome["stop"] = lambda: loop.call_soon_threadsafe(stop.set)
        loop = asyncio.get_running_loop()
        async with _opened(services) as opened:
            gateway = Gateway(
                opened, _CATALOG, identities or NoIdentities(), clock or SystemClock(), options, **further
            )
            server = await serve_tcp(gateway.handle)
            outcome["url"] = f"http://127.0.0.1:{server.port}"
            ready.set()
            await stop.wait()
            await server.drain(5)
            await server.close()

    def run() -> None:
        try:
            uvloop.run(serve())
        except BaseException as error:
            outcome["error"] = error
        finally:
            ready.set()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    ready.wait(30)
    try:
        if "url" not in outcome:
            raise outcome.get("error") or TimeoutError("the gateway did not start")
        yield outcome["url"]
    finally:
        if thread.is_alive():
            outcome["stop"]()
        thread.join(30)
    if "error" in outcome:
        raise outcome["error"]
    if thread.is_alive():
        raise TimeoutError("the gateway did not end")


def client(service: str, url: str, **config: Any) -> Any:
    """A boto3 client of the gateway at `url` that does not try again. `config` goes to botocore's Config."""
    keys = {"access_key": "test", "secret_key": "test", "session_token": None, "region": "us-east-1"}
    given = {name: config.pop(name, default) for name, default in keys.items()}
    config.setdefault("retries", {"total_max_attempts": 1})
    return boto3.client(
        service,
        endpoint_url=url,
        region_name=given["region"],
        aws_access_key_id=given["access_key"],
        aws_secret_access_key=given["secret_key"],
        aws_session_token=given["session_token"],
        config=Config(**config),
    )


@asynccontextmanager
async def _opened(services: Services | ServicesFactory) -> AsyncIterator[Services]:
    if callable(services):
        async with services() as opened:
            yield opened
    else:
        yield services
