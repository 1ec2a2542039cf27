"""The extensions of one generation of processes: what they are told, what is waited for, and how they are shut down.

The two APIs (`extensions_api`, `telemetry_api`) are without sockets; this joins them to an environment's life. A
function without extensions never gets further than an empty session.
"""

import asyncio
import time

from bulb.core.clock import Clock
from bulb.core.facts import EnvironmentRef, ExtensionReported, Facts
from bulb.environments.extensions_api import PREFIX, ExtensionsSession, FunctionFacts, ShutdownReason
from bulb.environments.metadata import PREFIX as METADATA_PREFIX
from bulb.environments.metadata import Metadata
from bulb.environments.model import Event, FunctionSpec
from bulb.environments.ports import EnvironmentLog
from bulb.environments.runtime_api import deadline_ms
from bulb.environments.telemetry_api import PREFIXES, TelemetryHub
from bulb.http.message import Request, Response
from bulb.sandbox.host import Sandbox
from bulb.sandbox.model import Exit

# How long a shutdown phase may take: with internal extensions only, and with external ones; the runtime's share of it.
INTERNAL_BUDGET_S, EXTERNAL_BUDGET_S, RUNTIME_SHARE = 0.5, 2.0, 0.3


class Extensions:
    """See the module. True when there is any extension."""

    def __init__(
        self, spec: FunctionSpec, ref: EnvironmentRef, sandbox: Sandbox, log: EnvironmentLog, facts: Facts, clock: Clock
    ) -> None:
        loop = asyncio.get_running_loop()
        about = FunctionFacts(spec.ref.name, spec.ref.version, spec.handler, spec.ref.account)
        self._ref = ref
        self._sandbox = sandbox
        self._log = log
        self._facts = facts
        self._clock = clock
        self.session = ExtensionsSession(loop, about)
        self.metadata = Metadata(spec.ref.region)
        self.telemetry = TelemetryHub(ref, self.session, None, facts, clock, self._follow)

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

    async def ready(self, runtime_exited: asyncio.Future[Exit], until: float) -> None:
        """Return when everybody has asked for the next event, something failed, or it is `until` (perf_counter)."""
        while not self.session.all_ready and self.session.fatal_error is None and not runtime_exited.done():
            left = until - time.perf_counter()
            if left <= 0:
                return
            either = (self.session.moved(), runtime_exited)
            await asyncio.wait(either, timeout=left, return_when=asyncio.FIRST_COMPLETED)

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

    async def shut_down(self, reason: ShutdownReason, runtime_exited: asyncio.Future[Exit]) -> None:
        """Let the runtime and the extensions end by themselves while they may; the caller kills whoever is left."""
        external = self.session.has_external
        budget = EXTERNAL_BUDGET_S if external else INTERNAL_BUDGET_S
        began = time.perf_counter()
        self._sandbox.thaw()
        if not runtime_exited.done():
            await self._sandbox.terminate()
            share = budget * RUNTIME_SHARE if external else budget
            await asyncio.wait((runtime_exited,), timeout=share)
        left = budget - (time.perf_counter() - began)
        told = self.session.shut_down(reason, deadline_ms(left))
        await self.telemetry.drain(left if told else 0.0)

    async def close(self) -> None:
        """The processes are gone."""
        self.session.close()
        await self.telemetry.close()

    def _follow(self) -> None:
        self._log.follow(self.telemetry.take)
