"""A memory limit without cgroups: the resident memory of a process and its descendants, looked at often.

It is late by up to one interval and counts shared pages once for every process that maps them: a safety net, not a
limit to rely on. Only the rungs that have nothing better use it.
"""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

from bulb.sandbox.inside.processes import children

_INTERVAL_S = 0.05
_PAGE = os.sysconf("SC_PAGE_SIZE")


class ResidentWatch:
    """Watches the tree of processes under `pid` until stopped; calls `kill` once when it is over `limit_bytes`."""

    def __init__(self, pid: int, limit_bytes: int, kill: Callable[[], None]) -> None:
        self._pid = pid
        self._limit = limit_bytes
        self._kill = kill
        self.peak = 0
        self.exceeded = False
        self._task = asyncio.get_running_loop().create_task(self._watch())

    async def _watch(self) -> None:
        # What a fork shares with its zygote is nobody's memory in particular.
        while True:
            used = sum(_private_bytes(pid) for pid in _tree(self._pid))
            self.peak = max(self.peak, used)
            if used > self._limit:
                self.exceeded = True
                self._kill()
                return
            await asyncio.sleep(_INTERVAL_S)

    def stop(self) -> None:
        """End for good."""
        self._task.cancel()


def _tree(pid: int) -> list[int]:
    found, at = [pid], 0
    while at < len(found):
        found += children(found[at])
        at += 1
    return found


def _private_bytes(pid: int) -> int:
    """Resident pages that no file stands behind."""
    try:
        resident, shared = Path(f"/proc/{pid}/statm").read_text().split()[1:3]
    except OSError:
        return 0
    return (int(resident) - int(shared)) * _PAGE
