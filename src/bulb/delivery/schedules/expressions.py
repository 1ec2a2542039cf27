"""Schedule expressions of EventBridge's rules and of EventBridge Scheduler: two grammars, one meaning.

Rules know `rate` and `cron`, in UTC; a rate's unit is in the singular exactly for 1. Schedules also know `at`, in any
time zone, and take both forms of a unit, crons without a year, times without seconds, and keywords in any case. Neither
takes white space where it does not belong.
"""

import math
import re
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from typing import Protocol
from zoneinfo import ZoneInfo

from bulb.delivery.schedules.cron import CronError, moment_of, parse_cron

_RATE = re.compile(r"rate\(([0-9]{1,18}) (minute|hour|day)(s?)\)")
# Hours to 23: whether Python's own reader knows 24:00 depends on its version.
_AT = re.compile(r"at\([0-9]{4}-[0-9]{2}-[0-9]{2}T([01][0-9]|2[0-3]):[0-9]{2}(:[0-9]{2})?\)")
_CRON = re.compile(r"cron\(([^()]*)\)")
_SECONDS = {"minute": 60, "hour": 3_600, "day": 86_400}
_ZONE = re.compile(r"[A-Za-z0-9_+/-]{1,50}")
# Folders of a machine's time zones that hold the same names with leap seconds, or once more.
_NOT_ZONES = ("right/", "posix/")
# And files that are no place's zone: the machine's own, and two that stand for none.
_NO_PLACES = ("localtime", "posixrules", "Factory")
_END_OF_TIME = datetime(9999, 12, 1, tzinfo=UTC).timestamp()


class ExpressionError(ValueError):
    """Not a schedule expression; what is said of it is up to the service."""


class Schedule(Protocol):
    """When something is due."""

    def next_after(self, moment: float, zone: tzinfo = UTC, since: float | None = None) -> float | None:
        """The first due time after `moment`, never before `since` (Unix s); None when there is none any more."""


@dataclass(frozen=True, slots=True)
class Rate:
    """Every so many seconds, whatever the clocks on the wall show."""

    period_s: int

    def next_after(self, moment: float, zone: tzinfo = UTC, since: float | None = None) -> float | None:
        """The first of `since`, `since` + 1 period, ... after `moment`; without `since`, one period after `moment`."""
        if since is None:
            due = moment + self.period_s
        elif since > moment:
            due = since
        else:
            due = since + ((moment - since) // self.period_s + 1) * self.period_s
        return due if due < _END_OF_TIME else None

    def in_step(self, moment: float, anchor: float) -> float | None:
        """The first of ..., `anchor` - 1 period, `anchor`, `anchor` + 1 period, ... after `moment`.

        For an anchor that is no promise but a time some clock showed, which may have been ahead.
        """
        if anchor <= moment:
            return self.next_after(moment, since=anchor)
        return anchor - (math.ceil((anchor - moment) / self.period_s) - 1) * self.period_s


@dataclass(frozen=True, slots=True)
class At:
    """Once, at a local time. It never comes where the zone skips that time."""

    wall: datetime

    def next_after(self, moment: float, zone: tzinfo = UTC, since: float | None = None) -> float | None:
        """The one due time, if it is after `moment` and not before `since`."""
        due = moment_of(self.wall, zone)
        return due if due is not None and due > moment and (since is None or due >= since) else None


def parse_rule(text: str) -> Schedule:
    """A rule's expression. Raises ExpressionError."""
    if (rate := _RATE.fullmatch(text)) is not None and (rate[1] == "1") == (rate[3] == ""):
        return _rate(rate)
    return _cron(text)


def parse_schedule(text: str) -> Schedule:
    """A schedule's expression. Raises ExpressionError."""
    keyword, bracket, rest = text.partition("(")
    text = keyword.lower() + bracket + rest
    if (rate := _RATE.fullmatch(text)) is not None:
        return _rate(rate)
    if _AT.fullmatch(text) is not None:
        try:
            return At(datetime.fromisoformat(text[3:-1]))
        except ValueError as error:
            raise ExpressionError(text) from error
    return _cron(text, is_year_optional=True)


def time_zone(name: str) -> ZoneInfo | None:
    """The time zone of an IANA name, None where the machine knows none of that name."""
    if not _ZONE.fullmatch(name) or name.startswith(_NOT_ZONES) or name in _NO_PLACES:
        return None
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # no such name, a file that is no zone, a folder
        return None


def _rate(found: re.Match[str]) -> Rate:
    count = int(found[1])
    if count == 0:
        raise ExpressionError(found[0])
    return Rate(count * _SECONDS[found[2]])


def _cron(text: str, *, is_year_optional: bool = False) -> Schedule:
    found = _CRON.fullmatch(text)
    if found is None:
        raise ExpressionError(text)
    try:
        return parse_cron(found[1], is_year_optional=is_year_optional)
    except CronError as error:
        raise ExpressionError(text) from error
