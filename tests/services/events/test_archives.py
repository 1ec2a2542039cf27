"""Archives, and replays of what is in them."""

import contextlib
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.services.events.room import ACCOUNT, OTHER, Room, refusal
from tests.support.bulb import Process
from tests.support.waiting import until

BEGINNING, END = datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)


def archive(room: Room, bus: str, **settings: Any) -> tuple[str, str]:
    name = room.name("archive")
    made = room.events.create_archive(ArchiveName=name, EventSourceArn=room.bus_arn(bus), **settings)
    return name, made["ArchiveArn"]


def replay(
    room: Room, archive_arn: str, bus: str, start: datetime = BEGINNING, end: datetime = END, **more: Any
) -> str:
    name = room.name("replay")
    answer = room.events.start_replay(
        ReplayName=name,
        EventSourceArn=archive_arn,
        EventStartTime=start,
        EventEndTime=end,
        Destination={"Arn": room.bus_arn(bus), **more},
    )
    assert answer["State"] == "STARTING"
    return name


def ended(room: Room, name: str) -> dict[str, Any]:
    def look() -> dict[str, Any] | None:
        told: dict[str, Any] = room.events.describe_replay(ReplayName=name)
        return told if told["State"] in ("COMPLETED", "CANCELLED", "FAILED") else None

    return until(look, "the end of the replay")


def test_an_archive_is_made_shown_changed_and_deleted(room: Room) -> None:
    bus = room.bus()
    pattern = json.dumps({"detail": {"keep": [True]}})
    name, arn = archive(room, bus, RetentionDays=1, Description="d", EventPattern=pattern)
    assert arn == f"arn:aws:events:us-east-1:{ACCOUNT}:archive/{name}"
    room.put(bus, {"keep": True})
    room.put(bus, {"keep": False})
    told = room.events.describe_archive(ArchiveName=name)
    shown = {"ArchiveName", "ArchiveArn", "EventSourceArn", "Description", "EventPattern", "State", "RetentionDays"}
    assert shown <= set(told)
    assert (told["State"], told["EventPattern"], told["EventCount"]) == ("ENABLED", pattern, 1)
    assert 150 < told["SizeBytes"] < 300
    listed = room.events.list_archives(EventSourceArn=room.bus_arn(bus))["Archives"]
    assert [(one["ArchiveName"], one["EventCount"], one["RetentionDays"]) for one in listed] == [(name, 1, 1)]
    room.events.update_archive(ArchiveName=name, EventPattern="", RetentionDays=0)
    room.put(bus, {"keep": False})
    assert room.events.describe_archive(ArchiveName=name)["EventCount"] == 2
    message = refusal("ValidationException", room.events.delete_event_bus, Name=bus)
    assert message == "Event bus can't be deleted since it has rules."
    room.events.delete_archive(ArchiveName=name)
    for call in (room.events.describe_archive, room.events.delete_archive, room.events.update_archive):
        assert refusal("ResourceNotFoundException", call, ArchiveName=name) == f"Archive {name} does not exist."
    room.events.delete_event_bus(Name=bus)


def test_events_leave_an_archive_when_their_retention_ends(room: Room) -> None:
    bus = room.bus()
    name, _ = archive(room, bus, RetentionDays=1)
    room.put(bus)
    room.put(bus, Time=datetime.fromtimestamp(room.clock.now(), UTC) - timedelta(hours=23, minutes=59))
    assert room.events.describe_archive(ArchiveName=name)["EventCount"] == 2
    room.clock.advance(120)
    assert room.events.describe_archive(ArchiveName=name)["EventCount"] == 1


def test_what_an_archive_cannot_be_is_refused(room: Room) -> None:
    bus = room.bus()
    name, _ = archive(room, bus)
    create = room.events.create_archive
    good = {"ArchiveName": name, "EventSourceArn": room.bus_arn(bus)}
    assert refusal("ResourceAlreadyExistsException", create, **good) == f"Archive {name} already exists."
    message = refusal("ResourceNotFoundException", create, **{**good, "EventSourceArn": room.bus_arn("no")})
    assert message == "Event bus no does not exist."
    refusal("ValidationException", create, **{**good, "EventSourceArn": room.bus_arn(bus, OTHER)})
    elsewhere = {**good, "EventSourceArn": room.bus_arn(bus).replace("us-east-1", "us-west-2")}
    assert refusal("ResourceNotFoundException", create, **elsewhere) == f"Event bus {bus} does not exist."
    refusal("NotImplementedException", create, **good, KmsKeyIdentifier="alias/a")


