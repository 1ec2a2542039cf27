"""The user ids of sandboxes. Servers of one machine share none, in whatever network or mount namespace they are.

A server's range of ids is a byte of one file, held by a lock that the kernel takes back with the server, however that
ends. The file is the kernel's too, in the folder of cgroups that all servers have theirs in: nobody can put another
in its place while one of them lives, and nothing is left when none does.
"""

import fcntl
import heapq
import os
import struct
from pathlib import Path

_RANGES = 64
# The kernel's `struct flock`: type, whence, start, length and, for locks of an open file, no process.
_LOCK = struct.Struct("hhqqi4x")


class Identities:
    """User ids nobody else on the machine has, lowest first; one is used again only after its sandbox is closed."""

    def __init__(self, base: int, count: int, shared: Path) -> None:
        """Take the first range of `count` ids from `base` on that no server holds in the file `shared`. OSError."""
        # Not inherited by what is executed: a zygote that outlives the server must not keep its range.
        self._file = os.open(shared, os.O_RDWR | os.O_CLOEXEC)
        try:
            os.fchmod(self._file, 0o600)  # who may read it may lock it
            index = _take_range(self._file)
        except BaseException:
            os.close(self._file)
            raise
        self.first, self.count = base + index * count, count
        self._free = list(range(self.first, self.first + count))

    def take(self) -> int:
        """An unused id. Raises OSError when all are in use."""
        if not self._free:
            raise BlockingIOError(f"all {self.count} sandbox user ids are in use")
        return heapq.heappop(self._free)

    def give_back(self, identity: int) -> None:
        """Nothing runs under `identity` any more."""
        heapq.heappush(self._free, identity)

    def close(self) -> None:
        """Let another server have the range."""
        os.close(self._file)


def _take_range(file: int) -> int:
    """A lock of the open file, not of the process: of two hosts in one server neither gets the other's range."""
    for index in range(_RANGES):
        try:
            fcntl.fcntl(file, fcntl.F_OFD_SETLK, _LOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, index, 1, 0))
        except BlockingIOError:
            continue
        return index
    raise BlockingIOError(f"{_RANGES} servers hold all ranges of sandbox user ids")
