"""Schedules fire: through the real server, by a clock that is moved."""

import sqlite3
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from botocore.exceptions import ClientError

from tests.services.scheduler.room import (
    QUEUE,
    at,
    bodies,
    drained,
    nothing_in,
    queue,
    queue_target,
    refusal,
    schedule,
    shown,
)
from tests.support.bulb import Running, running_bulb
from tests.support.waiting import until

TIME = '{"at": "<aws.scheduler.scheduled-time>"}'
EVERY = '{"arn": "<aws.scheduler.schedule-arn>", "at": "<aws.scheduler.scheduled-time>", "id": "<aws.scheduler.execution-id>", "n": "<aws.scheduler.attempt-number>", "other": "<aws.scheduler.nothing>"}'  # noqa: E501 - one text


def is_gone(scheduler: Any, name: str) -> bool:
    try:
        scheduler.get_schedule(Name=name)
    except ClientError as error:
        return refusal(error)[0] == "ResourceNotFoundException"
    return False


def test_once_at_its_time_with_its_attributes(bulb: Running, scheduler: Any, sqs: Any) -> None:
    url, due = queue(sqs, "once"), int(bulb.clock.now()) + 100
    arn = schedule(scheduler, "once", at(due), queue_target("once", Input=EVERY))
    gone = schedule(scheduler, "gone", at(due), queue_target("once", Input=EVERY), ActionAfterCompletion="DELETE")
    bulb.clock.advance(due - 5 - bulb.clock.now())
    time.sleep(0.1)
    assert nothing_in(sqs, url)
    bulb.clock.advance(6)
    found = {body["arn"]: body for body in bodies(sqs, url, 2)}
    assert set(found) == {arn, gone}
    first = found[arn]
    assert first == {"arn": arn, "at": shown(due), "id": first["id"], "n": "1", "other": "<aws.scheduler.nothing>"}
    assert len(first["id"]) == 16
    assert first["id"] != found[gone]["id"]
    until(lambda: is_gone(scheduler, "gone"), "what is complete is removed")
    assert scheduler.get_schedule(Name="once")["State"] == "ENABLED"
    bulb.clock.advance(3_600)
    assert nothing_in(sqs, url)


def test_a_time_that_is_past_already_fires_at_once_if_it_is_not_too_old(
    bulb: Running, scheduler: Any, sqs: Any
) -> None:
    """Whoever computes a time and asks a little too late is not forgotten: AWS fires it as soon as it can."""
    url, now = queue(sqs, "past"), int(bulb.clock.now())
    short = {"RetryPolicy": {"MaximumEventAgeInSeconds": 3_600}}
    for name, ago, policy in (("hour", 3_600, {}), ("old", 86_460, {}), ("short", 3_660, short)):
        target = queue_target("past", Input=TIME, **policy)
        schedule(scheduler, f"past-{name}", at(now - ago), target, ActionAfterCompletion="DELETE")
    assert bodies(sqs, url, 1) == [{"at": shown(now - 3_600)}]
    until(lambda: is_gone(scheduler, "past-hour"), "it is complete")
    same = {"FlexibleTimeWindow": {"Mode": "OFF"}, "Target": queue_target("past", Input=TIME)}
    moved = {"Name": "past-old", "ScheduleExpression": at(now - 120)}
    scheduler.update_schedule(**moved, **same)
    assert bodies(sqs, url, 1) == [{"at": shown(now - 120)}]
    scheduler.update_schedule(**moved, **same, Description="It has fired.")
    time.sleep(0.2)
    assert nothing_in(sqs, url)
    assert not is_gone(scheduler, "past-short")


