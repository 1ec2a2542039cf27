"""`cron(minutes hours day-of-month month day-of-week year)`: read, and the next time it is due.

Rules:
1. Exactly one of day-of-month and day-of-week is `?`. Days of the week count from 1 = SUN.
2. `*`, values, names, lists, ranges and steps (`0/15`, `*/5`, `10-20/2`) in every field. A range may go round
   (`FRI-MON`, `22-2`), in years not.
3. Day-of-month also has `L` (the last day), `L-3`, `15W` (the weekday nearest to the 15th, within its month; none where
   the month has no such day) and `LW`; day-of-week has `L` (SAT), `6L` (the last Friday) and, alone, `6#3` (the third).
4. The fields speak of local time. A local time that a zone skips is not due; one that it repeats is due the first time.

Nothing here counts minutes: a search goes from one matching year to the next, then months, days, hours and minutes.
"""

import re
from bisect import bisect_left
from calendar import monthrange
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo

_MONTHS = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"]
_DAYS = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"]
_FIELDS = 6
_SATURDAY = 7
_WEEKS = 5
_LAST_MOMENT = datetime(2200, 1, 2, tzinfo=UTC).timestamp()  # No zone is still in 2199 then.


class CronError(ValueError):
    """Not a cron expression."""


@dataclass(frozen=True, slots=True)
class _Field:
    """The values a field may have; `most_step` is the longest step."""

    least: int
    most: int
    names: tuple[str, ...] = ()
    goes_round: bool = True

    def number(self, text: str) -> int:
        """The value of a number or a name."""
        if text.upper() in self.names:
            return self.names.index(text.upper()) + self.least
        if not re.fullmatch("[0-9]{1,4}", text) or not self.least <= int(text) <= self.most:
            raise CronError(text)
        return int(text)

    def values(self, text: str) -> set[int]:
        """What one item of a list stands for."""
        span, slash, step = text.partition("/")
        if slash and (not re.fullmatch("[0-9]{1,4}", step) or not 1 <= int(step) <= self.most):
            raise CronError(text)
        first, last = self._span(span, stepped=bool(slash))
        size = self.most - self.least + 1
        length = (last - first) % size if self.goes_round else last - first
        return {(first + offset - self.least) % size + self.least for offset in range(0, length + 1, int(step or 1))}

    def all_values(self, text: str) -> tuple[int, ...]:
        """What the whole field stands for, in order."""
        return tuple(sorted(set().union(*(self.values(item) for item in text.split(",")))))

    def _span(self, text: str, *, stepped: bool) -> tuple[int, int]:
        if text == "*":
            return self.least, self.most
        start, dash, end = text.partition("-")
        first = self.number(start)
        last = self.number(end) if dash else self.most if stepped else first
        if last < first and not self.goes_round:
            raise CronError(text)
        return first, last


_MINUTES, _HOURS = _Field(0, 59), _Field(0, 23)
_DAY_OF_MONTH, _MONTH = _Field(1, 31), _Field(1, 12, tuple(_MONTHS))
_DAY_OF_WEEK, _YEAR = _Field(1, 7, tuple(_DAYS)), _Field(1970, 2199, goes_round=False)


@dataclass(frozen=True, slots=True)
class _MonthDays:
    """Days by their number. `from_end`: so many days before the last. `near`: weekdays near a day, 0 for the last."""

    days: frozenset[int]
    from_end: frozenset[int]
    near: frozenset[int]

    def of(self, year: int, month: int) -> list[int]:
        """The days of a month, in order."""
        length = monthrange(year, month)[1]
        found = {day for day in self.days if day <= length}
        found |= {length - before for before in self.from_end if before < length}
        found |= {_nearest_weekday(year, month, day or length, length) for day in self.near if day <= length}
        return sorted(found)


