"""One execution environment: a sandbox, the process in it, and its state.

It handles one event at a time. Whatever happens to the process (it answers, crashes, runs out of memory or time), the
event gets a `Reply`; only what Bulb itself cannot do is raised. After a crash or a timeout the processes are gone at
once, `/tmp` stays, and the next event runs init again inside its own time.
"""

import asyncio
import signal
import time
from dataclasses import dataclass

from bulb.core.clock import Clock
from bulb.core.deadline import Deadline
from bulb.core.facts import (
    EnvironmentEnded,
    EnvironmentRef,
    Facts,
    InitPhase,
    InitReported,
    InitRuntimeDone,
    InvocationStarted,
)
from bulb.core.limits import INIT_TIMEOUT_S, PROVISIONED_INIT_S
from bulb.environments import failures
from bulb.environments.extensions_api import ShutdownReason
from bulb.environments.incarnation import TIMED_OUT, Incarnation
from bulb.environments.model import Event, FunctionSpec, Reply
from bulb.environments.overtime import Overtime
from bulb.environments.ports import EnvironmentLog, Lease
from bulb.environments.reporting import NOTHING, Begun, Measured, finished, status_of
from bulb.environments.runtime_api import deadline_ms
from bulb.environments.starting import Starter
from bulb.environments.states import State, move
from bulb.sandbox.host import Sandbox

_MB = 1_048_576
# How long an answer waits for a runtime to ask for its next event. Ours ask in the same write, others a moment later;
# only a process that answered while its handler runs on takes longer, and then its caller is not kept waiting.
_ASKS_WITHIN_S = 0.02
# How long an answer waits for the end of what has run out of time, so that the next event finds this environment and
# its /tmp: usually a millisecond, but a thousand processes on a busy machine need longer than is bearable.
_DIES_WITHIN_S = 1.0
# How long a freeze waits for extensions to take what they subscribed to.
_DELIVERED_WITHIN_S = 1.0


@dataclass(slots=True)
class _Init:
    """How an init phase ended: None, or the reply an event gets for it. Milliseconds."""

    duration_ms: float
    failure: Reply | None = None


