"""Asynchronous invocation: an event is on disk before it is acknowledged, and stays there until it ended.

Events wait in the durable queue, one lane a function, so a slow or failing function delays nobody else's. An attempt
that was under way when the process died is made again: at least once, never not at all.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from bulb.core.arn import parse_arn
from bulb.core.clock import Clock, sleep_unless
from bulb.core.errors import AwsError
from bulb.core.facts import AsyncEventDropped, AsyncEventReceived, Facts, FunctionRef
from bulb.core.ids import hex_id, request_id, trace_id
from bulb.core.limits import ASYNC_EVENT_AGE_S
from bulb.environments.processors import Processors
from bulb.invoke import lineage, ramp
from bulb.invoke.concurrency import FunctionName
from bulb.invoke.endings import Delivery, Ending, deliveries
from bulb.invoke.model import AsyncEvent, AsyncRules, AsyncSettings, FunctionCatalog, Invocation, Invoker, Outcome
from bulb.invoke.ramp import Ramp
from bulb.invoke.retries import Again, Done, Drop, Verdict, after_answer, after_refusal, too_old
from bulb.storage import outbox, queue
from bulb.storage.database import Database
from bulb.storage.queue import Message
from bulb.storage.schema.storage import storage_queue

_log = logging.getLogger(__name__)

QUEUE = "lambda:async"
# Bounds of one look at the queue: messages taken at once, and how long to wait before looking again without being told.
_BATCH = 256
_LONGEST_WAIT_S = 60.0
_UNSETTLED_S = 1.0
# Looking through more bytes than this for an ending takes over a millisecond: it goes to a thread.
_INLINE_BYTES = 65_536


@dataclass(frozen=True, slots=True)
class _Attempt:
    """How an attempt ended, and what is needed to tell of it."""

    verdict: Verdict
    rules: AsyncRules
    outcome: Outcome | None = None
    refusal: AwsError | None = None
    dead_letter: str | None = None


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
        self._wake = asyncio.Event()
        self._running: Counter[str] = Counter()
        self._processors = Processors()
        # The lanes whose events wait because as many as allowed are running.
        self._ramps: dict[str, Ramp] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop_task: asyncio.Task[None] | None = None
        database.on_commit(queue.channel(QUEUE), self._wake.set)

    @property
    def in_flight(self) -> int:
        """How many events are being worked on."""
        return len(self._tasks)

    async def accept(self, account: str, region: str, name: str, qualifier: str | None, event: AsyncEvent) -> None:
        """Return when the event is on disk."""
        now = self._clock.now()
        row = _row(account, region, name, qualifier, event, now)
        await self._database.insert(storage_queue, row, channel=queue.channel(QUEUE))
        self._facts.emit(
            AsyncEventReceived(FunctionRef(account, region, name, qualifier or "$LATEST"), event.request_id, now)
        )

    def put(self, connection: Connection, entry: outbox.Entry, now: float) -> bool:
        """Accept an event inside another room's transaction. False when its destination names no function."""
        target = _target(entry.destination_arn)
        if target is None:
            return False
        event = AsyncEvent(request_id(), entry.payload, entry.attributes.get("trace_header"))
        row = _row(*target, event, now)
        queue.put(
            connection,
            QUEUE,
            row["lane"],
            event.payload,
            row["attributes"],
            now,
            expires_at=row["expires_at"],
        )
        return True

    def start(self) -> None:
        """Begin to work off what waits, from before a restart too."""
        self._loop_task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Take no further event. What is under way goes on; what waits is there at the next start."""
        if self._loop_task is not None:
            self._loop_task.cancel()
            await asyncio.gather(self._loop_task, return_exceptions=True)
            self._loop_task = None

    async def close(self) -> None:
        """Stop, and abandon what is under way: it will be tried again at the next start."""
        await self.stop()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            self._wake.clear()
            wait = _LONGEST_WAIT_S
            try:
                wait = await self._take_due()
            except Exception:
                _log.exception("the asynchronous queue could not be read; trying again")
                wait = 1.0
            await sleep_unless(self._wake, self._clock, wait)

    async def _take_due(self) -> float:
        """Start what is due and has room. Seconds until it is worth looking again."""
        now = self._clock.now()
        first = ramp.start(self._processors.count, now)
        self._grow(now)
        room = {lane: self._ramps.get(lane, first).allowed - count for lane, count in self._running.items()}
        full = [lane for lane, left in room.items() if left <= 0]
        generation = self._database.generation

        def take(connection: Connection) -> tuple[list[Message], float | None]:
            limits = {lane: max(left, 0) for lane, left in room.items()}
            claimed = queue.claim(
                connection, QUEUE, generation, now, _BATCH, lane_limits=limits, per_lane=first.allowed
            )
            return claimed, queue.next_visible_at(connection, QUEUE, skip=full)

        messages, next_at = await self._database.write(take)
        for message in messages:
            self._running[message.lane] += 1
            task = asyncio.create_task(self._work(message))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        for lane in {message.lane for message in messages}.union(full):
            if self._running[lane] >= self._ramps.get(lane, first).allowed:
                self._ramps.setdefault(lane, first)
        if len(messages) == _BATCH:
            return 0.0
        wait = _LONGEST_WAIT_S if next_at is None else min(max(next_at - now, 0.0), _LONGEST_WAIT_S)
        # A lane that is full may get more room in a while, and is looked at again at once when one of its events ends.
        return min(max(wait, 0.02), 0.5) if self._ramps else wait

    def _grow(self, now: float) -> None:
        if self._ramps:
            idle = self._processors.idle()
            self._ramps = {lane: ramp.step(state, idle, now) for lane, state in self._ramps.items()}

    async def _work(self, message: Message) -> None:
        try:
            await self._settle(message, await self._attempt(message))
        finally:
            self._running[message.lane] -= 1
            if not self._running[message.lane]:
                del self._running[message.lane]
                self._ramps.pop(message.lane, None)
            self._wake.set()

    async def _attempt(self, message: Message) -> _Attempt:
        about, accepted_at, rules = message.attributes, message.enqueued_at, AsyncRules()
        name = (about["account"], about["region"], about["name"])
        dead_letter = None
        try:
            rules = await self._settings.rules(*name, about["qualifier"])
            resolved = await self._catalog.resolve(*name, about["qualifier"])
            dead_letter = resolved.dead_letter
            if too_old(rules, accepted_at, self._clock.now()):
                return _Attempt(Drop("EventAgeExceeded"), rules, dead_letter=dead_letter)
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
            refusal = error if isinstance(error, AwsError) else _failure(error)
            now, reserved = self._clock.now(), self._reserved(name)
            verdict = after_refusal(refusal, rules, reserved, message.attempts, accepted_at, now)
            return _Attempt(verdict, rules, refusal=refusal, dead_letter=dead_letter)
        failed = outcome.function_error is not None
        verdict = after_answer(failed, rules, message.attempts, accepted_at, self._clock.now())
        return _Attempt(verdict, rules, outcome, dead_letter=dead_letter)

    async def _settle(self, message: Message, attempt: _Attempt) -> None:
        """Write down what became of the event. Until that succeeds it is leased, so nobody else tries it."""
        generation = self._database.generation
        match attempt.verdict:
            case Again(at, attempts):

                def write(connection: Connection) -> None:
                    queue.retry(connection, message.id, generation, visible_at=at, attempts=attempts)

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
        if isinstance(attempt.verdict, Drop):
            about = message.attributes
            ref = FunctionRef(about["account"], about["region"], about["name"], about["qualifier"] or "$LATEST")
            self._facts.emit(AsyncEventDropped(ref, about["request_id"], self._clock.now(), attempt.verdict.condition))


def _failure(error: Exception) -> AwsError:
    """Bulb's own trouble is the function's no more than a throttle is."""
    _log.error("an asynchronous event could not be tried", exc_info=error)
    return AwsError("ServiceException", "Service Exception", status=500)


async def _told(message: Message, attempt: _Attempt, now: float) -> list[Delivery]:
    """What the outbox gets when the event ends."""
    rules, verdict = attempt.rules, attempt.verdict
    if not (attempt.dead_letter or rules.on_failure or rules.on_success):
        return []
    about = message.attributes
    ref = FunctionRef(about["account"], about["region"], about["name"], about["qualifier"] or "$LATEST")
    outcome = attempt.outcome
    ending = Ending(
        request_id=about["request_id"],
        invoked_arn=f"{ref.arn}:{ref.version}",
        payload=message.payload,
        condition=verdict.condition if isinstance(verdict, Drop) else "Success",
        invocations=message.attempts + (outcome is not None),
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


def _target(function_arn: str) -> tuple[str, str, str, str | None] | None:
    """Account, region, name and qualifier of a function's ARN."""
    arn = parse_arn(function_arn)
    parts = arn.resource.split(":") if arn is not None else []
    if arn is None or arn.service != "lambda" or parts[0] != "function" or len(parts) not in (2, 3):
        return None
    return arn.account, arn.region, parts[1], parts[2] if parts[2:] else None
