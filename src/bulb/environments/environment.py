"""One execution environment: a sandbox, the process in it, and its state.

It handles one event at a time. Whatever happens to the process (it answers, crashes, runs out of memory or time), the
event gets a `Reply`; only what Bulb itself cannot do is raised. After a crash or a timeout the processes are gone at
once, `/tmp` stays, and the next event runs init again inside its own time.
"""

import asyncio
import math
import signal
import time
from dataclasses import dataclass

from bulb.core.clock import Clock
from bulb.core.facts import (
    EnvironmentEnded,
    EnvironmentRef,
    Facts,
    InitPhase,
    InitReported,
    InitRuntimeDone,
    InvocationFinished,
    InvocationStarted,
    RuntimeDone,
    Status,
)
from bulb.core.limits import INIT_TIMEOUT_S, PROVISIONED_INIT_S
from bulb.environments import failures
from bulb.environments.extensions_api import ShutdownReason
from bulb.environments.incarnation import Incarnation
from bulb.environments.model import Event, FunctionSpec, Reply
from bulb.environments.ports import EnvironmentLog, Lease
from bulb.environments.runtime_api import InitFailure, RuntimeSession, Work, deadline_ms
from bulb.environments.starting import Starter
from bulb.environments.states import State, move
from bulb.sandbox.host import Sandbox
from bulb.sandbox.model import Exit

_MB = 1_048_576
# How long an answer waits for a runtime to ask for its next event. Ours ask in the same write, others a moment later;
# only a process that answered while its handler runs on takes longer, and then its caller is not kept waiting.
_ASKS_WITHIN_S = 0.02
# How long an answer waits for the end of what has run out of time, so that the next event finds this environment and
# its /tmp: usually a millisecond, but a thousand processes with little processor time need longer than is bearable.
_DIES_WITHIN_S = 1.0
_TIMED_OUT = Reply(b"", "timeout", "Sandbox.Timedout")


@dataclass(slots=True)
class _Init:
    """How an init phase ended: None, or the reply an event gets for it. Milliseconds."""

    duration_ms: float
    failure: Reply | None = None


