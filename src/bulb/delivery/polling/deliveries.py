"""One batch, from its start to its settlement: the function is invoked, what it did is deleted, what happened is told.

A batch that finds no room waits and tries again while its messages are hidden from others. Messages of a batch that
failed are left alone: they come again when their visibility timeout is over, until the queue's redrive policy ends it.
"""

import asyncio
import logging
import random
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace

from bulb.core.clock import Clock, sleep_unless
from bulb.core.errors import AwsError
from bulb.core.facts import BatchFinished, BatchStatus, FunctionRef
from bulb.core.ids import request_id
from bulb.core.limits import SYNC_REQUEST_BYTES
from bulb.delivery.polling import answers, patience, records
from bulb.delivery.polling.gathering import Batch
from bulb.delivery.polling.plans import Plan
from bulb.delivery.polling.settling import Settlements
from bulb.invoke.model import FunctionCatalog, Invocation, Invoker
from bulb.storage.errors import DatabaseClosedError

_log = logging.getLogger(__name__)

# A fact names the first of its messages; an event in a journal is no place for ten thousand.
_NAMED = 100
# Messages that waited longer than this for their function may lack the time it needs.
_WAITED_S = 1.0


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Whom a delivery needs. `refused` is told of each attempt that found no room. Once `ending` is set a batch is not
    tried again.
    """

    catalog: FunctionCatalog
    invoker: Invoker
    clock: Clock
    refused: Callable[[], None]
    ending: asyncio.Event


@dataclass(frozen=True, slots=True)
class Ending:
    """How a batch ended, before it is settled. `failed` are message ids; `ran`: the function did, whatever came of it;
    `returned`: what failed goes back at once.
    """

    status: BatchStatus
    function: FunctionRef
    request_id: str | None
    failed: Collection[str] = ()
    error: str | None = None
    returned: bool = False
    ran: bool = False


async def invoke(batch: Batch, plan: Plan, around: Surroundings, settlements: Settlements) -> Ending:
    """Hand the batch to the function, again while there is no room for it. Does not raise what a function causes."""
    event = records.event([item.record for item in batch.items])
    if len(event) > SYNC_REQUEST_BYTES:
        return _failed(batch, plan, None, f"a record of {len(event)} bytes is larger than an invocation may be")
    attempts, until = 0, batch.visible_at
    while True:
        attempts += 1
        request = request_id()
        try:
            return await _attempt(batch, plan, around, settlements, event, request)
        except DatabaseClosedError:
            raise
        except Exception as error:
            refusal = error if isinstance(error, AwsError) else _own_trouble(error)
        if patience.is_gone(refusal):
            return replace(_failed(batch, plan, request, str(refusal)), returned=True)
        if not patience.is_passing(refusal):
            return _failed(batch, plan, request, str(refusal))
        around.refused()
        at = patience.next_attempt(attempts, random.random(), around.clock.now(), until)  # noqa: S311 - no secret
        if at is not None:
            await sleep_unless(around.ending, around.clock, at - around.clock.now())
        if at is None or around.ending.is_set():
            return replace(_failed(batch, plan, request, str(refusal)), status="throttled", returned=True)


async def _attempt(
    batch: Batch, plan: Plan, around: Surroundings, settlements: Settlements, event: bytes, request: str
) -> Ending:
    resolved = await around.catalog.resolve(*plan.function, plan.qualifier)
    await _renew(batch, resolved.spec.timeout_s, around.clock.now(), settlements)
    outcome = await around.invoker.invoke(
        Invocation(
            spec=resolved.spec,
            request_id=request,
            invoked_arn=resolved.invoked_arn,
            payload=event,
            trace_header=batch.trace_header,
        )
    )
    ids = {item.message_id for item in batch.items}
    failed = frozenset(answers.failed(outcome, ids, reports=plan.reports))
    status: BatchStatus = "success" if not failed else "error" if len(failed) == len(ids) else "partial"
    error = answers.reason(outcome, ids) if failed else None
    return Ending(status, plan.ref(outcome.executed_version), request, failed, error, ran=True)


async def _renew(batch: Batch, timeout_s: float, now: float, settlements: Settlements) -> None:
    """Messages that waited here must stay hidden for as long as the function may take."""
    short = {
        item.claim: item.visibility_s
        for item in batch.items
        if now - item.claimed_at > _WAITED_S and item.visible_at < now + timeout_s
    }
    if short:
        await settlements.settle((), short)


def _own_trouble(error: Exception) -> AwsError:
    """What is Bulb's fault is the function's no more than a throttle is."""
    _log.error("a batch could not be handed to its function", exc_info=error)
    return AwsError("ServiceException", "Service Exception", status=500)


def _failed(batch: Batch, plan: Plan, request: str | None, error: str) -> Ending:
    return Ending("error", plan.ref(), request, {item.message_id for item in batch.items}, error)


async def settle(batch: Batch, ending: Ending, settlements: Settlements) -> None:
    """Delete what succeeded; what must go back at once goes back."""
    done = [item.claim for item in batch.items if item.message_id not in ending.failed]
    back = {item.claim: 0.0 for item in batch.items if ending.returned and item.message_id in ending.failed}
    if done or back:
        await settlements.settle(done, back)


def told(batch: Batch, ending: Ending, plan: Plan, began: float, now: float) -> BatchFinished:
    """The fact of a batch that is settled."""
    count, failed = len(batch.items), len(ending.failed)
    return BatchFinished(
        mapping_uuid=plan.uuid,
        mapping_arn=plan.arn,
        source_arn=plan.queue_arn,
        function=ending.function,
        request_id=ending.request_id,
        message_ids=tuple(item.message_id for item in batch.items[:_NAMED]),
        count=count,
        deleted=count - failed,
        failed=failed,
        filtered=0,
        at=now,
        duration_ms=(now - began) * 1000,
        status=ending.status,
        error=ending.error,
    )


def told_filtered(message_ids: Collection[str], plan: Plan, now: float) -> BatchFinished:
    """The fact of messages that no filter let through, once they are deleted."""
    count = len(message_ids)
    return BatchFinished(
        mapping_uuid=plan.uuid,
        mapping_arn=plan.arn,
        source_arn=plan.queue_arn,
        function=plan.ref(),
        request_id=None,
        message_ids=tuple(message_ids)[:_NAMED],
        count=count,
        deleted=count,
        failed=0,
        filtered=count,
        at=now,
        duration_ms=0.0,
        status="filtered",
    )
