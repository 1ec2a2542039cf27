"""Telling a process who it is: the environment variables of a function, its role's credentials, its connections."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from bulb.core.clock import Clock
from bulb.core.facts import EnvironmentRef, Facts
from bulb.environments.credentials import ContainerCredentials
from bulb.environments.extensions import Extensions
from bulb.environments.incarnation import Incarnation
from bulb.environments.launching import launch
from bulb.environments.model import FunctionSpec
from bulb.environments.ports import EnvironmentLog, Roles
from bulb.http.message import Handler
from bulb.runtimes.catalogue import RUNTIMES
from bulb.runtimes.variables import Credentials, environment_variables, extension_variables
from bulb.sandbox.host import Sandbox

# Longer than any environment lives (`Settings.max_age_s` of the pool), so that credentials never expire in use.
CREDENTIALS_S = 12 * 3600.0


@dataclass(frozen=True, slots=True)
class Starter:
    """Connects processes. `endpoint` answers AWS calls from inside; `endpoint_url` is its address where a sandbox has
    no network of its own, as soon as that is known."""

    roles: Roles
    clock: Clock
    facts: Facts
    endpoint: Handler
    endpoint_url: Callable[[], Awaitable[str]]

    async def connect(
        self,
        spec: FunctionSpec,
        ref: EnvironmentRef,
        sandbox: Sandbox,
        log: EnvironmentLog,
        names: tuple[str, ...] = (),
    ) -> Incarnation:
        """Connect the sandbox's present process and tell it its function. `names` are its external extensions.

        What is to be copied gets the address of its credentials instead of any: copies live longer than those.
        """
        session = self.roles.issue(spec.role, spec.ref.name, CREDENTIALS_S, self.clock.now())
        provider = ContainerCredentials(spec, self.roles, self.clock) if spec.snap_start else None
        variables = environment_variables(
            function_name=spec.ref.name,
            function_version=spec.ref.version,
            memory_mb=spec.memory_mb,
            handler=spec.handler,
            initialization_type=ref.initialization,
            runtime=RUNTIMES[spec.runtime],
            region=spec.ref.region,
            log_group=ref.log_group,
            log_stream=ref.log_stream,
            credentials=None if provider else Credentials(session.access_key, session.secret, session.token),
            credentials_provider=provider.variables(sandbox.runtime_api) if provider else None,
            runtime_api=sandbox.runtime_api,
            endpoint_url=f"http://{sandbox.endpoint}" if sandbox.endpoint else await self.endpoint_url(),
            log_format=spec.log_format,
            log_level=spec.application_log_level,
            customer=spec.variables,
        )
        variables["AWS_LAMBDA_METADATA_API"] = sandbox.runtime_api
        extensions = Extensions(spec, ref, sandbox, log, self.facts, self.clock, names)
        variables["AWS_LAMBDA_METADATA_TOKEN"] = extensions.metadata.token
        incarnation = Incarnation(sandbox, log, self.endpoint, extensions, provider.handle if provider else None)
        told = sandbox.told(variables)
        if names:
            incarnation.extension_variables = extension_variables(told, spec.variables)
        if sandbox.is_supervised:
            incarnation.start_runtime = lambda: _start(incarnation, sandbox, spec, told, log)
        await incarnation.connect(told, spec.handler)
        return incarnation

    async def reconnect(
        self, spec: FunctionSpec, ref: EnvironmentRef, sandbox: Sandbox, log: EnvironmentLog
    ) -> Incarnation:
        """Connect a copy of a process that was told its function before it was copied."""
        extensions = Extensions(spec, ref, sandbox, log, self.facts, self.clock)
        incarnation = Incarnation(sandbox, log, self.endpoint, extensions)
        await incarnation.reconnect()
        return incarnation


async def _start(
    incarnation: Incarnation, sandbox: Sandbox, spec: FunctionSpec, told: Mapping[str, str], log: EnvironmentLog
) -> None:
    """Start the runtime of a supervised sandbox; that it could not be is told like an init that failed."""
    if (failure := await launch(sandbox, spec, told, log)) is not None:
        incarnation.session.not_started(failure.error_type, failure.reason)