def test_a_rate_begins_at_once_and_goes_on(bulb: Running, scheduler: Any, sqs: Any) -> None:
    url = queue(sqs, "rate")
    schedule(scheduler, "rate", "rate(5 minutes)", queue_target("rate", Input=TIME))
    made = scheduler.get_schedule(Name="rate")["CreationDate"].timestamp()
    assert bodies(sqs, url, 1) == [{"at": shown(made)}]
    for number in (1, 2):
        bulb.clock.advance(made + number * 300 + 1 - bulb.clock.now())
        assert bodies(sqs, url, 1) == [{"at": shown(made + number * 300)}]
    # An update that leaves the times alone goes on counting; one that stops it stops it.
    given = {"Name": "rate", "ScheduleExpression": "rate(5 minutes)", "FlexibleTimeWindow": {"Mode": "OFF"}}
    scheduler.update_schedule(**given, Target=queue_target("rate", Input='{"new": "<aws.scheduler.scheduled-time>"}'))
    bulb.clock.advance(300)
    assert bodies(sqs, url, 1) == [{"new": shown(made + 900)}]
    scheduler.update_schedule(**given, Target=queue_target("rate", Input=TIME), State="DISABLED")
    bulb.clock.advance(900)
    time.sleep(0.2)
    assert nothing_in(sqs, url)
    scheduler.update_schedule(**given, Target=queue_target("rate", Input=TIME))
    time.sleep(0.1)
    assert nothing_in(sqs, url)  # What was missed while it was disabled is not made up for.
    bulb.clock.advance(300)
    assert bodies(sqs, url, 1) == [{"at": shown(made + 2_100)}]
    scheduler.delete_schedule(Name="rate")
    bulb.clock.advance(900)
    time.sleep(0.2)
    assert nothing_in(sqs, url)


def test_start_and_end(bulb: Running, scheduler: Any, sqs: Any) -> None:
    url, now = queue(sqs, "dates"), int(bulb.clock.now())
    dates = {
        "StartDate": datetime.fromtimestamp(now + 600, UTC),
        "EndDate": datetime.fromtimestamp(now + 700, UTC),
        "ActionAfterCompletion": "DELETE",
    }
    schedule(scheduler, "dates", "rate(1 minutes)", queue_target("dates", Input=TIME), **dates)
    bulb.clock.advance(now + 590 - bulb.clock.now())
    time.sleep(0.1)
    assert nothing_in(sqs, url)
    for tick in (now + 600, now + 660):
        assert not is_gone(scheduler, "dates")
        bulb.clock.advance(tick + 1 - bulb.clock.now())
        assert bodies(sqs, url, 1) == [{"at": shown(tick)}]
        if tick == now + 600:  # Dates that it has may have passed: it can be changed all the same.
            same = {"FlexibleTimeWindow": {"Mode": "OFF"}, "Target": queue_target("dates", Input=TIME), **dates}
            same["StartDate"] = scheduler.get_schedule(Name="dates")["StartDate"]
            scheduler.update_schedule(Name="dates", ScheduleExpression="rate(1 minutes)", Description="d", **same)
    until(lambda: is_gone(scheduler, "dates"), "after the last tick it is removed")
    bulb.clock.advance(120)
    time.sleep(0.1)
    assert nothing_in(sqs, url)


def test_a_flexible_window_is_used_once_and_not_left(bulb: Running, scheduler: Any, sqs: Any) -> None:
    url, due = queue(sqs, "window"), int(bulb.clock.now()) + 100
    window = {"FlexibleTimeWindow": {"Mode": "FLEXIBLE", "MaximumWindowInMinutes": 30}}
    names = [f"window-{number}" for number in range(12)]
    for name in names:
        schedule(
            scheduler,
            name,
            at(due),
            queue_target("window", Input=f'"{name}"'),
            **window,
            ActionAfterCompletion="DELETE",
        )
    bulb.clock.advance(due - 10 - bulb.clock.now())
    time.sleep(0.1)
    assert nothing_in(sqs, url)
    arrived: dict[int, list[str]] = {}
    for minute in (10, 20, 30):
        bulb.clock.advance(due + minute * 60 + 1 - bulb.clock.now())
        until(lambda: is_done(bulb), "what is due is done")
        arrived[minute] = drained(sqs, url)
    assert sorted(name for names_ in arrived.values() for name in names_) == sorted(names)
    assert len([names_ for names_ in arrived.values() if names_]) > 1  # spread: all in one third is one in 177,147
    until(lambda: all(is_gone(scheduler, name) for name in names), "removed by the invocation, not by the tick")