def test_a_replay_puts_events_on_their_bus_once_more(room: Room) -> None:
    bus, (url, arn), (other_url, other_arn) = room.bus(), room.queue(), room.queue()
    name, archive_arn = archive(room, bus)
    at = datetime(2022, 5, 1, 12, tzinfo=UTC)
    ids = [room.put(bus, {"n": number}, Time=at + timedelta(minutes=number)) for number in range(4)]
    _, rule_arn = room.rule(bus, {"Arn": arn})
    room.rule(bus, {"Arn": other_arn})
    started = replay(
        room, archive_arn, bus, at + timedelta(minutes=1), at + timedelta(minutes=3), FilterArns=[rule_arn]
    )
    told = ended(room, started)
    assert told["State"] == "COMPLETED"
    assert told["EventLastReplayedTime"] == at + timedelta(minutes=2)
    assert told["Destination"] == {"Arn": room.bus_arn(bus), "FilterArns": [rule_arn]}
    found = [json.loads(one["Body"]) for one in room.messages(url, 2)]
    assert sorted(one["detail"]["n"] for one in found) == [1, 2]
    assert {one["id"] for one in found} == set(ids[1:3])
    first = next(one for one in found if one["detail"]["n"] == 1)
    assert list(first) == [
        "version", "id", "detail-type", "source", "account", "time", "region", "replay-name", "resources", "detail",
    ]  # fmt: skip
    assert (first["replay-name"], first["time"]) == (started, "2022-05-01T12:01:00Z")
    assert room.is_empty(other_url)
    assert room.events.describe_archive(ArchiveName=name)["EventCount"] == 4  # a replay is not archived again
    listed = room.events.list_replays(NamePrefix=started)["Replays"]
    assert [one["ReplayName"] for one in listed] == [started]
    assert room.events.list_replays(EventSourceArn=archive_arn)["Replays"][0]["State"] == "COMPLETED"
    assert started in [one["ReplayName"] for one in room.events.list_replays(State="COMPLETED")["Replays"]]
    for operation, call, state in (
        ("ListReplays", room.events.list_replays, "COMPLETED"),
        ("ListArchives", room.events.list_archives, "ENABLED"),
    ):
        assert refusal("ValidationException", call, NamePrefix="a", State=state) == (
            f"At most one filter is allowed for {operation}. Use either : State, EventSourceArn, or NamePrefix."
        )


def test_a_replay_without_a_filter_is_for_all_rules(room: Room) -> None:
    bus, one, two = room.bus(), room.queue(), room.queue()
    _, archive_arn = archive(room, bus)
    room.put(bus)
    room.rule(bus, {"Arn": one[1]})
    room.rule(bus, {"Arn": two[1]}, pattern='{"replay-name":[{"exists":true}]}')
    room.rule(bus, {"Arn": two[1]}, pattern='{"replay-name":[{"exists":false}]}')
    ended(room, replay(room, archive_arn, bus))
    assert json.loads(room.message(one[0])["Body"])["replay-name"]
    room.message(two[0])
    assert room.is_empty(two[0])


