"""Making environments: a blank sandbox from stock or a new one, told which function it is."""

import contextlib
from dataclasses import dataclass
from datetime import UTC, datetime

from bulb.core.clock import Clock
from bulb.core.errors import AwsError
from bulb.core.facts import EnvironmentRef, EnvironmentStarted, Facts, Initialization
from bulb.core.ids import hex_id
from bulb.environments.environment import Environment
from bulb.environments.images import PreparedImages
from bulb.environments.model import FunctionSpec
from bulb.environments.ports import LogBook
from bulb.environments.starting import Starter
from bulb.environments.stock import Stock
from bulb.runtimes.catalogue import RUNTIMES
from bulb.runtimes.packages import CodeStore
from bulb.sandbox.host import Sandbox, SandboxHost
from bulb.sandbox.model import Code, Image, Limits


@dataclass(frozen=True, slots=True)
class EnvironmentFactory:
    """Everything a new environment needs."""

    sandboxes: SandboxHost
    images: PreparedImages
    stock: Stock
    packages: CodeStore
    starter: Starter
    logs: LogBook
    facts: Facts
    clock: Clock

    async def create(self, spec: FunctionSpec, initialization: Initialization = "on-demand") -> Environment:
        """A new environment in its init phase; the caller runs `initialize`.

        Raises AwsError InvalidRuntimeException when this machine cannot run the runtime.
        """
        sandbox = await self._sandbox(spec)
        now = self.clock.now()
        ref = _reference(spec, initialization, now)
        log = self.logs.open(ref, spec)
        self.facts.emit(EnvironmentStarted(ref, now))
        return Environment(spec, ref, sandbox, log, self.starter, self.facts, self.clock)

    async def expect(self, spec: FunctionSpec) -> None:
        """Prepare for environments of `spec`. What prevents them is told to whoever invokes, not here."""
        with contextlib.suppress(AwsError):
            self.stock.keep(await self._image(spec))

    async def _image(self, spec: FunctionSpec) -> Image:
        ready = self.images.ready(spec.runtime, spec.uses_sdk)
        return ready or await self.images.prepare(spec.runtime, spec.uses_sdk)

    async def _sandbox(self, spec: FunctionSpec) -> Sandbox:
        image = await self._image(spec)
        limits = Limits(memory_mb=spec.memory_mb, tmp_mb=spec.ephemeral_mb)
        opt = await self.packages.merge_layers(spec.layers) if spec.layers else None
        code = Code(task=spec.code, opt=opt)
        if (blank := self.stock.take(image)) is not None:
            await blank.claim(limits, code)
            return blank
        self.stock.keep(image)
        return await self.sandboxes.start(image, limits, code)


def _reference(spec: FunctionSpec, initialization: Initialization, now: float) -> EnvironmentRef:
    runtime = RUNTIMES[spec.runtime]
    environment_id = hex_id()
    return EnvironmentRef(
        environment_id=environment_id,
        function=spec.ref,
        log_group=spec.log_group,
        log_stream=log_stream(spec, environment_id, now),
        memory_mb=spec.memory_mb,
        ephemeral_mb=spec.ephemeral_mb,
        architecture=spec.architecture,
        runtime=spec.runtime,
        runtime_version=runtime.label,
        runtime_version_arn=runtime.version_arn(spec.ref.region),
        initialization=initialization,
    )


def log_stream(spec: FunctionSpec, environment_id: str, now: float) -> str:
    """The stream of one environment, named as Lambda names it: by the UTC date of its birth."""
    date = datetime.fromtimestamp(now, UTC).strftime("%Y/%m/%d")
    if spec.log_group == f"/aws/lambda/{spec.ref.name}":
        return f"{date}/[{spec.ref.version}]{environment_id}"
    return f"{date}/{spec.ref.name}[{spec.ref.version}][{environment_id}]"
