"""A response on its way from a runtime to its caller while it is being made.

The runtime's side puts bytes in and waits while the caller is behind; the caller's side takes them out. A caller that
goes away stops nobody: from then on the bytes are dropped, so the function runs to its end. Memory is bounded by what
may wait here, whatever the size of the response. Made for one invocation, used from the event loop.
"""

import asyncio
import time
from dataclasses import dataclass

from bulb.core.clock import Clock
from bulb.core.limits import STREAM_BURST_BYTES, STREAMED_RESPONSE_BYTES

# The runtime waits while more than this has not been taken.
_WAITING_BYTES = 262_144


@dataclass(slots=True)
class Pace:
    """How fast a response may leave: the first `burst` bytes at once, then `rate` bytes a second; a rate of 0 is any.

    What a slow response does not use it may use later, but never more than `burst` at once.
    """

    rate: float
    burst: float = STREAM_BURST_BYTES
    _left: float = STREAM_BURST_BYTES
    _at: float = 0.0

    def take(self, size: int, now: float) -> float:
        """Let `size` bytes go; how many seconds they have to wait. `now` in seconds."""
        if not self.rate:
            return 0.0
        if self._at:
            self._left = min(self.burst, self._left + max(now - self._at, 0.0) * self.rate)
        self._at = now
        self._left -= size
        return max(-self._left / self.rate, 0.0)


class Chunks:
    """The caller's end: bytes in order, until the response is over. Letting go of it is going away."""

    def __init__(self, stream: "ResponseStream") -> None:
        self._stream = stream

    def __aiter__(self) -> "Chunks":
        return self

    async def __anext__(self) -> bytes:
        data = await self._stream.take()
        if data is None:
            raise StopAsyncIteration
        return data

    async def aclose(self) -> None:
        """Nobody will take the rest."""
        self._stream.abandon()

    def __del__(self) -> None:
        # An answer that was never begun (its client left first) is dropped without being closed.
        self._stream.abandon()


class ResponseStream:
    """One streamed response. `began` resolves to its content type when its first byte, or its good end, is there.

    `size` counts the bytes the function has produced. `latency_ms` is the time from the event to the first of them,
    `duration_ms` from there to the last; None where there is none.
    """

    limit = STREAMED_RESPONSE_BYTES

    def __init__(self, clock: Clock, pace: Pace) -> None:
        self._loop = asyncio.get_running_loop()
        self.began: asyncio.Future[str] = self._loop.create_future()
        self.size = 0
        self.latency_ms: float | None = None
        self.duration_ms: float | None = None
        self._given_at = self._first_at = time.perf_counter()
        self._clock = clock
        self._pace = pace
        self._parts: list[bytes] = []
        self._waiting = 0
        self._over = False
        self._abandoned = False
        self._room: asyncio.Future[None] | None = None
        self._arrival: asyncio.Future[None] | None = None

    def given(self) -> None:
        """The runtime has got the event."""
        self._given_at = time.perf_counter()

    def begin(self, content_type: str) -> None:
        """The function answers, and this is what."""
        if not self.began.done():
            self.began.set_result(content_type)

    def add(self, data: bytes) -> None:
        """Bytes of the response. Empty ones are none."""
        if not data:
            return
        now = time.perf_counter()
        if self.latency_ms is None:
            self._first_at, self.latency_ms = now, (now - self._given_at) * 1000
        self.duration_ms = (now - self._first_at) * 1000
        self.size += len(data)
        if self._abandoned or self._over:
            return
        self._parts.append(data)
        self._waiting += len(data)
        _wake(self._arrival)

    async def put(self, data: bytes) -> None:
        """The same, at the pace allowed; returns when there is room for more."""
        if not self._abandoned and (seconds := self._pace.take(len(data), self._clock.now())):
            await self._clock.sleep(seconds)
        self.add(data)
        while self._waiting > _WAITING_BYTES and not self._over:
            self._room = self._loop.create_future()
            await self._room

    def finish(self) -> None:
        """The invocation is over: what is here may be taken, nothing more will come."""
        self._over = True
        _wake(self._arrival)
        _wake(self._room)

    def abandon(self) -> None:
        """Nobody takes it any more."""
        self._abandoned = True
        self._parts.clear()
        self._waiting = 0
        _wake(self._room)

    async def take(self) -> bytes | None:
        """All bytes that wait, as one: chunks are nobody's units. None after the last."""
        while not self._parts:
            if self._over or self._abandoned:
                return None
            self._arrival = self._loop.create_future()
            await self._arrival
        data = self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)
        self._parts.clear()
        self._waiting = 0
        _wake(self._room)
        return data


def _wake(waiter: asyncio.Future[None] | None) -> None:
    if waiter is not None and not waiter.done():
        waiter.set_result(None)
