"""Lines that wait for the next flush, a list for each stream.

`LogStream.write` is called for every line of every function, on the event loop, so it only appends. What waits is
bounded, for a stream and for all of them together: `is_full` tells whoever reads a function's pipe to stop for a
moment, so a function that prints faster than the disk takes it is slowed down, as by any full pipe. A stream that
becomes full asks for a flush instead of waiting for the next one.
"""

from collections.abc import Callable
from typing import NamedTuple

EVENT_OVERHEAD_BYTES = 26  # what CloudWatch adds to each event when it counts bytes
STREAM_BYTES = 2_097_152
ALL_BYTES = 67_108_864

Event = tuple[int, str]


class GroupName(NamedTuple):
    """Where a log group is."""

    account: str
    region: str
    group: str


class StreamName(NamedTuple):
    """Where a stream is."""

    account: str
    region: str
    group: str
    stream: str


class LogStream:
    """One stream somebody writes to. Made by `LogStore.open_stream`."""

    __slots__ = ("_buffer", "bytes", "events", "name")

    def __init__(self, buffer: "Buffer", name: StreamName) -> None:
        self._buffer = buffer
        self.name = name
        self.events: list[Event] = []
        self.bytes = 0

    @property
    def is_full(self) -> bool:
        """Too much is waiting: feed no more until it is flushed."""
        return self.bytes >= STREAM_BYTES or self._buffer.bytes >= ALL_BYTES

    def write(self, timestamp_ms: int, message: str) -> None:
        """Add one event. Nothing is lost when the stream is full; the caller is asked to pause."""
        if not self.events:
            self._buffer.dirty.append(self)
        self.events.append((timestamp_ms, message))
        # Characters, not bytes: close enough for a bound, and an encoding less for each line.
        size = len(message) + EVENT_OVERHEAD_BYTES
        before = self.bytes
        self.bytes += size
        self._buffer.bytes += size
        if before < STREAM_BYTES <= self.bytes:
            self._buffer.hurry()


class Buffer:
    """Everything that waits. `hurry` asks for a flush as soon as possible; it returns at once."""

    def __init__(self, hurry: Callable[[], None]) -> None:
        self.hurry = hurry
        self.dirty: list[LogStream] = []
        self.bytes = 0

    def take(self) -> list[tuple[StreamName, list[Event]]]:
        """What waits, and it waits no longer. Streams with the same name are told apart by nobody: they may repeat."""
        taken = []
        for stream in self.dirty:
            taken.append((stream.name, stream.events))
            stream.events = []
            stream.bytes = 0
        self.dirty = []
        self.bytes = 0
        return taken
