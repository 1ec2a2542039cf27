"""A TCP listener: accepts connections, enforces their time limits, and ends without cutting anybody off."""

import asyncio
from contextlib import suppress

from bulb.http.connection import HttpConnection, Refuse, plain_refusal
from bulb.http.limits import HttpLimits
from bulb.http.message import Handler

__all__ = ["HttpConnection", "HttpLimits", "HttpServer", "plain_refusal", "serve_tcp"]

_BACKLOG = 1_024
_SWEEP_S = 1.0


class HttpServer:
    """A listener that runs until `close`. Made by `serve_tcp`."""

    def __init__(self, listener: asyncio.Server, connections: set[HttpConnection], sweep_interval: float) -> None:
        self._listener = listener
        self._connections = connections
        self._sweeper = asyncio.get_running_loop().create_task(self._sweep(sweep_interval))
        self.port: int = listener.sockets[0].getsockname()[1]

    @property
    def connections(self) -> int:
        """How many clients are connected."""
        return len(self._connections)

    async def drain(self, grace: float) -> bool:
        """Stop accepting, close idle connections, and wait up to `grace` seconds for requests in hand.

        Returns whether all of them finished. Their responses carry `connection: close`.
        """
        self._listener.close()
        for connection in list(self._connections):
            connection.retire()
        await self._all_closed(grace)
        return not self._connections

    async def close(self) -> None:
        """Stop at once: what is still running is cancelled."""
        self._listener.close()
        self._sweeper.cancel()
        with suppress(asyncio.CancelledError):
            await self._sweeper
        for connection in list(self._connections):
            connection.abort()
        await self._all_closed(None)

    async def _all_closed(self, grace: float | None) -> None:
        if self._connections:
            await asyncio.wait([connection.closed for connection in self._connections], timeout=grace)

    async def _sweep(self, interval: float) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(interval)
            now = loop.time()
            for connection in list(self._connections):
                connection.expire(now)


async def serve_tcp(
    handler: Handler,
    host: str = "127.0.0.1",
    port: int = 0,
    *,
    limits: HttpLimits | None = None,
    refuse: Refuse = plain_refusal,
    sweep_interval: float = _SWEEP_S,
) -> HttpServer:
    """Listen on `host`:`port` (0: any free port, told by `.port`). Raises OSError when the port is taken.

    Time limits are looked at every `sweep_interval` seconds.
    """
    connections: set[HttpConnection] = set()
    bounds = limits or HttpLimits()
    listener = await asyncio.get_running_loop().create_server(
        lambda: HttpConnection(handler, bounds, connections, refuse), host, port, backlog=_BACKLOG, reuse_address=True
    )
    return HttpServer(listener, connections, sweep_interval)
