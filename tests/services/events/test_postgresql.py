"""The main paths of EventBridge on PostgreSQL."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.services.events.room import Room
from tests.services.events.test_api_destinations import connection
from tests.services.events.test_archives import archive, ended, replay
from tests.storage.postgresql import new_database
from tests.support.bulb import running_bulb


@pytest.fixture(scope="module")
def room(postgresql_server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Room]:
    data: Path = tmp_path_factory.mktemp("postgresql") / "data"
    with running_bulb(data, database=new_database(postgresql_server), stock=0, egress="none") as bulb:
        yield Room(bulb)


def test_events_are_matched_kept_and_replayed(room: Room) -> None:
    bus, (url, arn) = room.bus(), room.queue()
    name, archive_arn = archive(room, bus, RetentionDays=1)
    entry = {"Source": "app", "DetailType": "kind", "Detail": '{"nul":"\\u0000ä"}', "EventBusName": bus}
    ids = [one["EventId"] for _ in range(13) for one in room.events.put_events(Entries=[entry] * 10)["Entries"]]
    told = room.events.describe_archive(ArchiveName=name)
    assert told["EventCount"] == 130
    assert told["SizeBytes"] > 130 * 150
    _, rule_arn = room.rule(bus, {"Arn": arn})
    assert ended(room, replay(room, archive_arn, bus, FilterArns=[rule_arn]))["State"] == "COMPLETED"
    found = [json.loads(one["Body"]) for one in room.messages(url, 130)]
    assert sorted(one["id"] for one in found) == sorted(ids)
    assert found[0]["detail"] == {"nul": "\0ä"}
    room.clock.advance(86_500)
    assert room.events.describe_archive(ArchiveName=name)["EventCount"] == 0


def test_rules_targets_and_tags_are_found(room: Room) -> None:
    bus, (_, arn) = room.bus(), room.queue()
    names = [room.rule(bus, {"Arn": arn}, {"Arn": arn})[0] for _ in range(3)]
    found = room.events.list_rule_names_by_target(TargetArn=arn, EventBusName=bus, Limit=2)
    rest = room.events.list_rule_names_by_target(TargetArn=arn, EventBusName=bus, NextToken=found["NextToken"])
    assert found["RuleNames"] + rest["RuleNames"] == sorted(names)
    room.events.tag_resource(ResourceARN=room.bus_arn(bus), Tags=[{"Key": "ä", "Value": "\0"}])
    assert room.events.list_tags_for_resource(ResourceARN=room.bus_arn(bus))["Tags"] == [{"Key": "ä", "Value": "\0"}]
    made = connection(room)
    assert room.events.describe_connection(Name=made.split("/")[1])["ConnectionArn"] == made


def test_a_rule_ticks(room: Room) -> None:
    name, (url, arn) = room.name("tick"), room.queue()
    room.events.put_rule(Name=name, ScheduleExpression="rate(1 minute)")
    room.events.put_targets(Rule=name, Targets=[{"Id": "1", "Arn": arn}])
    room.clock.advance(61)
    assert json.loads(room.message(url)["Body"])["detail-type"] == "Scheduled Event"
    room.events.disable_rule(Name=name)
