"""The rules of schedules that need no server: which tick counts, and what follows a refusal."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, select

from bulb.delivery import timers
from bulb.delivery.model import Again, GiveUp, Refusal
from bulb.delivery.timers import Due
from bulb.services.scheduler import retries, store, ticks
from bulb.services.scheduler.firing import Firing
from bulb.services.scheduler.model import Definition, Name
from bulb.storage import outbox
from bulb.storage.database import Database
from bulb.storage.outbox import Entry
from bulb.storage.schema.delivery import delivery_timers

BEGUN = 1_800_000_000.0
DAY = 86_400.0
ONCE = datetime.fromtimestamp(BEGUN + 100, UTC).strftime("at(%Y-%m-%dT%H:%M:%S)")
QUEUE = "arn:aws:sqs:us-east-1:000000000000:q"
RATE = Definition("ENABLED", "rate(5 minutes)", "UTC", None, None, None, {}, None, "NONE")


def every_tick(definition: Definition, until: float) -> list[float]:
    """One after the other, from the beginning."""
    found: list[float] = []
    tick = ticks.first(definition, BEGUN, BEGUN)
    while tick is not None and tick <= until:
        found.append(tick)
        tick = ticks.following(definition, BEGUN, tick)
    return found


EXPRESSIONS = ["rate(5 minutes)", "rate(3 hours)", "cron(*/7 * * * ? *)", "cron(0 9 ? * 2-6 *)", "cron(30 2 * * ? *)"]


@settings(max_examples=60, deadline=None, derandomize=True, database=None)
@given(
    st.sampled_from(EXPRESSIONS),
    st.sampled_from(["UTC", "Europe/Berlin"]),
    st.floats(0, 2 * DAY),
    st.one_of(st.none(), st.floats(0.1 * DAY, 4 * DAY)),
)
def test_the_latest_missed_tick_counts(text: str, zone: str, away: float, end: float | None) -> None:
    """Whatever was missed: what fires is the last of all ticks up to now, and the next comes after it."""
    definition = replace(RATE, expression=text, timezone=zone, end_at=None if end is None else BEGUN + end)
    first = ticks.first(definition, BEGUN, BEGUN)
    now = BEGUN + away
    if first is None or first > now:
        return
    due = ticks.due(definition, BEGUN, first, now)
    latest = every_tick(definition, now)[-1]
    assert due.fires == (latest if now - latest <= DAY else None)
    assert due.following == ticks.following(definition, BEGUN, now)


def test_ticks_that_are_too_old_do_not_count() -> None:
    short = replace(RATE, expression="rate(1 days)", target={"RetryPolicy": {"MaximumEventAgeInSeconds": 60}})
    assert ticks.due(short, BEGUN, BEGUN, BEGUN + 60) == ticks.Due(BEGUN, BEGUN + DAY)
    assert ticks.due(short, BEGUN, BEGUN, BEGUN + 61) == ticks.Due(None, BEGUN + DAY)


@pytest.mark.parametrize(("late", "made"), [(59, 1), (61, 0)])
def test_an_invocation_whose_window_was_missed_is_made_if_it_is_not_too_old(
    tmp_path: Path, late: float, made: int
) -> None:
    """Made or not, the schedule is complete then."""
    target = {"Arn": QUEUE, "RoleArn": "arn:role", "RetryPolicy": {"MaximumEventAgeInSeconds": 60}}
    definition = replace(RATE, expression=ONCE, target=target, window_minutes=60, after_completion="DELETE")
    firing, name = Firing(lambda action: None, lambda: 0.5, asks_role=False), Name("1", "us-east-1", "default", "n")
    tick = BEGUN + 100

    async def main() -> None:
        database = await Database.open(tmp_path / "bulb.db")
        schedule = await database.write(lambda c: store.insert(c, name, definition, BEGUN, None))
        ticked = Due(store.tick_key(schedule.id), tick)
        await database.write(lambda c: firing.fire(c, [ticked], tick))
        assert await database.read(lambda c: outbox.pending(c, 10)) == []
        waits = Due(f"{store.INVOCATION}:{schedule.id}:1:{tick!r}", tick + 1_800)
        assert await database.read(lambda c: timers.due_at(c, store.OWNER, waits.key)) == waits.due_at
        await database.write(lambda c: timers.cancel(c, store.OWNER, waits.key))
        await database.write(lambda c: firing.fire(c, [waits], waits.due_at + late))
        assert len(await database.read(lambda c: outbox.pending(c, 10))) == made
        assert await database.read(lambda c: store.find(c, name)) is None
        await database.close()

    asyncio.run(main())


def fire(connection: Connection, firing: Firing, now: float) -> None:
    """What `Timers` does with all that is due."""
    query = select(delivery_timers).where(delivery_timers.c.due_at <= now).order_by(delivery_timers.c.due_at)
    dues = [Due(row.key, row.due_at) for row in connection.execute(query)]
    timers.cancel_all(connection, store.OWNER, [due.key for due in dues])
    firing.fire(connection, dues, now)


@pytest.mark.parametrize(
    ("looks", "made"),
    [((0, 300, 600, 601), [0, 300, 600]), ((0, 300, 601), [0, 300, 600]), ((0, 9_000), [0, 600])],
    ids=["in time", "late", "after everything"],
)
def test_what_waits_in_a_window_is_made_although_the_schedule_is_over_meanwhile(
    location: str | Path, looks: list[int], made: list[int]
) -> None:
    """Three ticks whose windows all end with the schedule: at the last there is something to do for each of them."""
    target = {"Arn": QUEUE, "RoleArn": "arn:role"}
    end = BEGUN + 600  # the third tick, at which the windows of all end
    definition = replace(RATE, target=target, window_minutes=1_440, end_at=end, after_completion="DELETE")
    firing, name = Firing(lambda action: None, lambda: 0.5, asks_role=False), Name("1", "us-east-1", "default", "n")

    async def main() -> None:
        database = await Database.open(location)
        schedule = await database.write(lambda c: store.insert(c, name, definition, BEGUN, None))

        for seconds in looks:
            await database.write(partial(fire, firing=firing, now=BEGUN + seconds))
        sent = await database.read(lambda c: outbox.pending(c, 10))
        assert [one.attributes["scheduled_at"] - BEGUN for one in sent] == made
        assert await database.read(lambda c: store.find(c, schedule.name)) is None
        await database.close()

    asyncio.run(main())


def test_what_waits_for_a_time_that_was_changed_keeps_no_schedule(tmp_path: Path) -> None:
    """It would never be made, so it is not the last that removes a schedule that is complete."""
    target = {"Arn": QUEUE, "RoleArn": "arn:role"}
    definition = replace(RATE, expression=ONCE, target=target, window_minutes=60, after_completion="DELETE")
    moved = replace(definition, expression=datetime.fromtimestamp(BEGUN + 200, UTC).strftime("at(%Y-%m-%dT%H:%M:%S)"))
    chances, name = iter([0.9, 0.1]), Name("1", "us-east-1", "default", "n")
    firing = Firing(lambda action: None, lambda: next(chances), asks_role=False)

    async def main() -> None:
        database = await Database.open(tmp_path / "bulb.db")
        schedule = await database.write(lambda c: store.insert(c, name, definition, BEGUN, None))
        await database.write(partial(fire, firing=firing, now=BEGUN + 100))
        await database.write(lambda c: store.replace(c, schedule, moved, BEGUN + 150, None))
        for seconds in (200, 200 + 360):
            await database.write(partial(fire, firing=firing, now=BEGUN + seconds))
        assert len(await database.read(lambda c: outbox.pending(c, 10))) == 1
        assert await database.read(lambda c: store.find(c, name)) is None
        await database.close()

    asyncio.run(main())


def entry(**about: Any) -> Entry:
    given = {"source": "scheduler", "source_arn": "arn:aws:scheduler:r:1:schedule/g/n", "account": "1"}
    given |= {"as_role": "arn:role", "about": "g/n", "execution_id": "e", "retry": [185, 86_400], "scheduled_at": BEGUN}
    return Entry(1, "arn:aws:sqs:us-east-1:000000000000:q", b"hello", {**given, **about}, BEGUN, "delivery")


PASSING, FINAL = Refusal("THROTTLING", "slow", is_final=False), Refusal("NO_RESOURCE", "no")


def test_the_defaults_fill_a_day() -> None:
    now, attempts = BEGUN, 1
    while isinstance(verdict := retries.after_refusal(entry(), PASSING, attempts, now), Again):
        assert verdict.at > now
        now, attempts = verdict.at, attempts + 1
    assert verdict == GiveUp()
    assert 150 <= attempts <= 186
    assert 0.9 * DAY < now - BEGUN <= DAY


def test_the_age_counts_from_the_time_in_a_window() -> None:
    waited = entry(since=BEGUN + 3_600, retry=[185, 60])
    assert isinstance(retries.after_refusal(waited, PASSING, 5, BEGUN + 3_600), Again)
    assert retries.after_refusal(waited, PASSING, 5, BEGUN + 3_659) == GiveUp()
    assert retries.after_refusal(entry(retry=[185, 60]), PASSING, 5, BEGUN + 3_600) == GiveUp()


@pytest.mark.parametrize("most", [0, 1, 5])
def test_as_many_attempts_as_were_asked_for(most: int) -> None:
    given = entry(retry=[most, 86_400])
    for attempts in range(1, most + 1):
        assert isinstance(retries.after_refusal(given, PASSING, attempts, BEGUN), Again)
    assert isinstance(retries.after_refusal(given, PASSING, most + 1, BEGUN), GiveUp)


def test_waits_differ_a_little_and_heed_what_the_target_asks() -> None:
    waits = {
        retries.after_refusal(replace(entry(), delivery_id=str(n)), PASSING, 4, BEGUN).at - BEGUN for n in range(9)
    }  # type: ignore[union-attr]  # all are Again
    assert len(waits) == 9
    assert all(7.2 <= wait <= 8.8 for wait in waits)
    asked = replace(PASSING, retry_after_s=100.0)
    assert retries.after_refusal(entry(), asked, 1, BEGUN) == Again(BEGUN + 100)


def test_what_is_final_is_given_up_at_once_and_letters_have_none_of_their_own() -> None:
    assert retries.after_refusal(entry(), FINAL, 1, BEGUN) == GiveUp()
    given_up = retries.after_refusal(entry(dead_letter="arn:aws:sqs:us-east-1:000000000000:dead"), FINAL, 1, BEGUN + 5)
    assert isinstance(given_up, GiveUp)
    (letter,) = given_up.letters
    assert "dead_letter" not in letter.attributes
    again = retries.after_refusal(Entry(2, letter.arn, letter.payload, letter.attributes, BEGUN), PASSING, 1, BEGUN + 5)
    assert isinstance(again, Again)


def test_the_number_of_the_attempt_is_written_anew() -> None:
    given = entry(template='{"n": "<aws.scheduler.attempt-number>"}')
    verdict = retries.after_refusal(given, PASSING, 1, BEGUN)
    assert isinstance(verdict, Again)
    assert verdict.payload == b'{"n": "2"}'


def test_long_messages_are_cut_and_long_bodies_say_so() -> None:
    given = replace(entry(dead_letter="arn:aws:sqs:us-east-1:000000000000:dead"), payload=b"x" * 270_000)
    given_up = retries.after_refusal(given, replace(FINAL, message="m" * 9_000), 1, BEGUN)
    assert isinstance(given_up, GiveUp)
    (letter,) = given_up.letters
    said = letter.attributes["message_attributes"]
    assert said["IS_PAYLOAD_TRUNCATED"]["StringValue"] == "true"
    assert len(letter.payload) == 262_144
    assert len(said["ERROR_MESSAGE"]["StringValue"]) == 1_024
