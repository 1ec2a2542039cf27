"""Resource limits through cgroups, version 1 or 2, behind one interface.

Every server has a directory of its own in each hierarchy, named after its process, so that whatever a killed server left
behind can be told from what is in use (see `sweep`). A group outlives the processes in it: a restarted sandbox keeps its
memory charge, because its /tmp is part of it. Everything here is a small synchronous file operation.
"""

import contextlib
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from bulb.core.limits import MB_PER_VCPU

MB = 1 << 20
CONTROLLERS = ("memory", "cpu", "pids", "freezer")
_ROOT = Path("/sys/fs/cgroup")
_PERIOD_US = 100_000
_MIN_QUOTA_US = 1_000
_NO_LIMIT = "-1"
_CLEAR_PAUSE_S = 0.005


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
    return max(_MIN_QUOTA_US, memory_mb * _PERIOD_US // MB_PER_VCPU)


class GroupV1:
    """One directory in each of four hierarchies."""

    version = 1
    __slots__ = ("_cpu", "_freezer", "_memory", "_peak", "_pids")

    def __init__(self, parents: dict[str, str], name: str) -> None:
        self._memory, self._cpu, self._pids, self._freezer = (f"{parents[kind]}/{name}" for kind in CONTROLLERS)
        for directory in (self._memory, self._cpu, self._pids, self._freezer):
            os.mkdir(directory)
        self._peak = -1

    @property
    def memory_directory(self) -> Path:
        return Path(self._memory)

    def open_entrances(self) -> list[int]:
        # `tasks`, not `cgroup.procs`: a single thread enters at once, a process waits for an RCU grace period.
        directories = (self._memory, self._cpu, self._pids, self._freezer)
        return [os.open(f"{directory}/tasks", os.O_WRONLY | os.O_CLOEXEC) for directory in directories]

    def limit(self, memory_bytes: int, processes: int) -> None:
        _write(f"{self._memory}/memory.limit_in_bytes", str(memory_bytes))
        _write(f"{self._pids}/pids.max", str(processes))

    def limit_cpu(self, memory_mb: int | None) -> None:
        _write(f"{self._cpu}/cpu.cfs_quota_us", _NO_LIMIT if memory_mb is None else str(quota_us(memory_mb)))

    def freeze(self) -> None:
        _write(f"{self._freezer}/freezer.state", "FROZEN")

    def thaw(self) -> None:
        _write(f"{self._freezer}/freezer.state", "THAWED")

    def memory_peak(self) -> int:
        return int(_read(f"{self._memory}/memory.max_usage_in_bytes"))

    def reset_memory_peak(self) -> None:
        _write(f"{self._memory}/memory.max_usage_in_bytes", "0")

    def memory(self) -> MemoryUse:
        total = int(_read(f"{self._memory}/memory.usage_in_bytes"))
        stat = _table(_read(f"{self._memory}/memory.stat"))
        return MemoryUse(total, stat.get("active_file", 0) + stat.get("inactive_file", 0))

    def was_oom(self) -> bool:
        return _table(_read(f"{self._memory}/memory.oom_control")).get("oom_kill", 0) > 0

    def remove(self) -> bool:
        return all([_remove(path) for path in (self._memory, self._cpu, self._pids, self._freezer)])


class GroupV2:
    """One directory in the unified hierarchy."""

    version = 2
    __slots__ = ("_path",)

    def __init__(self, parents: dict[str, str], name: str) -> None:
        self._path = f"{parents['unified']}/{name}"
        os.mkdir(self._path)

    @property
    def memory_directory(self) -> Path:
        return Path(self._path)

    def open_entrances(self) -> list[int]:
        return [os.open(f"{self._path}/cgroup.procs", os.O_WRONLY | os.O_CLOEXEC)]

    def limit(self, memory_bytes: int, processes: int) -> None:
        _write(f"{self._path}/memory.max", str(memory_bytes))
        _write(f"{self._path}/memory.oom.group", "1")
        _write(f"{self._path}/pids.max", str(processes))

    def limit_cpu(self, memory_mb: int | None) -> None:
        quota = "max" if memory_mb is None else str(quota_us(memory_mb))
        _write(f"{self._path}/cpu.max", f"{quota} {_PERIOD_US}")

    def freeze(self) -> None:
        _write(f"{self._path}/cgroup.freeze", "1")

    def thaw(self) -> None:
        _write(f"{self._path}/cgroup.freeze", "0")

    def memory_peak(self) -> int:
        return int(_read(f"{self._path}/memory.peak"))

    def reset_memory_peak(self) -> None:
        """Linux before 6.12 cannot: the peak is then that of the sandbox's whole life."""
        with contextlib.suppress(OSError):
            _write(f"{self._path}/memory.peak", "reset")

    def memory(self) -> MemoryUse:
        stat = _table(_read(f"{self._path}/memory.stat"))
        total = int(_read(f"{self._path}/memory.current"))
        return MemoryUse(total, stat.get("active_file", 0) + stat.get("inactive_file", 0))

    def was_oom(self) -> bool:
        return _table(_read(f"{self._path}/memory.events")).get("oom_kill", 0) > 0

    def remove(self) -> bool:
        return _remove(self._path)


class Cgroups:
    """The groups of one server. `open` raises OSError where this machine does not let us limit anything."""

    def __init__(self, version: int, parents: dict[str, str]) -> None:
        self.version = version
        self._parents = parents

    @classmethod
    def open(cls, server: str) -> "Cgroups":
        """Find the hierarchies, remove what dead servers left, make this server's directories."""
        if all((_ROOT / kind / "cgroup.procs").exists() for kind in CONTROLLERS):
            version, tops = 1, {kind: _ROOT / kind / "bulb" for kind in CONTROLLERS}
        else:
            version, tops = 2, {"unified": _ROOT / "bulb"}
        for top in tops.values():
            top.mkdir(exist_ok=True)
            if version == 2:
                _delegate(_ROOT)
                _delegate(top)
        sweep([str(top) for top in tops.values()])
        parents = {kind: str(top / server) for kind, top in tops.items()}
        for parent in parents.values():
            Path(parent).mkdir()
            if version == 2:
                _delegate(Path(parent))
        return cls(version, parents)

    @property
    def directories(self) -> list[str]:
        """This server's own directories, one per hierarchy."""
        return list(self._parents.values())

    def create(self, name: str) -> Group:
        """A new group without limits."""
        return GroupV1(self._parents, name) if self.version == 1 else GroupV2(self._parents, name)

    def close(self) -> None:
        """Remove this server's directories, with what is left in them."""
        clear(self.directories)


def server_name(pid: int) -> str:
    """A name no other process has had since this machine started: its pid and when it began."""
    return f"{pid}-{_started_at(pid)}"


def sweep(tops: list[str]) -> None:
    """Remove the directories of servers that are gone."""
    for top in tops:
        for directory in Path(top).iterdir():
            pid, _, _ = directory.name.partition("-")
            if directory.is_dir() and pid.isdigit() and server_name(int(pid)) != directory.name:
                clear([str(directory)])


def clear(directories: list[str], patience_s: float = 2.0) -> None:
    """Kill whatever still runs in `directories` and remove them. Gives up on what stays busy for `patience_s`."""
    deadline = time.monotonic() + patience_s
    left = directories
    while left and time.monotonic() < deadline:
        # Every directory in turn, again and again: a process leaves them all only once it is thawed in its freezer.
        left = [directory for directory in left if not _clear_once(directory)]
        if left:
            time.sleep(_CLEAR_PAUSE_S)


def _clear_once(directory: str) -> bool:
    try:
        groups = [entry.path for entry in os.scandir(directory) if entry.is_dir()]
    except FileNotFoundError:
        return True
    for group in groups:
        _kill_all(group)
        _remove(group)
    return _remove(directory)


def _kill_all(group: str) -> None:
    with contextlib.suppress(OSError):
        if os.path.exists(f"{group}/freezer.state"):
            _write(f"{group}/freezer.state", "THAWED")
        for pid in _read(f"{group}/cgroup.procs").split():
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid), 9)


def _started_at(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        return "gone"


def _delegate(directory: Path) -> None:
    _write(str(directory / "cgroup.subtree_control"), "+memory +cpu +pids")


def _remove(path: str) -> bool:
    try:
        os.rmdir(path)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


def _write(path: str, text: str) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(fd, text.encode())
    finally:
        os.close(fd)


def _read(path: str) -> str:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(fd, 65_536).decode()
    finally:
        os.close(fd)


def _table(text: str) -> dict[str, int]:
    rows = (line.split() for line in text.splitlines())
    return {row[0]: int(row[1]) for row in rows if len(row) == 2 and row[1].isdigit()}
