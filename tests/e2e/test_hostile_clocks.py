"""Absurd schedules, and clocks that jump by years in both directions; a neighbour's messages arrive all the same."""

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.e2e.messages import House, Neighbour, queue_arn, watched
from tests.support.bulb import Running
from tests.support.waiting import until

YEAR = 365.25 * 86_400.0


@pytest.fixture
def bulb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with watched(tmp_path_factory.mktemp("clocks") / "data") as running:
        yield running


@pytest.fixture
def house(bulb: Running) -> House:
    return House(bulb)


@pytest.fixture
def neighbour(bulb: Running) -> Neighbour:
    return Neighbour(bulb)


def schedule(house: House, name: str, expression: str, **more: Any) -> None:
    target = {"Arn": queue_arn(name), "RoleArn": "arn:aws:iam::000000000000:role/r", "Input": json.dumps(name)}
    arguments = {"FlexibleTimeWindow": {"Mode": "OFF"}, "Target": target, **more}
    house.scheduler.create_schedule(Name=name, ScheduleExpression=expression, **arguments)


ABSURD = [
    *[
        "x",
        "rate()",
        "rate(0 minutes)",
        "rate(-1 minutes)",
        "rate(1.5 hours)",
        "rate(1 fortnight)",
        "rate(1 minutes)",
    ],
    *["rate(" + "9" * 200 + " days)", "rate(１ minute)", "rate(1 minute) ", "RATE(1 minute)", "rate(1  minute)"],
    *[
        "cron()",
        "cron(* * * * * *)",
        "cron(60 * * * ? *)",
        "cron(0 0 32 * ? *)",
        "cron(0 0 ? * 8 *)",
        "cron(0 0 L-99 * ? *)",
    ],
    *[
        "cron(0 0 0W * ? *)",
        "cron(*/0 * * * ? *)",
        "cron(0/99999999999 * * * ? *)",
        "cron(5-1 * * * ? *)",
        "cron(0 0 ? * 2#6 *)",
    ],
    *["cron(0 0 29 2 ? 2023)", "cron(0 0 31 2 ? *)", "cron(0 0 1 1 ? 1969)", "cron(0 0 1 1 ? 99999)"],
    *["cron(" + ",".join("0" for _ in range(120)) + " * * * ? *)", "cron(0 0 \0 * ? *)", "cron(é * * * ? *)"],
    *["at(2030-13-01T00:00:00)", "at(2030-02-30T00:00:00)", "at(0000-00-00T00:00:00)", "at(9999-12-31T23:59:59)"],
    *["at(2030-01-01T00:00:00Z)", "at(1969-12-31T23:59:59)", "at(2030-01-01)", "at(2030-01-01T24:00:00)"],
]


def test_expressions_that_are_absurd_are_refused_or_never_due(house: House, neighbour: Neighbour) -> None:
    """None is due now, none makes the server search for long, and none stops the others."""
    house.queue("absurd")
    start = time.monotonic()
    for number, expression in enumerate(ABSURD):
        for zone in ("UTC", "Pacific/Apia", "Nowhere", "../../../etc/passwd", "\0", "é", "UTC" * 30):
            try:
                schedule(house, "absurd", expression, ScheduleExpressionTimezone=zone)
            except ClientError as error:
                assert 400 <= error.response["ResponseMetadata"]["HTTPStatusCode"] < 500, (expression, zone)
            else:
                house.scheduler.get_schedule(Name="absurd")
                house.scheduler.delete_schedule(Name="absurd")
        try:
            house.events.put_rule(Name=f"absurd-{number}", ScheduleExpression=expression)
        except ClientError as error:
            assert 400 <= error.response["ResponseMetadata"]["HTTPStatusCode"] < 500, expression
    assert time.monotonic() - start < 200
    neighbour.assert_served()


def test_a_clock_that_jumps_years_ahead_and_back(bulb: Running, house: House, neighbour: Neighbour) -> None:
    """A tick missed for years is made up for once or not at all, never a million times; afterwards ticks come again."""
    url = house.queue("ticks")
    house.queue("once")
    schedule(house, "ticks", "rate(1 minute)")
    house.events.put_rule(Name="ticks", ScheduleExpression="rate(1 minute)")
    house.events.put_targets(Rule="ticks", Targets=[{"Id": "t", "Arn": queue_arn("ticks"), "Input": '"rule"'}])
    ticks: list[str] = []

    def came(count: int) -> Any:
        def look() -> bool:
            ticks.extend(house.take(url))
            return len(ticks) >= count

        return look

    for jump in (20 * YEAR, -19 * YEAR, 5 * YEAR, -6 * YEAR):
        bulb.clock.advance(jump)
        neighbour.assert_served(30)
        time.sleep(1.5)
        ticks.extend(house.take(url))
        ticks.clear()
        for _ in range(3):
            bulb.clock.advance(60)
            time.sleep(0.3)
        until(came(2), f"ticks after a jump of {jump / YEAR} years", 30)
        assert len(ticks) <= 20, "missed ticks were made up for one by one"
    house.scheduler.delete_schedule(Name="ticks")
    house.events.disable_rule(Name="ticks")
    neighbour.assert_served(30)


def test_messages_in_flight_survive_a_clock_that_is_set_back(bulb: Running, house: House, neighbour: Neighbour) -> None:
    """What is waiting, in flight or delayed is there again when its time has come by the new clock; nothing is lost."""
    url = house.queue("survivors", VisibilityTimeout="30", MessageRetentionPeriod="1209600")
    sent = [str(number) for number in range(10)]
    for body in sent:
        house.sqs.send_message(QueueUrl=url, MessageBody=body, DelaySeconds=5 if int(body) % 2 else 0)
    received = house.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=3)["Messages"]
    assert received
    bulb.clock.advance(-3_600)
    neighbour.assert_served(30)
    house.sqs.send_message(QueueUrl=url, MessageBody="later")
    bulb.clock.advance(3_600 + 40)
    found: list[str] = []

    def all_there() -> bool:
        found.extend(house.take(url))
        return len(found) >= 11

    until(all_there, "the messages", 30)
    assert sorted(found) == sorted([*sent, "later"])


def test_deduplication_and_retention_across_jumps(bulb: Running, house: House, neighbour: Neighbour) -> None:
    """A clock that was ahead for a moment neither keeps a queue from taking messages nor takes what is young."""
    url = house.sqs.create_queue(QueueName="jumps.fifo", Attributes={"FifoQueue": "true"})["QueueUrl"]
    common = {"QueueUrl": url, "MessageGroupId": "g"}
    first = house.sqs.send_message(**common, MessageBody="1", MessageDeduplicationId="a")
    assert (
        house.sqs.send_message(**common, MessageBody="1", MessageDeduplicationId="a")["MessageId"] == first["MessageId"]
    )
    bulb.clock.advance(400)
    again = house.sqs.send_message(**common, MessageBody="2", MessageDeduplicationId="a")
    assert again["MessageId"] != first["MessageId"]
    bulb.clock.advance(-100 * YEAR / 10)
    house.sqs.send_message(**common, MessageBody="3", MessageDeduplicationId="b")
    neighbour.assert_served(30)
    bulb.clock.advance(100 * YEAR / 10)
    assert house.take(url)[:2] == ["1", "2"]