@dataclass(slots=True)
class _Extended:
    """An event handled with extensions, which may be at work after its reply. `started` is of perf_counter."""

    event: Event
    reply: Reply
    started_at: float
    started: float
    timeout_s: float
    peak: int
    runtime_done_ms: float | None = None

    def elapsed_ms(self) -> float:
        """How long it has taken so far; never more than the timeout."""
        elapsed = (time.perf_counter() - self.started) * 1000
        return self.timeout_s * 1000 if self.reply.status == "timeout" else min(elapsed, self.timeout_s * 1000)


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
    ) -> None:
        self.spec = spec
        self.ref = ref
        self.sandbox = sandbox
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
        self._init_ms: float | None = None
        self._restore_ms: float | None = None
        self._finish_by = 0.0
        self._extended: _Extended | None = None

    @property
    def state(self) -> State:
        """Where it is in its life."""
        return self._state

    @property
    def _is_provisioned(self) -> bool:
        return self.ref.initialization == "provisioned-concurrency"

    async def initialize(self) -> None:
        """Run the init phase once, within its own limit. A failure is reported and the first event tries again."""
        on_demand = self.ref.initialization == "on-demand"
        limit_s = INIT_TIMEOUT_S if on_demand else max(PROVISIONED_INIT_S, self.spec.timeout_s)
        init = await self._init(limit_s, "", "init")
        if init.failure is None:
            self._init_ms = init.duration_ms
            self._state = move(self._state, State.READY)
            return
        await self._break("TIMEOUT" if init.failure.status == "timeout" else "FAILURE")

    async def invoke(self, event: Event) -> Reply:
        """Hand `event` to the function and wait for its end, at most the function's timeout."""
        if self._state is State.READY and self.sandbox.runtime_exited.done():
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
        if reply is _TIMED_OUT:
            reply = failures.timed_out(event.request_id, timeout_s)
        peak = self.sandbox.memory_peak()
        if peak > self.spec.memory_mb * _MB and self.sandbox.broke_limit():
            reply = self._out_of_memory(event)
        if self._incarnation is not None and self._incarnation.extensions:
            await self._settle_extended(_Extended(event, reply, started_at, started, timeout_s, peak))
            return reply
        await self._settle(reply, started + timeout_s)
        duration_ms = (time.perf_counter() - started) * 1000
        if reply.status == "timeout":
            duration_ms = timeout_s * 1000
        self._report(event, reply, started_at, duration_ms, peak)
        return reply

    async def finish(self) -> None:
        """After an answer that came before the end of its handler or its extensions: wait for that, at most until the
        timeout; after a failure with extensions: shut them down."""
        incarnation, extended = self._incarnation, self._extended
        assert incarnation is not None
        if extended is None:
            await self._asks(incarnation.session, self._finish_by - time.perf_counter())
            if self._state is State.FINISHING:
                await self._rest(incarnation.session)
        else:
            await self._finish_extended(incarnation, extended)

    def end_lease(self) -> None:
        """Whoever counts invocations is told that the present one is over."""
        if self.lease is not None:
            self.lease.release()
            self.lease = None

    def tail(self) -> bytes:
        """The last 4 KB of the log of the invocation that just ended."""
        return self._log.tail()

    def freeze(self) -> None:
        """Stop every process of an idle environment until its next event."""
        if self._state is State.READY and not self._frozen:
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
        if incarnation.extensions:
            incarnation.extensions.invoke(event, deadline)
        work = incarnation.session.give(event, deadline)
        reply = await self._first_ending(work, remaining_s)
        incarnation.drain_log()
        return reply

    async def _first_ending(self, work: Work, seconds: float) -> Reply:
        """The reply, the timeout, or the end of the process, whichever comes first."""
        loop = asyncio.get_running_loop()
        request_id = work.event.request_id

        def out_of_time() -> None:
            if not work.done.done():
                work.done.set_result(_TIMED_OUT)

        def process_ended(ended: asyncio.Future[Exit]) -> None:
            if not work.done.done():
                work.done.set_result(_exit_reply(request_id, ended.result()))

        timer = loop.call_later(max(seconds, 0.0), out_of_time)
        exited = self.sandbox.runtime_exited
        exited.add_done_callback(process_ended)
        try:
            return await work.done
        finally:
            timer.cancel()
            exited.remove_done_callback(process_ended)

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
        failure = await self._runtime_init(incarnation, limit_s, request_id)
        self._facts.emit(InitRuntimeDone(self.ref, self._clock.now(), phase, *status_of(failure)))
        extensions = incarnation.extensions
        if extensions:
            if failure is None:
                failure = await self._extensions_init(incarnation, started + limit_s, request_id)
            extensions.end_init()
        else:
            extensions.session.close_registration()
        if failure is None:
            self.sandbox.end_init()
        else:
            incarnation.drain_log()
        init = _Init((time.perf_counter() - started) * 1000, failure)
        self._facts.emit(InitReported(self.ref, self._clock.now(), init.duration_ms, phase, *status_of(failure)))
        return init

    async def _connect(self) -> Incarnation:
        return await self._starter.connect(self.spec, self.ref, self.sandbox, self._log)

    async def _runtime_init(self, incarnation: Incarnation, limit_s: float, request_id: str) -> Reply | None:
        """None when the runtime has asked for its first event, else what became of it."""
        ready, exited = incarnation.session.ready, self.sandbox.runtime_exited
        await asyncio.wait((ready, exited), timeout=limit_s, return_when=asyncio.FIRST_COMPLETED)
        if ready.done():
            failure = ready.result()
            return _init_reply(failure, request_id) if failure else None
        if exited.done():
            return _exit_reply(request_id, exited.result())
        return _TIMED_OUT

    async def _extensions_init(self, incarnation: Incarnation, until: float, request_id: str) -> Reply | None:
        """None when every extension has asked for its first event, else what became of one."""
        exited = self.sandbox.runtime_exited
        await incarnation.extensions.ready(exited, until)
        if exited.done():
            return _exit_reply(request_id, exited.result())
        return None if incarnation.extensions.session.all_ready else _TIMED_OUT

    async def _settle(self, reply: Reply, finish_by: float) -> None:
        """After an event: ready again, finishing, or broken when the process is gone or must go."""
        if self._state is State.ENDED:
            return  # ended from outside while the event ran
        if self._incarnation is None or isinstance(self._init_state(), InitFailure):
            await self._break()
            return
        session = self._incarnation.session
        if reply.status == "timeout":
            session.confused = True
            self.sandbox.kill_now()
            await asyncio.wait((self.sandbox.exited,), timeout=_DIES_WITHIN_S)
        elif not session.is_waiting:
            await self._asks(session, _ASKS_WITHIN_S)
        if self._state is not State.BUSY:
            return  # ended from outside while we waited
        if session.is_waiting or self.sandbox.runtime_exited.done():
            await self._rest(session)
        else:
            self._finish_by = finish_by
            self._state = move(self._state, State.FINISHING)

    async def _asks(self, session: RuntimeSession, seconds: float) -> None:
        """Return when the runtime asks for its next event or ends, at the latest after `seconds`."""
        either = (session.asking(), self.sandbox.runtime_exited)
        await asyncio.wait(either, timeout=max(seconds, 0.0), return_when=asyncio.FIRST_COMPLETED)

    async def _rest(self, session: RuntimeSession) -> None:
        """Ready when the runtime waits for an event and can be trusted with one, else broken."""
        if session.is_waiting and not session.confused and not self.sandbox.runtime_exited.done():
            self._state = move(self._state, State.READY)
        else:
            await self._break()

    def _init_state(self) -> InitFailure | None:
        ready = self._incarnation.session.ready if self._incarnation is not None else None
        return ready.result() if ready is not None and ready.done() else None

    async def _settle_extended(self, extended: "_Extended") -> None:
        """The same where there are extensions: the event is over when they too have asked for the next one."""
        reply, incarnation = extended.reply, self._incarnation
        if self._state is State.ENDED or incarnation is None:
            self._report_extended(extended)
            return
        extended.runtime_done_ms = extended.elapsed_ms()
        stream = extended.event.stream
        self._facts.emit(
            RuntimeDone(
                environment=self.ref,
                request_id=extended.event.request_id,
                at=self._clock.now(),
                started_at=extended.started_at,
                duration_ms=extended.runtime_done_ms,
                produced_bytes=_produced_bytes(extended.event, reply),
                status=reply.status,
                error_type=reply.error_type,
                trace_id=extended.event.trace_header,
                response_latency_ms=stream.latency_ms if stream is not None else None,
                response_duration_ms=stream.duration_ms if stream is not None else None,
            )
        )
        if self._is_sound(incarnation, reply):
            soon = time.perf_counter() + _ASKS_WITHIN_S
            await self._asks(incarnation.session, _ASKS_WITHIN_S)
            await incarnation.extensions.ready(self.sandbox.runtime_exited, soon)
            if (
                self._state is State.BUSY
                and incarnation.session.is_waiting
                and incarnation.extensions.session.all_ready
            ):
                self._report_extended(extended)
                await self._rest(incarnation.session)
                return
        if self._state is State.BUSY:
            self._extended = extended
            self._state = move(self._state, State.FINISHING)

    async def _finish_extended(self, incarnation: Incarnation, extended: "_Extended") -> None:
        """Wait for the runtime and the extensions, at most until the timeout. Who failed or is late is shut down."""
        self._extended = None
        session, extensions = incarnation.session, incarnation.extensions
        reason: ShutdownReason | None = None
        if not self._is_sound(incarnation, extended.reply):
            reason = "TIMEOUT" if extended.reply.status == "timeout" else "FAILURE"
        else:
            until = extended.started + extended.timeout_s
            await self._asks(session, until - time.perf_counter())
            await extensions.ready(self.sandbox.runtime_exited, until)
            if not session.is_waiting or not extensions.session.all_ready:
                failed = self.sandbox.runtime_exited.done() or extensions.session.fatal_error is not None
                reason = "FAILURE" if failed else "TIMEOUT"
                extended.reply = Reply(b"", "error", "Extension.Crash") if failed else _TIMED_OUT
        if self._state is not State.FINISHING:
            self._report_extended(extended)
            return  # ended from outside while we waited
        self._report_extended(extended)
        if reason is None:
            await self._rest(session)
        else:
            await self._break(reason)

    def _is_sound(self, incarnation: Incarnation, reply: Reply) -> bool:
        """Whether these processes can be given another event once they ask for it."""
        return (
            reply.status != "timeout"
            and not self.sandbox.runtime_exited.done()
            and not incarnation.session.confused
            and incarnation.extensions.session.fatal_error is None
            and self._init_state() is None
        )

    def _report_extended(self, extended: "_Extended") -> None:
        duration_ms = extended.elapsed_ms()
        extensions_ms = max(duration_ms - (extended.runtime_done_ms or duration_ms), 0.0)
        peak = max(extended.peak, self.sandbox.memory_peak())
        self._report(extended.event, extended.reply, extended.started_at, duration_ms, peak, extensions_ms)

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
            await incarnation.extensions.shut_down(reason, self.sandbox.runtime_exited)
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
        init_ms, self._init_ms = self._init_ms, None
        stream = event.stream
        restore_ms, self._restore_ms = self._restore_ms, None
        # The init of a provisioned environment is part of what provisioning costs.
        billed_init_ms = 0.0 if init_ms is None or self._is_provisioned else init_ms
        self._facts.emit(
            InvocationFinished(
                environment=self.ref,
                request_id=event.request_id,
                at=self._clock.now(),
                started_at=started_at,
                duration_ms=duration_ms,
                billed_ms=math.ceil(duration_ms + billed_init_ms) + math.ceil(restore_ms or 0.0),
                init_ms=init_ms,
                max_memory_mb=min(math.ceil(peak / _MB), self.spec.memory_mb),
                status=reply.status,
                error_type=reply.error_type,
                trace_id=event.trace_header,
                extensions_ms=extensions_ms,
                produced_bytes=_produced_bytes(event, reply),
                response_latency_ms=stream.latency_ms if stream is not None else None,
                response_duration_ms=stream.duration_ms if stream is not None else None,
                restore_ms=restore_ms,
            )
        )


def status_of(failure: Reply | None) -> tuple[Status, str | None]:
    """Status and error type, as facts tell them."""
    if failure is None:
        return "success", None
    return failure.status, None if failure.status == "timeout" else failure.error_type


def _produced_bytes(event: Event, reply: Reply) -> int:
    return len(reply.payload) + (event.stream.size if event.stream is not None else 0)


def _exit_reply(request_id: str, ended: Exit) -> Reply:
    if ended.oom:
        return failures.exited(request_id, None, 9)
    return failures.exited(request_id, ended.status, ended.signal)


def _init_reply(failure: InitFailure, request_id: str) -> Reply:
    if failure.not_started is not None:
        return failures.not_started(request_id, failure.error_type, failure.not_started)
    return Reply(failure.payload, "error", failure.error_type)
