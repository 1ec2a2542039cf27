"""Rules that tick, by a clock that tests move."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.services.events.room import ACCOUNT, Room
from tests.support.bulb import running_bulb


def test_a_rate_ticks_once_a_period_from_a_period_after_it_was_made(room: Room) -> None:
    name, (function, function_arn), (url, arn) = room.name("tick"), room.recorder(), room.queue()
    made = room.clock.now()
    rule_arn = room.events.put_rule(Name=name, ScheduleExpression="rate(1 minute)")["RuleArn"]
    there = room.clock.now()
    room.events.put_targets(Rule=name, Targets=[{"Id": "1", "Arn": function_arn}, {"Id": "2", "Arn": arn}])
    room.clock.advance(50)
    assert room.is_empty(url)
    room.clock.advance(11)
    event = json.loads(room.message(url)["Body"])
    assert room.recorded(function)[0]["event"] == event
    assert event == {
        "version": "0",
        "id": event["id"],
        "detail-type": "Scheduled Event",
        "source": "aws.events",
        "account": ACCOUNT,
        "time": event["time"],
        "region": "us-east-1",
        "resources": [rule_arn],
        "detail": {},
    }
    assert made + 59 <= _time(event["time"]) <= there + 61
    room.clock.advance(60)
    assert _time(json.loads(room.message(url)["Body"])["time"]) - _time(event["time"]) == 60
    room.events.disable_rule(Name=name)
    room.clock.advance(300)
    assert room.is_empty(url)
    room.events.enable_rule(Name=name)
    room.clock.advance(50)
    assert room.is_empty(url)
    room.clock.advance(11)
    room.message(url)
    room.events.remove_targets(Rule=name, Ids=["1", "2"])
    room.events.delete_rule(Name=name)
    room.clock.advance(120)
    assert room.is_empty(url)


def test_a_cron_ticks_when_it_says(room: Room) -> None:
    name, (url, arn) = room.name("tick"), room.queue()
    room.events.put_rule(Name=name, ScheduleExpression="cron(30 6 * * ? *)")
    transformer = {"InputPathsMap": {"at": "$.time"}, "InputTemplate": '{"at": <at>}'}
    room.events.put_targets(Rule=name, Targets=[{"Id": "1", "Arn": arn, "InputTransformer": transformer}])
    now = datetime.fromtimestamp(room.clock.now(), UTC)
    due = now.replace(hour=6, minute=30, second=0, microsecond=0)
    due += timedelta(days=due <= now)
    room.clock.advance((due - now).total_seconds() - 10)
    assert room.is_empty(url)
    room.clock.advance(11)
    assert json.loads(room.message(url)["Body"]) == {"at": due.strftime("%Y-%m-%dT%H:%M:%SZ")}
    room.events.put_rule(Name=name, ScheduleExpression="cron(0 0 1 1 ? 2031)")
    room.clock.advance(86_400)
    assert room.is_empty(url)


def test_a_rule_may_have_both_and_ticks_go_to_nobody_else(room: Room) -> None:
    both, other = room.name("both"), room.name("other")
    (url, arn), (other_url, other_arn) = room.queue(), room.queue()
    source = room.name("source")
    room.events.put_rule(Name=both, ScheduleExpression="rate(1 hour)", EventPattern=json.dumps({"source": [source]}))
    room.events.put_targets(Rule=both, Targets=[{"Id": "1", "Arn": arn}])
    room.events.put_rule(Name=other, EventPattern='{"source":["aws.events"]}')
    room.events.put_targets(Rule=other, Targets=[{"Id": "1", "Arn": other_arn}])
    event_id = room.put("default", Source=source)
    assert json.loads(room.message(url)["Body"])["id"] == event_id
    room.clock.advance(3601)
    assert json.loads(room.message(url)["Body"])["detail-type"] == "Scheduled Event"
    assert room.is_empty(other_url)
    room.events.disable_rule(Name=both)


def test_ticks_that_were_missed_come_once_and_the_rate_goes_on_in_step(tmp_path: Path) -> None:
    settings = {"stock": 0, "egress": "none"}
    with running_bulb(tmp_path / "data", **settings) as bulb:
        room = Room(bulb)
        url, arn = room.queue()
        made = bulb.clock.now()
        room.events.put_rule(Name="r", ScheduleExpression="rate(1 minute)")
        there = bulb.clock.now()
        room.events.put_targets(Rule="r", Targets=[{"Id": "1", "Arn": arn}])
    with running_bulb(tmp_path / "data", **settings) as bulb:
        sqs = bulb.client("sqs")
        room.sqs, room.clock = sqs, bulb.clock
        url = sqs.get_queue_url(QueueName=url.rsplit("/", 1)[1])["QueueUrl"]
        bulb.clock.advance(330)
        late = _time(json.loads(room.message(url)["Body"])["time"])
        assert made + 59 <= late <= there + 61
        assert room.is_empty(url)
        bulb.clock.advance(60 - (bulb.clock.now() - made) % 60 + 0.5)
        on_time = _time(json.loads(room.message(url)["Body"])["time"])
        assert (on_time - late) % 60 == 0
        assert on_time - late >= 300


def _time(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