def test_what_waits_in_a_window_and_is_changed_meanwhile(bulb: Running, scheduler: Any, sqs: Any) -> None:
    """It is made as its schedule is then; not if that is gone, disabled, or another time is wanted."""
    url, due = queue(sqs, "changed"), int(bulb.clock.now()) + 100
    window = {"FlexibleTimeWindow": {"Mode": "FLEXIBLE", "MaximumWindowInMinutes": 1_440}}
    # Dates are nothing to one-time schedules: neither when they tick nor how long their window is.
    dates = {name: datetime.fromtimestamp(due + 1, UTC) for name in ("StartDate", "EndDate")}
    names = ("kept", "put", "gone", "off", "moved")
    for name in names:
        schedule(scheduler, f"changed-{name}", at(due), queue_target("changed", Input=f'"{name}"'), **window, **dates)
    bulb.clock.advance(due + 1 - bulb.clock.now())
    until(lambda: at_rest(bulb, due), "all have ticked")
    assert nothing_in(sqs, url)
    scheduler.delete_schedule(Name="changed-gone")
    for name, change in (
        ("put", {"Target": queue_target("changed", Input='"anew"'), "ActionAfterCompletion": "DELETE"}),
        ("off", {"State": "DISABLED"}),
        ("moved", {"ScheduleExpression": at(due + 5 * 86_400)}),
    ):
        same = {"ScheduleExpression": at(due), "Target": queue_target("changed", Input=f'"{name}"'), **window}
        scheduler.update_schedule(Name=f"changed-{name}", **{**same, **change})
    bulb.clock.advance(86_400)
    assert sorted(bodies(sqs, url, 2)) == ["anew", "kept"]
    until(lambda: is_gone(scheduler, "changed-put"), "it is complete")
    time.sleep(0.2)
    assert nothing_in(sqs, url)
    scheduler.delete_schedule(Name="changed-moved")


def is_done(bulb: Running) -> bool:
    """Nothing is due now, and nothing is on its way."""
    with sqlite3.connect(f"file:{bulb.data / 'bulb.db'}?mode=ro", uri=True) as database:
        due = database.execute("SELECT count(*) FROM delivery_timers WHERE due_at <= ?", (bulb.clock.now(),)).fetchone()
        sent = database.execute("SELECT count(*) FROM storage_outbox").fetchone()
    return (due, sent) == ((0,), (0,))


def at_rest(bulb: Running, moment: float) -> bool:
    """No schedule waits for a tick up to then."""
    with sqlite3.connect(f"file:{bulb.data / 'bulb.db'}?mode=ro", uri=True) as database:
        query = "SELECT count(*) FROM delivery_timers WHERE key LIKE 't:%' AND due_at <= ?"
        return bool(database.execute(query, (moment,)).fetchone() == (0,))


def test_what_recurs_without_an_end_is_never_complete(bulb: Running, scheduler: Any, sqs: Any) -> None:
    url, now = queue(sqs, "years"), datetime.fromtimestamp(bulb.clock.now(), UTC)
    due = (now + timedelta(minutes=2)).replace(second=0, microsecond=0)
    once_ever = f"cron({due.minute} {due.hour} {due.day} {due.month} ? {due.year})"
    for name, dates in (("endless", {}), ("ends", {"EndDate": due + timedelta(days=1)})):
        target = queue_target("years", Input=f'"{name}"')
        schedule(scheduler, name, once_ever, target, ActionAfterCompletion="DELETE", **dates)
    bulb.clock.advance(due.timestamp() + 1 - bulb.clock.now())
    assert sorted(bodies(sqs, url, 2)) == ["endless", "ends"]
    until(lambda: is_gone(scheduler, "ends"), "its last tick before its end is over")
    assert scheduler.get_schedule(Name="endless")["State"] == "ENABLED"


