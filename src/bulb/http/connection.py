"""One client connection: requests in, responses out, in order.

A single task per connection takes requests off the reader's queue and answers them one after another, so pipelined
requests cannot overtake each other and nothing is created per request but the request. A client that goes away is seen
by the handler only as a ConnectionError while it reads the body, or by asking to be told (`Request.leaving`): the
handler is never cancelled, because AWS runs an invocation on when its caller hangs up. A response body that streams is
closed (`aclose`) when nobody reads it any more.

Time limits are not timers: the listener sweeps its connections and asks each whether it is `overdue`.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from typing import cast

from bulb.http.body import ClientGoneError, StreamedBody
from bulb.http.encoding import CLOSE, CONTINUE, encode_head, is_brief
from bulb.http.limits import HttpLimits
from bulb.http.message import Handler, Response
from bulb.http.reader import Incoming, Refusal, RequestReader
from bulb.http.writer import ResponseWriter

_log = logging.getLogger(__name__)

Refuse = Callable[[int, str], Response]


def plain_refusal(status: int, reason: str) -> Response:
    """The answer to what is not servable HTTP: one line of text."""
    return Response(status, [("content-type", "text/plain; charset=utf-8")], f"{reason}\n".encode())


class HttpConnection(asyncio.Protocol):
    """Serves `handler` on one transport: an accepted TCP connection or one end of a socketpair.

    `connections` is the listener's register: a connection adds itself, and leaves when it is closed. Without one there
    are no time limits, which suits a peer that is ours. `refuse` renders what never reaches the handler. With
    `join_answers` a brief success is sent together with the next answer, if the client has already asked for that too:
    only for a peer that does not need the first before the second.
    """

    def __init__(
        self,
        handler: Handler,
        limits: HttpLimits | None = None,
        connections: "set[HttpConnection] | None" = None,
        refuse: Refuse = plain_refusal,
        *,
        join_answers: bool = False,
    ) -> None:
        self._handler = handler
        self._join_answers = join_answers
        self._limits = limits or HttpLimits()
        self._connections = connections
        self._refuse = refuse
        self.closed: asyncio.Future[None]
        self._waiter: asyncio.Future[None] | None = None
        self._lost = False
        self._leavers: list[Callable[[], None]] = []
        self._ended = False
        self._retiring = False
        self._lingering = False
        self._reading_paused = False
        self._since = 0.0
        self._last_progress = 0.0

    # What the transport calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start serving."""
        self._loop = asyncio.get_running_loop()
        self.closed = self._loop.create_future()
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=self._limits.unsent_response_bytes)
        self._writer = ResponseWriter(self._transport)
        peer = transport.get_extra_info("peername")
        client = (str(peer[0]), int(peer[1])) if isinstance(peer, tuple) else ("", 0)
        self._reader = RequestReader(self._limits, client)
        self._since = self._last_progress = self._loop.time()
        if self._connections is not None:
            if len(self._connections) >= self._limits.connections:
                self._turn_away()
                return
            self._connections.add(self)
        self._task = self._loop.create_task(self._serve())

    def data_received(self, data: bytes) -> None:
        """Hand bytes to the reader and wake the task when they made a request."""
        self._last_progress = self._loop.time()
        if self._lingering:
            return
        reader = self._reader
        begun = reader.begun
        reader.feed(data)
        if reader.begun != begun:
            self._since = self._last_progress
        if reader.ready:
            self._wake()
        if reader.wants_continue:
            # A small body is collected before the handler is asked, so nobody else would ask the client for it.
            reader.wants_continue = False
            self._transport.write(CONTINUE)
        self._govern_reading()

    def eof_received(self) -> bool:
        """The client has finished sending; what it sent is still answered.

        It may also be gone altogether, which looks the same until something is written; see `expire`.
        """
        self._ended = True
        self._tell_leavers()
        self._last_progress = self._loop.time()
        self._reader.end("The client closed the connection before the end of the request body")
        self._wake()
        return not self._lingering

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing can be written any more. A running handler runs on."""
        self._lost = True
        self._tell_leavers()
        self._reader.end("The client closed the connection before the end of the request body")
        if self._connections is not None:
            self._connections.discard(self)
        if not self.closed.done():
            self.closed.set_result(None)
        self._wake()
        self.resume_writing()
        if self._writer.streaming:
            self._task.cancel()  # Only a response body nobody will read is stopped.

    def pause_writing(self) -> None:
        """The client reads more slowly than we write."""
        self._last_progress = self._loop.time()
        self._writer.pause()

    def resume_writing(self) -> None:
        """The client has caught up."""
        self._writer.resume()

    # What the listener calls.

    @property
    def idle(self) -> bool:
        """Waits for a request of which no byte has come."""
        return self._waiter is not None and not self._reader.mid_message

    def retire(self) -> None:
        """Close after the request in hand; at once when there is none."""
        self._retiring = True
        if self.idle:
            self._wake()

    def abort(self) -> None:
        """Close now and stop the handler: the listener itself is ending."""
        self._transport.abort()
        self._task.cancel()

    def expire(self, now: float) -> None:
        """Enforce the time limits. `now` is the event loop's time."""
        limits, reader = self._limits, self._reader
        quiet = now - self._last_progress
        if self._lingering or self._transport.is_closing():
            if quiet > limits.linger_timeout:
                self._transport.abort()
        elif self._writer.blocked:
            if quiet > limits.stall_timeout:
                self._transport.abort()
        elif self._writer.streaming and self._ended:
            # A body that waits for something to say would wait on for a client that has probably left.
            if quiet > limits.linger_timeout:
                self._transport.abort()
        elif (stream := reader.stream) is not None:
            if quiet > limits.stall_timeout and stream.starving:
                reader.refuse(408, "The request body stopped arriving")
        elif reader.mid_message and not self._reading_paused:
            allowed = limits.head_timeout if reader.in_head else limits.buffered_body_timeout
            if now - self._since > allowed:
                reader.refuse(408, "The request did not arrive in time")
                self._wake()
        elif self._waiter is not None and now - self._since > limits.idle_timeout:
            self.retire()

    # The task.

    async def _serve(self) -> None:
        try:
            while (incoming := await self._next()) is not None:
                if not await self._answer(incoming):
                    break
        except ConnectionError:
            pass  # The client is gone: there is nobody to tell.
        finally:
            self._close()

    async def _next(self) -> Incoming | Refusal | None:
        """The next request, or None when there will be none."""
        ready = self._reader.ready
        while not ready:
            if self._ended or self._lost or (self._retiring and not self._reader.mid_message):
                return None
            self._since = self._loop.time()
            self._waiter = self._loop.create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        incoming = ready.popleft()
        if self._reading_paused:
            self._govern_reading()
        return incoming

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def _answer(self, incoming: Incoming | Refusal) -> bool:
        """Answer one request. False: the connection ends with it."""
        if isinstance(incoming, Refusal):
            response = self._refuse(incoming.status, incoming.reason)
            await self._writer.send(response, "GET", http_1_0=False, keep_alive=False)
            return False
        stream = incoming.stream
        if stream is not None:
            self._attend(stream, incoming.expects_continue)
        request = incoming.request
        request.leaving = self._when_leaving
        try:
            response = await self._handler(request)
        except Exception as error:
            if isinstance(error, ClientGoneError):
                return True  # Whatever broke the body is next in the queue.
            _log.exception("Unhandled error answering %s %s", request.method, request.path)
            response = self._refuse(500, "Internal server error")
        keep_alive = incoming.keep_alive and not self._retiring
        if stream is not None:
            stream.on_demand = _nothing
            keep_alive = keep_alive and stream.complete
            stream.discard()
        if self._join_answers and keep_alive and self._reader.ready and is_brief(response):
            self._writer.hold(response)
            return True
        keep_alive = await self._writer.send(response, request.method, incoming.http_1_0, keep_alive)
        if keep_alive and self._reading_paused:
            self._govern_reading()
        return keep_alive

    def _when_leaving(self, tell: Callable[[], None]) -> Callable[[], None]:
        """See `Request.leaving`. A client that has finished sending counts as leaving: it mostly is."""
        if self._ended or self._lost:
            tell()
            return _nothing
        self._leavers.append(tell)

        def take_back() -> None:
            if tell in self._leavers:
                self._leavers.remove(tell)

        return take_back

    def _tell_leavers(self) -> None:
        leavers, self._leavers = self._leavers, []
        for tell in leavers:
            tell()

    def _attend(self, stream: StreamedBody, expects_continue: bool) -> None:
        """Let the handler's reading ask the client for the body."""
        first = expects_continue and not stream.complete

        def on_demand() -> None:
            nonlocal first
            if first:
                first = False
                if not stream.unread:  # A client that sends without waiting needs no leave.
                    self._transport.write(CONTINUE)
            if self._reading_paused:
                self._govern_reading()

        stream.on_demand = on_demand

    def _govern_reading(self) -> None:
        """Read from the socket only while what waits to be handled is within bounds."""
        limits, stream = self._limits, self._reader.stream
        full = len(self._reader.ready) >= limits.pipelined_requests or (
            stream is not None and stream.unread > limits.unread_body_bytes
        )
        if full != self._reading_paused and not self._transport.is_closing():
            self._reading_paused = full
            if full:
                self._transport.pause_reading()
            else:
                self._since = self._last_progress = self._loop.time()
                self._transport.resume_reading()

    def _close(self) -> None:
        """End the connection, letting the client read the last response.

        Closing a socket with unread bytes resets it and may destroy the response on its way; so after an answer to a
        request that was not read to its end only our direction is closed, and the rest is read and dropped a while.
        """
        if self._lost or self._transport.is_closing():
            return
        self._last_progress = self._loop.time()
        if not self._ended and self._unread():
            self._lingering = True
            if self._reading_paused:
                self._reading_paused = False
                self._transport.resume_reading()
            self._transport.write_eof()
            self._loop.call_later(self._limits.linger_timeout, self._transport.close)
        else:
            self._transport.close()

    def _turn_away(self) -> None:
        """Answer a connection there is no room for, and forget it."""
        head = encode_head(Response(503), "content-length: 0\r\n", CLOSE, int(time.time()))
        self._transport.write(head)
        self._transport.close()

    def _unread(self) -> bool:
        return self._reader.mid_message or self._reader.broken or bool(self._reader.ready)


def _nothing() -> None:
    """There is nothing to do: nobody wants the body any more, or the client has left."""
