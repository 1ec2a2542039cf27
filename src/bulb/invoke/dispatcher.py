"""One invocation, from a resolved function to its answer: the warm path of the whole house.

Warm, it does not wait for anything but the function: no database, no lock, no disk. The client going away does not stop
the function, as on AWS; the environment is given back whatever happens, and with it the lease of its concurrency.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

from bulb.core.clock import Clock
from bulb.core.errors import AwsError
from bulb.core.facts import Facts, FunctionRef, InvocationThrottled, RecursiveInvocationDropped
from bulb.environments.environment import Environment
from bulb.environments.model import Event, FunctionSpec
from bulb.environments.pool import EnvironmentPool, NoCapacityError
from bulb.environments.provisioned import ProvisionedEnvironments
from bulb.environments.streaming import Chunks, Pace, ResponseStream
from bulb.invoke import lineage
from bulb.invoke.concurrency import Concurrency, ThrottledError
from bulb.invoke.model import Invocation, Outcome, StreamedOutcome
from bulb.invoke.tracing import Traces


class Dispatcher:
    """Implements `Invoker` over the pool of environments."""

    def __init__(
        self,
        pool: EnvironmentPool,
        provisioned: ProvisionedEnvironments,
        concurrency: Concurrency,
        facts: Facts,
        clock: Clock,
        traces: Traces,
        *,
        stream_rate: float = 0.0,
        may_recurse: Callable[[str, str, str], Awaitable[bool]] | None = None,
    ) -> None:
        """`stream_rate`: bytes a second of a streamed response after its first 6 MB; 0 is any.

        `may_recurse` (account, region, name) is asked before a loop through a function is cut; without it all are.
        """
        self._pool = pool
        self._provisioned = provisioned
        self._concurrency = concurrency
        self._facts = facts
        self._clock = clock
        self._traces = traces
        self._stream_rate = stream_rate
        self._may_recurse = may_recurse
        self._streaming: set[asyncio.Task[None]] = set()
        self.in_flight = 0

    async def invoke(self, invocation: Invocation, stream: ResponseStream | None = None) -> Outcome:
        """The function's answer. With `stream` it goes there while it is being made, if the runtime streams.

        Raises AwsError TooManyRequestsException when the account, the function or the machine has no room,
        InvalidRuntimeException when the machine lacks the interpreter, RecursiveInvocationException when a loop is cut.
        """
        self.in_flight += 1
        try:
            trace = invocation.trace_header
            if trace is None or invocation.spec.active_tracing:
                trace = self._traces.header(invocation.spec, trace, self._clock.now())
            trace, passes = lineage.passed(trace, invocation.spec.ref.arn)
            if passes >= lineage.MOST_PASSES:
                await self._cut_loop(invocation.spec.ref)
            environment = await self._acquire(invocation.spec)
            try:
                return await self._run(environment, invocation, trace, stream)
            finally:
                self._pool.release(environment)
        finally:
            self.in_flight -= 1

    async def stream(self, invocation: Invocation) -> StreamedOutcome:
        """The function's answer while it is being made. Raises as `invoke` does."""
        loop = asyncio.get_running_loop()
        stream = ResponseStream(self._clock, Pace(self._stream_rate))
        chunks, end = Chunks(stream), loop.create_future()
        # A task of its own, because the function runs on when its caller goes away.
        task = loop.create_task(self._stream(invocation, stream, end))
        self._streaming.add(task)
        task.add_done_callback(self._streaming.discard)
        await asyncio.wait((stream.began, end), return_when=asyncio.FIRST_COMPLETED)
        began = stream.began.done()
        if not began:
            await end
        return StreamedOutcome(
            executed_version=invocation.spec.ref.version,
            content_type=stream.began.result() if began else "application/json",
            began=began,
            chunks=chunks,
            end=end,
        )

    async def _stream(self, invocation: Invocation, stream: ResponseStream, end: asyncio.Future[Outcome]) -> None:
        try:
            outcome = await self.invoke(invocation, stream)
        except Exception as error:
            end.set_exception(error)
            end.exception()  # seen: whether anybody still waits for it is not ours to know
        except asyncio.CancelledError:
            end.cancel()
            raise
        else:
            if outcome.function_error is None and outcome.payload:
                # Of a runtime that does not stream: one chunk.
                stream.add(outcome.payload)
                outcome = replace(outcome, payload=b"")
            end.set_result(outcome)
        finally:
            stream.finish()

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

    async def _cut_loop(self, ref: FunctionRef) -> None:
        """Raises RecursiveInvocationException unless loops through the function are allowed."""
        if self._may_recurse is not None and await self._may_recurse(ref.account, ref.region, ref.name):
            return
        self._facts.emit(RecursiveInvocationDropped(ref, self._clock.now()))
        raise AwsError(
            "RecursiveInvocationException",
            "Lambda has detected your function being invoked in a recursive loop with other Amazon Web Services "
            "resources and stopped your function's invocation.",
        )

    async def _run(
        self, environment: Environment, invocation: Invocation, trace: str, stream: ResponseStream | None
    ) -> Outcome:
        event = Event(
            invocation.request_id,
            invocation.invoked_arn,
            invocation.payload,
            trace,
            invocation.client_context,
            stream,
        )
        reply = await environment.invoke(event)
        return Outcome(
            payload=reply.payload,
            executed_version=invocation.spec.ref.version,
            function_error="Unhandled" if reply.failed else None,
            log_tail=environment.tail() if invocation.log_tail else None,
        )


def throttled(reason: str) -> AwsError:
    """Lambda's 429; `reason` is one of the model's ThrottleReason values."""
    return AwsError(
        "TooManyRequestsException",
        "Rate Exceeded.",
        status=429,
        members={"Reason": reason},
        headers={"retry-after": "1"},
    )
