"""Stops a sandbox at its memory limit although its /tmp is charged to the same group.

The kernel charges tmpfs pages to whoever writes them, so a hard limit at `memory_mb` would let a full /tmp kill the
function. Therefore the hard limit is `memory_mb + tmp_mb`, a backstop, and this watch is the limit: the kernel tells
it when the charge leaves a window, it then looks at what /tmp and the (droppable) file cache hold, and kills exactly
when the rest is over `memory_mb`; otherwise it moves the window. Inexact are what lies between event and kill (about a
millisecond of allocation) and, on version 1, the 2 MB its thresholds need; the backstop bounds both.
"""

import asyncio
import ctypes
import os
import struct
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

from bulb.sandbox.group import MB, Group

# Arming waits for an RCU grace period in the kernel (5 to 20 ms), so it is done by a few threads; they share periods.
_ARMING_THREADS = 8
# The window's lower edge: /tmp may shrink by this much before the upper edge is looked at again.
_SLACK_BYTES = 32 * MB
# How far above the upper edge the kernel's threshold lies. It is told of once, when usage comes from below: a charge
# that had reached it while it was being set, and was found within the limit a moment later, would go on unwatched.
# Exactly the limit is such a charge, so is one the kernel takes back without a look at the thresholds: it looks at
# every 128th page (512 KB), and each CPU has up to 64 (256 KB) charged in advance.
_UNSEEN_BYTES = 2 * MB
_PAGE = 4096
_IN_MODIFY = 2


class Trigger(Protocol):
    """Calls back when a group's memory leaves a window."""

    async def arm(self, low: int, high: int, crossed: Callable[[], None]) -> None:
        """Replace the window. `low` 0: no lower edge. Raises OSError when the group is gone.

        Memory that is at most `high` once this returns, and grows by more than 2 MB above it, is told of.
        """

    def disarm(self) -> None:
        """No more calls."""


