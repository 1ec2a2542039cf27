"""The server's end of one zygote: starting it, asking it for processes, hearing how they end."""

import asyncio
import contextlib
import json
import logging
import os
import socket
import sys
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from bulb.sandbox.cell import Order
from bulb.sandbox.inside import wire
from bulb.sandbox.model import Exit, Image, Rung, SandboxError

_log = logging.getLogger(__name__)
_INSIDE = Path(__file__).parent / "inside"
# A cold machine reads an interpreter and its modules from disk.
_READY_TIMEOUT_S = 60.0
_LAUNCH = "import sys; sys.path.insert(0, {parent!r}); import inside.launch"


class Process(Protocol):
    """Who is told about one process. Called on the event loop."""

    def born(self, pid: int) -> None:
        """It exists."""

    def listening(self, runtime: socket.socket, endpoint: socket.socket) -> None:
        """It made its listeners."""

    def failed(self, why: str) -> None:
        """It could not be completed; `ended` follows."""

    def ended(self, exit_: Exit) -> None:
        """It is gone, and everything in its pid namespace with it."""


@dataclass(slots=True)
class _Outgoing:
    message: wire.Message
    descriptors: list[int]


class ZygoteClient:
    """One running zygote. `alive` turns False for good when it ends; its processes have ended with it."""

    def __init__(self, image: Image, control: socket.socket, process: asyncio.subprocess.Process) -> None:
        """Use `start`."""
        self.image = image
        self.alive = True
        self._control = control
        self._process = process
        self._loop = asyncio.get_running_loop()
        self._stderr: asyncio.Task[None]
        self._processes: dict[str, Process] = {}
        self._outgoing: deque[_Outgoing] = deque()
        self._ready: asyncio.Future[None] = self._loop.create_future()
        self._handlers: dict[str, Callable[[wire.Message, list[int]], None]] = {
            "ready": self._on_ready,
            "broken": self._on_broken,
            "born": self._on_born,
            "listening": self._on_listening,
            "failed": self._on_failed,
            "exit": self._on_exit,
        }

    @classmethod
    async def start(
        cls, image: Image, rung: Rung, mountpoint: Path, uids: tuple[int, int], name_servers: tuple[str, ...]
    ) -> "ZygoteClient":
        """A zygote of `image`, prepared and waiting. Raises SandboxError with what it said."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setblocking(False)
        order = _launch_order(image, rung, mountpoint, uids, name_servers, theirs.fileno())
        launch = _LAUNCH.format(parent=str(_INSIDE.parent))
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-I", "-S", "-c", launch, json.dumps(order),
            pass_fds=[theirs.fileno()],
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            env={},
            cwd="/",
            start_new_session=True,
        )  # fmt: skip
        theirs.close()
        client = cls(image, ours, process)
        config = {
            "command": list(image.command) if rung is not Rung.PLAIN else on_host(image, image.command),
            "environment": dict(image.environment),
            "isolated": rung is not Rung.PLAIN,
            "forks": image.forks,
            "prepare": image.prepare,
            "run": image.run,
        }
        client._stderr = client._loop.create_task(client._listen_to_stderr())
        client._loop.add_reader(ours.fileno(), client._read)
        client._send(config)
        try:
            await asyncio.wait_for(client._ready, _READY_TIMEOUT_S)
        except BaseException:
            await client.close()
            raise
        return client

    @property
    def pid(self) -> int:
        """Its process id on the machine."""
        return self._process.pid

    def spawn(self, name: str, order: Order, process: Process) -> None:
        """Ask for a process. Returns at once; `process` is told how it goes."""
        message = {"do": "spawn", "id": name, **order.fields, "fds": [use for use, _ in order.descriptors]}
        self._processes[name] = process
        self._send(message, [fd for _, fd in order.descriptors])
        if not self.alive:
            self._end_all()

    def signal(self, name: str, number: int) -> None:
        """Send a signal to the process `name`, if it still exists."""
        self._send({"do": "signal", "id": name, "signal": number})

    def forget(self, name: str) -> None:
        """The sandbox `name` will not be started again."""
        self._send({"do": "forget", "id": name})

    def _send(self, message: wire.Message, descriptors: list[int] | None = None) -> None:
        self._outgoing.append(_Outgoing(message, descriptors or []))
        self._flush()

    def _flush(self) -> None:
        while self._outgoing:
            first = self._outgoing[0]
            try:
                if self.alive:
                    wire.send(self._control, first.message, tuple(first.descriptors))
            except BlockingIOError:
                self._loop.add_writer(self._control.fileno(), self._flush)
                return
            except OSError as error:
                self._not_sent(first.message, error)
            self._outgoing.popleft()
            for fd in first.descriptors:
                os.close(fd)
        if self.alive:
            self._loop.remove_writer(self._control.fileno())

    def _not_sent(self, message: wire.Message, error: OSError) -> None:
        """It is dead, which the reader will tell; or the kernel takes no more: then nobody else ends the process."""
        if message.get("do") == "spawn" and (process := self._processes.pop(message["id"], None)):
            process.failed(f"the zygote of {self.image.name} could not be told: {error}")
            process.ended(Exit(status=None, signal=9))

    def _read(self) -> None:
        while self.alive:
            try:
                received = wire.receive(self._control)
            except BlockingIOError:
                return
            except OSError:
                received = None
            if received is None:
                self._lost()
                return
            message, descriptors = received
            self._handlers[message["is"]](message, descriptors)

    def _on_ready(self, message: wire.Message, descriptors: list[int]) -> None:
        if not self._ready.done():
            self._ready.set_result(None)

    def _on_broken(self, message: wire.Message, descriptors: list[int]) -> None:
        if not self._ready.done():
            self._ready.set_exception(SandboxError(f"the zygote of {self.image.name} did not start: {message['why']}"))

    def _on_born(self, message: wire.Message, descriptors: list[int]) -> None:
        if process := self._processes.get(message["id"]):
            process.born(message["pid"])

    def _on_listening(self, message: wire.Message, descriptors: list[int]) -> None:
        runtime, endpoint = (socket.socket(fileno=fd) for fd in descriptors)
        if process := self._processes.get(message["id"]):
            process.listening(runtime, endpoint)

    def _on_failed(self, message: wire.Message, descriptors: list[int]) -> None:
        if process := self._processes.get(message["id"]):
            process.failed(message["why"])

    def _on_exit(self, message: wire.Message, descriptors: list[int]) -> None:
        if process := self._processes.pop(message["id"], None):
            process.ended(_exit_of(message))

    def _lost(self) -> None:
        """Its socket is closed: it is dead, and the kernel kills its children for it."""
        self.alive = False
        self._loop.remove_reader(self._control.fileno())
        self._loop.remove_writer(self._control.fileno())
        self._control.close()
        self._flush()
        self._end_all()

    def _end_all(self) -> None:
        processes, self._processes = self._processes, {}
        for process in processes.values():
            process.failed(f"the zygote of {self.image.name} died")
            process.ended(Exit(status=None, signal=9))

    async def _listen_to_stderr(self) -> None:
        """Nothing should be said there; what is, is logged, and is the reason when it never got ready."""
        assert self._process.stderr is not None
        last = "it said nothing"
        async for line in self._process.stderr:
            last = line.decode(errors="replace").rstrip()
            _log.warning("zygote of %s: %s", self.image.name, last)
        if not self._ready.done():
            self._ready.set_exception(SandboxError(f"the zygote of {self.image.name} did not start: {last}"))

    async def close(self) -> None:
        """End it and every process it made."""
        if self.alive:
            self._lost()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._process.wait(), 5)
        if self._process.returncode is None:
            self._process.kill()
            await self._process.wait()
        await self._stderr
        if self._ready.done() and not self._ready.cancelled():
            self._ready.exception()


def _launch_order(
    image: Image, rung: Rung, mountpoint: Path, uids: tuple[int, int], name_servers: tuple[str, ...], control: int
) -> wire.Message:
    own = "" if image.forks else os.path.realpath(sys.base_prefix)
    isolated = rung is not Rung.PLAIN
    executable = Path(os.path.realpath(sys.executable))
    if image.forks:
        python = image.command[0] if isolated else on_host(image, image.command)[0]
        environment = dict(image.environment)
    else:
        # Not the function's interpreter but the server's, which only serves as the parent here.
        python = f"/.bulb/lang/bin/{executable.name}" if isolated and own != "/usr" else str(executable)
        environment = {"LD_LIBRARY_PATH": "/.bulb/lang/lib"} if isolated and own != "/usr" else {}
    return {
        "control": control,
        "isolated": isolated,
        "user_namespace": rung is Rung.USERNS,
        "mountpoint": str(mountpoint),
        "language": str(image.language),
        "runtime": str(image.runtime),
        "inside": str(_INSIDE),
        "parent": str(_INSIDE.parent),
        "interpreter": own,
        "python": python,
        "flags": list(image.command[1:]) if image.forks else ["-I", "-S"],
        "environment": environment,
        "uids": list(uids),
        "name_servers": list(name_servers),
    }


def on_host(image: Image, words: Sequence[str]) -> list[str]:
    """A command with the paths of the inside replaced by those of the machine, for sandboxes without a root."""
    places = (("/var/lang", str(image.language)), ("/var/runtime", str(image.runtime)))
    replaced = list(words)
    for inside, outside in places:
        replaced = [outside + word[len(inside) :] if word.startswith(inside) else word for word in replaced]
    return replaced


def _exit_of(message: wire.Message) -> Exit:
    status = message["status"]
    code = os.waitstatus_to_exitcode(status)
    return Exit(
        status=code if code >= 0 else None,
        signal=-code if code < 0 else None,
        max_rss=message["rss"],
        cpu_s=message["cpu"],
    )
