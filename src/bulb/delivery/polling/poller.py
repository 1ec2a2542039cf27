"""Reads one queue for one mapping: claims as much as there is room for, and keeps that many batches running.

It never asks the queue just to see: it looks when a commit says that something may be there, when a message becomes
visible by itself, and when a batch ends. Its own task, its own allowance: no other mapping waits for it.

Claimed messages wait here only for their window, or, where batches are so quick that the next claim would come too
late for them, for the batch that is about to end. Whatever stops the poller, what has not begun goes back at once.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bulb.core.clock import Clock, sleep_unless
from bulb.core.errors import AwsError
from bulb.core.facts import Facts, MappingEvents
from bulb.delivery.polling import capacity, deliveries, records, scaling
from bulb.delivery.polling.capacity import Capacity
from bulb.delivery.polling.deliveries import Ending, Surroundings
from bulb.delivery.polling.gathering import Batch, Gathering, Grouped, Item, Loose
from bulb.delivery.polling.plans import Plan
from bulb.delivery.polling.queues import QueueMessage, QueueReader
from bulb.delivery.polling.scaling import Seen
from bulb.delivery.polling.settling import Settlements
from bulb.invoke import lineage
from bulb.invoke.model import FunctionCatalog, Invoker
from bulb.storage.errors import DatabaseClosedError

_log = logging.getLogger(__name__)

# Of one claim: a transaction of more would keep others waiting, and messages may have a megabyte each.
_MOST_CLAIMED = 256
_LONGEST_WAIT_S = 60.0
# A message that is about to become visible is not looked for more often than this.
_SOONEST_S = 0.02
_FAILED_S = 1.0
# While a window is open, messages that trickle in are claimed together.
_TRICKLE_S = 0.05
# Claiming ahead: for batches quicker than this, what they take in so many seconds, at most so many messages.
_QUICK_S, _AHEAD_S, _MOST_AHEAD = 0.25, 0.1, 400
# How soon a function or a queue that is gone is looked for again.
_MISSING_S, _LONGEST_MISSING_S = 1.0, 30.0


@dataclass(frozen=True, slots=True)
class Tools:
    """Whom a poller needs. `idle` is the share of the processors' time that is idle. `may_read` says whether a role may
    read a plan's queue. Nothing is claimed before the `gate` is open.
    """

    reader: QueueReader
    catalog: FunctionCatalog
    invoker: Invoker
    facts: Facts
    clock: Clock
    idle: Callable[[], float]
    may_read: Callable[[Plan, str], Awaitable[bool]]
    gate: asyncio.Event


class Poller:
    """One mapping that is enabled."""

    def __init__(self, plan: Plan, tools: Tools) -> None:
        self._plan = plan
        self._tools = tools
        self._clock = tools.clock
        self._settlements = Settlements(tools.reader, plan.queue_arn, tools.clock)
        self._scale = scaling.start(plan.limits, tools.clock.now())
        # What its pollers can carry now; None where it has not provisioned any.
        self._capacity: Capacity | None = None
        self._grouped = Grouped() if plan.is_fifo else None
        self._gathered: Gathering = self._grouped if self._grouped is not None else Loose()
        self._wake = asyncio.Event()
        self._ending = asyncio.Event()
        self._around = Surroundings(tools.catalog, tools.invoker, tools.clock, self._count_refusal, self._ending)
        # Whether the queue may have more than was claimed of it last.
        self._more = True
        self._running = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._ended = self._failed = 0
        self._typical_s = _QUICK_S
        self._missing_s = 0.0
        self._look_again_at = 0.0
        # When a message becomes visible by itself.
        self._visible_at: float | None = None
        self._task: asyncio.Task[None] | None = None
        self._unwatch: Callable[[], None] = lambda: None

    @property
    def function(self) -> tuple[str, str, str]:
        """Account, region and name of the function."""
        return self._plan.function

    def start(self) -> None:
        """Begin to read."""
        self._unwatch = self._tools.reader.watch(self._plan.queue_arn, self._changed)
        self._task = asyncio.get_running_loop().create_task(self._run())

    def change(self, plan: Plan) -> None:
        """Go on with other settings, at once; batches under way keep theirs."""
        self._plan = plan
        self._scale = scaling.within(self._scale, plan.limits)
        self._look_again_at = 0.0
        self._changed()

    def look_again(self) -> None:
        """The function has changed: what was missing may be there."""
        self._look_again_at = 0.0
        self._changed()

    async def stop(self) -> None:
        """Claim nothing more, give back what has not begun, and return when every batch is settled."""
        self._ending.set()
        self._wake.set()
        self._unwatch()
        if self._task is not None:
            await asyncio.wait({self._task})
        if held := self._gathered.clear():
            await self._give_back(held)
        while self._tasks:
            await asyncio.wait(set(self._tasks))

    async def abandon(self) -> None:
        """Stop without waiting: messages of batches under way come again when their visibility timeout is over."""
        self._ending.set()
        self._unwatch()
        tasks = [task for task in (self._task, *self._tasks) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _changed(self) -> None:
        self._more = True
        self._wake.set()

    def _count_refusal(self) -> None:
        self._ended += 1
        self._failed += 1

    async def _run(self) -> None:
        await self._tools.gate.wait()
        while not self._ending.is_set():
            self._wake.clear()
            try:
                wait = await self._look()
            except DatabaseClosedError:
                return
            except Exception:
                _log.exception("the queue %s could not be read; trying again", self._plan.queue_arn)
                wait = _FAILED_S
            if wait > 0 and not self._ending.is_set():
                await sleep_unless(self._wake, self._clock, wait)

    async def _look(self) -> float:
        """Claim what there is room for and start what is due. Seconds until it is worth looking again untold."""
        now = self._clock.now()
        self._step(now)
        if now < self._look_again_at:
            return self._look_again_at - now
        if self._visible_at is not None and now >= self._visible_at:
            self._more, self._visible_at = True, None
        if (wanted := self._wanted()) > 0:
            if self._plan.shape.window_s and len(self._gathered):
                await self._clock.sleep(_TRICKLE_S)
            timeout_s = await self._function_timeout()
            if timeout_s is None:
                return self._look_again_at - self._clock.now()
            await self._claim(wanted, timeout_s)
        self._start_due()
        return await self._pause()

    def _step(self, now: float) -> None:
        """Once a second: the allowance, and claims that ended while their messages waited here."""
        seen = Seen(self._ended, self._failed, bool(self._running), self._has_backlog())
        scale = scaling.step(self._scale, self._plan.limits, seen, self._tools.idle() if seen.waiting else 1.0, now)
        if scale is not self._scale:
            self._scale = scale
            self._ended = self._failed = 0
            if late := self._gathered.expired(now):
                self._spawn(self._give_back(late))

    def _has_backlog(self) -> bool:
        """Messages wait because no more batches may run, or because the pollers cannot carry more."""
        if self._running >= self._scale.batches:
            return self._more or len(self._gathered) > 0
        return self._more and self._exhausted_s() > 0

    def _exhausted_s(self) -> float:
        """For how long the pollers can carry nothing."""
        if not self._plan.limits.is_provisioned:
            self._capacity = None
            return 0.0
        now, pollers = self._clock.now(), self._scale.pollers
        held = self._capacity
        self._capacity = capacity.full(pollers, now) if held is None else capacity.after(held, pollers, now)
        return self._capacity.wait_s

    def _wanted(self) -> int:
        """How many messages to claim now."""
        if not self._more or self._ending.is_set() or self._exhausted_s() > 0:
            return 0
        size, room = self._plan.shape.size, self._scale.batches - self._running
        ahead = 0
        if not self._plan.shape.window_s and self._typical_s < _QUICK_S:
            rounds = max(_AHEAD_S / max(self._typical_s, 0.01), 1.0)
            ahead = min(int(self._scale.batches * size * rounds), _MOST_AHEAD)
        lacking = max(room, 0) * size + ahead - len(self._gathered)
        if self._capacity is not None:
            lacking = min(lacking, self._capacity.messages)
            ahead = min(ahead, lacking)
        # A claim of a few at a time costs as much as one of many; with nothing to do, whatever there is will do.
        return min(lacking, _MOST_CLAIMED) if lacking * 2 >= ahead or not self._running else 0

    async def _function_timeout(self) -> float | None:
        """How long the function may take; None when there is none, or it may not read: then nothing is claimed."""
        plan = self._plan
        try:
            resolved = await self._tools.catalog.resolve(*plan.function, plan.qualifier)
            if await self._tools.may_read(plan, resolved.spec.role):
                self._missing_s = 0.0
                return resolved.spec.timeout_s
        except AwsError:
            pass
        self._missing_s = min(max(self._missing_s * 2, _MISSING_S), _LONGEST_MISSING_S)
        self._look_again_at = self._clock.now() + self._missing_s
        return None

    async def _claim(self, wanted: int, timeout_s: float) -> None:
        plan, reader = self._plan, self._tools.reader
        facts = await reader.describe(plan.queue_arn)
        if facts is None:
            self._more = False
            return
        # A visibility timeout that was shortened below the function's since: messages stay hidden while it runs.
        hidden = timeout_s if facts.visibility_timeout_s < timeout_s else None
        self._more = False  # a commit that comes while this is being read says so again
        messages = await reader.receive(
            plan.queue_arn, wanted, hidden, per_group=plan.shape.size if self._grouped is not None else None
        )
        if len(messages) >= wanted:
            self._more = True
        if self._capacity is not None:
            weight = sum(len(message.body.encode()) for message in messages)
            self._capacity = capacity.spent(self._capacity, len(messages), weight)
        if not messages:
            return
        dropped = self._admit(messages, plan, self._clock.now())
        if plan.counts:
            self._tell_counts(plan, self._clock.now(), polled=len(messages), filtered_out=len(dropped))
        if dropped:
            self._spawn(self._delete_filtered(dropped, plan))

    def _admit(self, messages: Sequence[QueueMessage], plan: Plan, now: float) -> list[QueueMessage]:
        """Put what the filters let through where batches are cut from; the others."""
        dropped: list[QueueMessage] = []
        items: list[Item] = []
        function_arn = plan.ref().arn
        for message in messages:
            record = records.record(message, plan.queue_arn, plan.region)
            if plan.filters is None or plan.filters.accepts(record):
                items.append(_item(message, record, function_arn, now))
            else:
                dropped.append(message)
        self._gathered.add(items)
        return dropped

    async def _delete_filtered(self, messages: Sequence[QueueMessage], plan: Plan) -> None:
        await self._settlements.settle([message.claim for message in messages])
        now = self._clock.now()
        if plan.counts:
            self._tell_counts(plan, now, deleted=len(messages))
        self._tools.facts.emit(deliveries.told_filtered([message.message_id for message in messages], plan, now))
        self._changed()

    def _start_due(self) -> None:
        plan, now = self._plan, self._clock.now()
        while self._running < self._scale.batches and not self._ending.is_set():
            batch = self._gathered.take(plan.shape, now)
            if batch is None:
                return
            if batch.visible_at <= now:
                self._pass_over(batch)
                continue
            self._running += 1
            self._spawn(self._deliver(batch, plan))

    def _pass_over(self, batch: Batch) -> None:
        """Something of it is visible to others again: it comes again by itself, and what is behind it after it."""
        passed = list(batch.items)
        if self._grouped is not None:
            self._grouped.done(batch.groups)
            passed += self._grouped.leave(batch.groups)
        self._spawn(self._give_back(passed))

    async def _give_back(self, items: Sequence[Item]) -> None:
        """As if they had not been received: the function has not seen them."""
        await self._tools.reader.unclaim(self._plan.queue_arn, [item.claim for item in items])

    async def _deliver(self, batch: Batch, plan: Plan) -> None:
        began = self._clock.now()
        if self._grouped is None:
            try:
                ending = await deliveries.invoke(batch, plan, self._around, self._settlements)
            finally:
                self._free()
            await self._settle(batch, ending, plan, began)
            return
        try:
            ending = await deliveries.invoke(batch, plan, self._around, self._settlements)
            await self._settle(batch, ending, plan, began)
        finally:
            # Only now may the next messages of these groups be taken.
            self._grouped.done(batch.groups)
            self._more = True
            self._free()

    async def _settle(self, batch: Batch, ending: Ending, plan: Plan, began: float) -> None:
        """Write down how the batch ended, then tell of it."""
        self._count(ending, plan, self._clock.now() - began)
        behind = self._behind(batch, ending)
        await deliveries.settle(batch, ending, self._settlements)
        if behind:
            await self._give_back(behind)
        now = self._clock.now()
        self._tools.facts.emit(deliveries.told(batch, ending, plan, began, now))
        if plan.counts:
            count, failed = len(batch.items), len(ending.failed)
            invoked = count if ending.ran else 0
            self._tell_counts(plan, now, invoked=invoked, failed_invoke=failed, deleted=count - failed)

    def _free(self) -> None:
        """A batch less runs: the next one that is due begins at once, and what it leaves is claimed anew."""
        self._running -= 1
        self._start_due()
        self._wake.set()

    def _behind(self, batch: Batch, ending: Ending) -> list[Item]:
        """Messages held here of groups that have a failure now: they come again when it does."""
        return self._gathered.leave(
            {item.group for item in batch.items if item.group and item.message_id in ending.failed}
        )

    def _count(self, ending: Ending, plan: Plan, duration_s: float) -> None:
        self._typical_s += (duration_s - self._typical_s) / 8
        self._ended += 1
        # A function that reports failures is not slowed down for them.
        if ending.status == "error" and not plan.reports:
            self._failed += 1

    def _tell_counts(
        self,
        plan: Plan,
        now: float,
        *,
        polled: int = 0,
        filtered_out: int = 0,
        invoked: int = 0,
        failed_invoke: int = 0,
        deleted: int = 0,
    ) -> None:
        fact = MappingEvents(plan.uuid, plan.ref(), now, polled, filtered_out, invoked, failed_invoke, deleted)
        self._tools.facts.emit(fact)

    async def _pause(self) -> float:
        """Seconds until something happens that nobody will tell of."""
        if self._running >= self._scale.batches:
            # Full: batches that end say so, and the allowance may grow.
            return scaling.STEP_S if self._has_backlog() else _LONGEST_WAIT_S
        if self._more and (exhausted := self._exhausted_s()) > 0:
            return max(exhausted, _SOONEST_S)
        if self._more:
            # There is room, or not enough of it to be worth a claim: then a batch that ends says so.
            return 0.0 if self._wanted() > 0 else scaling.STEP_S
        self._visible_at = await self._tools.reader.next_visible_at(self._plan.queue_arn)
        now, due = self._clock.now(), self._gathered.due_at(self._plan.shape)
        waits = [_LONGEST_WAIT_S] if self._visible_at is None else [max(self._visible_at - now, _SOONEST_S)]
        if due is not None:
            waits.append(max(due - now, 0.0))
        return min(waits)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._finished)

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) and not isinstance(error, DatabaseClosedError):
            _log.error("a batch of %s was given up", self._plan.queue_arn, exc_info=error)


def _item(message: QueueMessage, record: Mapping[str, Any], function_arn: str, now: float) -> Item:
    trace = message.attributes.get("AWSTraceHeader")
    return Item(
        message_id=message.message_id,
        claim=message.claim,
        record=records.encoded(record),
        group=message.group_id,
        claimed_at=now,
        visible_at=message.visible_at,
        trace=trace,
        passes=lineage.passed(trace, function_arn)[1] if trace is not None and "Lineage=" in trace else 0,
    )
