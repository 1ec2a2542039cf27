"""One runtime process of an environment, connected: its Runtime API, its AWS endpoint, its log pipe.

A reset ends an incarnation and begins another over the same sandbox; everything that dies with the process lives here.
"""

import asyncio
import contextlib
import json
import signal
import struct
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from bulb.core.deadline import Deadline, call_when_over
from bulb.environments import failures
from bulb.environments.extensions import Extensions
from bulb.environments.log_pipe import LogPipe
from bulb.environments.model import Reply
from bulb.environments.ports import EnvironmentLog
from bulb.environments.runtime_api import MAX_BODY, NEXT, InitFailure, RuntimeSession, Work
from bulb.http.message import Handler, Request, Response
from bulb.http.server import HttpConnection, HttpLimits
from bulb.sandbox.host import Sandbox

CREDENTIALS_PATH = "/2021-04-23/credentials"
# Responses are taken whole: the session must see all of one before it can judge its size. Every connection costs the
# server a descriptor and may make it hold a body, so a function gets as many as a runtime with extensions, or an SDK
# in many threads, has use for; whoever wants more is answered 503.
_API_LIMITS = HttpLimits(buffered_body_bytes=MAX_BODY, connections=24)
_ENDPOINT_LIMITS = HttpLimits(connections=256)
# What an event gets when its time is over; the text says how much that was, see `failures.timed_out`.
TIMED_OUT = Reply(b"", "timeout", "Sandbox.Timedout")


