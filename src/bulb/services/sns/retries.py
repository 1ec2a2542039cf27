"""What follows when an endpoint does not take a message: further attempts, then the dead letter. Pure.

Functions and queues are AWS's own endpoints: 100,015 attempts over 23 days. HTTP/S endpoints have the retries of their
delivery policy. A refusal that is final (the endpoint is gone, or lets nobody in) is never tried again.
"""

from collections.abc import Mapping
from typing import Any

from bulb.delivery.model import Again, GiveUp, Letter, Refusal
from bulb.services.sns import documents
from bulb.storage.outbox import Entry

# Retries of AWS's own endpoints: at once, a second apart, backing off from one second to twenty, twenty seconds apart.
_AT_ONCE, _SECOND_APART, _BACKING_OFF, _AT_LONGEST = 3, 2, 10, 100_000
_SHORTEST_S, _LONGEST_S = 1.0, 20.0


def after_refusal(entry: Entry, refusal: Refusal, attempts: int, now: float) -> Again | GiveUp:
    """The rule of everything topics send."""
    if not refusal.is_final and (wait := wait_s(entry.attributes, attempts)) is not None:
        return Again(now + wait)
    return GiveUp(_letters(entry))


def wait_s(about: Mapping[str, Any], retry: int) -> float | None:
    """Seconds before a retry (1 is the first), None where there is no further one."""
    if (waits := about.get("waits_s")) is not None:
        return float(waits[retry - 1]) if retry <= len(waits) else None
    if retry <= _AT_ONCE:
        return 0.0
    if (retry := retry - _AT_ONCE) <= _SECOND_APART:
        return _SHORTEST_S
    if (retry := retry - _SECOND_APART) <= _BACKING_OFF:
        return float(_SHORTEST_S * (_LONGEST_S / _SHORTEST_S) ** ((retry - 1) / (_BACKING_OFF - 1)))
    return _LONGEST_S if retry - _BACKING_OFF <= _AT_LONGEST else None


def _letters(entry: Entry) -> tuple[Letter, ...]:
    about = entry.attributes
    queue = about.get("dead_letter")
    if queue is None:
        return ()
    payload = documents.of_event(entry.payload) if about["protocol"] == "lambda" else entry.payload
    letter: dict[str, Any] = {
        "source": "sns",
        "source_arn": about["source_arn"],
        "account": about["account"],
        "trace_header": about.get("trace_header"),
        "protocol": "sqs",
        "about": about.get("about"),
        **about.get("dead_letter_ids", {}),
    }
    if about.get("raw_attributes"):
        letter["message_attributes"] = about["raw_attributes"]
    return (Letter(queue, payload, letter),)
