"""Receiving with patience: long polls wait for a commit, or for the moment a message becomes visible. No polling.

Those that wait at a queue stand in line. A commit wakes the first; whoever leaves the line with messages, or after it
was woken, wakes the next, for there may be more. So one message wakes one receiver, whatever the length of the line.

A client that hangs up leaves the line. What was claimed for it in the very same moment is given back as if it had never
been received.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from bulb.core.clock import Clock, sleep_unless
from bulb.services.sqs.model import Claimed, Queue
from bulb.services.sqs.store import SqsStore
from bulb.services.sqs.store.receiving import Asked

Leaving = Callable[[Callable[[], None]], Callable[[], None]]


@dataclass(slots=True, eq=False)
class _Waiter:
    """One receiver in line."""

    woken: asyncio.Event = field(default_factory=asyncio.Event)
    has_left: bool = False

    def leave(self) -> None:
        """Its client hung up."""
        self.has_left = True
        self.woken.set()


class Waiting:
    """Receives for clients."""

    def __init__(self, store: SqsStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._lines: dict[int, _Line] = {}
        self._stopped = False

    async def receive(self, queue: Queue, asked: Asked, wait_s: float, leaving: Leaving | None) -> Claimed:
        """Claim what is due at once, else what comes within `wait_s`; nothing where the client leaves meanwhile."""
        if wait_s <= 0:
            return await self._store.receiving.claim(queue, asked, self._clock.now())
        waiter = _Waiter()
        stay = leaving(waiter.leave) if leaving is not None else _nothing
        line = self._join(queue, waiter)
        claimed: Claimed | None = None
        try:
            claimed = await self._wait(queue, asked, wait_s, waiter)
        finally:
            stay()
            # One that failed may have been woken for a message that it did not get.
            self._leave(queue, line, waiter, may_be_more=claimed is None or bool(claimed.messages))
        return claimed

    def stop(self) -> None:
        """The server is ending: whoever waits is answered now, with nothing."""
        self._stopped = True
        for line in self._lines.values():
            line.wake_all()

    async def _wait(self, queue: Queue, asked: Asked, wait_s: float, waiter: _Waiter) -> Claimed:
        seen = self._clock.now()
        deadline = seen + wait_s
        while True:
            if waiter.has_left or self._store.queues.by_id(queue.id) is None:
                return Claimed()  # still woken, so the next in line is too
            waiter.woken.clear()
            now = self._clock.now()
            deadline -= max(0.0, seen - now)  # a clock that is set back makes nobody wait for what it showed
            seen = now
            claimed = await self._store.receiving.claim(queue, asked, now)
            if claimed.messages:
                return await self._give_back(queue, claimed) if waiter.has_left else claimed
            left = min(deadline - self._clock.now(), wait_s)  # it may have been set back since
            if left <= 0 or waiter.has_left or self._stopped:
                return Claimed()
            if claimed.next_at is not None:
                left = min(left, max(0.0, claimed.next_at - self._clock.now()))
            await sleep_unless(waiter.woken, self._clock, left)

    async def _give_back(self, queue: Queue, claimed: Claimed) -> Claimed:
        held = [(message.id, message.claim) for message in claimed.messages]
        await self._store.settling.unclaim(queue, held, self._clock.now())
        return Claimed()

    def _join(self, queue: Queue, waiter: _Waiter) -> "_Line":
        line = self._lines.get(queue.id)
        if line is None:
            line = self._lines[queue.id] = _Line()
            line.end = self._store.database.on_commit(queue.channel, line.wake)
        line.waiters.append(waiter)
        return line

    def _leave(self, queue: Queue, line: "_Line", waiter: _Waiter, *, may_be_more: bool) -> None:
        line.waiters.remove(waiter)
        if may_be_more or waiter.woken.is_set():
            line.wake()
        if not line.waiters:
            line.end()
            self._lines.pop(queue.id, None)


class _Line:
    """Those that wait at one queue, in order."""

    def __init__(self) -> None:
        self.waiters: deque[_Waiter] = deque()
        self.end: Callable[[], None] = _nothing

    def wake(self) -> None:
        """The first that is not awake already."""
        for waiter in self.waiters:
            if not waiter.woken.is_set():
                waiter.woken.set()
                return

    def wake_all(self) -> None:
        """Everybody."""
        for waiter in self.waiters:
            waiter.woken.set()


def _nothing() -> None:
    """Nobody to tell."""
