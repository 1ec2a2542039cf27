import json
from datetime import UTC, datetime
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from tests.services.events.room import ACCOUNT, OTHER, PATTERN, Room, refusal
from tests.support.bulb import Process
from tests.support.waiting import until


def test_an_entry_that_is_no_event_fails_alone(room: Room) -> None:
    good = {"Source": "app", "DetailType": "kind", "Detail": "{}"}
    entries = [
        {name: value for name, value in good.items() if name != "Source"},
        {**good, "DetailType": ""},
        {name: value for name, value in good.items() if name != "Detail"},
        {**good, "Detail": "text"},
        {**good, "Detail": "[1]"},
        {**good, "Detail": '"{}"'},
        {**good, "Detail": '{"a":' * 5000},
        {**good, "Source": "aws.ec2"},
        good,
    ]
    answer = room.events.put_events(Entries=entries)
    assert answer["FailedEntryCount"] == 8
    told = [(one.get("ErrorCode"), one.get("ErrorMessage")) for one in answer["Entries"]]
    assert told == [
        ("InvalidArgument", "Parameter Source is not valid. Reason: Source is a required argument."),
        ("InvalidArgument", "Parameter DetailType is not valid. Reason: DetailType is a required argument."),
        ("InvalidArgument", "Parameter Detail is not valid. Reason: Detail is a required argument."),
        *[("MalformedDetail", "Detail is malformed.")] * 4,
        ("NotAuthorizedForSourceException", "Not authorized for the source."),
        (None, None),
    ]
    assert answer["Entries"][8]["EventId"]


def test_requests_that_are_too_large_are_refused_whole(room: Room) -> None:
    entry = {"Source": "app", "DetailType": "kind"}
    message = refusal(
        "ValidationException", room.events.put_events, Entries=[{**entry, "Detail": json.dumps({"a": "x" * 1_048_576})}]
    )
    assert message == "Total size of the entries in the request is over the limit."
    message = refusal("ValidationException", room.events.put_events, Entries=[{**entry, "Detail": "{}"}] * 11)
    assert message.endswith("Member must have length less than or equal to 10")


def test_global_endpoints_are_refused_by_name(room: Room) -> None:
    """Botocore does not even send such a request without a library of its own."""
    body = json.dumps({"Entries": [{"Source": "app", "DetailType": "kind", "Detail": "{}"}], "EndpointId": "a.b"})
    headers = {"X-Amz-Target": "AWSEvents.PutEvents", "Content-Type": "application/x-amz-json-1.1"}
    with pytest.raises(HTTPError) as caught:
        urlopen(Request(room.bulb.url, body.encode(), headers))
    assert caught.value.code == 501
    assert b"EndpointId" in caught.value.read()


def test_an_event_of_nearly_a_megabyte_arrives_whole(room: Room) -> None:
    bus, (url, arn) = room.bus(), room.queue()
    room.rule(bus, {"Arn": arn})
    detail = {"text": "ä" * 400_000, "spaced": [1, 2]}
    room.put(bus, Detail=json.dumps(detail, ensure_ascii=False))
    assert json.loads(room.message(url)["Body"])["detail"] == detail


def test_an_event_arrives_as_it_was_put(room: Room) -> None:
    bus, (url, arn) = room.bus(), room.queue()
    room.rule(bus, {"Arn": arn})
    detail = '{ "big" : 12345678901234567890123, "exact": 1.10, "e": 1e2,\n "text": "a  \\" b" }'
    at = datetime(2021, 3, 4, 5, 6, 7, 890_000, UTC)
    event_id = room.put(bus, Detail=detail, Time=at, Resources=["arn:one", "two"])
    body = room.message(url)["Body"]
    assert body == (
        f'{{"version":"0","id":"{event_id}","detail-type":"kind","source":"app","account":"{ACCOUNT}",'
        '"time":"2021-03-04T05:06:07Z","region":"us-east-1","resources":["arn:one","two"],'
        '"detail":{"big":12345678901234567890123,"exact":1.10,"e":1e2,"text":"a  \\" b"}}'
    )


def test_a_bus_is_named_by_its_name_or_arn(room: Room) -> None:
    bus, (url, arn) = room.bus(), room.queue()
    room.rule(bus, {"Arn": arn})
    room.put(room.bus_arn(bus))
    room.message(url)
    other = room.bulb.client("events", access_key=OTHER)
    entry = {"Source": "app", "DetailType": "kind", "Detail": "{}", "EventBusName": room.bus_arn(bus)}
    other.put_events(Entries=[entry])
    assert json.loads(room.message(url)["Body"])["account"] == OTHER
    # One that is not there takes everything and does nothing.
    assert room.events.put_events(Entries=[{**entry, "EventBusName": "nobodys"}])["FailedEntryCount"] == 0
    other.put_events(Entries=[{**entry, "EventBusName": bus}])
    assert room.is_empty(url)


def test_only_rules_that_match_and_are_enabled_count(room: Room) -> None:
    bus = room.bus()
    wanted, other, disabled = room.queue(), room.queue(), room.queue()
    rule, _ = room.rule(bus, {"Arn": wanted[1]}, {"Arn": wanted[1]}, pattern='{"detail":{"n":[{"numeric":[">",1]}]}}')
    room.rule(bus, {"Arn": other[1]}, pattern='{"detail":{"n":[1]}}')
    off, _ = room.rule(bus, {"Arn": disabled[1]})
    room.events.disable_rule(Name=off, EventBusName=bus)
    room.put(bus, {"n": 2})
    assert len(room.messages(wanted[0], 2)) == 2
    # A change counts from its answer on.
    room.events.put_rule(Name=rule, EventBusName=bus, EventPattern='{"detail":{"n":[3]}}')
    room.put(bus, {"n": 2})
    room.put(bus, {"n": 3})
    assert {json.loads(one["Body"])["detail"]["n"] for one in room.messages(wanted[0], 2)} == {3}
    room.events.remove_targets(Rule=rule, EventBusName=bus, Ids=["0"])
    room.put(bus, {"n": 3})
    assert len(room.messages(wanted[0], 1)) == 1
    assert room.is_empty(wanted[0])
    assert room.is_empty(other[0])
    assert room.is_empty(disabled[0])


def test_nothing_that_was_answered_is_lost_by_a_kill(tmp_path: Path) -> None:
    process = Process(tmp_path / "data", "--stock", "0", "--egress", "none")
    process.start()
    try:
        events, sqs = process.client("events"), process.client("sqs")
        url = sqs.create_queue(QueueName="q")["QueueUrl"]
        events.put_rule(Name="r", EventPattern=PATTERN)
        events.put_targets(Rule="r", Targets=[{"Id": "1", "Arn": f"arn:aws:sqs:us-east-1:{ACCOUNT}:q"}])
        entries = [{"Source": "app", "DetailType": "kind", "Detail": "{}"}] * 10
        ids = [one["EventId"] for _ in range(3) for one in events.put_events(Entries=entries)["Entries"]]
        process.kill()
        process.start(process.port)
        sqs, found = process.client("sqs"), set()

        def look() -> bool:
            for message in sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", ()):
                found.add(json.loads(message["Body"])["id"])
            return found == set(ids)

        until(look, "every event")
    finally:
        process.kill()