class Environment:
    """Made by `EnvironmentFactory`; used by one invocation at a time."""

    def __init__(
        self,
        spec: FunctionSpec,
        ref: EnvironmentRef,
        sandbox: Sandbox,
        log: EnvironmentLog,
        starter: Starter,
        facts: Facts,
        clock: Clock,
        extensions: tuple[str, ...] = (),
    ) -> None:
        self.spec = spec
        self.ref = ref
        self.sandbox = sandbox
        self.extensions = extensions
        self.born_at = clock.now()
        self.idle_since = 0.0
        self.retired = False
        self.lease: Lease | None = None
        self._log = log
        self._starter = starter
        self._facts = facts
        self._clock = clock
        self._state = State.INIT
        self._frozen = False
        self._incarnation: Incarnation | None = None
        self._begun = NOTHING
        self._is_extended = False
        self._finish_by = 0.0
        self._overtime: Overtime | None = None
        self._freezing: asyncio.Task[None] | None = None

    @property
    def state(self) -> State:
        """Where it is in its life."""
        return self._state

    @property
    def can_take_event(self) -> bool:
        """It is ready, and what runs in it is alive."""
        return self._state is State.READY and self._incarnation is not None and self._incarnation.is_alive

    async def initialize(self) -> None:
        """Run the init phase once, within its own limit. A failure is reported and the first event tries again."""
        on_demand = self.ref.initialization == "on-demand"
        limit_s = INIT_TIMEOUT_S if on_demand else max(PROVISIONED_INIT_S, self.spec.timeout_s)
        init = await self._init(limit_s, "", "init")
        if init.failure is None:
            self._begun = Begun(init_ms=init.duration_ms)
            self._state = move(self._state, State.READY)
            return
        await self._break("TIMEOUT" if init.failure.status == "timeout" else "FAILURE")

    async def invoke(self, event: Event) -> Reply:
        """Hand `event` to the function and wait for its end, at most the function's timeout."""
        if self._state is State.READY and self._incarnation is not None and not self._incarnation.is_alive:
            await self._break()  # it ended while idle: nobody's failure, the event gets a new process
        fresh_process = self._state is not State.BROKEN
        self._state = move(self._state, State.BUSY)
        if self._frozen:
            self.sandbox.thaw()
            self._frozen = False
        started_at, started = self._clock.now(), time.perf_counter()
        self._facts.emit(InvocationStarted(self.ref, event.request_id, started_at, event.trace_header))
        timeout_s = float(self.spec.timeout_s)
        if fresh_process:
            reply = await self._run(event, timeout_s, timeout_s)
        else:
            reply = await self._init_and_run(event, timeout_s, started)
        if reply is TIMED_OUT:
            reply = failures.timed_out(event.request_id, timeout_s)
        peak = self.sandbox.memory_peak()
        if peak > self.spec.memory_mb * _MB and self.sandbox.broke_limit():
            reply = self._out_of_memory(event)
        if self._is_extended and self._incarnation is not None:
            await self._begin_overtime(Overtime(self._incarnation, event, reply, started_at, started, timeout_s, peak))
            return reply
        await self._settle(reply, started + timeout_s)
        duration_s = time.perf_counter() - started
        # More than its time no function has had: what is beyond that is ours.
        if reply.status == "timeout" or duration_s > timeout_s:
            duration_s = timeout_s
        self._report(event, reply, started_at, duration_s * 1000, peak)
        return reply

    async def finish(self) -> None:
        """After an answer that came before the end of its handler or its extensions: wait for that, at most until the
        timeout; after a failure with extensions: shut them down."""
        if self._overtime is not None:
            await self._end_overtime(self._overtime)
            return
        incarnation = self._incarnation
        assert incarnation is not None
        await incarnation.asks(Deadline(self._finish_by))
        if self._state is State.FINISHING:
            await self._rest(incarnation)

    def end_lease(self) -> None:
        """Whoever counts invocations is told that the present one is over."""
        if self.lease is not None:
            self.lease.release()
            self.lease = None

    def tail(self) -> bytes:
        """The last 4 KB of the log of the invocation that just ended."""
        return self._log.tail()

    def freeze(self) -> None:
        """Stop every process of an idle environment until its next event, once its extensions have their telemetry."""
        if self._state is not State.READY or self._frozen:
            return
        if self._incarnation is not None and self._incarnation.extensions.telemetry.is_behind:
            self._freezing = asyncio.create_task(self._freeze_later(self._incarnation))
            return
        self.sandbox.freeze()
        self._frozen = True

    async def _freeze_later(self, incarnation: Incarnation) -> None:
        await incarnation.extensions.telemetry.drain(_DELIVERED_WITHIN_S)
        if self._state is State.READY and not self._frozen and self._incarnation is incarnation:
            self.sandbox.freeze()
            self._frozen = True

    async def end(self, reason: str) -> None:
        """Leave nothing behind. `reason` as in the fact EnvironmentEnded."""
        if self._state is State.ENDED:
            return
        self._state = move(self._state, State.ENDED)
        await self._shut_down("FAILURE" if reason == "failure" else "SPINDOWN")
        await self._disconnect()
        await self.sandbox.close()
        self._facts.emit(EnvironmentEnded(self.ref, self._clock.now(), reason))

    async def _run(self, event: Event, timeout_s: float, remaining_s: float) -> Reply:
        incarnation = self._incarnation
        assert incarnation is not None
        deadline = deadline_ms(remaining_s)
        if self._is_extended:
            incarnation.extensions.invoke(event, deadline)
        work = incarnation.session.give(event, deadline)
        reply = await incarnation.first_ending(work, remaining_s)
        incarnation.drain_log()
        return reply

    def _out_of_memory(self, event: Event) -> Reply:
        """It answered before it was stopped; the limit holds all the same."""
        self.sandbox.kill_now()
        if self._incarnation is not None:
            self._incarnation.session.confused = True
        return failures.exited(event.request_id, None, signal.SIGKILL)

    async def _init_and_run(self, event: Event, timeout_s: float, started: float) -> Reply:
        """After a reset or a failed init: init again, inside this event's time."""
        await self.sandbox.restart()
        init = await self._init(timeout_s, event.request_id, "invoke")
        if init.failure is not None:
            return init.failure
        return await self._run(event, timeout_s, timeout_s - (time.perf_counter() - started))

    async def _init(self, limit_s: float, request_id: str, phase: InitPhase) -> _Init:
        started = time.perf_counter()
        incarnation = self._incarnation = await self._connect()
        if self.extensions:
            incarnation.extensions.begin(phase)
        deadline = Deadline(started + limit_s)
        failure = await incarnation.initialize(deadline, request_id)
        self._facts.emit(InitRuntimeDone(self.ref, self._clock.now(), phase, *status_of(failure)))
        extensions = incarnation.extensions
        extensions.session.close_registration()
        self._is_extended = bool(extensions)
        if extensions:
            if failure is None and not await extensions.ready(deadline):
                failure = incarnation.what_failed(request_id)
            incarnation.drain_log()
            extensions.end_init()
        if failure is None:
            self.sandbox.end_init()
        else:
            incarnation.drain_log()
        init = _Init(min(time.perf_counter() - started, limit_s) * 1000, failure)
        self._facts.emit(InitReported(self.ref, self._clock.now(), init.duration_ms, phase, *status_of(failure)))
        return init

    async def _connect(self) -> Incarnation:
        return await self._starter.connect(self.spec, self.ref, self.sandbox, self._log, self.extensions)

    async def _settle(self, reply: Reply, finish_by: float) -> None:
        """After an event: ready again, finishing, or broken when the process is gone or must go."""
        if self._state is State.ENDED:
            return  # ended from outside while the event ran
        incarnation = self._incarnation
        if incarnation is None or incarnation.has_failed:
            await self._break()
            return
        session = incarnation.session
        if reply.status == "timeout":
            session.confused = True
            self.sandbox.kill_now()
            await asyncio.wait((self.sandbox.exited,), timeout=_DIES_WITHIN_S)
        elif not session.is_waiting:
            await incarnation.asks(Deadline.within(_ASKS_WITHIN_S))
        if self._state is not State.BUSY:
            return  # ended from outside while we waited
        if session.is_waiting or incarnation.exited.done():
            await self._rest(incarnation)
        else:
            self._finish_by = finish_by
            self._state = move(self._state, State.FINISHING)

    async def _rest(self, incarnation: Incarnation) -> None:
        """Ready when the runtime waits for an event and can be trusted with one, else broken."""
        if incarnation.session.is_waiting and incarnation.is_sound:
            self._state = move(self._state, State.READY)
        else:
            await self._break()

    async def _begin_overtime(self, overtime: Overtime) -> None:
        """The reply is there; with extensions the invocation goes on until they too ask for the next event."""
        self._facts.emit(overtime.runtime_done(self.ref, self._clock.now()))
        soon = await overtime.over(Deadline.within(_ASKS_WITHIN_S))
        if self._state is not State.BUSY:
            self._report_overtime(overtime)  # ended from outside
        elif soon:
            self._report_overtime(overtime)
            await self._rest(overtime.incarnation)
        else:
            self._overtime = overtime
            self._state = move(self._state, State.FINISHING)

    async def _end_overtime(self, overtime: Overtime) -> None:
        """Wait for the runtime and the extensions, at most until the timeout. Who failed or is late is shut down."""
        self._overtime = None
        reason = await overtime.rest()
        overtime.incarnation.drain_log()
        self._report_overtime(overtime)
        if self._state is not State.FINISHING:
            return  # ended from outside while we waited
        if reason is None:
            await self._rest(overtime.incarnation)
        else:
            await self._break(reason)

    def _report_overtime(self, overtime: Overtime) -> None:
        duration_ms = overtime.elapsed_ms()
        peak = max(overtime.peak, self.sandbox.memory_peak())
        extensions_ms = max(duration_ms - overtime.runtime_ms, 0.0)
        self._report(overtime.event, overtime.reply, overtime.started_at, duration_ms, peak, extensions_ms)

    async def _break(self, reason: ShutdownReason = "FAILURE") -> None:
        """End the processes; their extensions are told why. Nobody is given an event meanwhile."""
        self._state = move(self._state, State.BROKEN)
        await self._shut_down(reason)
        await self.sandbox.kill()
        await self._disconnect()

    async def _disconnect(self) -> None:
        incarnation, self._incarnation = self._incarnation, None
        if incarnation is not None:
            await incarnation.close()

    async def _shut_down(self, reason: ShutdownReason) -> None:
        """The shutdown phase: nothing at all where there are no extensions."""
        incarnation = self._incarnation
        if incarnation is not None and incarnation.extensions:
            self._frozen = False
            await incarnation.extensions.shut_down(reason)
            incarnation.drain_log()

    def _report(
        self,
        event: Event,
        reply: Reply,
        started_at: float,
        duration_ms: float,
        peak: int,
        extensions_ms: float = 0.0,
    ) -> None:
        begun, self._begun = self._begun, NOTHING
        measured = Measured(started_at, self._clock.now(), duration_ms, peak, extensions_ms)
        self._facts.emit(finished(self.ref, event, reply, begun, measured))
