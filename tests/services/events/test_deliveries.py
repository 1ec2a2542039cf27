"""From an event to each kind of target, and what happens where a target does not take it."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.services.events.endpoint import Answer, Endpoint
from tests.services.events.room import ACCOUNT, OTHER, PATTERN, Room
from tests.services.events.test_api_destinations import destination
from tests.support.like import SECOND
from tests.support.waiting import until


def test_a_function_gets_exactly_the_event(room: Room) -> None:
    bus, (function, arn) = room.bus(), room.recorder()
    room.rule(bus, {"Arn": arn})
    event_id = room.put(bus, {"order": 17, "items": ["a"]}, Resources=["arn:aws:s3:::thing"])
    found = room.recorded(function)[0]["event"]
    assert found == {
        "version": "0",
        "id": event_id,
        "detail-type": "kind",
        "source": "app",
        "account": ACCOUNT,
        "time": found["time"],
        "region": "us-east-1",
        "resources": ["arn:aws:s3:::thing"],
        "detail": {"order": 17, "items": ["a"]},
    }
    assert list(found) == [
        "version", "id", "detail-type", "source", "account", "time", "region", "resources", "detail",
    ]  # fmt: skip
    assert found["time"].endswith("Z")
    assert len(found["time"]) == len("2020-01-01T00:00:00Z")


def test_a_function_gets_what_the_event_was_made_into(room: Room) -> None:
    bus, (function, arn) = room.bus(), room.recorder()
    transformer = {
        "InputPathsMap": {"who": "$.detail.who", "order": "$.detail"},
        "InputTemplate": '{"text": "Hello <who>", "order": <order>, "rule": <aws.events.rule-arn>}',
    }
    _, rule_arn = room.rule(bus, {"Arn": arn, "InputTransformer": transformer})
    room.put(bus, {"who": "Ann"})
    assert room.recorded(function)[0]["event"] == {"text": "Hello Ann", "order": {"who": "Ann"}, "rule": rule_arn}


def test_queues_topics_and_log_groups_get_events(room: Room) -> None:
    bus, (url, arn), (fifo_url, fifo_arn) = (
        room.bus(),
        room.queue(),
        room.queue(FifoQueue="true", ContentBasedDeduplication="true"),
    )
    topic = room.sns.create_topic(Name=room.name("topic"))["TopicArn"]
    heard_url, heard_arn = room.queue()
    room.sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=heard_arn, Attributes={"RawMessageDelivery": "true"})
    room.rule(
        bus,
        {"Arn": arn, "InputPath": "$.detail"},
        {"Arn": fifo_arn, "SqsParameters": {"MessageGroupId": "group"}},
        {"Arn": topic, "Input": '"constant"'},
    )
    event_id = room.put(bus, {"a": "b"})
    assert json.loads(room.message(url)["Body"]) == {"a": "b"}
    in_order = room.message(fifo_url)
    assert json.loads(in_order["Body"])["id"] == event_id
    assert in_order["Attributes"]["MessageGroupId"] == "group"
    assert room.message(heard_url)["Body"] == '"constant"'


def test_an_event_goes_on_to_another_bus_but_not_to_a_third(room: Room) -> None:
    first, second, third = room.bus(), room.bus(), room.bus()
    (url, arn), (third_url, third_arn), (dead_url, dead_arn) = room.queue(), room.queue(), room.queue()
    room.rule(third, {"Arn": third_arn})
    _, rule_arn = room.rule(second, {"Arn": arn}, {"Arn": room.bus_arn(third), "DeadLetterConfig": {"Arn": dead_arn}})
    room.rule(first, {"Arn": room.bus_arn(second)})
    event_id = room.put(first, {"a": 1})
    found = json.loads(room.message(url)["Body"])
    assert (found["id"], found["account"], found["detail"]) == (event_id, ACCOUNT, {"a": 1})
    letter = room.message(dead_url)
    assert json.loads(letter["Body"]) == found
    assert _said(letter) == {
        "RULE_ARN": rule_arn,
        "TARGET_ARN": room.bus_arn(third),
        "ERROR_CODE": "THIRD_ACCOUNT_HOP_DETECTED",
        "ERROR_MESSAGE": f"Event ingestion rejected for event {event_id} because an event can be sent to an event bus "
        "target only once. This event was previously delivered to an event bus target.",
        "RETRY_ATTEMPTS": "0",
    }
    assert room.is_empty(third_url)
    room.put(second)
    room.message(third_url)


def test_two_buses_that_send_to_each_other_come_to_an_end(room: Room) -> None:
    one, two, (url, arn) = room.bus(), room.bus(), room.queue()
    room.rule(one, {"Arn": room.bus_arn(two)}, {"Arn": arn})
    room.rule(two, {"Arn": room.bus_arn(one)}, {"Arn": arn})
    room.put(one)
    assert len(room.messages(url, 2)) == 2
    last, (last_url, last_arn) = room.bus(), room.queue()
    room.rule(last, {"Arn": last_arn})
    room.put(last)
    room.message(last_url)  # whatever came after the first two would have come before this
    assert room.is_empty(url)


def test_a_bus_of_another_account_and_region_asks_its_policy(room: Room) -> None:
    theirs = room.bulb.client("events", access_key=OTHER, region="eu-west-1")
    name = room.name("bus")
    theirs.create_event_bus(Name=name)
    their_arn = room.bus_arn(name, OTHER, "eu-west-1")
    queues = room.bulb.client("sqs", access_key=OTHER, region="eu-west-1")
    url = queues.create_queue(QueueName=name)["QueueUrl"]
    theirs.put_rule(Name="r", EventBusName=name, EventPattern=json.dumps({"account": [ACCOUNT]}))
    theirs.put_targets(
        Rule="r", EventBusName=name, Targets=[{"Id": "1", "Arn": f"arn:aws:sqs:eu-west-1:{OTHER}:{name}"}]
    )
    bus, (dead_url, dead_arn) = room.bus(), room.queue()
    room.rule(bus, {"Arn": their_arn, "DeadLetterConfig": {"Arn": dead_arn}})
    refused = room.put(bus)
    letter = room.message(dead_url)
    assert json.loads(letter["Body"])["id"] == refused
    assert _said(letter)["ERROR_CODE"] == "NO_PERMISSIONS"
    theirs.put_permission(EventBusName=name, Action="events:PutEvents", Principal=ACCOUNT, StatementId="in")
    event_id = room.put(bus)
    message: dict[str, Any] = until(
        lambda: queues.receive_message(QueueUrl=url).get("Messages"), "the event in the other account"
    )[0]
    body = json.loads(message["Body"])
    assert (body["account"], body["region"]) == (ACCOUNT, "us-east-1")
    assert body["id"] != event_id, "one of its own, as it is another region"
    assert list(body)[:2] == ["version", "id"]


def test_a_function_that_is_missing_leaves_a_letter_at_once(room: Room) -> None:
    bus, (url, arn) = room.bus(), room.queue()
    missing = f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:nobody"
    target = {"Arn": missing, "DeadLetterConfig": {"Arn": arn}, "Input": '{"made": "up"}'}
    _, rule_arn = room.rule(bus, target)
    event_id = room.put(bus, {"a": 1})
    letter = room.message(url)
    assert json.loads(letter["Body"]) == {  # the event itself, not what was made of it
        "version": "0",
        "id": event_id,
        "detail-type": "kind",
        "source": "app",
        "account": ACCOUNT,
        "time": SECOND,
        "region": "us-east-1",
        "resources": [],
        "detail": {"a": 1},
    }
    said = _said(letter)
    assert said.pop("ERROR_MESSAGE")
    assert said == {
        "RULE_ARN": rule_arn,
        "TARGET_ARN": missing,
        "ERROR_CODE": "NO_RESOURCE",
        "RETRY_ATTEMPTS": "0",
    }


def test_a_queue_that_is_gone_leaves_a_letter_at_once(room: Room) -> None:
    bus, (url, arn), (gone_url, gone_arn) = room.bus(), room.queue(), room.queue()
    room.rule(bus, {"Arn": gone_arn, "DeadLetterConfig": {"Arn": arn}})
    room.sqs.delete_queue(QueueUrl=gone_url)
    event_id = room.put(bus)
    letter = room.message(url)
    assert (json.loads(letter["Body"])["id"], _said(letter)["ERROR_CODE"]) == (event_id, "NO_RESOURCE")


def test_a_function_of_another_account_is_reached_only_with_its_permission(room: Room) -> None:
    theirs = room.bulb.client("lambda", access_key=OTHER)
    from tests.support import functions

    name = room.name("function")
    arn = functions.create(theirs, name, "def handler(event, context): return event")
    bus, (url, dead_arn) = room.bus(), room.queue()
    _, rule_arn = room.rule(bus, {"Arn": arn, "DeadLetterConfig": {"Arn": dead_arn}})
    room.put(bus)
    assert _said(room.message(url))["ERROR_CODE"] == "NO_PERMISSIONS"
    theirs.add_permission(
        FunctionName=name,
        StatementId="in",
        Action="lambda:InvokeFunction",
        Principal="events.amazonaws.com",
        SourceArn=rule_arn,
    )
    room.put(bus)
    until(
        lambda: [
            one for one in room.bulb.facts if getattr(one, "destination_arn", "") == arn and one.outcome == "delivered"
        ],  # type: ignore[union-attr] # a Delivered
        "the delivery",
    )
    assert room.is_empty(url)


def test_a_template_that_makes_no_json_leaves_a_letter_at_once(room: Room) -> None:
    bus, (url, arn), (_, function) = room.bus(), room.queue(), room.recorder()
    transformer = {"InputPathsMap": {"a": "$.detail.a"}, "InputTemplate": '"one <a>"\n"two"'}
    room.rule(bus, {"Arn": function, "InputTransformer": transformer, "DeadLetterConfig": {"Arn": arn}})
    event_id = room.put(bus, {"a": "x"})
    letter = room.message(url)
    assert (json.loads(letter["Body"])["id"], _said(letter)["ERROR_CODE"]) == (event_id, "INVALID_JSON")


def test_an_event_that_is_nested_too_deeply_to_be_taken_apart_leaves_a_letter(room: Room) -> None:
    bus, (url, arn), (dead_url, dead_arn) = room.bus(), room.queue(), room.queue()
    room.rule(bus, {"Arn": arn}, {"Arn": arn, "InputPath": "$.detail", "DeadLetterConfig": {"Arn": dead_arn}})
    detail = f'{{"a":{"[" * 1000}{"]" * 1000}}}'
    event_id = room.put(bus, Detail=detail)
    assert detail in room.message(url)["Body"]
    letter = room.message(dead_url)
    assert (event_id in letter["Body"], _said(letter)["ERROR_CODE"]) == (True, "INVALID_JSON")


def test_a_failing_endpoint_is_tried_again_until_it_takes_the_event(room: Room, endpoint: Endpoint) -> None:
    endpoint.answers = [Answer(500), Answer(503), Answer(200)]
    bus, arn = room.bus(), destination(room, f"{endpoint.url}/hook")
    room.rule(bus, {"Arn": arn})
    event_id = room.put(bus)
    endpoint.wait_for(1)
    for count, wait in ((2, 1.1), (3, 2.1)):
        until(lambda count=count: _retrying(room, arn) >= count - 1, "the refusal")  # type: ignore[misc] # bound at once
        room.clock.advance(wait)
        endpoint.wait_for(count)
    assert [one.json["id"] for one in endpoint.asked] == [event_id] * 3


def test_attempts_that_are_used_up_leave_a_letter(room: Room, endpoint: Endpoint) -> None:
    endpoint.answers = [Answer(500)]
    bus, arn, (url, dead_arn) = room.bus(), destination(room, f"{endpoint.url}/hook"), room.queue()
    policy = {"MaximumRetryAttempts": 2, "MaximumEventAgeInSeconds": 3600}
    room.rule(bus, {"Arn": arn, "RetryPolicy": policy, "DeadLetterConfig": {"Arn": dead_arn}})
    event_id = room.put(bus)
    for count, wait in ((1, 1.1), (2, 2.1)):
        until(lambda count=count: _retrying(room, arn) >= count, "the refusal")  # type: ignore[misc] # bound at once
        room.clock.advance(wait)
    letter = room.message(url)
    assert json.loads(letter["Body"])["id"] == event_id
    said = _said(letter)
    assert (said["ERROR_CODE"], said["RETRY_ATTEMPTS"]) == ("ERROR_FROM_TARGET", "2")
    assert said["EXHAUSTED_RETRY_CONDITION"] == "MaximumRetryAttempts"
    assert len(endpoint.asked) == 3


def test_an_age_that_is_reached_leaves_a_letter(room: Room, endpoint: Endpoint) -> None:
    endpoint.answers = [Answer(429, {"Retry-After": "3000"})]
    bus, arn, (url, dead_arn) = room.bus(), destination(room, f"{endpoint.url}/hook"), room.queue()
    policy = {"MaximumRetryAttempts": 185, "MaximumEventAgeInSeconds": 60}
    room.rule(bus, {"Arn": arn, "RetryPolicy": policy, "DeadLetterConfig": {"Arn": dead_arn}})
    room.put(bus)
    until(lambda: _retrying(room, arn) >= 1, "the refusal")
    room.clock.advance(50)
    assert len(endpoint.asked) == 1  # it asked for more time than there is: the last attempt is at the very end
    room.clock.advance(11)
    letter = room.message(url)
    said = _said(letter)
    assert (said["ERROR_CODE"], said["EXHAUSTED_RETRY_CONDITION"]) == ("THROTTLING", "MaximumEventAgeInSeconds")
    assert len(endpoint.asked) == 2


def test_what_an_endpoint_refuses_is_not_tried_again(room: Room, endpoint: Endpoint) -> None:
    endpoint.answers = [Answer(400)]
    bus, arn, (url, dead_arn) = room.bus(), destination(room, f"{endpoint.url}/hook"), room.queue()
    room.rule(bus, {"Arn": arn, "DeadLetterConfig": {"Arn": dead_arn}})
    room.put(bus)
    said = _said(room.message(url))
    assert (said["ERROR_CODE"], said["RETRY_ATTEMPTS"]) == ("SDK_CLIENT_ERROR", "0")


def test_a_log_group_gets_a_line_an_event(room: Room) -> None:
    bus, group = room.bus(), f"/aws/events/{room.name('group')}"
    room.logs.create_log_group(logGroupName=group)
    (url, dead_arn) = room.queue()
    arn = f"arn:aws:logs:us-east-1:{ACCOUNT}:log-group:{group}"
    room.rule(bus, {"Arn": arn}, {"Arn": f"{arn}-missing:*", "DeadLetterConfig": {"Arn": dead_arn}}, pattern=PATTERN)
    event_id = room.put(bus, {"a": 1})
    lines = until(lambda: room.logs.filter_log_events(logGroupName=group)["events"], "the line")
    assert json.loads(lines[0]["message"])["id"] == event_id
    assert _said(room.message(url))["ERROR_CODE"] == "NO_RESOURCE"


def test_a_template_says_a_log_events_time_and_text(room: Room) -> None:
    bus, group, (url, dead_arn) = room.bus(), f"/aws/events/{room.name('group')}", room.queue()
    room.logs.create_log_group(logGroupName=group)
    arn = f"arn:aws:logs:us-east-1:{ACCOUNT}:log-group:{group}"
    paths = {"when": "$.detail.when", "what": "$.detail.what", "kind": "$.detail-type"}
    template = {"InputTemplate": '{"timestamp": <when>, "message": "<kind>: <what>"}', "InputPathsMap": paths}
    room.rule(bus, {"Arn": arn, "InputTransformer": template, "DeadLetterConfig": {"Arn": dead_arn}}, pattern=PATTERN)
    at = datetime.now(UTC).replace(microsecond=0) - timedelta(days=1)
    room.put(bus, {"when": at.isoformat(), "what": "done"})
    [line] = until(lambda: room.logs.filter_log_events(logGroupName=group)["events"], "the line")
    assert (line["timestamp"], line["message"]) == (int(at.timestamp() * 1000), "kind: done")
    for when in ((at - timedelta(days=30)).isoformat(), "soon"):  # neither is a time that can be logged
        room.put(bus, {"when": when, "what": "lost"})
        assert _said(room.message(url))["ERROR_CODE"] == "SDK_CLIENT_ERROR"
    assert len(room.logs.filter_log_events(logGroupName=group)["events"]) == 1


def _said(letter: dict[str, Any]) -> dict[str, str]:
    assert {one["DataType"] for one in letter["MessageAttributes"].values()} == {"String"}
    return {name: one["StringValue"] for name, one in letter["MessageAttributes"].items()}


def _retrying(room: Room, arn: str) -> int:
    return sum(
        getattr(one, "destination_arn", "") == arn and getattr(one, "outcome", "") == "retrying"
        for one in list(room.bulb.facts)
    )
