"""Asynchronous invocation: an event is on disk before it is acknowledged, and stays there until it ended.

Events wait in the durable queue, one lane a function, so a slow or failing function delays nobody else's. An attempt
that was under way when the process died is made again: at least once, never not at all.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from bulb.core.clock import Clock
from bulb.core.errors import AwsError
from bulb.core.facts import AsyncEventDropped, AsyncEventReceived, AsyncEventTried, Facts, FunctionRef
from bulb.core.ids import hex_id, trace_id
from bulb.core.limits import ASYNC_EVENT_AGE_S
from bulb.environments.processors import Processors
from bulb.invoke import lineage, ramp
from bulb.invoke.concurrency import FunctionName
from bulb.invoke.endings import Delivery, Ending, deliveries, what_failed
from bulb.invoke.model import AsyncEvent, AsyncRules, AsyncSettings, FunctionCatalog, Invocation, Invoker, Outcome
from bulb.invoke.ramp import Ramp
from bulb.invoke.retries import Again, Done, Drop, Verdict, after_answer, after_refusal, is_gone, too_old
from bulb.invoke.waiting import LastAttempt, last_attempt, noted
from bulb.storage import outbox, queue
from bulb.storage.database import Database
from bulb.storage.queue import Message
from bulb.storage.schema.storage import storage_queue
from bulb.storage.workers import Workers

_log = logging.getLogger(__name__)

QUEUE = "lambda:async"
# How many messages one look at the queue takes at most.
_BATCH = 256
_UNSETTLED_S = 1.0
# Looking through more bytes than this for an ending takes over a millisecond: it goes to a thread.
_INLINE_BYTES = 65_536


@dataclass(frozen=True, slots=True)
class _Attempt:
    """How an attempt ended, and what is needed to tell of it; `uses_one` of those the event has."""

    verdict: Verdict
    rules: AsyncRules
    outcome: Outcome | None = None
    refusal: AwsError | None = None
    dead_letter: str | None = None
    duration_ms: float | None = None
    uses_one: bool = False


class AsyncInvocations:
    """Accepts events (`AsyncInvoker`) and works them off."""

    def __init__(
        self,
        database: Database,
        catalog: FunctionCatalog,
        settings: AsyncSettings,
        invoker: Invoker,
        reserved: Callable[[FunctionName], int | None],
        facts: Facts,
        clock: Clock,
    ) -> None:
        """`reserved` tells a function's reserved concurrency, None for none."""
        self._database = database
        self._catalog = catalog
        self._settings = settings
        self._reserved = reserved
        self._invoker = invoker
        self._facts = facts
        self._clock = clock
        self._processors = Processors()
        # The lanes whose events wait because as many as allowed are running.
        self._ramps: dict[str, Ramp] = {}
        self._workers = Workers(database, QUEUE, clock, self._look, self._work)

    async def accept(self, account: str, region: str, name: str, qualifier: str | None, event: AsyncEvent) -> None:
        """Return when the event is on disk."""
        now = self._clock.now()
        row = _row(account, region, name, qualifier, event, now)
        await self._database.insert(storage_queue, row, channel=queue.channel(QUEUE))
        self._facts.emit(
            AsyncEventReceived(FunctionRef(account, region, name, qualifier or "$LATEST"), event.request_id, now)
        )

    def put(
        self,
        connection: Connection,
        account: str,
        region: str,
        name: str,
        qualifier: str | None,
        event: AsyncEvent,
        now: float,
    ) -> None:
        """Accept an event inside another room's transaction."""
        queue.put_row(connection, _row(account, region, name, qualifier, event, now))

    def start(self) -> None:
        """Begin to work off what waits, from before a restart too."""
        self._workers.start()

    async def stop(self) -> None:
        """Take no further event. What is under way goes on; what waits is there at the next start."""
        await self._workers.stop()

    async def close(self) -> None:
        """Stop, and abandon what is under way: it will be tried again at the next start."""
        await self._workers.close()

    async def _look(self) -> float:
        """Start what is due and has room. Seconds until it is worth looking again."""
        now, running = self._clock.now(), self._workers.running
        first = ramp.start(self._processors.count, now)
        self._grow(now)
        room = {lane: self._ramps.get(lane, first).allowed - count for lane, count in running.items()}
        messages, wait = await self._workers.take(now, _BATCH, room, first.allowed)
        for lane in {message.lane for message in messages}.union(room):
            if running[lane] >= self._ramps.get(lane, first).allowed:
                self._ramps.setdefault(lane, first)
        if len(messages) == _BATCH:
            return 0.0
        # A lane that is full may get more room in a while, and is looked at again at once when one of its events ends.
        return min(max(wait, 0.02), 0.5) if self._ramps else wait

    def _grow(self, now: float) -> None:
        if self._ramps:
            idle, running = self._processors.idle(), self._workers.running
            self._ramps = {lane: ramp.step(one, idle, now) for lane, one in self._ramps.items() if lane in running}

    async def _work(self, message: Message) -> None:
        await self._settle(message, await self._attempt(message))

    async def _attempt(self, message: Message) -> _Attempt:
        about, accepted_at, resolved = message.attributes, message.enqueued_at, None
        name = (about["account"], about["region"], about["name"])
        last = last_attempt(about) or LastAttempt(AsyncRules())
        rules, dead_letter = last.rules, last.dead_letter
        try:
            rules = await self._settings.rules(*name, about["qualifier"])
            resolved = await self._catalog.resolve(*name, about["qualifier"])
            dead_letter = resolved.dead_letter
            if too_old(rules, accepted_at, self._clock.now()):
                return _Attempt(Drop("EventAgeExceeded"), rules, last.outcome, last.refusal, dead_letter)
            began = time.perf_counter()
            outcome = await self._invoker.invoke(
                Invocation(
                    spec=resolved.spec,
                    request_id=about["request_id"],
                    invoked_arn=resolved.invoked_arn,
                    payload=message.payload,
                    trace_header=about["trace_header"],
                    client_context=about["client_context"],
                )
            )
        except Exception as error:
            if resolved is None and isinstance(error, AwsError):
                return await self._unresolved(message, name, rules, error)
            refusal = error if isinstance(error, AwsError) else _failure(error)
            now, reserved = self._clock.now(), self._reserved(name)
            verdict = after_refusal(refusal, rules, reserved, message.attempts, accepted_at, now)
            return _Attempt(verdict, rules, refusal=refusal, dead_letter=dead_letter)
        duration_ms = (time.perf_counter() - began) * 1000
        failed = outcome.function_error is not None
        verdict = after_answer(failed, rules, message.attempts, accepted_at, self._clock.now())
        return _Attempt(verdict, rules, outcome, dead_letter=dead_letter, duration_ms=duration_ms, uses_one=True)

    async def _unresolved(self, message: Message, name: FunctionName, rules: AsyncRules, refusal: AwsError) -> _Attempt:
        """There was no version to run. One that is gone, or an alias, is tried for as often as a function that fails.

        What was configured for it went with it; what counts is what the event keeps of its last attempt.
        """
        about, attempts, accepted_at = message.attributes, message.attempts, message.enqueued_at
        dead_letter, is_only_the_version = None, is_gone(refusal)
        try:
            dead_letter = await self._catalog.dead_letter(*name, about["qualifier"])
        except AwsError:
            is_only_the_version = False  # no such function
        if not is_only_the_version:
            verdict = after_refusal(refusal, rules, self._reserved(name), attempts, accepted_at, self._clock.now())
            return _Attempt(verdict, rules, refusal=refusal, dead_letter=dead_letter)
        if (last := last_attempt(about)) is not None:
            rules, dead_letter = last.rules, last.dead_letter
        verdict = after_answer(True, rules, attempts, accepted_at, self._clock.now())
        return _Attempt(verdict, rules, refusal=refusal, dead_letter=dead_letter, uses_one=True)

    async def _settle(self, message: Message, attempt: _Attempt) -> None:
        """Write down what became of the event. Until that succeeds it is leased, so nobody else tries it."""
        generation = self._database.generation
        told: list[Delivery] = []
        match attempt.verdict:
            case Again(at, attempts):
                last = LastAttempt(attempt.rules, attempt.dead_letter, attempt.outcome, attempt.refusal)
                kept = noted(message.attributes, last)

                def write(connection: Connection) -> None:
                    queue.retry(connection, message.id, generation, visible_at=at, attempts=attempts, attributes=kept)

            case Done() | Drop():
                ended_at = self._clock.now()
                told = await _told(message, attempt, ended_at)

                def write(connection: Connection) -> None:
                    if queue.complete(connection, [message.id], generation):
                        for delivery in told:
                            outbox.add(connection, delivery.arn, delivery.payload, delivery.attributes, ended_at)

        while True:
            try:
                await self._database.write(write)
                break
            except Exception:
                _log.exception("the end of an asynchronous event could not be written; trying again")
                await self._clock.sleep(_UNSETTLED_S)
        self._facts.emit(_tried(message, attempt, told, self._clock.now()))
        if isinstance(attempt.verdict, Drop):
            condition = attempt.verdict.condition
            self._facts.emit(
                AsyncEventDropped(_ref(message), message.attributes["request_id"], self._clock.now(), condition)
            )


