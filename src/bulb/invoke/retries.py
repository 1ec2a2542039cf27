"""What happens to an asynchronous event after an attempt. Pure.

Source: asynchronous invocation, November 2026: function errors are retried after 1 and 2 more minutes; throttles and
service errors are put back with a growing delay from 1 s to 5 min and use up no attempt; after the maximum age the
event is dropped, and so it is at once when nothing may run (reserved concurrency 0) or a loop is cut.
"""

from dataclasses import dataclass
from typing import Literal

from bulb.core.errors import AwsError
from bulb.core.limits import ASYNC_RETRY_DELAYS_S
from bulb.invoke.model import AsyncRules

Condition = Literal[
    "RetriesExhausted", "EventAgeExceeded", "ZeroReservedConcurrency", "RecursiveInvocation", "FunctionNotFound"
]

_FIRST_BACKOFF_S, _LAST_BACKOFF_S = 1.0, 300.0
# A last attempt is made at the maximum age itself; whoever takes the event up a moment later is not too late for it.
_GRACE_S = 2.0


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


def too_old(rules: AsyncRules, accepted_at: float, now: float) -> bool:
    """The event waited so long that it is not even tried."""
    return now > accepted_at + rules.max_age_s + _GRACE_S


def is_gone(error: AwsError) -> bool:
    """There is no such function, version or alias (any more)."""
    return error.code == "ResourceNotFoundException"


def after_answer(failed: bool, rules: AsyncRules, attempts: int, accepted_at: float, now: float) -> Verdict:
    """After the function answered, or was not there to. `attempts` counts the failures before this one."""
    if not failed:
        return Done()
    if attempts >= min(rules.max_retries, len(ASYNC_RETRY_DELAYS_S)):
        return Drop("RetriesExhausted")
    at = now + ASYNC_RETRY_DELAYS_S[attempts]
    if at > accepted_at + rules.max_age_s:
        return Drop("EventAgeExceeded")
    return Again(at, attempts + 1)


def after_refusal(
    error: AwsError, rules: AsyncRules, reserved: int | None, attempts: int, accepted_at: float, now: float
) -> Verdict:
    """After Bulb could not run the function at all; `reserved` is the function's reserved concurrency.

    ResourceNotFoundException is for a function that is gone as a whole.

    The delay is the event's age within its bounds, so that each wait is about as long as all before it together.
    """
    if is_gone(error):
        return Drop("FunctionNotFound")
    if error.code == "RecursiveInvocationException":
        return Drop("RecursiveInvocation")
    if error.code == "TooManyRequestsException" and reserved == 0:
        return Drop("ZeroReservedConcurrency")
    expires = accepted_at + rules.max_age_s
    if now >= expires:
        return Drop("EventAgeExceeded")
    delay = min(max(now - accepted_at, _FIRST_BACKOFF_S), _LAST_BACKOFF_S)
    return Again(min(now + delay, expires), attempts)
