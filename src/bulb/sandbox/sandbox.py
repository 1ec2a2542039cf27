"""One sandbox: a cell and the process that now runs in it.

The process can die and be replaced (`restart`) while the cell stays: /tmp, limits, code and network are the cell's.
Every process has its own API socket, log pipe and `exited`. Used from the event loop only.
"""

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Protocol

from bulb.sandbox.cell import Cell, Order
from bulb.sandbox.model import Code, Exit, Image, Limits, SandboxError
from bulb.sandbox.supervisor import RUNTIME, Output, SupervisedProcess, Supervisor, connected
from bulb.sandbox.zygote import Process, on_host

# An API socket carries 6 MB events; a larger buffer saves wake-ups, and the kernel caps it anyway.
_API_BUFFER = 1 << 20
# Environment variables that list folders.
_SEARCHED = ("PATH", "LD_LIBRARY_PATH", "PYTHONPATH", "NODE_PATH")


class Parent(Protocol):
    """Who makes a sandbox's processes: the zygote of its image, or a template of its function."""

    def spawn(self, name: str, order: Order, process: Process) -> None:
        """Ask for a process. Returns at once; `process` is told how it goes."""

    def signal(self, name: str, number: int) -> None:
        """Send a signal to the process `name`, if it still exists."""

    def forget(self, name: str) -> None:
        """The sandbox `name` will not be started again."""


ParentOf = Callable[[Image], Awaitable[Parent]]


