"""A clock tests can move: real time plus an offset; moving it wakes sleepers at once, from any thread.

Moving it back makes nobody sleep longer: a process that sleeps does not look at the wall.
A sleep counts from when its thread last looked at the clock: where the clock is moved between a look and the sleep that
was computed from it, the sleeper must not sleep through what it was moved by.
"""

import asyncio
import threading
import time
from collections.abc import Coroutine
from typing import Any


class MovableClock:
    def __init__(self) -> None:
        self._offset = 0.0
        self._ahead = 0.0  # What it was moved forward in all.
        self._seen = threading.local()  # What it was moved forward when a thread looked, until that thread sleeps.
        self._lock = threading.Lock()
        self._waiting: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []

    def now(self) -> float:
        self._seen.ahead = self._ahead
        return self._wall() + self._offset

    def advance(self, seconds: float) -> None:
        with self._lock:
            self._offset += seconds  # Before the other: who looks in between wakes early, and looks again.
            self._ahead += max(seconds, 0.0)
            waiting = list(self._waiting)
        for loop, event in waiting:
            loop.call_soon_threadsafe(event.set)

    def sleep(self, seconds: float) -> Coroutine[Any, Any, None]:
        """Counted from the last look or from this call, not from when it is first awaited."""
        ahead = self._seen.__dict__.pop("ahead", self._ahead)
        return self._sleep(self._steady() + ahead + seconds)

    async def _sleep(self, until: float) -> None:
        event = asyncio.Event()
        entry = (asyncio.get_running_loop(), event)
        with self._lock:
            self._waiting.append(entry)
        try:
            while (left := until - self._passed()) > 0:
                try:
                    await asyncio.wait_for(event.wait(), self._real(left))
                except TimeoutError:
                    return
                event.clear()
        finally:
            with self._lock:
                self._waiting.remove(entry)

    def _passed(self) -> float:
        return self._steady() + self._ahead

    def _wall(self) -> float:
        return time.time()

    def _steady(self) -> float:
        return time.monotonic()

    def _real(self, seconds: float) -> float | None:
        """How long it takes for so many seconds to pass by themselves."""
        return seconds


class StoppedClock(MovableClock):
    """Shows the same time until it is moved, however long a test takes: for what has to happen within an instant."""

    def __init__(self) -> None:
        super().__init__()
        self._begun = time.time()

    def _wall(self) -> float:
        return self._begun

    def _steady(self) -> float:
        return 0.0

    def _real(self, seconds: float) -> float | None:
        return None
