"""When a schedule ticks, and which tick counts after a time in which nobody looked. Pure.

A tick is a time of the expression within the schedule's dates. Ticks that came and went while Bulb did not run, or
while the clock was set forward, are not made up for one by one: the latest of them fires, late, if it is no older than
the target's MaximumEventAgeInSeconds; the others are lost. One-time schedules have one tick, and the same rule.
"""

from dataclasses import dataclass
from functools import lru_cache
from zoneinfo import ZoneInfo

from bulb.delivery.schedules import At, Rate, parse_schedule, time_zone
from bulb.delivery.schedules import Schedule as Expression
from bulb.services.scheduler.model import MAX_AGE_S, Definition

_UTC = ZoneInfo("UTC")


@dataclass(frozen=True, slots=True)
class Due:
    """`fires`: the tick that is to be invoked for, None where all are too old. `following`: the next one, if any."""

    fires: float | None
    following: float | None


@lru_cache(maxsize=4_096)
def expression(text: str) -> Expression:
    """The expression of a schedule that was checked when it was made."""
    return parse_schedule(text)


def first(definition: Definition, anchor: float, now: float) -> float | None:
    """The first tick of a schedule that is enabled now; a rate without a start in the future ticks at once.

    A time that is past already is one that was missed: it fires at once if it is not too old.
    """
    missed = max_age(definition) if is_once(definition.expression) else 0
    return following(definition, anchor, now - missed, including=True)


def following(definition: Definition, anchor: float, after: float, *, including: bool = False) -> float | None:
    """The first tick after a time, or at it. The dates of a schedule are not for one-time schedules."""
    what = expression(definition.expression)
    zone = time_zone(definition.timezone) or _UTC
    after -= 1e-6 if including else 0.0
    if isinstance(what, At):
        return what.next_after(after, zone)
    if isinstance(what, Rate) and definition.start_at is None:
        tick = what.in_step(after, anchor)
    else:
        tick = what.next_after(after, zone, definition.start_at)
    return tick if tick is None or definition.end_at is None or tick <= definition.end_at else None


def due(definition: Definition, anchor: float, tick: float, now: float) -> Due:
    """What to do at `now` about a schedule whose timer waited for `tick`."""
    latest, later = tick, following(definition, anchor, tick)
    if later is not None and later <= now:
        latest = _latest(definition, anchor, later, now)
        later = following(definition, anchor, max(latest, now))
    return Due(latest if now - latest <= max_age(definition) else None, later)


def is_once(text: str) -> bool:
    """The expression has one tick, whatever the dates."""
    return isinstance(expression(text), At)


def ends(definition: Definition) -> bool:
    """It is complete after its last tick. A recurring schedule without an end is not, even if its years are over."""
    return is_once(definition.expression) or definition.end_at is not None


def max_age(definition: Definition) -> int:
    """How old an invocation may become."""
    age: int = (definition.target.get("RetryPolicy") or {}).get("MaximumEventAgeInSeconds", MAX_AGE_S)
    return age


def _latest(definition: Definition, anchor: float, found: float, now: float) -> float:
    """The last tick up to `now`, given one that is. Halves the time that is in question, in which there may be many."""
    unknown = now
    while unknown - found > 1:
        middle = found + (unknown - found) / 2
        tick = following(definition, anchor, middle)
        if tick is not None and tick <= now:
            found = tick
        else:
            unknown = middle
    return found
