"""A request body that streams: the connection puts bytes in, the handler takes them out, and neither runs ahead.

The handler's reading is what asks the client for more: `on_demand` is called each time the handler is about to take
bytes, so the connection can answer `Expect: 100-continue` and resume a paused socket.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable


class ClientGoneError(ConnectionError):
    """The client went away, or broke off its framing, before the end of its request."""


class StreamedBody:
    """A body read once, in order. `length` is its Content-Length, or None when chunked."""

    __slots__ = ("_complete", "_failure", "_parts", "_waiter", "asked_for", "length", "on_demand", "trailers", "unread")

    buffered: None = None

    def __init__(self, length: int | None) -> None:
        self.length = length
        self.unread = 0
        self.trailers: dict[str, str] = {}
        self.asked_for = False
        self.on_demand: Callable[[], None] = _nobody
        self._parts: deque[bytes] = deque()
        self._complete = False
        self._failure: str | None = None
        self._waiter: asyncio.Future[None] | None = None

    @property
    def complete(self) -> bool:
        """Everything the client had to send has arrived."""
        return self._complete

    @property
    def failed(self) -> bool:
        """The rest will never arrive."""
        return self._failure is not None

    @property
    def starving(self) -> bool:
        """The handler waits for bytes that have not come."""
        return self._waiter is not None

    def put(self, data: bytes) -> None:
        """Bytes have arrived."""
        self._parts.append(data)
        self.unread += len(data)
        self._wake()

    def finish(self) -> None:
        """The last byte has arrived."""
        self._complete = True
        self._wake()

    def fail(self, reason: str) -> None:
        """The rest will not come. Does nothing to a body that is complete."""
        if not self._complete and self._failure is None:
            self._failure = reason
            self._wake()

    def discard(self) -> None:
        """Drop what arrived and was not read."""
        self._parts.clear()
        self.unread = 0

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Chunks as they arrive. Raises ClientGoneError when the rest will not come."""
        self.asked_for = True
        while True:
            self.on_demand()
            if self._parts:
                data = self._parts.popleft()
                self.unread -= len(data)
                yield data
            elif self._complete:
                return
            elif self._failure is not None:
                raise ClientGoneError(self._failure)
            else:
                await self._arrival()

    async def _arrival(self) -> None:
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


def _nobody() -> None:
    """Nobody listens yet."""