class Incarnation:
    """Connects a sandbox's present process to the loop; `close` disconnects it.

    `exited` resolves with the end of the runtime. `start_runtime` is set where it does not start by itself,
    `extension_variables` is the environment of external extensions.
    """

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
        self._pipe = LogPipe(sandbox.log, log, log.feed)
        self._extension_pipe: LogPipe | None = None
        if sandbox.extension_log >= 0:
            self._extension_pipe = LogPipe(sandbox.extension_log, log, log.feed_extensions)
        self._api_connections: set[HttpConnection] = set()
        self._endpoint_connections: set[HttpConnection] = set()
        self._servers: list[asyncio.Server] = []
        self._listening: asyncio.Task[None] | None = None
        self._closed = False
        self.exited = sandbox.runtime_exited
        self.session = RuntimeSession(self._loop)
        self.extensions = extensions
        self._credentials = credentials
        self.extension_variables: Mapping[str, str] = {}
        self.start_runtime: Callable[[], Awaitable[object]] | None = None

    async def connect(self, environment: Mapping[str, str], handler: str) -> None:
        """Tell the process who it is, and answer what it asks from now on.

        The start message is one frame before any HTTP: a big-endian length and JSON. It is sent before the process may
        even have begun to read, so a cold start waits for nobody.
        """
        message = json.dumps({"environment": dict(environment), "handler": handler, "log_fd": 4}).encode()
        self._sandbox.api.setblocking(False)
        with contextlib.suppress(ConnectionError):  # it has ended already, which `exited` tells
            await self._loop.sock_sendall(self._sandbox.api, struct.pack(">I", len(message)) + message)
        await self.reconnect()

    async def reconnect(self) -> None:
        """Answer what a process asks that has been told who it is already."""
        self._sandbox.api.setblocking(False)
        self._pipe.open()
        if self._extension_pipe is not None:
            self._extension_pipe.open()
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
        response = await self.extensions.handle(request) or await self.session.handle(request)
        if request.path == NEXT and request.has_left():
            self.session.undelivered()
        return response

    def _endpoint_connection(self) -> HttpConnection:
        return HttpConnection(self._endpoint, _ENDPOINT_LIMITS, self._endpoint_connections)

    async def _listen(self) -> None:
        for listener, factory in (
            (self._sandbox.runtime_listener, self._api_connection),
            (self._sandbox.endpoint_listener, self._endpoint_connection),
        ):
            if listener is not None and not self._closed:
                self._servers.append(await self._loop.create_server(factory, sock=listener))

    @property
    def has_failed(self) -> bool:
        """The runtime has reported that it cannot initialise."""
        return self.session.ready.done() and self.session.ready.result() is not None

    @property
    def is_alive(self) -> bool:
        """The runtime has not ended, and no extension."""
        return not self.exited.done() and not self.extensions.failed.done()

    @property
    def is_sound(self) -> bool:
        """These processes can be given another event once they ask for it."""
        return not self.has_failed and not self.exited.done() and not self.session.confused and self.extensions.is_sound

    async def launch_extensions(self, deadline: Deadline) -> bool:
        """Start the external extensions; whether all have registered in time."""
        if self._listening is not None:
            await asyncio.shield(self._listening)  # an extension asks at once, and may not ask again
        await self.extensions.launch(self.extension_variables, deadline)
        return self.extensions.session.all_registered and not self.extensions.failed.done()

    async def asks(self, deadline: Deadline) -> None:
        """Return when the runtime asks for its next event or ends, at the latest at the deadline."""
        if not self.session.is_waiting:
            await deadline.first_of(self.session.asking(), self.exited)

    def end_reply(self, request_id: str) -> Reply | None:
        """What an event gets when the runtime has ended; an extension inside it may have said why."""
        if not self.exited.done():
            return None
        ended = self.exited.result()
        how = failures.exited(request_id, *((None, signal.SIGKILL) if ended.oom else (ended.status, ended.signal)))
        said = self.extensions.session.fatal_error
        return (
            how if said is None else failures.extension(request_id, said, failures.ending(ended.status, ended.signal))
        )

    async def initialize(self, deadline: Deadline, request_id: str) -> Reply | None:
        """None when the runtime has asked for its first event, else what became of it or of an extension."""
        extensions, ready = self.extensions, self.session.ready
        if extensions.names and not await self.launch_extensions(deadline):
            return self.what_failed(request_id)
        if self.start_runtime is not None:
            await self.start_runtime()
        some = (ready, self.exited, extensions.failed) if extensions.names else (ready, self.exited)
        await deadline.first_of(*some)
        if ready.done():
            failure = ready.result()
            return _init_reply(failure, request_id) if failure else None
        return self.what_failed(request_id)

    async def first_ending(self, work: Work, seconds: float) -> Reply:
        """The reply, the timeout, or the end of a process, whichever comes first.

        An answer in time counts, also when this loop was held up and has not read it yet.
        """
        request_id = work.event.request_id

        def over() -> None:
            if not work.done.done():
                work.done.set_result(TIMED_OUT)

        def ended(_: object) -> None:
            if not work.done.done():
                work.done.set_result(self.what_failed(request_id))

        timer = call_when_over(self._loop, seconds, over)
        endings: list[asyncio.Future[Any]] = [self.exited]
        if self.extensions.names:
            endings.append(self.extensions.failed)
        for ending in endings:
            ending.add_done_callback(ended)
        try:
            return await work.done
        finally:
            timer.cancel()
            for ending in endings:
                ending.remove_done_callback(ended)

    def what_failed(self, request_id: str) -> Reply:
        """An extension, the runtime, or nobody: then it was too slow."""
        return self.extensions.failure(request_id) or self.end_reply(request_id) or TIMED_OUT

    def drain_log(self) -> None:
        """Take what the processes have written so far, without waiting for more."""
        self._pipe.drain()
        if self._extension_pipe is not None:
            self._extension_pipe.drain()

    async def close(self) -> None:
        """Take the last of the log and let go of every descriptor that belonged to the process."""
        if self._closed:
            return
        self._closed = True
        self._pipe.close()
        if self._extension_pipe is not None:
            self._extension_pipe.close()
        self._log.flush()
        if self._listening is not None:
            await self._listening
        for server in self._servers:
            server.close()
        self.session.close()
        await self.extensions.close()
        for connection in (*self._api_connections, *self._endpoint_connections):
            connection.abort()


def _init_reply(failure: InitFailure, request_id: str) -> Reply:
    if failure.not_started is not None:
        return failures.not_started(request_id, failure.error_type, failure.not_started)
    return Reply(failure.payload, "error", failure.error_type)