def _ref(message: Message) -> FunctionRef:
    """The function as the event names it."""
    about = message.attributes
    return FunctionRef(about["account"], about["region"], about["name"], about["qualifier"] or "$LATEST")


def _tried(message: Message, attempt: _Attempt, told: list[Delivery], now: float) -> AsyncEventTried:
    verdict, outcome = attempt.verdict, attempt.outcome
    is_short = outcome is None or len(outcome.payload) <= _INLINE_BYTES
    failed = not isinstance(verdict, Done) and is_short
    code, text = what_failed(outcome, attempt.refusal) if failed else (None, None)
    return AsyncEventTried(
        function=_ref(message),
        request_id=message.attributes["request_id"],
        at=now,
        accepted_at=message.enqueued_at,
        outcome="succeeded" if isinstance(verdict, Done) else "retrying" if isinstance(verdict, Again) else "dropped",
        attempts=message.attempts + attempt.uses_one,
        duration_ms=attempt.duration_ms,
        code=code,
        message=text,
        condition=verdict.condition if isinstance(verdict, Drop) else None,
        next_at=verdict.at if isinstance(verdict, Again) else None,
        told=tuple((delivery.attributes["kind"], delivery.arn) for delivery in told),
    )


def _failure(error: Exception) -> AwsError:
    """Bulb's own trouble is the function's no more than a throttle is."""
    _log.error("an asynchronous event could not be tried", exc_info=error)
    return AwsError("ServiceException", "Service Exception", status=500)


