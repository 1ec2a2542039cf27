"""Schedule expressions: what is taken, and when it is due, held against one that counts every minute."""

import calendar
from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bulb.delivery.schedules import ExpressionError, Rate, Schedule, parse_rule, parse_schedule, time_zone

NEW_YORK, BERLIN = ZoneInfo("America/New_York"), ZoneInfo("Europe/Berlin")
LORD_HOWE, KOLKATA = ZoneInfo("Australia/Lord_Howe"), ZoneInfo("Asia/Kolkata")


def moment(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def following(schedule: Schedule, after: str, count: int, zone: tzinfo = UTC, since: float | None = None) -> list[str]:
    """The next due times, as the clocks of the zone show them."""
    found, now = [], moment(after)
    while len(found) < count and (due := schedule.next_after(now, zone, since)) is not None:
        found.append(datetime.fromtimestamp(due, zone).strftime("%Y-%m-%dT%H:%M:%S%z").replace("+0000", ""))
        now = due
    return found


REFUSED_BY_BOTH = [
    "", " ", "rate", "rate()", "rate(10)", "rate(-10 minutes)", "rate(10 seconds)", "rate(10 years)",
    "rate(10 minutess)", "rate( 10 minutes )", " rate(10 minutes)", "rate(10 minutes) ", "rate(0 minutes)",
    "rate(1.5 minutes)", "rate(10  minutes)", "rate(10 MINUTES)", "rate(10 minutes", "rate(١ minutes)",
    "rate(1 day\n)", "at(2021-12-31)", "at(2021-12-31T23:59:59Z)", "at(2021-02-30T00:00:00)",
    "at(2021-12-31T24:00:00)", "at(2021-12-31 23:59:59)", "at()", "at(2021-12-31T23)", "at(2021-12-31T23:59:59.5)",
    "cron()", "cron(0 12 * *)", "cron(0 12 * * ? * *)", "cron(0 12 * * * *)", "cron(0 12 ? * ? *)",
    "cron(7 20 * * 1-7 *)",
    "cron(0 12 1 * 1 *)", " cron(0 12 * * ? *)", "cron( 0 12 * * ? *)", "cron(0 12 * * ? * )", "cron(60 * * * ? *)",
    "cron(* 24 * * ? *)", "cron(* * 0 * ? *)", "cron(* * 32 * ? *)", "cron(* * * 13 ? *)", "cron(* * ? * 0 *)",
    "cron(* * ? * 8 *)", "cron(* * * * ? 1969)", "cron(* * * * ? 2200)", "cron(*/60 * * * ? *)",
    "cron(0/0 * * * ? *)", "cron(1, * * * ? *)", "cron(,1 * * * ? *)", "cron(1-2-3 * * * ? *)",
    "cron(1/2/3 * * * ? *)", "cron(a * * * ? *)", "cron(JAN * * * ? *)", "cron(* * * JANUARY ? *)",
    "cron(* * ? * MON#6 *)", "cron(* * ? * MON#0 *)", "cron(* * ? * 2# *)", "cron(* * W * ? *)", "cron(* * 0W * ? *)",
    "cron(* * L-32 * ? *)", "cron(* * L-0 * ? *)", "cron(L * * * ? *)", "cron(? * * * ? *)", "cron(* * * ? ? *)",
    "cron(* * * * ? ?)", "cron(* * ? * 8L *)", "cron(* * * * ? 2030-2020)", "cron(-1 * * * ? *)",
    "cron(1- * * * ? *)", "cron(/5 * * * ? *)", "cron(* * 1-? * ? *)", "cron(0 12 * * ? *)x", "cron(0\t12 * * ? *)",
    "cron(0 0 ? * 2#1,4#3 *)", "cron(0 0 ? * 2#1,5 *)", "cron(0 0 ? * L,2#1 *)", "cron(0 0 ? * 2#1#2 *)",
    "cron(0  12 * * ? *)", "cron(٣ * * * ? *)", "cron(0 0 15W- * ? *)",
]  # fmt: skip


@pytest.mark.parametrize("text", REFUSED_BY_BOTH)
def test_what_is_no_expression_is_refused(text: str) -> None:
    for parse in (parse_rule, parse_schedule):
        with pytest.raises(ExpressionError):
            parse(text)


def test_rules_insist_on_the_right_number_and_know_no_at() -> None:
    for text in ("rate(1 minutes)", "rate(5 minute)", "rate(1 hours)", "rate(2 day)", "at(2030-01-01T00:00:00)"):
        with pytest.raises(ExpressionError):
            parse_rule(text)
        parse_schedule(text)
    for text, whole in (
        ("cron(0 12 * * ?)", "cron(0 12 * * ? *)"),
        ("at(2030-01-01T23:59)", "at(2030-01-01T23:59:00)"),
        ("RATE(10 minutes)", "rate(10 minutes)"),
        ("At(2030-01-01T23:59:00)", "at(2030-01-01T23:59:00)"),
    ):
        with pytest.raises(ExpressionError):
            parse_rule(text)
        assert parse_schedule(text) == parse_schedule(whole)
    for text in ("rate(1 minute)", "rate(5 minutes)", "rate(1 hour)", "rate(2 hours)", "rate(1 day)", "rate(7 days)"):
        assert parse_rule(text) == parse_schedule(text)


def test_rates_count_from_where_they_began() -> None:
    rate = parse_schedule("rate(5 minutes)")
    begun = moment("2026-01-01T00:01:30")
    assert rate.next_after(begun - 9, UTC, begun) == begun
    assert rate.next_after(begun, UTC, begun) == begun + 300
    assert rate.next_after(begun + 299, UTC, begun) == begun + 300
    assert rate.next_after(begun + 3_000, UTC, begun) == begun + 3_300
    assert parse_rule("rate(5 minutes)").next_after(begun) == begun + 300
    assert parse_schedule(f"rate({'9' * 18} days)").next_after(begun) is None


def test_rates_keep_step_with_a_time_that_lies_ahead() -> None:
    """A clock that was ahead when they were made says nothing of when they begin."""
    rate, now = parse_schedule("rate(5 minutes)"), moment("2026-01-01")
    assert isinstance(rate, Rate)
    ahead = now + 5 * 365 * 86_400 + 17
    assert rate.in_step(now, ahead) == now + 17
    assert rate.in_step(now + 17, ahead) == now + 317
    assert rate.in_step(now, now - 17) == now + 283
    assert rate.in_step(now, now + 300) == now + 300
    assert rate.in_step(now, now) == now + 300
    longest = parse_schedule(f"rate({'9' * 18} days)")
    assert isinstance(longest, Rate)
    assert longest.in_step(now - 1e-6, now) == now
    assert longest.in_step(now, now) is None


def test_a_day_of_a_rate_is_24_hours_whatever_the_clocks_show() -> None:
    rate, begun = parse_schedule("rate(1 days)"), moment("2026-03-07T15:00:00")
    shown = following(rate, "2026-03-07T15:00:00", 2, NEW_YORK, begun)
    assert shown == ["2026-03-08T11:00:00-0400", "2026-03-09T11:00:00-0400"]


def test_at_is_due_once_in_its_zone() -> None:
    at = parse_schedule("at(2026-07-01T13:00:05)")
    assert following(at, "2026-01-01", 2, BERLIN) == ["2026-07-01T13:00:05+0200"]
    assert at.next_after(moment("2026-07-01T13:00:05")) is None
    assert at.next_after(moment("2026-01-01"), UTC, moment("2026-08-01")) is None
    for text, zone in (("at(9999-12-31T23:59:59)", NEW_YORK), ("at(0001-01-01T00:00:00)", KOLKATA)):
        assert parse_schedule(text).next_after(moment("2026-01-01"), zone) is None


EXAMPLES = [
    ("cron(0 10 * * ? *)", ["2026-01-31T10:00", "2026-02-01T10:00"]),
    ("cron(15 12 ? * * *)", ["2026-01-31T12:15", "2026-02-01T12:15"]),
    ("cron(0 18 ? * MON-FRI *)", ["2026-02-02T18:00", "2026-02-03T18:00"]),
    ("cron(0 8 1 * ? *)", ["2026-02-01T08:00", "2026-03-01T08:00"]),
    ("cron(0/20 8-9 ? * 2-6 *)", ["2026-02-02T08:00", "2026-02-02T08:20", "2026-02-02T08:40", "2026-02-02T09:00"]),
    ("cron(*/25 0 ? * sun *)", ["2026-02-01T00:00", "2026-02-01T00:25", "2026-02-01T00:50", "2026-02-08T00:00"]),
    ("cron(1-31/30 1-1 ? * 1,7 *)", ["2026-01-31T01:01", "2026-01-31T01:31", "2026-02-01T01:01"]),
    ("cron(0 0 L * ? *)", ["2026-01-31T00:00", "2026-02-28T00:00", "2026-03-31T00:00", "2026-04-30T00:00"]),
    ("cron(0 0 L-2 * ? *)", ["2026-02-26T00:00", "2026-03-29T00:00"]),
    ("cron(0 0 LW * ? *)", ["2026-02-27T00:00", "2026-03-31T00:00", "2026-04-30T00:00", "2026-05-29T00:00"]),
    ("cron(0 0 1W * ? *)", ["2026-02-02T00:00", "2026-03-02T00:00", "2026-04-01T00:00"]),
    ("cron(0 0 15W 2-3,8 ? *)", ["2026-02-16T00:00", "2026-03-16T00:00", "2026-08-14T00:00"]),
    ("cron(0 0 1W AUG ? *)", ["2026-08-03T00:00", "2027-08-02T00:00"]),
    ("cron(0 0 31W * ? *)", ["2026-03-31T00:00", "2026-05-29T00:00"]),
    ("cron(0 0 ? * L *)", ["2026-01-31T00:00", "2026-02-07T00:00"]),
    ("cron(0 0 ? * 6L *)", ["2026-02-27T00:00", "2026-03-27T00:00"]),
    ("cron(0 0 ? * FRIL *)", ["2026-02-27T00:00", "2026-03-27T00:00"]),
    ("cron(0 0 ? * 2#1 *)", ["2026-02-02T00:00", "2026-03-02T00:00", "2026-04-06T00:00"]),
    ("cron(0 0 ? * SAT#5 *)", ["2026-01-31T00:00", "2026-05-30T00:00", "2026-08-29T00:00"]),
    ("cron(0 22-1 ? * FRI-SUN *)", ["2026-01-31T00:00", "2026-01-31T01:00", "2026-01-31T22:00"]),
    ("cron(0 0 1 NOV-JAN ? *)", ["2026-11-01T00:00", "2026-12-01T00:00", "2027-01-01T00:00", "2027-11-01T00:00"]),
    ("cron(0 0 29 FEB ? *)", ["2028-02-29T00:00", "2032-02-29T00:00"]),
    ("cron(0 0 29 2 ? 2096-2110)", ["2096-02-29T00:00", "2104-02-29T00:00", "2108-02-29T00:00"]),
    ("cron(0 0 1 1 ? 2030/5)", ["2030-01-01T00:00", "2035-01-01T00:00"]),
    ("cron(0 0 1 1 ? 2020,2031)", ["2031-01-01T00:00"]),
    ("cron(59 23 31 12 ? 2199)", ["2199-12-31T23:59"]),
    ("cron(0 0 31 2 ? *)", []),
    ("cron(0 0 1 1 ? 2025)", []),
]


@pytest.mark.parametrize(("text", "due"), EXAMPLES)
def test_crons_are_due_when_they_say(text: str, due: list[str]) -> None:
    for parse in (parse_rule, parse_schedule):
        found = following(parse(text), "2026-01-30T23:59:59", max(len(due), 1))
        assert [shown.removesuffix(":00") for shown in found] == due


def test_a_cron_is_due_strictly_after_now_and_not_before_its_start() -> None:
    every = parse_schedule("cron(* * * * ? *)")
    noon = moment("2026-01-01T12:00:00")
    assert every.next_after(noon) == noon + 60
    assert every.next_after(noon - 0.001) == noon
    assert every.next_after(noon, UTC, noon + 3_600) == noon + 3_600
    assert every.next_after(noon, UTC, noon + 3_601) == noon + 3_660


ACROSS = [
    # Forward at 2:00 on 8 March: 2:30 is skipped. Back at 2:00 on 1 November: 1:30 is due once, the first time.
    ("cron(30 2 * * ? *)", NEW_YORK, "2026-03-07T12:00", ["2026-03-09T02:30:00-0400", "2026-03-10T02:30:00-0400"]),
    ("cron(30 1 * * ? *)", NEW_YORK, "2026-10-31T12:00", ["2026-11-01T01:30:00-0400", "2026-11-02T01:30:00-0500"]),
    (
        "cron(0/30 0-3 * * ? *)",
        NEW_YORK,
        "2026-03-08T05:59",
        [
            *["2026-03-08T01:00:00-0500", "2026-03-08T01:30:00-0500"],
            *["2026-03-08T03:00:00-0400", "2026-03-08T03:30:00-0400"],
        ],
    ),
    (
        "cron(0/30 0-3 * * ? *)",
        BERLIN,
        "2026-10-24T23:59",
        [
            *["2026-10-25T02:00:00+0200", "2026-10-25T02:30:00+0200"],
            *["2026-10-25T03:00:00+0100", "2026-10-25T03:30:00+0100"],
        ],
    ),
    # Asked in the middle of the repeated hour, the second time round.
    ("cron(45 * * * ? *)", BERLIN, "2026-10-25T01:10", ["2026-10-25T03:45:00+0100"]),
    # Half an hour: forward from 2:00 to 2:30 on 4 October, back from 2:00 to 1:30 on 5 April.
    ("cron(15 2 * * ? *)", LORD_HOWE, "2026-10-02T20:00", ["2026-10-05T02:15:00+1100"]),
    (
        "cron(0/15 1-2 * * ? *)",
        LORD_HOWE,
        "2026-04-04T14:20",
        [
            *["2026-04-05T01:30:00+1100", "2026-04-05T01:45:00+1100"],
            *["2026-04-05T02:00:00+1030", "2026-04-05T02:15:00+1030"],
        ],
    ),
    ("cron(0 9 * * ? *)", KOLKATA, "2026-01-01T03:30", ["2026-01-02T09:00:00+0530"]),
    ("at(2026-03-08T02:30:00)", NEW_YORK, "2026-01-01", []),
    ("at(2026-11-01T01:30:00)", NEW_YORK, "2026-01-01", ["2026-11-01T01:30:00-0400"]),
]


@pytest.mark.parametrize(("text", "zone", "after", "due"), ACROSS)
def test_clocks_that_are_changed(text: str, zone: tzinfo, after: str, due: list[str]) -> None:
    assert following(parse_schedule(text), after, max(len(due), 1), zone) == due


def test_zones_are_those_of_the_machine() -> None:
    assert time_zone("Australia/Lord_Howe") == LORD_HOWE
    assert time_zone("UTC") is not None
    for name in (
        "Mars/Olympus",
        "",
        "America",
        "../etc/passwd",
        "/etc/passwd",
        "right/UTC",
        "Europe/Berlin ",
        "tzdata.zi",
        "localtime",
        "posixrules",
        "Factory",
    ):
        assert time_zone(name) is None, name


# The naive one: every minute, one at a time, by the words of the documentation.


def naive(fields: str, zone: tzinfo, now: float, minutes: int) -> float | None:
    begin = (int(now) // 60 + 1) * 60
    seen = {shown(begin - 60 * back, zone) for back in range(1, 181)}
    for minute in range(minutes):
        wall = shown(begin + 60 * minute, zone)
        if wall not in seen and fits(fields.split(" "), wall):
            return begin + 60 * minute
        seen.add(wall)
    return None


def shown(at: float, zone: tzinfo) -> datetime:
    return datetime.fromtimestamp(at, zone).replace(tzinfo=None)


def fits(fields: list[str], wall: datetime) -> bool:
    minute, hour, day, month, weekday, year = fields
    today = wall.isoweekday() % 7 + 1
    return (
        item_fits(minute, wall.minute, 59)
        and item_fits(hour, wall.hour, 23)
        and item_fits(month, wall.month, 12)
        and item_fits(year, wall.year, 2199)
        and (day == "?" or any(day_fits(item, wall) for item in day.split(",")))
        and (weekday == "?" or any(weekday_fits(item, wall, today) for item in weekday.split(",")))
    )


def item_fits(text: str, value: int, most: int) -> bool:
    for item in text.split(","):
        span, _, step = item.partition("/")
        first, dash, last = span.partition("-")
        if first == "*":
            first, last, dash = "0" if most in (59, 23) else "1970" if most == 2199 else "1", str(most), "-"
        end = int(last) if dash else most if step else int(first)
        if value in range(int(first), end + 1, int(step or 1)):
            return True
    return False


def day_fits(item: str, wall: datetime) -> bool:
    length = calendar.monthrange(wall.year, wall.month)[1]
    if item == "L":
        return wall.day == length
    if item.endswith("W"):
        aim = length if item == "LW" else int(item[:-1])
        weekdays = [d for d in range(1, length + 1) if calendar.weekday(wall.year, wall.month, d) < 5]
        return aim <= length and wall.day == min(weekdays, key=lambda d: abs(d - aim))
    return item_fits(item, wall.day, 31)


def weekday_fits(item: str, wall: datetime, today: int) -> bool:
    length = calendar.monthrange(wall.year, wall.month)[1]
    if item == "L":
        return today == 7
    if item.endswith("L"):
        return today == int(item[:-1]) and wall.day + 7 > length
    if "#" in item:
        day, nth = item.replace("fri", "6").split("#")
        return today == int(day) and (wall.day - 1) // 7 + 1 == int(nth)
    return item_fits(item, today, 7)


def spans(least: int, most: int) -> st.SearchStrategy[str]:
    number = st.integers(least, most)
    pair = st.tuples(number, number).map(sorted)
    step = st.integers(1, max(most // 2, 1))
    return st.one_of(
        st.just("*"),
        number.map(str),
        pair.map(lambda p: f"{p[0]}-{p[1]}"),
        st.tuples(number, step).map(lambda p: f"{p[0]}/{p[1]}"),
        step.map(lambda s: f"*/{s}"),
        st.tuples(pair, step).map(lambda p: f"{p[0][0]}-{p[0][1]}/{p[1]}"),
        st.lists(number, min_size=2, max_size=4).map(lambda numbers: ",".join(map(str, numbers))),
    )


DAYS = st.one_of(spans(1, 31), st.sampled_from(["L", "LW", "1W", "15W", "31W", "L,3", "10W,20"]))
WEEKDAYS = st.one_of(spans(1, 7), st.sampled_from(["L", "2L", "6L", "3#1", "1#5", "fri#4"]))
CRONS = st.tuples(
    spans(0, 59),
    spans(0, 23),
    st.one_of(DAYS.map(lambda day: (day, "?")), WEEKDAYS.map(lambda day: ("?", day))),
    st.one_of(st.just("*"), spans(1, 12)),
    st.one_of(st.just("*"), st.just("2026"), st.just("2026-2027")),
).map(lambda f: f"{f[0]} {f[1]} {f[2][0]} {f[3]} {f[2][1]} {f[4]}")
# Mostly close to where clocks are changed.
CHANGES = [moment(day) for day in ("2026-03-08T07:00", "2026-11-01T06:00", "2026-03-29T01:00", "2026-10-25T01:00")]
CHANGES += [moment(day) for day in ("2026-04-04T15:00", "2026-10-03T15:30")]


@settings(max_examples=200, deadline=None, derandomize=True, database=None)
@given(
    CRONS,
    st.sampled_from([UTC, NEW_YORK, BERLIN, LORD_HOWE]),
    st.one_of(
        st.tuples(st.sampled_from(CHANGES), st.integers(-9_000, 9_000)).map(sum),
        st.integers(int(moment("2026-01-01")), int(moment("2027-11-01"))),
    ),
)
def test_it_agrees_with_one_that_counts_every_minute(fields: str, zone: tzinfo, now: int) -> None:
    horizon = 2 * 1_440
    found = parse_schedule(f"cron({fields})").next_after(now, zone)
    if found is not None and found > (now // 60 + horizon) * 60:
        found = None
    assert found == naive(fields, zone, now, horizon)


def test_far_away_is_found_at_once() -> None:
    """What is due in 173 years, or never, must not stop the clock."""
    started = datetime.now(UTC)
    for text in ("cron(0 0 31 2 ? *)", "cron(59 23 31 12 ? 2199)", "cron(30 2 ? 3 1#2 *)", "cron(0 0 30 FEB ? *)"):
        for _ in range(10):
            parse_schedule(text).next_after(moment("2026-01-01"), NEW_YORK)
    assert datetime.now(UTC) - started < timedelta(seconds=2)
