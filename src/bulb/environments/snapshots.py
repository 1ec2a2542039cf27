"""SnapStart: a version initialised once, and environments that begin as copies of that moment.

The *template* is an environment that never gets an event: its runtime has run the function's init and waits to be
restored, frozen. Environments of the version are forks of it. Nothing is stored: after a restart of the server the
first need of a version runs its init again.
"""

import asyncio
from dataclasses import dataclass

from bulb.core.clock import Clock
from bulb.core.errors import AwsError
from bulb.core.facts import EnvironmentStarted, Facts, FunctionRef, SnapshotCached
from bulb.environments.environment import Environment
from bulb.environments.materials import Materials, limits, reference
from bulb.environments.model import FunctionSpec
from bulb.environments.ports import LogBook
from bulb.environments.restored import RestoredEnvironment
from bulb.environments.starting import Starter
from bulb.environments.states import State
from bulb.sandbox.host import SandboxHost, Template

# A snapshot is paid for three hours at least, as Lambda's price list is quoted.
LEAST_S = 3 * 3600
PERIOD_S = 300


@dataclass(slots=True)
class _Snapshot:
    """A template that waits, of one revision. `paid_until` is Unix seconds."""

    revision: str
    template: Template
    environment: Environment
    paid_until: float

    @property
    def is_alive(self) -> bool:
        return self.environment.state is State.READY and not self.environment.sandbox.exited.done()


class Snapshots:
    """Makes templates, keeps them, and restores environments from them."""

    def __init__(
        self,
        sandboxes: SandboxHost,
        materials: Materials,
        starter: Starter,
        logs: LogBook,
        facts: Facts,
        clock: Clock,
    ) -> None:
        self._sandboxes = sandboxes
        self._materials = materials
        self._starter = starter
        self._logs = logs
        self._facts = facts
        self._clock = clock
        self._kept: dict[FunctionRef, _Snapshot] = {}
        self._locks: dict[FunctionRef, asyncio.Lock] = {}
        # Versions whose snapshot is being made and still wanted.
        self._making: set[FunctionRef] = set()
        self._ending: set[asyncio.Task[None]] = set()
        self._charging: asyncio.Task[None] | None = None

    @property
    def lacks(self) -> str | None:
        """What this machine has not got for it, None where it has all."""
        return None if self._sandboxes.makes_templates else "full isolation and user namespaces"

    async def make(self, spec: FunctionSpec) -> str | None:
        """Run the version's init and keep the moment after it. Why that failed, or None.

        Raises AwsError InvalidRuntimeException when this machine cannot run the runtime.
        """
        if self.lacks is not None:  # the version was published when the server had it
            return f"Bulb cannot start this version from a snapshot here: it needs {self.lacks}."
        async with self._locks.setdefault(spec.ref, asyncio.Lock()):
            kept = self._kept.get(spec.ref)
            if kept is not None and kept.revision == spec.revision and kept.is_alive:
                return None
            self.retire(spec.ref)
            self._making.add(spec.ref)
            image = await self._materials.image(spec)
            template = await self._sandboxes.start_template(image, limits(spec), await self._materials.code(spec))
            ref = reference(spec, "snap-start", self._clock.now())
            log = self._logs.open(ref, spec)
            self._facts.emit(EnvironmentStarted(ref, self._clock.now()))
            environment = Environment(spec, ref, template.sandbox, log, self._starter, self._facts, self._clock)
            snapshot = _Snapshot(spec.revision, template, environment, paid_until=self._clock.now())
            try:
                await environment.initialize()
            except BaseException:
                await self._end(snapshot, "failure")
                raise
            snapshot.paid_until = self._clock.now()
            if not snapshot.is_alive:
                await self._end(snapshot, "failure")
                return "The function's initialization failed; its log says why."
            if spec.ref not in self._making:
                await self._end(snapshot, "update")
                return "The version is gone."
            self._making.discard(spec.ref)
            template.freeze()
            self._kept[spec.ref] = snapshot
            self._charge(snapshot, LEAST_S)
            self._charging = self._charging or asyncio.create_task(self._charge_all())
            return None

    async def restore(self, spec: FunctionSpec) -> Environment:
        """An environment that is a copy of the version's template; the caller runs `initialize`.

        Raises AwsError SnapStartException when there is no template and none can be made.
        """
        failure = await self.make(spec)
        if failure is not None:
            raise AwsError("SnapStartException", failure)
        kept = self._kept[spec.ref]
        sandbox = await self._sandboxes.restore(kept.template, limits(spec))
        ref = reference(spec, "snap-start", self._clock.now())
        log = self._logs.open(ref, spec)
        return RestoredEnvironment(spec, ref, sandbox, log, self._starter, self._facts, self._clock)

    def retire(self, ref: FunctionRef) -> None:
        """The version changed or is gone."""
        self._making.discard(ref)
        if (snapshot := self._kept.pop(ref, None)) is not None:
            task = asyncio.create_task(self._end(snapshot, "update"))
            self._ending.add(task)
            task.add_done_callback(self._ending.discard)

    def _charge(self, snapshot: _Snapshot, seconds: int) -> None:
        """Time is charged when it begins."""
        spec = snapshot.environment.spec
        snapshot.paid_until += seconds
        self._facts.emit(SnapshotCached(spec.ref, spec.architecture, spec.memory_mb, self._clock.now(), seconds))

    async def _charge_all(self) -> None:
        while True:
            await self._clock.sleep(PERIOD_S)
            for snapshot in self._kept.values():
                overdue = self._clock.now() - snapshot.paid_until
                if overdue >= 0:
                    self._charge(snapshot, (int(overdue) // PERIOD_S + 1) * PERIOD_S)

    async def _end(self, snapshot: _Snapshot, reason: str) -> None:
        snapshot.template.alive = False
        await snapshot.environment.end(reason)
        await snapshot.template.close()

    async def close(self) -> None:
        """End every template; the environments made from them end with it."""
        if self._charging is not None:
            self._charging.cancel()
        for ref in list(self._kept):
            self.retire(ref)
        await asyncio.gather(*self._ending, return_exceptions=True)
