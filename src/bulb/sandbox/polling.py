"""A memory limit without cgroups: the resident memory of a process and its descendants, looked at often.

It is late by up to one interval: a safety net, not a limit to rely on. Only the rungs that have nothing better use it.
What is cheap to ask counts a page once for every process that maps it, and does not tell shared memory from mapped
files; the dear and exact question is asked only where it could matter.
"""

import asyncio
import os
import re
from collections.abc import Callable
from pathlib import Path

from bulb.sandbox.inside.processes import children

_INTERVAL_S = 0.05
_PAGE = os.sysconf("SC_PAGE_SIZE")
_KB = 1024
# A process's share of its pages; where that may not be read (a process that is not dumpable), the whole of them.
_SHARES = re.compile(r"^Pss_(?:Anon|Shmem):\s+(\d+) kB$", re.MULTILINE)
_WHOLES = re.compile(r"^Rss(?:Anon|Shmem):\s+(\d+) kB$", re.MULTILINE)


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
            pids = _tree(self._pid)
            resident, used = _resident_and_own(pids)
            if resident > self._limit:
                used = await asyncio.to_thread(_shares, pids)
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


def _resident_and_own(pids: list[int]) -> tuple[int, int]:
    """Everything resident, and what of it is neither a file's nor shared memory; in bytes."""
    everything = own = 0
    for pid in pids:
        try:
            resident, shared = Path(f"/proc/{pid}/statm").read_text().split()[1:3]
        except OSError:
            continue
        everything += int(resident) * _PAGE
        own += (int(resident) - int(shared)) * _PAGE
    return everything, own


def _shares(pids: list[int]) -> int:
    """What no file stands behind, shared memory too, each page once; in bytes. May wait for a process that maps."""
    return sum(_share(pid) for pid in pids)


def _share(pid: int) -> int:
    for name, numbers in (("smaps_rollup", _SHARES), ("status", _WHOLES)):
        try:
            told = Path(f"/proc/{pid}/{name}").read_text()
        except OSError:
            continue
        return sum(int(kilobytes) for kilobytes in numbers.findall(told)) * _KB
    return 0
