"""The end of waiting for somebody else, where a server that was itself held up finds nobody late who was in time.

While this process could not run (its loop or the machine was busy) what arrived lies unread, and the timer that says
time is over comes late too. So whoever's timer is late reads for a moment before it judges.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Any

# A loop that comes so late to its timer was held up; what had arrived by then takes it no longer than this to read.
_LATE_S, _READ_WITHIN_S = 0.005, 0.02


class Deadline:
    """A moment of `time.perf_counter()`. One may bound several waits after one another; the moment is given once."""

    __slots__ = ("_has_read", "_until")

    def __init__(self, until: float) -> None:
        self._until = until
        self._has_read = False

    @classmethod
    def within(cls, seconds: float) -> "Deadline":
        """So many seconds from now; none or fewer: now."""
        return cls(time.perf_counter() + max(seconds, 0.0))

    def left(self) -> float:
        """The seconds there are still to wait, 0 when it is over. Asked late for the first time: those to read in."""
        left = self._until - time.perf_counter()
        if left > 0:
            return left
        if self._has_read or left >= -_LATE_S:
            return 0.0
        self._has_read = True
        self._until += _READ_WITHIN_S - left
        return _READ_WITHIN_S

    async def first_of(self, *futures: asyncio.Future[Any]) -> None:
        """Return when one of `futures` is done, or it is over. Cancels none of them."""
        while not any(future.done() for future in futures) and (left := self.left()):
            await asyncio.wait(futures, timeout=left, return_when=asyncio.FIRST_COMPLETED)


def call_when_over(loop: asyncio.AbstractEventLoop, seconds: float, over: Callable[[], object]) -> asyncio.TimerHandle:
    """The same for a callback, which has to look whether it still matters. What is answered is for cancelling it."""
    ends_at = loop.time() + max(seconds, 0.0)
    return loop.call_at(ends_at, _come, loop, ends_at, over)


def _come(loop: asyncio.AbstractEventLoop, ends_at: float, over: Callable[[], object]) -> None:
    if loop.time() - ends_at > _LATE_S:
        # After what has been read in the same turn of the loop and is still to be dealt with.
        loop.call_later(_READ_WITHIN_S, loop.call_soon, over)
    else:
        over()
