"""Limits through cgroup version 2: the unified hierarchy. Written from the kernel's documentation, see DESIGN.md."""

import contextlib
import os
from pathlib import Path

from bulb.sandbox.group import (
    PERIOD_US,
    Figure,
    MemoryUse,
    numbers_of,
    quota_us,
    read_text,
    remove_directory,
    write_text,
)


class GroupV2:
    """One directory in the unified hierarchy."""

    version = 2
    __slots__ = ("_path", "_peak")

    def __init__(self, parents: dict[str, str], name: str) -> None:
        self._path = f"{parents['unified']}/{name}"
        Path(self._path).mkdir()
        self._peak = Figure(f"{self._path}/memory.peak")

    @property
    def memory_directory(self) -> Path:
        """See `Group`."""
        return Path(self._path)

    def open_entrances(self) -> list[int]:
        """See `Group`."""
        return [os.open(f"{self._path}/cgroup.procs", os.O_WRONLY | os.O_CLOEXEC)]

    def limit(self, memory_bytes: int, processes: int) -> None:
        """See `Group`."""
        write_text(f"{self._path}/memory.max", str(memory_bytes))
        write_text(f"{self._path}/memory.oom.group", "1")
        write_text(f"{self._path}/pids.max", str(processes))

    def limit_cpu(self, memory_mb: int | None) -> None:
        """See `Group`."""
        quota = "max" if memory_mb is None else str(quota_us(memory_mb))
        write_text(f"{self._path}/cpu.max", f"{quota} {PERIOD_US}")

    def freeze(self) -> None:
        """See `Group`."""
        write_text(f"{self._path}/cgroup.freeze", "1")

    def thaw(self) -> None:
        """See `Group`."""
        write_text(f"{self._path}/cgroup.freeze", "0")

    def memory_peak(self) -> int:
        """See `Group`."""
        return self._peak.read()

    def reset_memory_peak(self) -> None:
        """Linux before 6.12 cannot: the peak is then that of the sandbox's whole life."""
        with contextlib.suppress(OSError):
            write_text(f"{self._path}/memory.peak", "reset")

    def memory(self) -> MemoryUse:
        """See `Group`."""
        stat = numbers_of(read_text(f"{self._path}/memory.stat"))
        total = int(read_text(f"{self._path}/memory.current"))
        return MemoryUse(total, stat.get("active_file", 0) + stat.get("inactive_file", 0))

    def was_oom(self) -> bool:
        """See `Group`."""
        return numbers_of(read_text(f"{self._path}/memory.events")).get("oom_kill", 0) > 0

    def remove(self) -> bool:
        """See `Group`."""
        self._peak.close()
        return remove_directory(self._path)
