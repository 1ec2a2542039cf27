"""One sandbox's resource limits: the interface both cgroup versions have, and the file operations they share."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from bulb.core.limits import MB_PER_VCPU

MB = 1 << 20
PERIOD_US = 100_000
_MIN_QUOTA_US = 1_000
_PAIR = 2
_FIGURE_BYTES = 32
_RESIDENT = {"VmHWM", "RssFile"}


@dataclass(frozen=True, slots=True)
class MemoryUse:
    """Bytes charged to a group: all of them, and how many of these are the file cache the kernel can drop at will."""

    total: int
    file: int


class Group(Protocol):
    """The limits of one sandbox."""

    version: int

    @property
    def memory_directory(self) -> Path:
        """Where the files of the memory controller are."""

    def open_entrances(self) -> list[int]:
        """Descriptors a process writes "0" to in order to enter. The caller closes them."""

    def limit(self, memory_bytes: int, processes: int) -> None:
        """Set the hard limits."""

    def limit_cpu(self, memory_mb: int | None) -> None:
        """The share of CPU that goes with `memory_mb`; None for as much as there is."""

    def freeze(self) -> None:
        """Stop every process inside."""

    def thaw(self) -> None:
        """Let them go on. Also needed before they can be killed (version 1)."""

    def memory_peak(self) -> int:
        """The most bytes ever charged since the last reset, /tmp and file cache included."""

    def reset_memory_peak(self) -> None:
        """Begin to measure anew."""

    def memory(self) -> MemoryUse:
        """What is charged now."""

    def was_oom(self) -> bool:
        """The kernel killed something here for want of memory."""

    def remove(self) -> bool:
        """Remove the empty group; False when something is still in it."""


def quota_us(memory_mb: int) -> int:
    """CPU time per 100 ms for `memory_mb`: 1,769 MB is one vCPU, as on Lambda."""
    return max(_MIN_QUOTA_US, memory_mb * PERIOD_US // MB_PER_VCPU)


def remove_directory(path: str) -> bool:
    """Remove the empty cgroup `path`; False when something is still in it."""
    try:
        Path(path).rmdir()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


def write_text(path: str, text: str) -> None:
    """One write(2), which is what the kernel takes for one setting. Raises OSError."""
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(fd, text.encode())
    finally:
        os.close(fd)


def read_text(path: str) -> str:
    """The whole file. Raises OSError."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(fd, 65_536).decode()
    finally:
        os.close(fd)


def largest_process(group: Group) -> int:
    """The most memory that any living process of the group has held at once, in bytes; files it reads do not count."""
    peaks = [0]
    for pid in read_text(str(group.memory_directory / "cgroup.procs")).split():
        try:
            status = read_text(f"/proc/{pid}/status")
        except OSError:
            continue  # it has just ended
        held = {name: int(rest.split()[0]) for name, _, rest in (row.partition(":") for row in status.splitlines())
                if name in _RESIDENT}  # fmt: skip
        peaks.append(held.get("VmHWM", 0) - held.get("RssFile", 0))
    return max(peaks) * 1024


class Figure:
    """One number the kernel keeps in a file, read again and again: the file stays open."""

    __slots__ = ("_fd", "_path")

    def __init__(self, path: str) -> None:
        """Nothing is opened before the first look."""
        self._path = path
        self._fd = -1

    def read(self) -> int:
        """The number now. Raises OSError."""
        if self._fd < 0:
            self._fd = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        return int(os.pread(self._fd, _FIGURE_BYTES, 0))

    def close(self) -> None:
        """Let the file go."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def numbers_of(text: str) -> dict[str, int]:
    """The lines `name number` of a statistics file."""
    rows = (line.split() for line in text.splitlines())
    return {row[0]: int(row[1]) for row in rows if len(row) == _PAIR and row[1].isdigit()}