class Sandbox:
    """See the module. Attributes that change with `restart`: `pid`, `api`, `log`, `listeners`, `exited`, the next four.

    A supervised sandbox begins with a supervisor only: `spawn` starts the runtime and others beside it, `processes`
    says how each ends, `extension_log` is a second pipe like `log`, `connect` reaches a port inside. `exited` is the
    end of everything, `runtime_exited` that of the runtime alone; without a supervisor both are the same future.

    `api` is the host's end of a stream socket, `log` the non-blocking read end of the pipe that is stdout, stderr and
    descriptor 4 inside. `runtime_listener` and `endpoint_listener` listen inside, on the addresses `runtime_api` and
    `endpoint` (None on the plain rung: use the machine's own address). `variables` must be among the environment
    variables told to the process: where this rung keeps what others find at /tmp and /var/task.
    """

    def __init__(
        self, name: str, image: Image, births: asyncio.Semaphore, parent_of: ParentOf, supervised: bool = False
    ) -> None:
        """Use `SandboxHost.start`."""
        self.id = name
        self.image = image
        self.pid = 0
        self.cell: Cell
        self.api: socket.socket
        self.log = -1
        self.runtime_listener: socket.socket | None = None
        self.endpoint_listener: socket.socket | None = None
        self.exited: asyncio.Future[Exit]
        self.runtime_exited: asyncio.Future[Exit]
        self.extension_log = -1
        self._supervised = supervised or image.supervised
        self._supervisor: Supervisor | None = None
        self._births = births
        self._parent_of = parent_of
        self._parent: Parent
        self._generation = 0
        self._process: _Process
        # The present process is to end, or never to be.
        self._is_killed = False
        self._closed = False
        self._when_closed: Callable[[str], object] | None = None

    def when_closed(self, call: Callable[[str], object]) -> None:
        """Call with the sandbox's id once it is closed."""
        self._when_closed = call

    @property
    def variables(self) -> Mapping[str, str]:
        """What the process has to be told because of the rung it runs on."""
        return self.cell.variables

    @property
    def listeners(self) -> tuple[socket.socket | None, socket.socket | None]:
        """Runtime API and AWS endpoint."""
        return self.runtime_listener, self.endpoint_listener

    @property
    def runtime_api(self) -> str:
        """The Runtime API's address as seen inside, `host:port`."""
        return self.cell.addresses()[0]

    @property
    def endpoint(self) -> str | None:
        """The AWS endpoint's address as seen inside."""
        return self.cell.addresses()[1]

    async def begin(self, cell: Cell, snapshot: socket.socket | None = None) -> None:
        """Start the first process in `cell`; with `snapshot`, as a template that takes orders there. SandboxError."""
        self.cell = cell
        await self._spawn(snapshot)

    async def _spawn(self, snapshot: socket.socket | None = None) -> None:
        self._parent = await self._parent_of(self.image)
        if self._closed:
            raise SandboxError(f"sandbox {self.id} is closed")
        self.exited = self.runtime_exited = asyncio.get_running_loop().create_future()
        self.pid = 0
        self._is_killed = False
        self.cell.begin_init()
        try:
            await self._ask_for_process(snapshot)
        except BaseException:
            # Nobody else would say that there is none.
            for exited in (self.exited, self.runtime_exited):
                if not exited.done():
                    exited.set_result(Exit(None, signal.SIGKILL))
            raise
        if self._process.makes_listeners:
            await self._process.complete.wait()
        self.runtime_listener, self.endpoint_listener = self.cell.listeners()

    async def _ask_for_process(self, snapshot: socket.socket | None) -> None:
        order = await self.cell.order()
        with contextlib.ExitStack() as undo:
            undo.callback(order.close)
            self.api, theirs = socket.socketpair()
            self.api.setblocking(False)
            self.log, written = os.pipe2(os.O_CLOEXEC)
            os.set_blocking(self.log, False)
            order.descriptors += [("api", theirs.detach()), ("log", written)]
            undo.callback(self._let_go)
            if snapshot is not None:
                order.descriptors.append(("snapshot", snapshot.detach()))
            if self._supervised:
                self._add_supervisor(order)
            # Given back when the process is born, so that a burst does not bury the zygote.
            await self._births.acquire()
            undo.callback(self._births.release)
            self._parent = await self._parent_of(self.image)  # the one it had may have ended while it waited
            if self._is_killed or self._closed:
                raise SandboxError(f"sandbox {self.id} was killed before its process was born")
            undo.pop_all()
        self._generation += 1
        self._process = _Process(self, self._births, makes_listeners=bool(order.fields["ports"]))
        self._parent.spawn(f"{self.id}.{self._generation}", order, self._process)

    def _add_supervisor(self, order: Order) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.extension_log, written = os.pipe2(os.O_CLOEXEC)
        os.set_blocking(self.extension_log, False)
        order.descriptors += [("supervision", theirs.detach()), ("extension_log", written)]
        self._supervisor = Supervisor(ours, self.cell.was_oom)
        self.runtime_exited = self._supervisor.runtime_exited

    @property
    def is_supervised(self) -> bool:
        """Several processes can run in it, started by `spawn`; none runs by itself."""
        return self._supervised

    @property
    def processes(self) -> Mapping[str, SupervisedProcess]:
        """Those that were started in the present incarnation, also when they have ended; by name."""
        return self._supervisor.processes if self._supervisor is not None else {}

    def place(self, path: str) -> str:
        """Where what is at `path` (/var/..., /opt/...) on the full rung is on this one."""
        if self.cell.place("/var/task") != "/var/task":
            return self.cell.place(on_host(self.image, (path,))[0])
        return path

    def told(self, variables: Mapping[str, str]) -> dict[str, str]:
        """`variables`, meant for a process inside, as this rung needs them: its own added, folders where they are."""
        told = {**variables, **self.variables}
        for name in _SEARCHED:
            if name in told:
                told[name] = ":".join(map(self.place, told[name].split(":")))
        return told

    async def spawn(
        self,
        name: str,
        programs: Sequence[Sequence[str]],
        environment: Mapping[str, str],
        *,
        output: Output = "function",
        keeps: tuple[int, ...] = (),
    ) -> SupervisedProcess:
        """Start the first of `programs` (argument vectors; paths as on the full rung) that exists, in /var/task.

        No program, for an image that forks: its `run`. `environment` is the whole of its environment; `keeps` says
        which of descriptors 3 (the API socket: for one process only) and 4 (the log, for frames) it inherits. `output`
        is the log its standard output and error go to. The process named RUNTIME is the one `runtime_exited` is about.
        Only in a supervised sandbox. Raises LaunchError when the program cannot be started, SandboxError when the
        sandbox is gone.
        """
        order = {
            "do": "spawn",
            "name": name,
            "programs": [[self.place(word) for word in program] for program in programs],
            "environment": dict(environment),
            "directory": self.place("/var/task"),
            "output": output,
            "keeps": list(keeps),
        }
        return await self._the_supervisor().spawn(name, order)

    @property
    def is_reachable(self) -> bool:
        """Whether `connect` can work."""
        return self._supervisor is not None or self.cell.is_reachable

    async def connect(self, port: int) -> socket.socket:
        """A non-blocking socket connected to `port` of the loopback inside. OSError when nobody listens there.

        Only while it is not frozen: bound it in time. Without a supervisor: SandboxError on the userns rung.
        """
        if self._supervisor is not None:
            return await self._supervisor.connect(port)
        connection = await self.cell.socket_inside()
        if connection is None:
            raise SandboxError(f"sandbox {self.id} can be reached by a supervisor only")
        return await connected(connection, port)

    def _the_supervisor(self) -> Supervisor:
        if self._supervisor is None:
            raise SandboxError(f"sandbox {self.id} is not supervised")
        return self._supervisor

    async def born(self) -> int:
        """The process's pid on the machine, once it has one. Raises SandboxError when it could not be made."""
        await self._process.complete.wait()
        if self.pid == 0:
            raise SandboxError(self._process.failure or "the process was never born")
        return self.pid

    async def claim(self, limits: Limits, code: Code) -> None:
        """Make a blank sandbox that of a function: its code appears, its limits hold. Raises SandboxError."""
        pid = await self.born()
        try:
            if not await self.cell.claim(pid, limits, code):
                await self.restart()
        except OSError as error:
            raise SandboxError(f"sandbox {self.id} could not be claimed: {error}") from error

    def end_init(self) -> None:
        """Init is over: from now on the CPU share of its memory (1,769 MB is one vCPU)."""
        self.cell.end_init()

    def freeze(self) -> None:
        """Stop every process inside where the machine can; costs about 0.2 ms."""
        self.cell.freeze()

    def thaw(self) -> None:
        """Let them go on."""
        self.cell.thaw()

    def memory_peak(self) -> int:
        """Bytes of memory used at most since the last reset, without what lies in /tmp."""
        return self.cell.memory_peak()

    def broke_limit(self) -> bool:
        """The living process had more memory than its limit. Costs more than `memory_peak`: ask that first."""
        return self.cell.broke_limit()

    def reset_memory_peak(self) -> None:
        """Measure anew from here."""
        self.cell.reset_memory_peak()

    async def terminate(self, number: int = signal.SIGTERM) -> None:
        """Send a signal to the runtime. Without a supervisor it is not disturbed if it has no handler for it."""
        if RUNTIME in self.processes:
            self.processes[RUNTIME].signal(number)
        elif not self._supervised:
            self._signal(number)

    async def kill(self) -> Exit:
        """Kill everything inside and wait until it is gone. Does nothing twice."""
        if not self.exited.done():
            self.kill_now()
        return await asyncio.shield(self.exited)

    def kill_now(self) -> None:
        """Ask for the end of everything inside, without waiting. What is not born yet never will be."""
        self._is_killed = True
        with contextlib.suppress(OSError):
            self.cell.lift_share()
        self._signal(signal.SIGKILL)
        with contextlib.suppress(OSError):
            self.cell.thaw()  # a frozen process does not die

    def _signal(self, number: int) -> None:
        self._parent.signal(f"{self.id}.{self._generation}", number)

    async def restart(self) -> None:
        """Kill everything inside and start a fresh process in the same cell: /tmp keeps its files."""
        await self.kill()
        if self._closed:
            raise SandboxError(f"sandbox {self.id} is closed")
        self._let_go()
        try:
            await self._spawn()
        except OSError as error:
            raise SandboxError(f"sandbox {self.id} could not be restarted: {error}") from error

    async def close(self) -> None:
        """Kill everything and leave nothing: no process, group, mount, descriptor or namespace."""
        if self._closed:
            return
        self._closed = True
        await self.kill()
        self._let_go()
        self._parent.forget(self.id)
        await self.cell.close()
        if self._when_closed is not None:
            self._when_closed(self.id)

    def all_ended(self, ended: Exit) -> None:
        """The first process is gone, and all others with it."""
        if self._supervisor is not None:
            self._supervisor.all_ended(ended)

    def _let_go(self) -> None:
        self.api.close()
        if self.log >= 0:
            os.close(self.log)
            self.log = -1
        if self._supervisor is not None:
            self._supervisor.close()
            self._supervisor = None
        if self.extension_log >= 0:
            os.close(self.extension_log)
            self.extension_log = -1
        for listener in self.listeners:
            if listener is not None:
                listener.close()
        self.runtime_listener = self.endpoint_listener = None


