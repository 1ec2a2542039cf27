"""The first process of a supervised sandbox: it starts, signals and reaps the others as the server says.

It is locked like any other process inside and has no power over what it starts. Nothing is read from disk: the zygote
had this loaded. Nobody inside can disturb it: signals from inside do not reach the first process of a pid namespace,
its memory and descriptors are closed to its own user (not dumpable), and what it starts inherits none of them. When it
ends, everything inside ends; it ends when the server's end of its socket closes.

To it: `spawn`, `signal`, `connect`. From it: `spawned` or `failed`, later `exited`, for each process by its name;
`connecting` (with a descriptor) by the number of the order.
"""

import contextlib
import errno
import os
import select
import signal
import socket
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from . import syscalls, wire

_API_FD, _LOG_FD = 3, 4
# What Python ignores and a program expects to end by.
_RESET = (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGCHLD, signal.SIGINT, signal.SIGTERM)


class Supervisor:
    """Serves `control` until it closes. Output of processes goes to descriptor 1 or to `extension_log`."""

    def __init__(self, control: int, extension_log: int, run: Callable[[int], None] | None) -> None:
        self._control = socket.socket(fileno=control)
        self._extension_log = extension_log
        self._run = run
        self._names: dict[int, str] = {}
        self._pids: dict[str, int] = {}

    def serve(self) -> NoReturn:
        """Never returns."""
        syscalls.prctl(syscalls.PR_SET_DUMPABLE, 0)
        self._woken, self._wake = socket.socketpair()
        self._woken.setblocking(False)
        self._wake.setblocking(False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.set_wakeup_fd(self._wake.fileno(), warn_on_full_buffer=False)
        poll = select.poll()
        poll.register(self._control, select.POLLIN)
        poll.register(self._woken, select.POLLIN)
        while True:
            ready = {fd for fd, _ in poll.poll()}
            if self._woken.fileno() in ready:
                with contextlib.suppress(BlockingIOError):
                    self._woken.recv(4096)
                self._reap()
            if self._control.fileno() in ready:
                self._take_one()

    def _take_one(self) -> None:
        try:
            received = wire.receive(self._control)
        except ConnectionError:
            received = None
        if received is None:
            os._exit(0)
        message, _ = received
        if message["do"] == "spawn":
            self._spawn(message)
        elif message["do"] == "signal":
            self._signal(message["name"], message["signal"])
        else:
            self._connect(message["number"], message["port"])

    def _spawn(self, order: wire.Message) -> None:
        name = order["name"]
        program = _first_that_exists(order["programs"])
        if program is None and order["programs"]:
            self._failed(name, errno.ENOENT, None)
            return
        told, tell = os.pipe()
        try:
            pid = os.fork()
        except OSError as error:
            os.close(told)
            os.close(tell)
            self._failed(name, error.errno or 0, None)
            return
        if pid == 0:
            os.close(told)
            self._become(order, program, tell)
        os.close(tell)
        failure = os.read(told, 16)
        os.close(told)
        if failure:
            os.waitpid(pid, 0)
            self._failed(name, int(failure), program[0] if program else None)
            return
        if _API_FD in order["keeps"]:
            os.close(_API_FD)  # the end of this process is the end of the conversation
        self._names[pid], self._pids[name] = name, pid
        wire.send(self._control, {"is": "spawned", "name": name, "pid": pid})

    def _failed(self, name: str, number: int, program: str | None) -> None:
        wire.send(self._control, {"is": "failed", "name": name, "errno": number, "program": program})

    def _become(self, order: wire.Message, program: list[str] | None, tell: int) -> NoReturn:
        """In the child: the program, or for images that fork the loop that is loaded already."""
        try:
            self._settle(order)
            if program is not None:
                os.execve(program[0], program, order["environment"])  # noqa: S606
        except OSError as error:
            os.write(tell, str(error.errno or errno.EIO).encode())
            os._exit(127)
        os.close(tell)
        status = 1
        try:
            if self._run is not None:
                self._run(_API_FD)
        except SystemExit as leaving:
            status = leaving.code if isinstance(leaving.code, int) else 0 if leaving.code is None else 1
        except BaseException:
            traceback.print_exc()
        os._exit(status)

    def _settle(self, order: wire.Message) -> None:
        signal.set_wakeup_fd(-1)
        for number in _RESET if order["programs"] else (signal.SIGCHLD, signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        os.setsid()
        os.chdir(order["directory"])
        if order["output"] == "extension":
            os.dup2(self._extension_log, 1)
            os.dup2(self._extension_log, 2)
        for fd in (_API_FD, _LOG_FD):
            if fd in order["keeps"]:
                os.set_inheritable(fd, True)
            else:
                with contextlib.suppress(OSError):
                    os.close(fd)
        for end in (self._control, self._woken, self._wake):
            end.close()
        os.close(self._extension_log)
        syscalls.prctl(syscalls.PR_SET_DUMPABLE, 1)

    def _signal(self, name: str, number: int) -> None:
        """To the process and whatever it started that did not leave its group."""
        if (pid := self._pids.get(name)) is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(pid, number)

    def _connect(self, number: int, port: int) -> None:
        """The server waits for the connection, not this process."""
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as connection:
            connection.setblocking(False)
            with contextlib.suppress(OSError):  # the server asks the socket how it went
                connection.connect(("127.0.0.1", port))
            wire.send(self._control, {"is": "connecting", "number": number}, (connection.fileno(),))

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if (name := self._names.pop(pid, None)) is not None:
                del self._pids[name]
                wire.send(self._control, {"is": "exited", "name": name, "status": status})


def _first_that_exists(programs: list[list[str]]) -> list[str] | None:
    return next((program for program in programs if Path(program[0]).is_file()), None)
