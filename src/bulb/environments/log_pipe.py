"""One log pipe of a sandbox: read as it fills, rested while the log is full."""

import asyncio
import os
from collections.abc import Callable

from bulb.environments.ports import EnvironmentLog

_READ_BYTES = 262_144
# What is read of the pipe in one go before others get their turn, and how long a reader rests when the log is full.
_DRAIN_BYTES = 4_194_304
_REST_S = 0.02


class LogPipe:
    """Reads `fd` into `feed` until `close`; the descriptor stays its owner's."""

    def __init__(self, fd: int, log: EnvironmentLog, feed: Callable[[bytes], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._fd = fd
        self._log = log
        self._feed = feed
        self._resting: asyncio.TimerHandle | None = None
        self._closed = False

    def open(self) -> None:
        """Begin to read."""
        self._loop.add_reader(self._fd, self._read)

    def drain(self) -> None:
        """Take what has been written so far, without waiting for more."""
        if not self._closed:
            self._take(_DRAIN_BYTES)

    def close(self) -> None:
        """Take the last of it and let go of the descriptor."""
        self.drain()
        self._closed = True
        self._loop.remove_reader(self._fd)
        if self._resting is not None:
            self._resting.cancel()

    def _read(self) -> None:
        if self._log.is_full:
            self._loop.remove_reader(self._fd)
            self._resting = self._loop.call_later(_REST_S, self._resume)
            return
        self._take(_READ_BYTES)

    def _resume(self) -> None:
        if not self._closed:
            self._loop.add_reader(self._fd, self._read)

    def _take(self, limit: int) -> None:
        while limit > 0:
            try:
                data = os.read(self._fd, _READ_BYTES)
            except BlockingIOError:
                return
            except OSError:
                data = b""
            if not data:
                self._loop.remove_reader(self._fd)
                return
            self._feed(data)
            limit -= len(data)
