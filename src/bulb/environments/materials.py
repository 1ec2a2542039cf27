"""What the environments of a version are made from, and how each is called."""

from dataclasses import dataclass
from datetime import UTC, datetime

from bulb.core.facts import EnvironmentRef, Initialization
from bulb.core.ids import hex_id
from bulb.environments.images import PreparedImages
from bulb.environments.model import FunctionSpec
from bulb.runtimes.catalogue import RUNTIMES
from bulb.runtimes.packages import CodeStore
from bulb.sandbox.model import Code, Image, Limits


@dataclass(frozen=True, slots=True)
class Materials:
    """From a specification to what a sandbox takes."""

    images: PreparedImages
    packages: CodeStore

    async def image(self, spec: FunctionSpec) -> Image:
        """The image of its runtime. Raises AwsError InvalidRuntimeException when this machine cannot run it."""
        ready = self.images.ready(spec.runtime, spec.uses_sdk)
        return ready or await self.images.prepare(spec.runtime, spec.uses_sdk)

    async def code(self, spec: FunctionSpec) -> Code:
        """Its package and its layers, merged."""
        return Code(task=spec.code, opt=await self.packages.merge_layers(spec.layers) if spec.layers else None)


def limits(spec: FunctionSpec) -> Limits:
    """Memory and /tmp."""
    return Limits(memory_mb=spec.memory_mb, tmp_mb=spec.ephemeral_mb)


def reference(spec: FunctionSpec, initialization: Initialization, now: float) -> EnvironmentRef:
    """A new environment's name and the place of its log."""
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