class MemoryWatch:
    """Watches one group. `used_by_tmp` tells the bytes in /tmp, `kill` is called once when the limit is broken."""

    def __init__(
        self, group: Group, trigger: Trigger, limit_bytes: int, used_by_tmp: Callable[[], int], kill: Callable[[], None]
    ) -> None:
        self._group = group
        self._trigger = trigger
        self._limit = limit_bytes
        self._used_by_tmp = used_by_tmp
        self._kill = kill
        self._arming: asyncio.Task[None] | None = None
        self._stopped = False
        self.exceeded = False
        self.armed = False
        # The highest charge that has been looked at, or foreseen by a window, and found to be within the limit.
        self.judged = limit_bytes

    def start(self) -> None:
        """Begin; takes effect some milliseconds later, until then the backstop holds alone."""
        self._arming = asyncio.get_running_loop().create_task(self._watch())

    def stop(self) -> None:
        """End for good."""
        self._stopped = True
        if self._arming is not None:
            self._arming.cancel()
        self._trigger.disarm()

    def _crossed(self) -> None:
        if not self._stopped and (self._arming is None or self._arming.done()):
            self._arming = asyncio.get_running_loop().create_task(self._watch())

    async def _watch(self) -> None:
        """Judge and arm until a window holds: what happened while it was being set is looked at again."""
        try:
            while not self._stopped:
                used, excused = self._look()
                if used > self._limit + excused:
                    self.exceeded = True
                    self._kill()
                    return
                high = self._limit + excused
                low = 0 if excused < _SLACK_BYTES else max(_PAGE, used - max(_SLACK_BYTES, excused // 4))
                await self._trigger.arm(low, high, self._crossed)
                self.armed = True
                self.judged = max(self.judged, high)
                if low <= self._group.memory().total <= high:
                    return
        except OSError:
            return  # the group is gone, and its processes with it

    def _look(self) -> tuple[int, int]:
        """Bytes charged, and how many of them do not count. /tmp is looked at twice: the larger counts."""
        before = self._used_by_tmp()
        memory = self._group.memory()
        return memory.total, max(before, self._used_by_tmp()) + memory.file


class ThresholdTriggers:
    """Version 1: usage thresholds signalled through an eventfd."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(_ARMING_THREADS, thread_name_prefix="memory")

    def create(self, group: Group) -> Trigger:
        """A trigger for `group`."""
        return _Threshold(group, self._threads)

    def close(self) -> None:
        """End the threads."""
        self._threads.shutdown(wait=False)


class _Threshold:
    def __init__(self, group: Group, threads: ThreadPoolExecutor) -> None:
        self._directory = str(group.memory_directory)
        self._threads = threads
        self._event = -1

    async def arm(self, low: int, high: int, crossed: Callable[[], None]) -> None:
        loop = asyncio.get_running_loop()
        levels = [*([low] if low else []), high + _UNSEEN_BYTES]
        registering = loop.run_in_executor(self._threads, self._register, levels)
        try:
            event = await asyncio.shield(registering)
        except asyncio.CancelledError:
            registering.add_done_callback(_drop)
            raise
        self.disarm()
        self._event = event
        loop.add_reader(event, self._signalled, crossed)

    def _register(self, levels: list[int]) -> int:
        event = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        usage = control = -1
        try:
            usage = os.open(f"{self._directory}/memory.usage_in_bytes", os.O_RDONLY | os.O_CLOEXEC)
            control = os.open(f"{self._directory}/cgroup.event_control", os.O_WRONLY | os.O_CLOEXEC)
            for level in levels:
                os.write(control, f"{event} {usage} {level}".encode())
        except OSError:
            os.close(event)
            raise
        finally:
            for fd in (usage, control):
                if fd >= 0:
                    os.close(fd)
        return event

    def _signalled(self, crossed: Callable[[], None]) -> None:
        os.eventfd_read(self._event)
        crossed()

    def disarm(self) -> None:
        if self._event >= 0:
            asyncio.get_running_loop().remove_reader(self._event)
            os.close(self._event)
            self._event = -1


def _drop(registering: asyncio.Future[int]) -> None:
    """Nobody waits for this registration any more; closing its eventfd undoes it."""
    if not registering.cancelled() and registering.exception() is None:
        os.close(registering.result())


class HighTriggers:
    """Version 2: `memory.high` slows the group down at the upper edge, one inotify tells of all groups' events.

    There is no lower edge: after files in /tmp are deleted the limit is late by their size until the next event.
    """

    def __init__(self) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._inotify = self._libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        self._calls: dict[int, Callable[[], None]] = {}
        asyncio.get_running_loop().add_reader(self._inotify, self._read)

    def create(self, group: Group) -> Trigger:
        """A trigger for `group`."""
        return _High(str(group.memory_directory), self)

    def add(self, path: str, crossed: Callable[[], None]) -> int:
        """Call `crossed` whenever `path` changes. Raises OSError."""
        watch: int = self._libc.inotify_add_watch(self._inotify, path.encode(), _IN_MODIFY)
        if watch < 0:
            raise OSError(ctypes.get_errno(), "inotify_add_watch", path)
        self._calls[watch] = crossed
        return watch

    def remove(self, watch: int) -> None:
        """No more calls."""
        self._calls.pop(watch, None)
        self._libc.inotify_rm_watch(self._inotify, watch)

    def _read(self) -> None:
        data = os.read(self._inotify, 65_536)
        offset = 0
        while offset < len(data):
            watch, _, _, length = struct.unpack_from("iIII", data, offset)
            offset += 16 + length
            if (call := self._calls.get(watch)) is not None:
                call()

    def close(self) -> None:
        """Close the inotify."""
        asyncio.get_running_loop().remove_reader(self._inotify)
        os.close(self._inotify)


class _High:
    def __init__(self, directory: str, triggers: HighTriggers) -> None:
        self._directory = directory
        self._triggers = triggers
        self._watch = -1

    async def arm(self, low: int, high: int, crossed: Callable[[], None]) -> None:
        if self._watch < 0:
            self._watch = self._triggers.add(f"{self._directory}/memory.events", crossed)
        fd = os.open(f"{self._directory}/memory.high", os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.write(fd, str(high).encode())
        finally:
            os.close(fd)

    def disarm(self) -> None:
        if self._watch >= 0:
            self._triggers.remove(self._watch)
            self._watch = -1
