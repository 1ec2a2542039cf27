"""A clock tests can move: real time plus an offset; moving it wakes sleepers at once, from any thread."""

import asyncio
import threading
import time


class MovableClock:
    def __init__(self) -> None:
        self._offset = 0.0
        self._lock = threading.Lock()
        self._waiting: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []

    def now(self) -> float:
        return time.time() + self._offset

    def advance(self, seconds: float) -> None:
        with self._lock:
            self._offset += seconds
            waiting = list(self._waiting)
        for loop, event in waiting:
            loop.call_soon_threadsafe(event.set)

    async def sleep(self, seconds: float) -> None:
        until = self.now() + seconds
        event = asyncio.Event()
        entry = (asyncio.get_running_loop(), event)
        with self._lock:
            self._waiting.append(entry)
        try:
            while (left := until - self.now()) > 0:
                try:
                    await asyncio.wait_for(event.wait(), left)
                except TimeoutError:
                    return
                event.clear()
        finally:
            with self._lock:
                self._waiting.remove(entry)
