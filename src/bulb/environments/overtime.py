"""What is left of an invocation with extensions once its reply is there: they may still be at work.

The invocation, its bill and its timeout go on until the runtime and every extension have asked for the next event.
"""

import time
from dataclasses import dataclass

from bulb.core.deadline import Deadline
from bulb.core.facts import EnvironmentRef, RuntimeDone
from bulb.environments import failures
from bulb.environments.extensions_api import ShutdownReason
from bulb.environments.incarnation import Incarnation
from bulb.environments.model import Event, Reply


@dataclass(slots=True)
class Overtime:
    """One such rest. `started` is of perf_counter, `started_at` Unix seconds; `peak` bytes of memory.

    `reply` is what the invocation is reported with: not what its caller got, when an extension fails afterwards.
    """

    incarnation: Incarnation
    event: Event
    reply: Reply
    started_at: float
    started: float
    timeout_s: float
    peak: int
    runtime_ms: float = 0.0

    def elapsed_ms(self) -> float:
        """How long the invocation has taken so far: all its time when that ran out."""
        elapsed = (time.perf_counter() - self.started) * 1000
        return self.timeout_s * 1000 if self.reply.status == "timeout" else min(elapsed, self.timeout_s * 1000)

    def runtime_done(self, environment: EnvironmentRef, at: float) -> RuntimeDone:
        """The fact that the runtime is done."""
        self.runtime_ms = self.elapsed_ms()
        stream = self.event.stream
        return RuntimeDone(
            environment=environment,
            request_id=self.event.request_id,
            at=at,
            started_at=self.started_at,
            duration_ms=self.runtime_ms,
            produced_bytes=len(self.reply.payload) + (stream.size if stream is not None else 0),
            status=self.reply.status,
            error_type=self.reply.error_type,
            trace_id=self.event.trace_header,
            response_latency_ms=stream.latency_ms if stream is not None else None,
            response_duration_ms=stream.duration_ms if stream is not None else None,
        )

    @property
    def failure(self) -> ShutdownReason | None:
        """Why these processes cannot be given another event; None when they can, once they ask."""
        if self.reply.status == "timeout":
            return "TIMEOUT"
        return None if self.incarnation.is_sound else "FAILURE"

    async def over(self, deadline: Deadline) -> bool:
        """Whether everybody asks for the next event in time."""
        if self.failure is not None:
            return False
        await self.incarnation.asks(deadline)
        return await self.incarnation.extensions.ready(deadline) and self.incarnation.session.is_waiting

    async def rest(self) -> ShutdownReason | None:
        """Wait for the end of the invocation; why the processes must be shut down, if they must."""
        if self.failure is None and not await self.over(Deadline(self.started + self.timeout_s)):
            self.reply = self._late()
        return self.failure

    def _late(self) -> Reply:
        request_id = self.event.request_id
        failed = self.incarnation.extensions.failure(request_id) or self.incarnation.end_reply(request_id)
        return failed or failures.timed_out(request_id, self.timeout_s)
