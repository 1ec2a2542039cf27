"""From facts to rows of the journal: what came in, where it went, how it stands. Pure.

An event is told by several facts, in this order: it was delivered, or accepted; it was tried, perhaps more than once.
`rows` makes one row of all that a moment brought for the same event. A row says what is known; whoever writes it keeps
what an earlier row of the same event knew of where it came from.

Statuses: `waiting` (accepted, and no attempt has ended yet), `retrying`, and the ends: `delivered` (a queue, topic, bus
or bucket has it), `succeeded`, `failed`, `dead-lettered`, `dropped`, `filtered`.
"""

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from bulb.core.arn import Arn, parse_arn
from bulb.core.facts import AsyncEventReceived, AsyncEventTried, BatchFinished, Delivered, FunctionRef

Told = AsyncEventReceived | AsyncEventTried | BatchFinished | Delivered
Row = dict[str, Any]

STATUSES = (
    "waiting", "retrying", "delivered", "succeeded", "failed", "dead-lettered", "dropped", "filtered",
)  # fmt: skip

ABOUT_CHARACTERS, MESSAGE_CHARACTERS = 200, 300
# What a later row of an event leaves as an earlier one has it.
ORIGIN = ("source", "source_label", "about", "cause")
_NAMED_BY_SERVICE = ("s3", "sqs", "sns")
_PREFIXES = {
    ("lambda", "function"): "lambda:",
    ("events", "rule"): "rule:",
    ("events", "event-bus"): "bus:",
    ("events", "api-destination"): "api:",
    ("scheduler", "schedule"): "schedule:",
    ("logs", "log-group"): "logs:",
}
_FIRST_PART = re.compile("[:/]")
# What everybody takes for granted: the latest version, the default group, all streams, which one of that name.
_UNSAID = re.compile(r"^default/|:\$LATEST$|:\*$|/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")
_RETRIES_EXHAUSTED = "RetriesExhausted"


def rows(facts: Iterable[Told]) -> list[Row]:
    """A row for each event that `facts`, oldest first, tell of; in the order in which each was last told of."""
    made: dict[str, Row] = {}
    for fact in facts:
        row = _row(fact)
        before = made.pop(row["id"], None)
        if before is not None:
            row.update({name: before[name] for name in ORIGIN if before[name] is not None})
            row.update(at=before["at"], target=before["target"], target_label=before["target_label"])
        made[row["id"]] = row
    return list(made.values())


def _row(fact: Told) -> Row:
    match fact:
        case Delivered():
            return _delivered(fact)
        case AsyncEventReceived():
            return _of(fact.request_id, fact.at, fact.at, _function(fact.function), "waiting")
        case AsyncEventTried():
            return _tried(fact)
        case BatchFinished():
            return _batch(fact)


def _delivered(fact: Delivered) -> Row:
    status: str = fact.outcome
    if status == "delivered" and label(fact.destination_arn).startswith("lambda:"):
        status = "waiting"  # for its invocation
    row = _of(fact.delivery_id, fact.created_at, fact.at, fact.destination_arn, status)
    row.update(
        source=fact.source_arn,
        source_label=label(fact.source_arn),
        about=_short(fact.about, ABOUT_CHARACTERS),
        cause=fact.cause,
        attempts=fact.attempts,
        code=fact.code,
        message=_short(fact.message, MESSAGE_CHARACTERS),
        next_at=fact.next_at,
        told=[["DeadLetter", arn] for arn in fact.letters] or None,
    )
    return row


def _tried(fact: AsyncEventTried) -> Row:
    status: str = fact.outcome
    if status == "dropped" and fact.condition == _RETRIES_EXHAUSTED:
        status = "failed"
    row = _of(fact.request_id, fact.accepted_at, fact.at, _function(fact.function), status)
    row.update(
        attempts=fact.attempts,
        code=fact.condition if status == "dropped" else fact.code,
        message=_short(fact.message, MESSAGE_CHARACTERS),
        duration_ms=fact.duration_ms,
        next_at=fact.next_at,
        told=[list(pair) for pair in fact.told] or None,
    )
    return row


def _batch(fact: BatchFinished) -> Row:
    first = fact.message_ids[0] if fact.message_ids else ""
    id_ = fact.request_id or f"{fact.mapping_uuid}:{first}:{fact.at:.6f}"
    status = "failed" if fact.failed else "filtered" if fact.status == "filtered" else "succeeded"
    row = _of(id_, fact.at - fact.duration_ms / 1000, fact.at, _function(fact.function), status)
    row.update(
        source=fact.source_arn,
        source_label=label(fact.source_arn),
        about=f"message {first}" if fact.count == 1 else f"{fact.count} messages",
        attempts=1,
        code="Throttled" if fact.status == "throttled" else fact.error,
        message=f"{fact.failed} of {fact.count} messages" if fact.failed and fact.count > 1 else None,
        duration_ms=None if fact.status == "filtered" else fact.duration_ms,
    )
    return row


def _of(id_: str, at: float, changed_at: float, target: str, status: str) -> Row:
    return {
        "id": id_,
        "at": at,
        "changed_at": changed_at,
        "source": None,
        "source_label": None,
        "about": None,
        "cause": None,
        "target": target,
        "target_label": label(target),
        "status": status,
        "attempts": 0,
        "code": None,
        "message": None,
        "duration_ms": None,
        "next_at": None,
        "told": None,
    }


def _function(ref: FunctionRef) -> str:
    return ref.arn if ref.version == "$LATEST" else f"{ref.arn}:{ref.version}"


def _short(text: str | None, most: int) -> str | None:
    return text if text is None or len(text) <= most else text[: most - 1] + "…"


@lru_cache(maxsize=4096)
def label(arn: str) -> str:
    """What people call a resource: `s3:inbox`, `lambda:shout:live`, `rule:orders/paid`, `schedule:nightly`.

    What is not known by such a name is called by its ARN.
    """
    parts = parse_arn(arn)
    return arn if parts is None else _label(parts) or arn


def _label(arn: Arn) -> str:
    if arn.service in _NAMED_BY_SERVICE:
        return f"{arn.service}:{arn.resource}"
    kind, *rest = _FIRST_PART.split(arn.resource, maxsplit=1)
    prefix = _PREFIXES.get((arn.service, kind))
    return "" if prefix is None or not rest else prefix + _UNSAID.sub("", rest[0])
