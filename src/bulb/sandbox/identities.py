"""The user ids of sandboxes. Servers of one kernel share none, in whatever namespaces they are.

A server's range of ids is a byte of two files, held by locks that the kernel takes back with the server, however that
ends. Both files are the kernel's: nobody can put another in their place while a server lives, and nothing is left when
none does.

- One is in the folder of cgroups that all servers have theirs in, and root's only.
- Servers in containers may see a folder of cgroups each. What makes a user id the same for the kernel is the user
  namespace, so the other file is that. Anybody may open it, but only to read, so a range is held there by a lock for
  reading, and free when nobody else's stands in the way of one for writing. A function can hold such locks too: where
  no range is free there, the first file alone decides.
"""

import fcntl
import heapq
import os
import struct
from pathlib import Path

_RANGES = 64
# The kernel's `struct flock`: type, whence, start, length and, for locks of an open file, no process.
_LOCK = struct.Struct("hhqqi4x")
_USERS = Path("/proc/self/ns/user")


class Identities:
    """User ids nobody else on the machine has, lowest first; one is used again only after its sandbox is closed."""

    def __init__(self, base: int, count: int, shared: Path, users: Path = _USERS) -> None:
        """Take the first range of `count` ids from `base` on that no server holds in `shared` or `users`. OSError.

        `shared` is seen by the servers of one folder of cgroups, `users` by those of one user namespace.
        """
        # Not inherited by what is executed: a zygote that outlives the server must not keep its range.
        self._files = [os.open(shared, os.O_RDWR | os.O_CLOEXEC)]
        try:
            os.fchmod(self._files[0], 0o600)  # who may read it may lock it
            if users.exists():  # not every kernel has user namespaces
                self._files.append(os.open(users, os.O_RDONLY | os.O_CLOEXEC))
            index = _take_range(*self._files)
        except BaseException:
            self.close()
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
        for file in self._files:
            os.close(file)


def _take_range(shared: int, users: int | None = None) -> int:
    for index in range(_RANGES):
        if _lock(shared, index):
            if users is None or _lock_for_reading(users, index):
                return index
            _unlock(shared, index)
    for index in range(_RANGES):
        if _lock(shared, index):
            return index
    raise BlockingIOError(f"{_RANGES} servers hold all ranges of sandbox user ids")


def _lock(file: int, index: int) -> bool:
    """A lock of the open file, not of the process: of two hosts in one server neither gets the other's range."""
    try:
        fcntl.fcntl(file, fcntl.F_OFD_SETLK, _LOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, index, 1, 0))
    except BlockingIOError:
        return False
    return True


def _lock_for_reading(file: int, index: int) -> bool:
    """First locked, then looked: of two servers that come at once, one at least sees the other."""
    fcntl.fcntl(file, fcntl.F_OFD_SETLK, _LOCK.pack(fcntl.F_RDLCK, os.SEEK_SET, index, 1, 0))
    seen = fcntl.fcntl(file, fcntl.F_OFD_GETLK, _LOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, index, 1, 0))
    if _LOCK.unpack(seen)[0] == fcntl.F_UNLCK:
        return True
    _unlock(file, index)
    return False


def _unlock(file: int, index: int) -> None:
    fcntl.fcntl(file, fcntl.F_OFD_SETLK, _LOCK.pack(fcntl.F_UNLCK, os.SEEK_SET, index, 1, 0))
