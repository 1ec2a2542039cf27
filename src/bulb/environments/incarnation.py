"""One runtime process of an environment, connected: its Runtime API, its AWS endpoint, its log pipe.

A reset ends an incarnation and begins another over the same sandbox; everything that dies with the process lives here.
"""

import asyncio
import json
import os
import struct
from collections.abc import Mapping

from bulb.environments.extensions import Extensions
from bulb.environments.ports import EnvironmentLog
from bulb.environments.runtime_api import MAX_BODY, RuntimeSession
from bulb.http.message import Handler, Request, Response
from bulb.http.server import HttpConnection, HttpLimits
from bulb.sandbox.host import Sandbox

CREDENTIALS_PATH = "/2021-04-23/credentials"
_READ_BYTES = 262_144
# What is read of the pipe in one go before others get their turn, and how long a reader rests when the log is full.
_DRAIN_BYTES = 4_194_304
_REST_S = 0.02
# Responses are taken whole: the session must see all of one before it can judge its size. Every connection costs the
# server a descriptor and may make it hold a body, so a function gets as many as a runtime with extensions, or an SDK
# in many threads, has use for; whoever wants more is answered 503.
_API_LIMITS = HttpLimits(buffered_body_bytes=MAX_BODY, connections=24)
_ENDPOINT_LIMITS = HttpLimits(connections=256)


class Incarnation:
    """Connects a sandbox's present process to the loop; `close` disconnects it."""

    def __init__(
        self,
        sandbox: Sandbox,
        log: EnvironmentLog,
        endpoint: Handler,
        extensions: Extensions,
        credentials: Handler | None = None,
    ) -> None:
        """With `credentials`, those are told at `CREDENTIALS_PATH` of the Runtime API's port."""
        self._loop = asyncio.get_running_loop()
        self._sandbox = sandbox
        self._log = log
        self._endpoint = endpoint
        self._log_fd = sandbox.log
        self._api_connections: set[HttpConnection] = set()
        self._endpoint_connections: set[HttpConnection] = set()
        self._servers: list[asyncio.Server] = []
        self._listening: asyncio.Task[None] | None = None
        self._resting: asyncio.TimerHandle | None = None
        self._closed = False
        self.session = RuntimeSession(self._loop)
        self.extensions = extensions
        self._credentials = credentials

    async def connect(self, environment: Mapping[str, str], handler: str) -> None:
        """Tell the process who it is, and answer what it asks from now on.

        The start message is one frame before any HTTP: a big-endian length and JSON. It is sent before the process may
        even have begun to read, so a cold start waits for nobody.
        """
        message = json.dumps({"environment": dict(environment), "handler": handler, "log_fd": 4}).encode()
        self._sandbox.api.setblocking(False)
        await self._loop.sock_sendall(self._sandbox.api, struct.pack(">I", len(message)) + message)
        await self.reconnect()

    async def reconnect(self) -> None:
        """Answer what a process asks that has been told who it is already."""
        self._sandbox.api.setblocking(False)
        self._loop.add_reader(self._log_fd, self._read_log)
        await self._loop.connect_accepted_socket(self._loop_connection, self._sandbox.api)
        # The two ports inside are only needed once function code runs; the backlog holds whoever comes earlier.
        self._listening = self._loop.create_task(self._listen())

    def _loop_connection(self) -> HttpConnection:
        """For our own loops, which ask for the next event together with answering the last one.

        The receipt for the answer travels with that event: one write and one wake-up less for every invocation.
        """
        return HttpConnection(self.session.handle, _API_LIMITS, self._api_connections, join_answers=True)

    def _api_connection(self) -> HttpConnection:
        return HttpConnection(self._answer, _API_LIMITS, self._api_connections)

    async def _answer(self, request: Request) -> Response:
        """Whatever is asked on port 9001: the Runtime API, or one of the extensions' own."""
        if request.path == CREDENTIALS_PATH and self._credentials is not None:
            return await self._credentials(request)
        return await self.extensions.handle(request) or await self.session.handle(request)

    def _endpoint_connection(self) -> HttpConnection:
        return HttpConnection(self._endpoint, _ENDPOINT_LIMITS, self._endpoint_connections)

    async def _listen(self) -> None:
        for listener, factory in (
            (self._sandbox.runtime_listener, self._api_connection),
            (self._sandbox.endpoint_listener, self._endpoint_connection),
        ):
            if listener is not None and not self._closed:
                self._servers.append(await self._loop.create_server(factory, sock=listener))

    def _read_log(self) -> None:
        if self._log.is_full:
            self._loop.remove_reader(self._log_fd)
            self._resting = self._loop.call_later(_REST_S, self._resume)
            return
        self._drain(_READ_BYTES)

    def _resume(self) -> None:
        if not self._closed:
            self._loop.add_reader(self._log_fd, self._read_log)

    def _drain(self, limit: int) -> None:
        while limit > 0:
            try:
                data = os.read(self._log_fd, _READ_BYTES)
            except BlockingIOError:
                return
            except OSError:
                data = b""
            if not data:
                self._loop.remove_reader(self._log_fd)
                return
            self._log.feed(data)
            limit -= len(data)

    def drain_log(self) -> None:
        """Take what the process has written so far, without waiting for more."""
        if not self._closed:
            self._drain(_DRAIN_BYTES)

    async def close(self) -> None:
        """Take the last of the log and let go of every descriptor that belonged to the process."""
        if self._closed:
            return
        self.drain_log()
        self._log.flush()
        self._closed = True
        self._loop.remove_reader(self._log_fd)
        if self._resting is not None:
            self._resting.cancel()
        if self._listening is not None:
            await self._listening
        for server in self._servers:
            server.close()
        self.session.close()
        await self.extensions.close()
        for connection in (*self._api_connections, *self._endpoint_connections):
            connection.abort()