class _Process:
    """Hears about one process of a sandbox. `complete` is set when it is born (and listens), or never will be."""

    def __init__(self, sandbox: Sandbox, births: asyncio.Semaphore, makes_listeners: bool) -> None:
        self._sandbox = sandbox
        self._births: asyncio.Semaphore | None = births
        self._exited = sandbox.exited
        self.failure: str | None = None
        self.complete = asyncio.Event()
        self.makes_listeners = makes_listeners

    def born(self, pid: int) -> None:
        self._sandbox.pid = pid
        self._sandbox.cell.watch(pid)
        self.release()
        if not self.makes_listeners:
            self.complete.set()

    def listening(self, runtime: socket.socket, endpoint: socket.socket) -> None:
        self._sandbox.cell.listening(runtime, endpoint)
        self.complete.set()

    def failed(self, why: str) -> None:
        self.failure = why
        self._over()

    def ended(self, exit_: Exit) -> None:
        self._over()
        self._sandbox.cell.unwatch()
        if not self._exited.done():
            ended = replace(exit_, oom=self._sandbox.cell.was_oom(), failure=self.failure)
            self._exited.set_result(ended)
            self._sandbox.all_ended(ended)

    def _over(self) -> None:
        self.complete.set()
        self.release()

    def release(self) -> None:
        """The birth is over: another may begin."""
        if self._births is not None:
            self._births.release()
            self._births = None
