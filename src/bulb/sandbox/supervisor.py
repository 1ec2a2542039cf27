"""The server's end of one supervisor (`inside/supervisor.py`): asking it for processes, hearing how they end."""

import asyncio
import contextlib
import itertools
import os
import signal
import socket
from collections.abc import Callable
from typing import Any, Literal, TypeVar

from bulb.sandbox.inside import wire
from bulb.sandbox.model import Exit, LaunchError, SandboxError

# The name of the process whose end is the runtime's.
RUNTIME = "runtime"
Output = Literal["function", "extension"]
_K = TypeVar("_K")
_V = TypeVar("_V")


class SupervisedProcess:
    """One named process inside. `exited` resolves with its end, at the latest with that of everything inside."""

    def __init__(self, name: str, pid: int, exited: asyncio.Future[Exit], send: Callable[[int], None]) -> None:
        """`pid` as seen inside."""
        self.name = name
        self.pid = pid
        self.exited = exited
        self._send = send

    def signal(self, number: int) -> None:
        """Send a signal to it and to what it started that stayed in its process group. Nothing when it has ended."""
        if not self.exited.done():
            self._send(number)


class Supervisor:
    """One per incarnation of a supervised sandbox. Used from the event loop only."""

    def __init__(self, control: socket.socket, was_oom: Callable[[], bool]) -> None:
        """`control` is the server's end; `was_oom` tells whether memory was the reason for the latest end."""
        self._loop = asyncio.get_running_loop()
        self._control = control
        self._was_oom = was_oom
        self._numbers = itertools.count()
        self._starting: dict[str, asyncio.Future[SupervisedProcess]] = {}
        self._connecting: dict[int, asyncio.Future[socket.socket]] = {}
        self._over = False
        self.processes: dict[str, SupervisedProcess] = {}
        self.runtime_exited: asyncio.Future[Exit] = self._loop.create_future()
        control.setblocking(False)
        self._loop.add_reader(control.fileno(), self._read)

    async def spawn(self, name: str, order: wire.Message) -> SupervisedProcess:
        """Start the process an order describes. A name is used once. Raises LaunchError, SandboxError."""
        return await self._ask(self._starting, name, order)

    async def connect(self, port: int) -> socket.socket:
        """See `Sandbox.connect`."""
        number = next(self._numbers)
        connection = await self._ask(self._connecting, number, {"do": "connect", "number": number, "port": port})
        return await connected(connection)

    async def _ask(self, asked: dict[_K, asyncio.Future[_V]], key: _K, message: wire.Message) -> _V:
        if self._over:
            raise SandboxError("the sandbox is gone")
        answer: asyncio.Future[_V] = self._loop.create_future()
        asked[key] = answer
        try:
            await self._send(message)
            return await answer
        finally:
            asked.pop(key, None)

    async def _send(self, message: wire.Message) -> None:
        """Whole or not at all; the socket holds some dozen orders, and a frozen supervisor reads none."""
        while not self._over:
            try:
                wire.send(self._control, message)
            except BlockingIOError:
                await asyncio.sleep(0.001)
            except OSError:
                self.all_ended(Exit(None, 9))
            else:
                return

    def _signal(self, name: str, number: int) -> None:
        if not self._over:
            self._loop.create_task(self._send({"do": "signal", "name": name, "signal": number}))

    def _read(self) -> None:
        while not self._over:
            try:
                received = wire.receive(self._control)
            except BlockingIOError:
                return
            except OSError:
                received = None
            if received is None:
                self._loop.remove_reader(self._control.fileno())
                return  # the end of the first process is told by the zygote, with its reason
            self._hear(*received)

    def _hear(self, message: wire.Message, descriptors: list[int]) -> None:
        kind, name = message["is"], message.get("name", "")
        if kind == "spawned":
            self._spawned(name, message["pid"])
        elif kind == "failed":
            _fail(self._starting.get(name), LaunchError(message["errno"], message["program"]))
        elif kind == "connecting":
            connection = socket.socket(fileno=descriptors[0])
            waiting = self._connecting.get(message["number"])
            if waiting is None or waiting.done():
                connection.close()
            else:
                waiting.set_result(connection)
        elif kind == "exited":
            code = os.waitstatus_to_exitcode(message["status"])
            ended = Exit(
                code if code >= 0 else None,
                -code if code < 0 else None,
                oom=code == -signal.SIGKILL and self._was_oom(),
            )
            _resolve(self.processes[name].exited, ended)

    def _spawned(self, name: str, pid: int) -> None:
        exited = self.runtime_exited if name == RUNTIME else self._loop.create_future()
        process = SupervisedProcess(name, pid, exited, lambda number: self._signal(name, number))
        self.processes[name] = process
        if (waiting := self._starting.get(name)) is not None and not waiting.done():
            waiting.set_result(process)

    def all_ended(self, ended: Exit) -> None:
        """The supervisor is gone, and everything with it; whoever waits hears so."""
        if self._over:
            return
        self._read()  # what it had still said
        self._over = True
        self._loop.remove_reader(self._control.fileno())
        for exited in (self.runtime_exited, *(process.exited for process in self.processes.values())):
            _resolve(exited, ended)
        gone = SandboxError(ended.failure or "the sandbox is gone")
        waiting: list[asyncio.Future[Any]] = [*self._starting.values(), *self._connecting.values()]
        for answer in waiting:
            _fail(answer, gone)

    def close(self) -> None:
        """Let go of the socket."""
        self.all_ended(Exit(None, 9))
        self._control.close()


async def connected(connection: socket.socket, port: int | None = None) -> socket.socket:
    """`connection` once it is connected: to `port` of its loopback, None: an attempt has begun. OSError, and closed."""
    try:
        if port is not None:
            with contextlib.suppress(BlockingIOError):
                connection.connect(("127.0.0.1", port))
        await _writable(connection)
        _check(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def _check(connection: socket.socket) -> None:
    if error := connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
        raise OSError(error, os.strerror(error))
    connection.getpeername()  # raises when the attempt had failed at once


async def _writable(connection: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    written = loop.create_future()
    loop.add_writer(connection.fileno(), _resolve, written, None)
    try:
        await written
    finally:
        loop.remove_writer(connection.fileno())


def _resolve(future: asyncio.Future[_V], value: _V) -> None:
    if not future.done():
        future.set_result(value)


def _fail(future: asyncio.Future[_V] | None, error: Exception) -> None:
    if future is not None and not future.done():
        future.set_exception(error)
