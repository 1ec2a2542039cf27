"""How many batches of one mapping run at the same time. Pure: values and `now`.

A mapping starts with five. As long as messages wait it gets 300 more a minute, up to 1,250; in provisioned mode ten for
each poller, and 1,000 more a minute between its bounds. Function errors and throttles take away up to half in a second.
Without traffic it is back at five after a minute, and after five at two, unless the caller set a maximum.

That is how fast it may grow, on AWS's machines. On ours it grows only while the processors have time to spare: handlers
that wait for something get their environments, handlers that compute do not get more than the machine can use.
Source of the figures: the developer guide's pages on scaling and provisioned mode, November 2026.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import ceil
from typing import Any

_FIRST, _IDLE, _MOST, _A_MINUTE = 5, 2, 1_250, 300
PER_POLLER, MIN_POLLERS, MAX_POLLERS, _PROVISIONED_A_MINUTE = 10, 2, 200, 1_000
STEP_S = 1.0
# After a pause nothing is made up for: growth counts at most this long at once.
_LONGEST_STEP_S = 2.0
_QUIET_S, _IDLE_S = 60.0, 300.0
_SPARE = 0.15


@dataclass(frozen=True, slots=True)
class Limits:
    """Where a mapping begins, what it comes down to when idle, its ceiling, and how many more it gets in a second.

    `is_provisioned`: its pollers carry so much and no more (`capacity.py`).
    """

    first: int = _FIRST
    least: int = _IDLE
    most: int = _MOST
    per_second: float = _A_MINUTE / 60
    is_provisioned: bool = False


@dataclass(frozen=True, slots=True)
class Seen:
    """What happened since the last step: batches that ended, how many of them failed or found no room, whether there
    was work at all, and whether messages wait for a batch.
    """

    ended: int = 0
    failed: int = 0
    working: bool = False
    waiting: bool = False


@dataclass(frozen=True, slots=True)
class Scale:
    """The present allowance. `at` is the last step, `quiet_since` the last moment with work (Unix seconds)."""

    allowed: float
    at: float
    quiet_since: float

    @property
    def batches(self) -> int:
        """In whole batches."""
        return int(self.allowed)

    @property
    def pollers(self) -> int:
        """How many pollers of provisioned mode that takes."""
        return ceil(self.batches / PER_POLLER)


def limits(settings: Mapping[str, Any]) -> Limits:
    """What the settings of a mapping say."""
    if (pollers := settings.get("ProvisionedPollerConfig")) is not None:
        fewest = pollers.get("MinimumPollers", MIN_POLLERS)
        most = max(pollers.get("MaximumPollers", MAX_POLLERS), fewest)
        kept = fewest * PER_POLLER
        return Limits(kept, kept, most * PER_POLLER, _PROVISIONED_A_MINUTE / 60, is_provisioned=True)
    most = settings.get("ScalingConfig", {}).get("MaximumConcurrency")
    return Limits() if most is None else Limits(min(_FIRST, most), min(_FIRST, most), most)


def start(of: Limits, now: float) -> Scale:
    """A mapping begins."""
    return Scale(of.first, now, now)


def within(scale: Scale, of: Limits) -> Scale:
    """After the limits have changed."""
    return replace(scale, allowed=min(max(scale.allowed, of.least), of.most))


def step(scale: Scale, of: Limits, seen: Seen, idle: float, now: float) -> Scale:
    """The next allowance, at most once a second. `idle` is the share of the processors' time that is idle, 0 to 1."""
    elapsed = now - scale.at
    if 0 <= elapsed < STEP_S:
        return scale
    quiet_since = now if seen.working or seen.waiting or seen.ended else scale.quiet_since
    return Scale(_allowed(scale, of, seen, idle, now, min(elapsed, _LONGEST_STEP_S)), now, quiet_since)


def _allowed(scale: Scale, of: Limits, seen: Seen, idle: float, now: float, elapsed: float) -> float:
    if seen.failed:
        return max(scale.allowed * (1 - seen.failed / max(seen.ended, seen.failed) / 2), of.least)
    if seen.waiting and idle >= _SPARE:
        return min(scale.allowed + of.per_second * max(elapsed, 0.0), of.most)
    if seen.working or seen.waiting or seen.ended:
        return scale.allowed
    quiet = now - scale.quiet_since
    if quiet >= _IDLE_S:
        return of.least
    return min(scale.allowed, of.first) if quiet >= _QUIET_S else scale.allowed
