"""The cgroups of one server, version 1 or 2, behind one interface.

Every server has a directory of its own in each hierarchy, named after its process, so that what a killed server left
behind can be told from what is in use (see `sweep`). A group outlives the processes in it: a restarted sandbox keeps
its memory charge, because its /tmp is part of it. Everything here is a small synchronous file operation.
"""

import contextlib
import os
import time
from collections.abc import Iterable
from pathlib import Path

from bulb.core.ids import hex_id
from bulb.sandbox.group import Group, read_text, remove_directory, write_text
from bulb.sandbox.group_v1 import CONTROLLERS, GroupV1
from bulb.sandbox.group_v2 import GroupV2

_ROOT = Path("/sys/fs/cgroup")
_UNIFIED = 2
_CLEAR_PAUSE_S = 0.005
# What keeps processes that are killed from dying, at all or soon, and how it is let go of.
_FREE = {"freezer.state": "THAWED", "cpu.cfs_quota_us": "-1", "cpu.max": "max"}
_TRIES = 100  # To find the top directory not taken away by another server that ends.


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
        parents = {kind: str(top / server) for kind, top in tops.items()}
        for left in reversed(range(_TRIES)):
            try:
                _make(tops.values(), parents.values(), delegated=version == _UNIFIED)
                break
            except FileNotFoundError:  # the last of the others left at this moment, and took the top with it
                if not left:
                    raise
        return cls(version, parents)

    @property
    def directories(self) -> list[str]:
        """This server's own directories, one per hierarchy."""
        return list(self._parents.values())

    @property
    def shared_file(self) -> Path:
        """A file that all servers of this machine see, the same one as long as one of them has its directory."""
        return Path(self.directories[0]).parent / "cgroup.procs"

    def create(self, name: str) -> Group:
        """A new group without limits."""
        return GroupV1(self._parents, name) if self.version == 1 else GroupV2(self._parents, name)

    def close(self) -> None:
        """Remove this server's directories, with what is left in them."""
        leave(self.directories)


def _make(tops: Iterable[Path], parents: Iterable[str], *, delegated: bool) -> None:
    """Make the directories; raises FileNotFoundError when another server takes a top away meanwhile."""
    for top in tops:
        _make_directory(top)
        if delegated:
            _delegate(_ROOT)
            _delegate(top)
    sweep([str(top) for top in tops])
    for parent in parents:
        _make_directory(parent)
        if delegated:
            _delegate(Path(parent))


def _make_directory(path: Path | str) -> None:
    # Not Path.mkdir(exist_ok=True): that complains of what exists when it asks first and is gone when it asks again.
    with contextlib.suppress(FileExistsError):
        Path(path).mkdir()


def server_name(pid: int) -> str:
    """A name nothing else has had since this machine started: the process, when it began, and which of its hosts."""
    return f"{_process_name(pid)}-{hex_id(8)}"


def sweep(tops: list[str]) -> None:
    """Remove the directories of servers that are gone."""
    for top in tops:
        for directory in Path(top).iterdir():
            pid, _, _ = directory.name.partition("-")
            if directory.is_dir() and pid.isdigit() and not directory.name.startswith(f"{_process_name(int(pid))}-"):
                clear([str(directory)])


def _process_name(pid: int) -> str:
    return f"{pid}-{_started_at(pid)}"


def clear(directories: list[str], patience_s: float = 2.0) -> None:
    """Kill whatever still runs in `directories` and remove them. Gives up on what stays busy for `patience_s`."""
    deadline = time.monotonic() + patience_s
    left = directories
    while left and time.monotonic() < deadline:
        # Every directory in turn, again and again: a process leaves them all only once it is thawed in its freezer.
        left = [directory for directory in left if not _clear_once(directory)]
        if left:
            time.sleep(_CLEAR_PAUSE_S)


def leave(directories: list[str], patience_s: float = 2.0) -> None:
    """Clear a server's own `directories`; the last server to leave takes the folder above them with it."""
    clear(directories, patience_s)
    for directory in directories:
        remove_directory(str(Path(directory).parent))


def _clear_once(directory: str) -> bool:
    try:
        groups = [entry.path for entry in os.scandir(directory) if entry.is_dir()]
    except FileNotFoundError:
        return True
    for group in groups:
        _kill_all(group)
        remove_directory(group)
    return remove_directory(directory)


def _kill_all(group: str) -> None:
    with contextlib.suppress(OSError):
        for name, free in _FREE.items():
            if Path(f"{group}/{name}").exists():
                write_text(f"{group}/{name}", free)
        # cgroup v2 shows a process of a foreign pid namespace as 0, which for kill(2) is our own process group.
        for pid in filter(None, map(int, read_text(f"{group}/cgroup.procs").split())):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, 9)


def _started_at(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        return "gone"


def _delegate(directory: Path) -> None:
    write_text(str(directory / "cgroup.subtree_control"), "+memory +cpu +pids")
