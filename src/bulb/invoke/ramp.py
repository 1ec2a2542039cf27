"""How many events of one function run at the same time, when they come faster than they end.

A function starts with a few at once. As long as more are waiting, and the processors have time to spare, the number
doubles every second, up to the account's limit: handlers that wait for something soon get many environments, handlers
that compute do not get more than the machine can use. Nothing here looks at the machine or the clock by itself.
"""

from dataclasses import dataclass

from bulb.core.limits import ACCOUNT_CONCURRENCY

PER_PROCESSOR = 4
_STEP_S = 1.0
# With less of the processors' time idle than this, further environments would only slow down those there are.
_SPARE = 0.15


@dataclass(frozen=True, slots=True)
class Ramp:
    """One function's present allowance. `since` is when it last grew or began to be too small (Unix seconds)."""

    allowed: int
    since: float


def start(processors: int, now: float) -> Ramp:
    """The first step."""
    return Ramp(PER_PROCESSOR * processors, now)


def step(ramp: Ramp, idle: float, now: float) -> Ramp:
    """The next allowance of a function whose events wait. `idle` is the idle share of the processors' time, 0 to 1."""
    if now - ramp.since < _STEP_S or idle < _SPARE:
        return ramp
    return Ramp(min(ramp.allowed * 2, ACCOUNT_CONCURRENCY), now)
