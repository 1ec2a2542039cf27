"""What follows when a target does not take an event: another attempt, or the dead-letter queue. Pure.

Waits double from a second to ten minutes, each shortened by up to half at random, so that many events for one target do
not come back at once; a target that asks for more gets it. The last attempt is made when the event's time is up.
Source: the pages on EventBridge's retry policy and dead-letter queues.
"""

from collections.abc import Callable
from typing import Any

from bulb.core.texts import sendable, sendable_json
from bulb.delivery.model import Again, GiveUp, Letter, Refusal
from bulb.services.events.matching import SOURCE
from bulb.storage.outbox import Entry

MOST_RETRIES, LONGEST_AGE_S = 185, 86_400
_LONGEST_WAIT_S = 600.0
_DOUBLINGS = 30


def after_refusal(random: Callable[[], float]) -> Callable[[Entry, Refusal, int, float], Again | GiveUp]:
    """The rule for what rules send. `random` gives numbers from 0 to 1."""

    def rule(entry: Entry, refusal: Refusal, attempts: int, now: float) -> Again | GiveUp:
        if refusal.is_final:
            return GiveUp(_letters(entry, refusal, attempts, None))
        policy = entry.attributes.get("retry") or {}
        if attempts > policy.get("MaximumRetryAttempts", MOST_RETRIES):
            return GiveUp(_letters(entry, refusal, attempts, "MaximumRetryAttempts"))
        until = entry.created_at + policy.get("MaximumEventAgeInSeconds", LONGEST_AGE_S)
        if now >= until:
            return GiveUp(_letters(entry, refusal, attempts, "MaximumEventAgeInSeconds"))
        wait = max(_wait(attempts, random()), refusal.retry_after_s or 0.0)
        return Again(min(now + wait, until))

    return rule


def _wait(attempts: int, chance: float) -> float:
    doubled: float = 2.0 ** min(attempts - 1, _DOUBLINGS)
    return min(doubled, _LONGEST_WAIT_S) * (1.0 - chance / 2)


def _letters(entry: Entry, refusal: Refusal, attempts: int, exhausted: str | None) -> tuple[Letter, ...]:
    about = entry.attributes
    queue: str | None = about.get("dead_letter")
    if queue is None:
        return ()
    said = {
        "RULE_ARN": about["source_arn"],
        "TARGET_ARN": entry.destination_arn,
        "ERROR_CODE": refusal.code,
        "ERROR_MESSAGE": sendable(refusal.message),
        "RETRY_ATTEMPTS": str(attempts - 1),
    }
    if exhausted is not None:
        said["EXHAUSTED_RETRY_CONDITION"] = exhausted
    attributes: dict[str, Any] = {
        "source": SOURCE,
        "source_arn": about["source_arn"],
        "account": about["account"],
        "trace_header": about.get("trace_header"),
        "about": about.get("about"),
        "message_attributes": {name: {"DataType": "String", "StringValue": text} for name, text in said.items()},
    }
    original = about.get("event")
    return (Letter(queue, sendable_json(entry.payload if original is None else original.encode()), attributes),)
