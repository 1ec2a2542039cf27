"""Limits through cgroup version 1: four hierarchies."""

import os
from pathlib import Path

from bulb.sandbox.group import Figure, MemoryUse, numbers_of, quota_us, read_text, remove_directory, write_text

CONTROLLERS = ("memory", "cpu", "pids", "freezer")
_NO_LIMIT = "-1"


class GroupV1:
    """One directory in each of four hierarchies."""

    version = 1
    __slots__ = ("_cpu", "_freezer", "_memory", "_peak", "_pids")

    def __init__(self, parents: dict[str, str], name: str) -> None:
        self._memory, self._cpu, self._pids, self._freezer = (f"{parents[kind]}/{name}" for kind in CONTROLLERS)
        for directory in (self._memory, self._cpu, self._pids, self._freezer):
            Path(directory).mkdir()
        self._peak = Figure(f"{self._memory}/memory.max_usage_in_bytes")

    @property
    def memory_directory(self) -> Path:
        """See `Group`."""
        return Path(self._memory)

    def open_entrances(self) -> list[int]:
        """See `Group`."""
        # `tasks`, not `cgroup.procs`: a single thread enters at once, a process waits for an RCU grace period.
        directories = (self._memory, self._cpu, self._pids, self._freezer)
        return [os.open(f"{directory}/tasks", os.O_WRONLY | os.O_CLOEXEC) for directory in directories]

    def limit(self, memory_bytes: int, processes: int) -> None:
        """See `Group`."""
        write_text(f"{self._memory}/memory.limit_in_bytes", str(memory_bytes))
        write_text(f"{self._pids}/pids.max", str(processes))

    def limit_cpu(self, memory_mb: int | None) -> None:
        """See `Group`."""
        write_text(f"{self._cpu}/cpu.cfs_quota_us", _NO_LIMIT if memory_mb is None else str(quota_us(memory_mb)))

    def freeze(self) -> None:
        """See `Group`."""
        write_text(f"{self._freezer}/freezer.state", "FROZEN")

    def thaw(self) -> None:
        """See `Group`."""
        write_text(f"{self._freezer}/freezer.state", "THAWED")

    def memory_peak(self) -> int:
        """See `Group`."""
        return self._peak.read()

    def reset_memory_peak(self) -> None:
        """See `Group`."""
        write_text(f"{self._memory}/memory.max_usage_in_bytes", "0")

    def memory(self) -> MemoryUse:
        """See `Group`."""
        total = int(read_text(f"{self._memory}/memory.usage_in_bytes"))
        stat = numbers_of(read_text(f"{self._memory}/memory.stat"))
        return MemoryUse(total, stat.get("active_file", 0) + stat.get("inactive_file", 0))

    def was_oom(self) -> bool:
        """See `Group`."""
        return numbers_of(read_text(f"{self._memory}/memory.oom_control")).get("oom_kill", 0) > 0

    def remove(self) -> bool:
        """See `Group`."""
        self._peak.close()
        removed = [remove_directory(path) for path in (self._memory, self._cpu, self._pids, self._freezer)]
        return all(removed)
