"""Inside a template: one fork of it for each request, in namespaces of its own and locked as any other sandbox.

A template has run a function's code, so it has no privilege left to place its forks with; the server has. For each
fork, in order: the template forks; the fork leaves for its own user, mount, ipc and pid namespaces, says so, and waits
until the server has put it into its cgroup and mapped its identity; it takes its /tmp, forks once more into the new
pid namespace, and that process gives up what the user namespace gave it and goes on as the function. The one in
between does nothing but wait for its end and tell the server.
"""

import contextlib
import os
import resource
import shutil
import signal
import socket
from pathlib import Path

from . import child, seccomp, syscalls, wire

NAMESPACES = syscalls.NEWUSER | syscalls.NEWNS | syscalls.NEWPID | syscalls.NEWIPC
_FAILED = 125
_TMP = "/tmp"  # noqa: S108 - the sandbox's own


class Restorer:
    """Given to the runtime of a template, which calls `wait` when it may be copied."""

    def __init__(self, channel: int, uid: int, filter_program: bytes) -> None:
        self._channel = channel
        self._uid = uid
        self._filter_program = filter_program

    def wait(self) -> None:
        """Fork for each request. Returns in the forks only, each ready to go on as the function's process."""
        # Frozen between requests, it could not reap those that stood by: let the kernel do it.
        handler = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        with socket.socket(fileno=os.dup(self._channel)) as channel:
            while received := wire.receive(channel):
                message, (told, api, log, tmp) = received
                pid = os.fork()
                if pid == 0:
                    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                    channel.close()
                    self._be_restored(message, told, api, log, tmp)
                    signal.signal(signal.SIGCHLD, handler or signal.SIG_DFL)
                    return
                for fd in (told, api, log, tmp):
                    os.close(fd)
        os._exit(0)

    def _be_restored(self, message: wire.Message, told: int, api: int, log: int, tmp: int) -> None:
        """In the fork: returns in the process that is to go on, and only when it is locked."""
        server = socket.socket(fileno=told)
        try:
            self._leave(server, tmp)
            pid = os.fork()
            if pid:
                _stand_by(pid, server)
            self._lock(message, api, log)
            server.send(b"born")
        except BaseException as error:
            with contextlib.suppress(OSError):
                server.send(f"failed {type(error).__name__}: {error}".encode())
            os._exit(_FAILED)
        server.close()
        for fd in (self._channel, api, log, tmp):
            os.close(fd)

    def _leave(self, server: socket.socket, tmp: int) -> None:
        os.chdir("/")
        _copy_files(Path(_TMP), Path("/proc/self/fd", str(tmp)))
        syscalls.unshare(NAMESPACES)
        server.send(b"left")
        if server.recv(16) != b"go":
            os._exit(_FAILED)
        os.setresgid(self._uid, self._uid, self._uid)
        os.setresuid(self._uid, self._uid, self._uid)
        syscalls.move_mount(tmp, _TMP)
        os.chdir("/var/task")

    def _lock(self, message: wire.Message, api: int, log: int) -> None:
        child.connect_streams(api, log)
        processes = message["processes"]
        resource.setrlimit(resource.RLIMIT_NPROC, (processes, processes))
        syscalls.drop_bounding_set()
        syscalls.drop_capabilities()
        syscalls.prctl(syscalls.PR_SET_PDEATHSIG, signal.SIGKILL)
        syscalls.prctl(syscalls.PR_SET_DUMPABLE, 1)
        syscalls.install_filter(self._filter_program)


def _copy_files(source: Path, target: Path) -> None:
    """What init put into /tmp is part of the snapshot; sockets and pipes are not."""
    for entry in source.iterdir():
        if entry.is_symlink() or entry.is_file():
            shutil.copy2(entry, target / entry.name, follow_symlinks=False)
        elif entry.is_dir():
            (target / entry.name).mkdir()
            _copy_files(entry, target / entry.name)
            shutil.copystat(entry, target / entry.name)


def filters() -> tuple[bytes, bytes]:
    """The filter of sandboxes, and that of templates."""
    return seccomp.program(), seccomp.program(may_unshare=NAMESPACES)


def _stand_by(pid: int, server: socket.socket) -> None:
    """Tell how `pid` ends. Nothing of the function runs here."""
    os.closerange(0, server.fileno())
    os.closerange(server.fileno() + 1, resource.getrlimit(resource.RLIMIT_NOFILE)[0])
    _, status, usage = os.wait4(pid, 0)
    cpu = usage.ru_utime + usage.ru_stime
    with contextlib.suppress(OSError):
        server.send(f"exit {status} {usage.ru_maxrss * 1024} {cpu}".encode())
    os._exit(0)