async def _told(message: Message, attempt: _Attempt, now: float) -> list[Delivery]:
    """What the outbox gets when the event ends."""
    rules, verdict = attempt.rules, attempt.verdict
    if not (attempt.dead_letter or rules.on_failure or rules.on_success):
        return []
    about, ref = message.attributes, _ref(message)
    outcome = attempt.outcome
    ending = Ending(
        request_id=about["request_id"],
        invoked_arn=f"{ref.arn}:{ref.version}",
        payload=message.payload,
        condition=verdict.condition if isinstance(verdict, Drop) else "Success",
        invocations=message.attempts + attempt.uses_one,
        at=now,
        outcome=outcome,
        refusal=attempt.refusal,
        trace_header=lineage.passed(_chain(about["trace_header"], now), ref.arn)[0],
    )
    if len(message.payload) + (0 if outcome is None else len(outcome.payload)) <= _INLINE_BYTES:
        return deliveries(ending, rules, attempt.dead_letter)
    return await asyncio.to_thread(deliveries, ending, rules, attempt.dead_letter)


def _row(account: str, region: str, name: str, qualifier: str | None, event: AsyncEvent, now: float) -> dict[str, Any]:
    attributes: Mapping[str, Any] = {
        "account": account,
        "region": region,
        "name": name,
        "qualifier": qualifier,
        "request_id": event.request_id,
        # Every attempt is one in the same chain of requests.
        "trace_header": _chain(event.trace_header, now),
        "client_context": event.client_context,
    }
    lane = f"{account}:{region}:{name}:{qualifier or ''}"
    return queue.row(QUEUE, lane, event.payload, attributes, now, expires_at=now + ASYNC_EVENT_AGE_S)


def _chain(trace_header: str | None, now: float) -> str:
    """The chain of requests an event came in, one of its own if none. Rows of the first schema may say none."""
    return trace_header or f"Root={trace_id(now)};Parent={hex_id(16)};Sampled=0"
