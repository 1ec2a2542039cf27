"""One invocation, from a resolved function to its answer: the warm path of the whole house.

Warm, it does not wait for anything but the function: no database, no lock, no disk. The client going away does not stop
the function, as on AWS; the environment is given back whatever happens, and with it the lease of its concurrency.
"""

from bulb.core.clock import Clock
from bulb.core.errors import AwsError
from bulb.core.facts import Facts, FunctionRef, InvocationThrottled
from bulb.core.ids import hex_id, trace_id
from bulb.environments.environment import Environment
from bulb.environments.model import Event, FunctionSpec
from bulb.environments.pool import EnvironmentPool, NoCapacityError
from bulb.environments.provisioned import ProvisionedEnvironments
from bulb.invoke.concurrency import Concurrency, ThrottledError
from bulb.invoke.model import Invocation, Outcome


class Dispatcher:
    """Implements `Invoker` over the pool of environments."""

    def __init__(
        self,
        pool: EnvironmentPool,
        provisioned: ProvisionedEnvironments,
        concurrency: Concurrency,
        facts: Facts,
        clock: Clock,
    ) -> None:
        self._pool = pool
        self._provisioned = provisioned
        self._concurrency = concurrency
        self._facts = facts
        self._clock = clock
        self.in_flight = 0

    async def invoke(self, invocation: Invocation) -> Outcome:
        """The function's answer.

        Raises AwsError TooManyRequestsException when the account, the function or the machine has no room,
        InvalidRuntimeException when the machine lacks the interpreter.
        """
        self.in_flight += 1
        try:
            environment = await self._acquire(invocation.spec)
            try:
                return await self._run(environment, invocation)
            finally:
                self._pool.release(environment)
        finally:
            self.in_flight -= 1

    async def _acquire(self, spec: FunctionSpec) -> Environment:
        """An environment with its lease, the caller's until the pool has it back."""
        environment = self._provisioned.take(spec)
        try:
            lease = self._concurrency.enter(spec.ref, self._clock.now(), provisioned=environment is not None)
        except ThrottledError as refusal:
            if environment is not None:
                self._pool.release(environment)
            raise self._throttled(spec.ref, refusal.reason) from None
        if environment is None:
            environment = self._pool.take_idle(spec)
        if environment is None:
            try:
                environment = await self._create(spec)
            except BaseException:
                lease.release()
                raise
        environment.lease = lease
        return environment

    async def _create(self, spec: FunctionSpec) -> Environment:
        try:
            self._concurrency.start(spec.ref, self._clock.now())
            return await self._pool.create(spec)
        except ThrottledError as refusal:
            raise self._throttled(spec.ref, refusal.reason) from None
        except NoCapacityError:
            raise self._throttled(spec.ref, "ConcurrentInvocationLimitExceeded") from None

    def _throttled(self, function: FunctionRef, reason: str) -> AwsError:
        self._facts.emit(InvocationThrottled(function, self._clock.now(), reason))
        return throttled(reason)

    async def _run(self, environment: Environment, invocation: Invocation) -> Outcome:
        event = Event(
            invocation.request_id,
            invocation.invoked_arn,
            invocation.payload,
            invocation.trace_header or self._new_trace(),
            invocation.client_context,
        )
        reply = await environment.invoke(event)
        return Outcome(
            payload=reply.payload,
            executed_version=invocation.spec.ref.version,
            function_error="Unhandled" if reply.failed else None,
            log_tail=environment.tail() if invocation.log_tail else None,
        )

    def _new_trace(self) -> str:
        return f"Root={trace_id(self._clock.now())};Parent={hex_id(16)};Sampled=0"


def throttled(reason: str) -> AwsError:
    """Lambda's 429; `reason` is one of the model's ThrottleReason values."""
    return AwsError(
        "TooManyRequestsException",
        "Rate Exceeded.",
        status=429,
        members={"Reason": reason},
        headers={"retry-after": "1"},
    )