def test_what_a_replay_cannot_be_is_refused(room: Room) -> None:
    bus, other = room.bus(), room.bus()
    name, archive_arn = archive(room, bus)
    start = room.events.start_replay
    good = {
        "ReplayName": room.name("replay"),
        "EventSourceArn": archive_arn,
        "EventStartTime": BEGINNING,
        "EventEndTime": END,
        "Destination": {"Arn": room.bus_arn(bus)},
    }
    wrong: list[tuple[str, dict[str, Any]]] = [
        (
            "Parameter Destination.Arn is not valid. Reason: Cross event bus replay is not permitted.",
            {"Destination": {"Arn": room.bus_arn(other)}},
        ),
        (
            "Parameter EventSourceArn is not valid. Reason: Archive no does not exist.",
            {"EventSourceArn": archive_arn.replace(name, "no")},
        ),
        (
            "Parameter EventEndTime is not valid. Reason: EventStartTime must be before EventEndTime.",
            {"EventEndTime": BEGINNING},
        ),
        ("FilterArns", {"Destination": {"Arn": room.bus_arn(bus), "FilterArns": ["arn:aws:s3:::a"]}}),
    ]
    for message, settings in wrong:
        assert message in refusal("ValidationException", start, **{**good, **settings})
    gone = {**good, "Destination": {"Arn": room.bus_arn("nobodys")}}
    assert refusal("ResourceNotFoundException", start, **gone) == "Event bus nobodys does not exist."
    start(**good)
    assert refusal("ResourceAlreadyExistsException", start, **good) == f"Replay {good['ReplayName']} already exists."
    ended(room, str(good["ReplayName"]))
    refusal("IllegalStatusException", room.events.cancel_replay, ReplayName=good["ReplayName"])
    refusal("ResourceNotFoundException", room.events.describe_replay, ReplayName="nobody")


def test_a_replay_goes_on_after_a_kill_and_doubles_nothing(tmp_path: Path) -> None:
    process = Process(tmp_path / "data", "--stock", "0", "--egress", "none")
    process.start()
    count = 600
    try:
        events, sqs = process.client("events"), process.client("sqs")
        url = sqs.create_queue(QueueName="q")["QueueUrl"]
        bus_arn = f"arn:aws:events:us-east-1:{ACCOUNT}:event-bus/default"
        archive_arn = events.create_archive(ArchiveName="a", EventSourceArn=bus_arn)["ArchiveArn"]
        entries = [{"Source": "app", "DetailType": "kind", "Detail": "{}"}] * 10
        ids = {one["EventId"] for _ in range(count // 10) for one in events.put_events(Entries=entries)["Entries"]}
        events.put_rule(Name="r", EventPattern='{"source":["app"]}')
        events.put_targets(Rule="r", Targets=[{"Id": "1", "Arn": f"arn:aws:sqs:us-east-1:{ACCOUNT}:q"}])
        wanted = {"EventSourceArn": archive_arn, "EventStartTime": BEGINNING, "EventEndTime": END}
        wanted["Destination"] = {"Arn": bus_arn}
        events.start_replay(ReplayName="replay", **wanted)
        unwanted = cancelled(events, wanted)
        until(
            lambda: "EventLastReplayedTime" in events.describe_replay(ReplayName="replay"), "the first events", every=0
        )
        process.kill()
        process.start(process.port)
        events, sqs, found = process.client("events"), process.client("sqs"), []

        def look() -> bool:
            given = {"QueueUrl": url, "MaxNumberOfMessages": 10, "VisibilityTimeout": 3_600}
            for message in sqs.receive_message(**given).get("Messages", ()):
                event = json.loads(message["Body"])
                if event["replay-name"] == "replay":
                    found.append(event["id"])
            return len(found) >= count

        until(look, "every event", 60, every=0)
        for name, state in (("replay", "COMPLETED"), (unwanted, "CANCELLED")):
            until(
                lambda name=name, state=state: events.describe_replay(ReplayName=name)["State"] == state,  # type: ignore[misc]
                f"{name} is {state}",
            )
        assert "ReplayEndTime" in events.describe_replay(ReplayName=unwanted)
        assert (len(found), set(found)) == (count, ids)
    finally:
        process.kill()


def cancelled(events: Any, wanted: dict[str, Any]) -> str:
    """The name of a replay that was cancelled before it was at its end, which may take a few."""
    for number in range(20):
        name = f"unwanted-{number}"
        events.start_replay(ReplayName=name, **wanted)
        with contextlib.suppress(events.exceptions.IllegalStatusException):
            assert events.cancel_replay(ReplayName=name)["State"] == "CANCELLING"
            return name
    pytest.fail("every replay was at its end before it could be cancelled")
