"""The extensions of one generation of processes: what they are told, what is waited for, and how they are shut down.

The two APIs (`extensions_api`, `telemetry_api`) are without sockets; this joins them to an environment's life. A
function without extensions never gets further than an empty session.
"""

import asyncio
import errno
import os
import signal
import socket
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from bulb.core.clock import Clock
from bulb.core.deadline import Deadline
from bulb.core.facts import EnvironmentRef, EnvironmentStarted, ExtensionReported, Facts, InitPhase
from bulb.environments import failures
from bulb.environments.extensions_api import MOST_EXTENSIONS, PREFIX, ExtensionsSession, FunctionFacts, ShutdownReason
from bulb.environments.metadata import PREFIX as METADATA_PREFIX
from bulb.environments.metadata import Metadata
from bulb.environments.model import Event, FunctionSpec, Reply
from bulb.environments.ports import EnvironmentLog
from bulb.environments.runtime_api import deadline_ms
from bulb.environments.telemetry_api import PREFIXES, TelemetryHub
from bulb.http.message import Request, Response
from bulb.sandbox.host import RUNTIME, LaunchError, Sandbox, SupervisedProcess
from bulb.sandbox.model import Exit, SandboxError
from bulb.telemetry import events

FOLDER = "/opt/extensions"
# How long a shutdown phase may take: with internal extensions only, and with external ones; the runtime's share of it.
INTERNAL_BUDGET_S, EXTERNAL_BUDGET_S, RUNTIME_SHARE = 0.5, 2.0, 0.3

# Of a shutdown phase: how long what has been told already may take to arrive before the extensions hear of the end.
_LAST_DELIVERY_S = 0.3
# What is left to them then, whatever held up the server meanwhile.
_LEAST_S = EXTERNAL_BUDGET_S * (1 - RUNTIME_SHARE) - _LAST_DELIVERY_S


def external(opt: Path | None) -> tuple[str, ...]:
    """The names of the external extensions in merged layers: whatever is a file directly inside `extensions`.

    Links are followed inside the layers only: out here any other leads into the machine.
    """
    if opt is None:
        return ()
    folder = opt / "extensions"
    if not _is_folder(folder, opt):
        return ()
    return tuple(sorted(entry.name for entry in os.scandir(folder) if not _is_folder(folder / entry.name, opt)))


def _is_folder(path: Path, opt: Path) -> bool:
    try:
        is_inside = not path.is_symlink() or path.resolve().is_relative_to(opt.resolve())
    except RuntimeError:  # a link to itself
        return False
    return is_inside and path.is_dir()


