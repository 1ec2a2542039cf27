"""What happens to an asynchronous event after an attempt. Pure.

Source: asynchronous invocation, November 2026: function errors are retried after 1 and 2 more minutes; throttles and
service errors are put back with a growing delay from 1 s to 5 min and use up no attempt; after the maximum age the
event is dropped.
"""

from dataclasses import dataclass
from typing import Literal

from bulb.core.errors import AwsError
from bulb.core.limits import ASYNC_EVENT_AGE_S, ASYNC_RETRY_DELAYS_S

Condition = Literal["RetriesExhausted", "EventAgeExceeded", "FunctionNotFound"]

_FIRST_BACKOFF_S, _LAST_BACKOFF_S = 1.0, 300.0


@dataclass(frozen=True, slots=True)
class Done:
    """The function took the event."""


@dataclass(frozen=True, slots=True)
class Again:
    """Try once more at `at` (Unix seconds); `attempts` is how many have failed so far."""

    at: float
    attempts: int


@dataclass(frozen=True, slots=True)
class Drop:
    """Never again, and why."""

    condition: Condition


Verdict = Done | Again | Drop


def after_answer(failed: bool, attempts: int, accepted_at: float, now: float) -> Verdict:
    """After the function answered. `attempts` counts the failures before this one."""
    if not failed:
        return Done()
    if attempts >= len(ASYNC_RETRY_DELAYS_S):
        return Drop("RetriesExhausted")
    at = now + ASYNC_RETRY_DELAYS_S[attempts]
    if at > accepted_at + ASYNC_EVENT_AGE_S:
        return Drop("EventAgeExceeded")
    return Again(at, attempts + 1)


def after_refusal(error: AwsError, attempts: int, accepted_at: float, now: float) -> Verdict:
    """After Bulb could not run the function at all.

    The delay is the event's age within its bounds, so that each wait is about as long as all before it together.
    """
    if error.code == "ResourceNotFoundException":
        return Drop("FunctionNotFound")
    expires = accepted_at + ASYNC_EVENT_AGE_S
    if now >= expires:
        return Drop("EventAgeExceeded")
    delay = min(max(now - accepted_at, _FIRST_BACKOFF_S), _LAST_BACKOFF_S)
    return Again(min(now + delay, expires), attempts)