@pytest.fixture(scope="module")
def calendar(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running_bulb(tmp_path_factory.mktemp("calendar") / "data", stock=0, egress="none") as running:
        yield running


HOUR = 3_600
NEW_YORK, BERLIN, LORD_HOWE = "America/New_York", "Europe/Berlin", "Australia/Lord_Howe"
# Year by year and ascending: the clock of this server only goes forward. Zone, expression, first moment, the ticks.
CHANGES = [
    (NEW_YORK, "cron(30 2 * * ? *)", "2027-03-13T06:00", ["13T02:30-0500", "15T02:30-0400"]),
    (BERLIN, "cron(0/30 2-3 * * ? *)", "2027-03-28T00:00", ["28T03:00+0200", "28T03:30+0200", "29T02:00+0200"]),
    (LORD_HOWE, "cron(45 1 * * ? *)", "2027-04-03T12:00", ["04T01:45+1100", "05T01:45+1030"]),
    (LORD_HOWE, "cron(15 2 * * ? *)", "2027-10-01T12:00", ["02T02:15+1030", "04T02:15+1100"]),
    (BERLIN, "cron(30 2 * * ? *)", "2027-10-30T12:00", ["31T02:30+0200", "01T02:30+0100"]),
    (NEW_YORK, "cron(30 1 * * ? *)", "2027-11-06T12:00", ["07T01:30-0400", "08T01:30-0500"]),
]


@pytest.mark.parametrize(("zone", "expression", "begin", "ticks"), CHANGES)
def test_days_on_which_clocks_are_changed(
    calendar: Running, zone: str, expression: str, begin: str, ticks: list[str]
) -> None:
    """Between its ticks the schedule stays silent: each message is the next tick, and there is none too many."""
    scheduler, sqs = calendar.client("scheduler"), calendar.client("sqs")
    name = f"{zone.rpartition('/')[2]}-{begin[:10]}"
    url, local = queue(sqs, name), ZoneInfo(zone)
    calendar.clock.advance(datetime.fromisoformat(begin).replace(tzinfo=UTC).timestamp() - calendar.clock.now())
    schedule(scheduler, name, expression, queue_target(name, Input=TIME), ScheduleExpressionTimezone=zone)
    for tick in ticks:
        found: list[Any] = []
        for _ in range(60):  # an hour at a time, up to the tick
            to_go = seconds_to(tick, calendar.clock.now(), local)
            calendar.clock.advance(HOUR if to_go is None else to_go)
            found = drained(sqs, url) if to_go is None else bodies(sqs, url, 1)
            if found:
                break
        moments = [datetime.fromisoformat(body["at"]).astimezone(local) for body in found]
        assert [moment.strftime("%dT%H:%M%z") for moment in moments] == [tick]
    time.sleep(0.1)
    assert nothing_in(sqs, url)
    scheduler.delete_schedule(Name=name)


def seconds_to(tick: str, now: float, zone: ZoneInfo) -> float | None:
    """How long it is to just after the tick; None where an hour from now is before it."""
    minute = int(now) // 60 * 60
    for begin in range(minute, minute + HOUR + 60, 60):
        if begin + 1 > now and datetime.fromtimestamp(begin, zone).strftime("%dT%H:%M%z") == tick:
            return begin + 1 - now
    return None


def test_missed_ticks_fire_once_and_late(tmp_path_factory: pytest.TempPathFactory) -> None:
    """A server that comes back after an hour: the latest tick of each schedule counts if it is not too old."""
    data = tmp_path_factory.mktemp("missed") / "data"
    with running_bulb(data, stock=0, egress="none") as bulb:
        bulb.clock.advance(-3_600 - bulb.clock.now() % 60)  # no other minute begins while this server runs
        scheduler, sqs, begun = bulb.client("scheduler"), bulb.client("sqs"), int(bulb.clock.now())
        urls = {name: queue(sqs, name) for name in ("often", "once", "late", "over", "off")}
        schedule(scheduler, "often", "rate(5 minutes)", queue_target("often", Input=TIME))
        first = bodies(sqs, urls["often"], 1)[0]["at"]
        schedule(scheduler, "once", at(begun + 600), queue_target("once", Input=TIME), ActionAfterCompletion="DELETE")
        short = {"RetryPolicy": {"MaximumEventAgeInSeconds": 60}}
        schedule(
            scheduler,
            "late",
            at(begun + 600),
            queue_target("late", Input=TIME, **short),
            ActionAfterCompletion="DELETE",
        )
        end = datetime.fromtimestamp(begun + 700, UTC)
        schedule(scheduler, "over", "cron(* * * * ? *)", queue_target("over", Input=TIME), EndDate=end)
        schedule(scheduler, "off", at(begun + 600), queue_target("off", Input=TIME), State="DISABLED")
    with running_bulb(data, stock=0, egress="none") as bulb:
        scheduler, sqs = bulb.client("scheduler"), bulb.client("sqs")
        urls = {name: sqs.get_queue_url(QueueName=name)["QueueUrl"] for name in urls}
        anchor = datetime.fromisoformat(first).timestamp()
        now = bulb.clock.now()
        latest = anchor + (now - anchor) // 300 * 300
        assert bodies(sqs, urls["often"], 1) == [{"at": shown(latest)}]
        assert bodies(sqs, urls["once"], 1) == [{"at": shown(begun + 600)}]
        assert bodies(sqs, urls["over"], 1) == [{"at": shown((begun + 700) // 60 * 60)}]
        until(lambda: is_gone(scheduler, "late"), "too old to fire, and complete all the same")
        until(lambda: is_gone(scheduler, "once"), "it is complete")
        bulb.clock.advance(latest + 301 - bulb.clock.now())
        assert bodies(sqs, urls["often"], 1) == [{"at": shown(latest + 300)}]
        time.sleep(0.2)
        for name, url in urls.items():
            assert nothing_in(sqs, url), name


YEARS = 5 * 365 * 86_400 + 100  # no multiple of a period
WRONG = ("cron", "rate", "once", "rule")


def made_years_ahead(bulb: Running) -> tuple[float, float]:
    """By a clock that is wrong by years; when the rate and the rule began. Each has a queue of its name."""
    scheduler, sqs, events = bulb.client("scheduler"), bulb.client("sqs"), bulb.client("events")
    for name in WRONG:
        queue(sqs, name)
    soon = int(bulb.clock.now()) + 200
    bulb.clock.advance(YEARS)
    schedule(scheduler, "cron", "cron(* * * * ? *)", queue_target("cron", Input=TIME))
    schedule(scheduler, "once", at(soon), queue_target("once", Input=TIME))  # Past, by the clock that is wrong.
    schedule(scheduler, "rate", "rate(5 minutes)", queue_target("rate", Input=TIME))
    begun = bulb.clock.now()
    events.put_rule(Name="rule", ScheduleExpression="rate(5 minutes)")
    template = {"InputPathsMap": {"at": "$.time"}, "InputTemplate": '{"at": <at>}'}
    events.put_targets(Rule="rule", Targets=[{"Id": "1", "Arn": f"{QUEUE}rule", "InputTransformer": template}])
    return scheduler.get_schedule(Name="rate")["CreationDate"].timestamp(), begun


def tick_again(bulb: Running) -> dict[str, float]:
    """When each of them ticks first, within the next minutes. The queues have what ticked by the wrong clock too."""
    sqs, until_, found = bulb.client("sqs"), bulb.clock.now() + 330, {}
    urls = {name: sqs.get_queue_url(QueueName=name)["QueueUrl"] for name in WRONG}

    def look() -> bool:
        for name, url in urls.items():
            for body in drained(sqs, url):
                tick = datetime.fromisoformat(body["at"]).timestamp()
                if tick < until_:
                    found.setdefault(name, tick)
        if len(found) < len(WRONG) and bulb.clock.now() < until_:
            bulb.clock.advance(15)
        return len(found) == len(WRONG)

    until(look, f"all tick again: {found}")
    return found


def check(found: dict[str, float], now: float, rate_begun: float, rule_begun: float) -> None:
    """None waits for a time that lies years ahead, and the rates keep step."""
    assert all(now - 1 <= tick < now + 330 for tick in found.values()), found
    for name, begun in (("rate", rate_begun), ("rule", rule_begun)):
        assert min((found[name] - begun) % 300, (begun - found[name]) % 300) <= 2, name


def test_a_clock_that_was_wrong_by_years_is_harmless(tmp_path_factory: pytest.TempPathFactory) -> None:
    with running_bulb(tmp_path_factory.mktemp("wrong") / "data", stock=0, egress="none") as bulb:
        begun = made_years_ahead(bulb)
        bulb.clock.advance(-YEARS)
        now = bulb.clock.now()
        # Sleepers of this clock sleep on when it goes back.
        schedule(bulb.client("scheduler"), "poke", "at(2099-01-01T00:00:00)", queue_target("poke", Input="x"))
        check(tick_again(bulb), now, *begun)


def test_a_clock_that_was_set_right_while_nobody_ran_is_harmless(tmp_path_factory: pytest.TempPathFactory) -> None:
    data = tmp_path_factory.mktemp("right") / "data"
    with running_bulb(data, stock=0, egress="none") as bulb:
        begun = made_years_ahead(bulb)
    with running_bulb(data, stock=0, egress="none") as bulb:
        now = bulb.clock.now()
        check(tick_again(bulb), now, *begun)