class Extensions:
    """See the module. True when there is any extension; `names` are the external ones.

    `failed` resolves when one of those could not be started or has ended unasked: the type of the error, and its text.
    """

    def __init__(
        self,
        spec: FunctionSpec,
        ref: EnvironmentRef,
        sandbox: Sandbox,
        log: EnvironmentLog,
        facts: Facts,
        clock: Clock,
        names: tuple[str, ...] = (),
    ) -> None:
        loop = asyncio.get_running_loop()
        about = FunctionFacts(spec.ref.name, spec.ref.version, spec.handler, spec.ref.account)
        self._ref = ref
        self._sandbox = sandbox
        self._log = log
        self._facts = facts
        self._clock = clock
        self._processes: dict[str, SupervisedProcess] = {}
        self._ending = False
        self.names = names
        self.failed: asyncio.Future[tuple[str, str]] = loop.create_future()
        self.session = ExtensionsSession(loop, about)
        self.session.expect(names)
        self.metadata = Metadata(spec.ref.region)
        connect = self._connect if sandbox.is_reachable else None
        self.telemetry = TelemetryHub(ref, self.session, connect, facts, clock, self._follow)

    def __bool__(self) -> bool:
        return bool(self.session)

    async def handle(self, request: Request) -> Response | None:
        """Answer a request of the Extensions, Telemetry, Logs or metadata API; None when it is of none of them."""
        if request.path.startswith(PREFIX):
            return await self.session.handle(request)
        if request.path.startswith(PREFIXES):
            return await self.telemetry.handle(request)
        if request.path.startswith(METADATA_PREFIX):
            return self.metadata.handle(request)
        return None

    def begin(self, phase: InitPhase) -> None:
        """An init phase with external extensions begins: whoever subscribes during it is told so."""
        self._follow()
        self.telemetry.take(events.init_start(EnvironmentStarted(self._ref, self._clock.now()), phase))

    async def launch(self, environment: Mapping[str, str], deadline: Deadline) -> None:
        """Start the external extensions, all at once; return when all have registered, one failed, or it is over."""
        await asyncio.gather(*(self._launch(number, name, environment) for number, name in enumerate(self.names)))
        await self._wait(lambda: self.session.all_registered, deadline)

    async def ready(self, deadline: Deadline) -> bool:
        """Whether everybody asks for the next event in time, and nothing fails meanwhile."""
        await self._wait(lambda: self.session.all_ready, deadline)
        return self.session.all_ready and self.is_sound

    @property
    def is_sound(self) -> bool:
        """Nothing has failed, and nobody has said that it will."""
        return self.session.fatal_error is None

    def failure(self, request_id: str) -> Reply | None:
        """What an event gets for an extension that failed."""
        return failures.extension(request_id, *self.failed.result()) if self.failed.done() else None

    async def _wait(self, is_so: Callable[[], bool], deadline: Deadline) -> None:
        exited = self._sandbox.runtime_exited
        while not is_so() and not self.failed.done() and not exited.done() and deadline.left():
            await deadline.first_of(self.session.moved(), exited, self.failed)

    async def _launch(self, number: int, name: str, environment: Mapping[str, str]) -> None:
        if number >= MOST_EXTENSIONS:
            self._not_launched(name, "TooManyExtensions", f"Extension limit ({MOST_EXTENSIONS}) reached")
            return
        program = f"{FOLDER}/{name}"
        try:
            process = await self._sandbox.spawn(f"extension {name}", [[program]], environment, output="extension")
        except LaunchError as error:
            denied = error.number in {errno.EACCES, errno.EPERM}
            text = f"fork/exec {program}: {os.strerror(error.number).lower()}"
            self._not_launched(name, "PermissionDenied" if denied else "UnknownError", text)
        else:
            self._processes[name] = process
            process.exited.add_done_callback(lambda ended: self._exited(name, ended.result()))

    def _not_launched(self, name: str, error_type: str, text: str) -> None:
        self.session.launch_failed(name, error_type)
        self._fail("Extension.LaunchError", text)

    def _exited(self, name: str, ended: Exit) -> None:
        if not self._ending:
            self._fail(self.session.exited(name), failures.ending(ended.status, ended.signal))

    def _fail(self, error_type: str, text: str) -> None:
        if not self.failed.done():
            self.failed.set_result((error_type, text))

    def end_init(self) -> None:
        """The init phase is over: say what became of every extension; nobody may subscribe any more."""
        self.session.close_registration()
        for extension in self.session:
            self._facts.emit(
                ExtensionReported(
                    self._ref,
                    self._clock.now(),
                    extension.name,
                    extension.state.value,
                    extension.events,
                    extension.error_type,
                )
            )
        self.telemetry.close_subscription()

    def invoke(self, event: Event, deadline: int) -> None:
        """Tell those who asked for it of an invocation."""
        self.session.invoke(event, deadline)

    async def shut_down(self, reason: ShutdownReason) -> None:
        """Let the runtime and the extensions end by themselves while they may; the caller kills whoever is left."""
        self._ending = True
        budget = EXTERNAL_BUDGET_S if self.session.has_external else INTERNAL_BUDGET_S
        ends = time.perf_counter() + budget
        self._sandbox.thaw()
        exited = self._sandbox.runtime_exited
        if not exited.done():
            await self._sandbox.terminate()
            await Deadline.within(budget * RUNTIME_SHARE if self._processes else budget).first_of(exited)
            if not exited.done() and RUNTIME in self._sandbox.processes:
                self._sandbox.processes[RUNTIME].signal(signal.SIGKILL)
        if self._processes:
            await self.telemetry.drain(_LAST_DELIVERY_S)
            await self._end_processes(reason, ends)

    async def _end_processes(self, reason: ShutdownReason, ends: float) -> None:
        left = max(ends - time.perf_counter(), _LEAST_S)
        deadline = Deadline.within(left)
        told = self.session.shut_down(reason, deadline_ms(left))
        for name, process in self._processes.items():
            if name not in told:
                process.signal(signal.SIGKILL)
        for process in self._processes.values():
            await deadline.first_of(process.exited)

    async def close(self) -> None:
        """The processes are gone."""
        self.session.close()
        await self.telemetry.close()

    async def _connect(self, port: int) -> socket.socket:
        try:
            return await self._sandbox.connect(port)
        except SandboxError as error:
            raise OSError(str(error)) from error

    def _follow(self) -> None:
        self._log.follow(self.telemetry.take)
