"""Mounts made by the server, on one thread that has a mount namespace of its own.

The /tmp of every sandbox is a tmpfs kept mounted there, so it survives its processes; the namespace is nobody else's
and ends with the server, so that even a killed server leaves no mount behind. Sandboxes get detached copies as
descriptors. The same thread reaches into a running sandbox to mount the code of the function it was claimed for.
"""

import contextlib
import os
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from bulb.sandbox.group import MB
from bulb.sandbox.inside import syscalls
from bulb.sandbox.model import Code

_READ_ONLY = syscalls.ATTR_RDONLY | syscalls.ATTR_NOSUID | syscalls.ATTR_NODEV


class TemporaryStorage:
    """One sandbox's /tmp, as the server holds it."""

    __slots__ = ("_at", "fd")

    def __init__(self, at: Path, size_mb: int) -> None:
        self._at = at
        at.mkdir()
        self.fd = syscalls.new_tmpfs(size_mb * MB)
        syscalls.move_mount(self.fd, at)

    def copy(self) -> int:
        """A detached mount of the same files. On the mount thread; the caller closes it."""
        return syscalls.clone_mount(self.fd)

    def resize(self, size_mb: int) -> None:
        """Let it hold `size_mb`. On the mount thread."""
        syscalls.resize_tmpfs(self.fd, size_mb * MB)

    def used_bytes(self) -> int:
        """Bytes of the files in it. Any thread."""
        state = os.fstatvfs(self.fd)
        return (state.f_blocks - state.f_bfree) * state.f_frsize

    def close(self) -> None:
        """The files go when the last process using them does. On the mount thread."""
        os.close(self.fd)
        with contextlib.suppress(OSError):
            syscalls.unmount(str(self._at))
            self._at.rmdir()


class Mounts:
    """The mount thread. Methods without a word about threads must be called on it: `thread.submit(mounts.x, ...)`."""

    def __init__(self, place: Path) -> None:
        """`place` is a directory of the server's own, to mount in."""
        # One thread: its namespace is its identity.
        self.thread = ThreadPoolExecutor(1, thread_name_prefix="mounts", initializer=self._own_namespace)
        self._place = Path(tempfile.mkdtemp(prefix=f"{os.getpid()}-mounts-", dir=place))
        self._namespace = -1

    def _own_namespace(self) -> None:
        syscalls.unshare(syscalls.NEWNS)
        syscalls.mount("", "/", "", syscalls.MS_REC | syscalls.MS_SLAVE)
        fd = syscalls.new_tmpfs(16 * MB, "700")
        syscalls.move_mount(fd, self._place)
        os.close(fd)
        self._namespace = os.open("/proc/thread-self/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)

    def temporary(self, name: str, size_mb: int) -> TemporaryStorage:
        """A new /tmp."""
        return TemporaryStorage(self._place / name, size_mb)

    def code(self, directory: Path) -> int:
        """A detached read-only copy of the mount of `directory`. The caller closes it."""
        fd = syscalls.open_tree(str(directory))
        syscalls.set_mount_attributes(fd, _READ_ONLY)
        return fd

    def enter_code(self, pid: int, code: Code) -> None:
        """Mount `code` inside the sandbox of process `pid`."""
        mounts = [(self.code(code.task), "/var/task")]
        if code.opt is not None:
            mounts.append((self.code(code.opt), "/opt"))
        inner = os.open(f"/proc/{pid}/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
        try:
            syscalls.setns(inner, syscalls.NEWNS)
            for fd, target in mounts:
                syscalls.move_mount(fd, target)
        finally:
            syscalls.setns(self._namespace, syscalls.NEWNS)
            for fd in (inner, *(fd for fd, _ in mounts)):
                os.close(fd)

    def close(self) -> None:
        """End the thread, and with it its namespace. Any thread but its own."""
        self.thread.shutdown(wait=True)
        if self._namespace >= 0:
            os.close(self._namespace)
        self._place.rmdir()
