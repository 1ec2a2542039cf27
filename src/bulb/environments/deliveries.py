"""Telemetry on its way to one subscriber: buffered, delivered in batches, tried again, dropped when it must be.

A batch leaves when it is full (items, bytes) or its first event is old enough. While the subscriber does not take it,
what follows waits too, up to twice the buffer. Beyond that the oldest events are dropped and counted, and the
subscriber is told how many with the next batch it takes. A frozen environment takes nothing, so there is no time limit.
"""

import asyncio
import contextlib
import socket
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import orjson

from bulb.core.clock import Clock
from bulb.environments.subscriptions import Subscription
from bulb.telemetry import events
from bulb.telemetry.events import Entry

_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.02, 1.0
_SUCCESS = range(200, 300)
_FELL_BEHIND = "Consumer seems to have fallen behind as it has not acknowledged receipt of logs."
Connect = Callable[[int], Awaitable[socket.socket]]


@dataclass(frozen=True, slots=True)
class Loss:
    """Events nobody will see."""

    reason: str
    records: int
    bytes: int


class Delivery:
    """The buffer and the road of one subscriber.

    `connect` gives a connected socket to a port inside the sandbox; `lost` hears what had to be dropped.
    """

    def __init__(
        self, subscription: Subscription, connect: Connect, clock: Clock, lost: Callable[[Loss], None]
    ) -> None:
        self.subscription = subscription
        self._connect = connect
        self._clock = clock
        self._lost = lost
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[bytes] = deque()
        self._bytes = 0
        self._dropped = [0, 0]
        self._timer: asyncio.TimerHandle | None = None
        self._sending: asyncio.Task[None] | None = None
        self._closed = False

    @property
    def is_behind(self) -> bool:
        """Something waits, or is on its way."""
        return bool(self._waiting) or self._sending is not None

    def take(self, entry: Entry) -> None:
        """One event. Those of a type nobody asked for are left out."""
        subscription = self.subscription
        if entry.kind.split(".", 1)[0] not in subscription.types or self._closed:
            return
        for told in events.for_logs_api(entry) if subscription.api == "logs" else [entry]:
            self._add(self._encoded(told))

    def flush(self) -> None:
        """Deliver what waits now."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._waiting and self._sending is None and not self._closed:
            self._sending = self._loop.create_task(self._send_all())

    async def drained(self, seconds: float) -> None:
        """Deliver what waits, and return when that is done or `seconds` have passed."""
        self.flush()
        if self._sending is not None:
            await asyncio.wait((self._sending,), timeout=seconds)

    async def close(self) -> None:
        """Whatever still waits is lost."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        if self._sending is not None:
            self._sending.cancel()
            await asyncio.gather(self._sending, return_exceptions=True)

    def _encoded(self, entry: Entry) -> bytes:
        if self.subscription.has_parsed_records and entry.kind == "function" and entry.record.startswith("{"):
            with contextlib.suppress(orjson.JSONDecodeError):
                return _encoded(entry._replace(record=orjson.loads(entry.record)), entry)
        return _encoded(entry, entry)

    def _add(self, event: bytes) -> None:
        self._waiting.append(event)
        self._bytes += len(event)
        bounds = self.subscription
        while self._bytes > 2 * bounds.max_bytes or len(self._waiting) > 2 * bounds.max_items:
            oldest = self._waiting.popleft()
            self._bytes -= len(oldest)
            self._dropped[0] += 1
            self._dropped[1] += len(oldest)
        if self._sending is not None:
            return
        if len(self._waiting) >= bounds.max_items or self._bytes >= bounds.max_bytes:
            self.flush()
        elif self._timer is None:
            self._timer = self._loop.call_later(bounds.timeout_ms / 1000, self.flush)

    async def _send_all(self) -> None:
        pause = _FIRST_PAUSE_S
        try:
            while self._waiting:
                batch = self._batch()
                while not await self._try(batch):
                    await asyncio.sleep(pause)
                    pause = min(2 * pause, _LONGEST_PAUSE_S)
                pause = _FIRST_PAUSE_S
        finally:
            self._sending = None

    def _batch(self) -> list[bytes]:
        batch: list[bytes] = []
        size = 0
        if self._dropped[0]:
            loss = Loss(_FELL_BEHIND, *self._dropped)
            self._dropped = [0, 0]
            self._lost(loss)
            record = {"reason": loss.reason, "droppedRecords": loss.records, "droppedBytes": loss.bytes}
            batch.append(orjson.dumps(events.document(Entry(self._clock.now(), "platform.logsDropped", record))))
        while self._waiting and size < self.subscription.max_bytes and len(batch) < self.subscription.max_items:
            event = self._waiting.popleft()
            size += len(event)
            batch.append(event)
        self._bytes -= size
        return batch

    async def _try(self, batch: list[bytes]) -> bool:
        """Whether the subscriber took it."""
        try:
            connection = await self._connect(self.subscription.port)
            reader, writer = await asyncio.open_connection(sock=connection)
        except OSError:
            return False
        try:
            if self.subscription.protocol == "TCP":
                writer.write(b"\n".join(batch) + b"\n")
                await writer.drain()
                return True
            writer.write(self._request(b"[" + b",".join(batch) + b"]"))
            await writer.drain()
            return await _status(reader) in _SUCCESS
        except (OSError, ValueError):
            return False
        finally:
            writer.close()

    def _request(self, body: bytes) -> bytes:
        to = self.subscription
        head = (
            f"{to.method} {to.path} HTTP/1.1\r\nHost: {to.host}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        )
        return head.encode() + body


def _encoded(entry: Entry, as_text: Entry) -> bytes:
    """`entry`; as `as_text` where it is nested more deeply than can be written, or its text has lone surrogates."""
    try:
        return orjson.dumps(events.document(entry))
    except TypeError:
        text = str(as_text.record).encode("utf-8", "replace").decode()
        return orjson.dumps(events.document(as_text._replace(record=text)))


async def _status(reader: asyncio.StreamReader) -> int:
    """The status of an HTTP answer. Raises OSError or ValueError when there is none."""
    version, _, rest = (await reader.readline()).partition(b" ")
    if not version.startswith(b"HTTP/1."):
        raise ValueError("not an HTTP answer")
    return int(rest[:3])