@dataclass(frozen=True, slots=True)
class _WeekDays:
    """Days of the week (1 = SUN). `last`: their last one of the month. `nth`: (day, which one of the month)."""

    days: frozenset[int]
    last: frozenset[int]
    nth: frozenset[tuple[int, int]]

    def of(self, year: int, month: int) -> list[int]:
        """The days of a month, in order."""
        first, length = monthrange(year, month)
        first = (first + 1) % 7 + 1  # Python's week begins with Monday = 0.
        found = []
        for day in range(1, length + 1):
            weekday = (first + day - 2) % 7 + 1
            if (
                weekday in self.days
                or (weekday in self.last and day + 7 > length)
                or (weekday, (day - 1) // 7 + 1) in self.nth
            ):
                found.append(day)
        return found


@dataclass(frozen=True, slots=True)
class Cron:
    """A cron expression."""

    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: _MonthDays | _WeekDays
    months: tuple[int, ...]
    years: tuple[int, ...]

    def next_after(self, moment: float, zone: tzinfo = UTC, since: float | None = None) -> float | None:
        """The first due time after `moment` and not before `since` (Unix s), None when there is none any more."""
        if since is not None and since > moment:
            moment = since - 1e-6  # Not before `since`: that very moment is one that may be due.
        if moment >= _LAST_MOMENT:
            return None
        local = datetime.fromtimestamp(max(moment, 0.0), zone)
        begin = local.replace(second=0, microsecond=0, tzinfo=None) + timedelta(minutes=moment >= 0)
        for wall in self._from(begin):
            due = moment_of(wall, zone)
            if due is not None and due > moment:
                return due
        return None

    def _from(self, begin: datetime) -> Iterator[datetime]:
        """The local times that match, beginning with `begin`."""
        for day in self._days_from(begin.date()):
            is_first = day == begin.date()
            for hour in self.hours[bisect_left(self.hours, begin.hour) if is_first else 0 :]:
                in_first_hour = is_first and hour == begin.hour
                for minute in self.minutes[bisect_left(self.minutes, begin.minute) if in_first_hour else 0 :]:
                    yield datetime(day.year, day.month, day.day, hour, minute)

    def _days_from(self, begin: date) -> Iterator[date]:
        for year in self.years[bisect_left(self.years, begin.year) :]:
            for month in self.months[bisect_left(self.months, begin.month) if year == begin.year else 0 :]:
                days = self.days.of(year, month)
                is_first = (year, month) == (begin.year, begin.month)
                for day in days[bisect_left(days, begin.day) if is_first else 0 :]:
                    yield date(year, month, day)


def moment_of(wall: datetime, zone: tzinfo) -> float | None:
    """When the clocks of a zone first show `wall`, in Unix seconds; None when they never do."""
    moment = wall.replace(tzinfo=zone).timestamp()
    try:
        shown = datetime.fromtimestamp(moment, zone)
    except (ValueError, OverflowError):  # the first or the last hours of the calendar, in another zone
        return None
    return moment if shown.replace(tzinfo=None) == wall else None


def parse_cron(fields: str, *, is_year_optional: bool = False) -> Cron:
    """What stands between the parentheses. Raises CronError."""
    parts = fields.split(" ")
    if is_year_optional and len(parts) == _FIELDS - 1:
        parts.append("*")
    if len(parts) != _FIELDS:
        raise CronError(fields)
    minutes, hours, day_of_month, month, day_of_week, year = parts
    if (day_of_month == "?") == (day_of_week == "?"):
        raise CronError(fields)
    return Cron(
        minutes=_MINUTES.all_values(minutes),
        hours=_HOURS.all_values(hours),
        days=_week_days(day_of_week) if day_of_month == "?" else _month_days(day_of_month),
        months=_MONTH.all_values(month),
        years=_YEAR.all_values(year),
    )


def _month_days(text: str) -> _MonthDays:
    days: set[int] = set()
    from_end: set[int] = set()
    near: set[int] = set()
    for item in text.upper().split(","):
        if item == "L":
            from_end.add(0)
        elif item == "LW":
            near.add(0)
        elif item.startswith("L-"):
            from_end.add(_DAY_OF_MONTH.number(item[2:]))
        elif item.endswith("W"):
            near.add(_DAY_OF_MONTH.number(item[:-1]))
        else:
            days |= _DAY_OF_MONTH.values(item)
    return _MonthDays(frozenset(days), frozenset(from_end), frozenset(near))


def _week_days(text: str) -> _WeekDays:
    days: set[int] = set()
    last: set[int] = set()
    if "#" in text:
        return _WeekDays(frozenset(), frozenset(), frozenset({_nth_day(text)}))
    for item in text.upper().split(","):
        if item == "L":
            days.add(_SATURDAY)
        elif item.endswith("L"):
            last.add(_DAY_OF_WEEK.number(item[:-1]))
        else:
            days |= _DAY_OF_WEEK.values(item)
    return _WeekDays(frozenset(days), frozenset(last), frozenset())


def _nth_day(text: str) -> tuple[int, int]:
    """`6#3`, which stands for itself: a list with one in it is no expression."""
    day, _, which = text.partition("#")
    if not re.fullmatch("[0-9]", which) or not 1 <= int(which) <= _WEEKS:
        raise CronError(text)
    return _DAY_OF_WEEK.number(day), int(which)


def _nearest_weekday(year: int, month: int, day: int, length: int) -> int:
    """The weekday nearest to a day, in its own month."""
    weekday = date(year, month, day).isoweekday()
    if weekday == 6:  # noqa: PLR2004 - Saturday
        return day - 1 if day > 1 else day + 2
    if weekday == 7:  # noqa: PLR2004 - Sunday
        return day + 1 if day < length else day - 2
    return day
