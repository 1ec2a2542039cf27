"""Making environments: a blank sandbox from stock or a new one, told which function it is."""

import asyncio
import contextlib
import logging
from dataclasses import dataclass

from bulb.core.clock import Clock
from bulb.core.errors import AwsError
from bulb.core.facts import EnvironmentStarted, Facts, Initialization
from bulb.environments.environment import Environment
from bulb.environments.extensions import external
from bulb.environments.materials import Materials, limits, reference
from bulb.environments.model import FunctionSpec
from bulb.environments.ports import LogBook
from bulb.environments.snapshots import Snapshots
from bulb.environments.starting import Starter
from bulb.environments.stock import Stock
from bulb.sandbox.host import Sandbox, SandboxHost
from bulb.sandbox.model import Code, SandboxError

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class EnvironmentFactory:
    """Everything a new environment needs."""

    sandboxes: SandboxHost
    materials: Materials
    stock: Stock
    snapshots: Snapshots
    starter: Starter
    logs: LogBook
    facts: Facts
    clock: Clock

    async def create(self, spec: FunctionSpec, initialization: Initialization = "on-demand") -> Environment:
        """A new environment in its init phase; the caller runs `initialize`.

        Raises AwsError InvalidRuntimeException when this machine cannot run the runtime.
        """
        code = await self.materials.code(spec)
        extensions = await asyncio.to_thread(external, code.opt) if code.opt is not None else ()
        # A copy cannot have been started through a wrapper, and has none of the processes that ran beside the original.
        if spec.snap_start and spec.wrapper is None and not extensions:
            return await self.snapshots.restore(spec)
        sandbox = await self._sandbox(spec, code, has_extensions=bool(extensions))
        now = self.clock.now()
        ref = reference(spec, initialization, now)
        log = self.logs.open(ref, spec)
        self.facts.emit(EnvironmentStarted(ref, now))
        return Environment(spec, ref, sandbox, log, self.starter, self.facts, self.clock, extensions)

    async def expect(self, spec: FunctionSpec) -> None:
        """Prepare for environments of `spec`. What prevents them is told to whoever invokes, not here."""
        with contextlib.suppress(AwsError):
            self.stock.keep(await self.materials.image(spec))

    async def _sandbox(self, spec: FunctionSpec, code: Code, *, has_extensions: bool) -> Sandbox:
        image = await self.materials.image(spec)
        supervised = image.supervised or spec.wrapper is not None or has_extensions
        if supervised == image.supervised and (blank := self.stock.take(image)) is not None:
            try:
                await blank.claim(limits(spec), code)
            except SandboxError as error:  # it ended in this instant, which is no reason to refuse anybody
                _log.warning("a blank environment of %s could not be claimed: %s", image.name, error)
                await blank.close()
            except BaseException:
                await blank.close()
                raise
            else:
                return blank
        self.stock.keep(image)
        return await self.sandboxes.start(image, limits(spec), code, supervised=supervised)
