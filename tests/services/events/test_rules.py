import json
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from tests.services.events.room import ACCOUNT, PATTERN, Room, refusal

FUNCTION = f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:f"
QUEUE = f"arn:aws:sqs:us-east-1:{ACCOUNT}:q"
GROUP = f"arn:aws:logs:us-east-1:{ACCOUNT}:log-group:/aws/events/g"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/r"


def test_a_rule_is_made_shown_and_deleted(room: Room) -> None:
    bus = room.bus()
    made = room.events.put_rule(
        Name="r", EventBusName=bus, EventPattern=PATTERN, Description="d", Tags=[{"Key": "a", "Value": "b"}]
    )
    arn = f"arn:aws:events:us-east-1:{ACCOUNT}:rule/{bus}/r"
    assert made["RuleArn"] == arn
    shown = {
        "Name": "r",
        "Arn": arn,
        "EventPattern": PATTERN,
        "State": "ENABLED",
        "Description": "d",
        "EventBusName": bus,
    }
    told = room.events.describe_rule(Name="r", EventBusName=bus)
    del told["ResponseMetadata"]
    assert told == {**shown, "CreatedBy": ACCOUNT}
    assert room.events.list_rules(EventBusName=room.bus_arn(bus))["Rules"] == [shown]
    # What is not given again is as at first; tags stay.
    room.events.put_rule(Name="r", EventBusName=bus, EventPattern='{"source":["b"]}', State="DISABLED")
    told = room.events.describe_rule(Name="r", EventBusName=bus)
    assert (told["EventPattern"], told["State"], "Description" in told) == ('{"source":["b"]}', "DISABLED", False)
    assert room.events.list_tags_for_resource(ResourceARN=arn)["Tags"] == [{"Key": "a", "Value": "b"}]
    room.events.enable_rule(Name="r", EventBusName=bus)
    assert room.events.describe_rule(Name="r", EventBusName=bus)["State"] == "ENABLED"
    room.events.put_targets(Rule="r", EventBusName=bus, Targets=[{"Id": "1", "Arn": QUEUE}])
    message = refusal("ValidationException", room.events.delete_rule, Name="r", EventBusName=bus)
    assert message == "Rule can't be deleted since it has targets."
    room.events.remove_targets(Rule="r", EventBusName=bus, Ids=["1", "2"])
    room.events.delete_rule(Name="r", EventBusName=bus)
    room.events.delete_rule(Name="r", EventBusName=bus)
    for call in (room.events.describe_rule, room.events.enable_rule, room.events.disable_rule):
        message = refusal("ResourceNotFoundException", call, Name="r", EventBusName=bus)
        assert message == f"Rule r does not exist on EventBus {bus}."
    assert refusal("ResourceNotFoundException", room.events.list_rules, EventBusName="no") == (
        "Event bus no does not exist."
    )


def test_a_rule_of_the_default_bus_has_no_bus_in_its_arn(room: Room) -> None:
    name = room.name("rule")
    made = room.events.put_rule(Name=name, EventPattern=PATTERN)
    assert made["RuleArn"] == f"arn:aws:events:us-east-1:{ACCOUNT}:rule/{name}"
    assert room.events.describe_rule(Name=name)["EventBusName"] == "default"


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ('{"source": "app"}', '"source" must be an object or an array'),
        ('{"source": []}', "Empty arrays are not allowed"),
        ('{"source": [{"EXISTS": true}]}', "Unrecognized match type EXISTS"),
        ('{"source": [{"numeric": [">", "a"]}]}', "Value of > must be numeric"),
        ("[]", 'Filter is not an object\n at [Source: (String)"[]"; line: 1, column: 2]'),
    ],
)
def test_patterns_are_refused_in_the_same_words_everywhere(room: Room, pattern: str, reason: str) -> None:
    bus = room.bus()
    event = json.dumps(
        {"id": "1", "account": "1", "source": "a", "time": "t", "region": "r", "resources": [], "detail-type": "d"}
    )
    archive = {"ArchiveName": room.name(), "EventSourceArn": room.bus_arn(bus)}
    expected = f"Event pattern is not valid. Reason: {reason}"
    code = "InvalidEventPatternException"
    assert refusal(code, room.events.put_rule, Name="r", EventBusName=bus, EventPattern=pattern) == expected
    assert refusal(code, room.events.test_event_pattern, EventPattern=pattern, Event=event) == expected
    assert refusal(code, room.events.create_archive, **archive, EventPattern=pattern) == expected


def test_events_are_tested_with_their_whole_envelope(room: Room) -> None:
    event = {"id": "1", "account": "1", "source": "app", "time": "2020-01-01T00:00:00Z", "region": "us-east-1"}
    event |= {"resources": [], "detail-type": "kind"}
    test = room.events.test_event_pattern
    assert test(EventPattern=PATTERN, Event=json.dumps(event))["Result"] is True
    assert test(EventPattern=PATTERN, Event=json.dumps({**event, "source": "other"}))["Result"] is False
    for member in event:
        rest = {name: value for name, value in event.items() if name != member}
        message = refusal("ValidationException", test, EventPattern=PATTERN, Event=json.dumps(rest))
        assert message == "Parameter Event is not valid."
    for text in ("{", "[]", "1"):
        refusal("ValidationException", test, EventPattern=PATTERN, Event=text)


def test_what_a_rule_cannot_be_is_refused(room: Room) -> None:
    put, bus = room.events.put_rule, room.bus()
    assert refusal("ValidationException", put, Name="r") == (
        "Parameter(s) EventPattern or ScheduleExpression must be specified."
    )
    for expression in (
        "rate(5 minute)",
        "rate(1 minutes)",
        "cron(0 0 * * *)",
        "rate(0 minutes)",
        "at(2030-01-01T00:00:00)",
    ):
        message = refusal("ValidationException", put, Name="r", ScheduleExpression=expression)
        assert message == "Parameter ScheduleExpression is not valid."
    message = refusal("ValidationException", put, Name="r", EventBusName=bus, ScheduleExpression="rate(1 minute)")
    assert message == "ScheduleExpression is supported only on the default event bus."
    refusal("ResourceNotFoundException", put, Name="r", EventBusName="no", EventPattern=PATTERN)
    refusal("ValidationException", put, Name="r", EventPattern=PATTERN, RoleArn="arn:aws:iam::1:user/a")
    long = json.dumps({"source": ["x" * 2048]})
    refusal("LimitExceededException", put, Name="r", EventBusName=bus, EventPattern=long)


def test_a_bus_has_so_many_rules_and_no_more(room: Room) -> None:
    bus = room.bus()
    wildcard = json.dumps({"source": [{"wildcard": "a*"}]})
    for number in range(30):
        room.events.put_rule(Name=f"w{number:03}", EventBusName=bus, EventPattern=wildcard)
    refusal("LimitExceededException", room.events.put_rule, Name="x", EventBusName=bus, EventPattern=wildcard)
    with ThreadPoolExecutor(8) as many:
        make = partial(room.events.put_rule, EventBusName=bus, EventPattern=PATTERN)
        list(many.map(lambda number: make(Name=f"r{number:03}"), range(270)))
    message = refusal("LimitExceededException", room.events.put_rule, Name="x", EventBusName=bus, EventPattern=PATTERN)
    assert message == "The requested resource exceeds the maximum number allowed."
    room.events.put_rule(Name="r000", EventBusName=bus, EventPattern='{"source":["other"]}')
    paginator = room.events.get_paginator("list_rules")
    names = [rule["Name"] for page in paginator.paginate(EventBusName=bus, Limit=70) for rule in page["Rules"]]
    assert len(names) == 300
    assert names == sorted(names)
    page = room.events.list_rules(EventBusName=bus, NamePrefix="w02", Limit=4)
    assert [rule["Name"] for rule in page["Rules"]] == ["w020", "w021", "w022", "w023"]


def test_targets_are_put_listed_and_found(room: Room) -> None:
    bus = room.bus()
    rule, _ = room.rule(bus)
    settings = {
        "InputTransformer": {"InputPathsMap": {"a": "$.detail.a"}, "InputTemplate": '{"a": <a>}'},
        "RetryPolicy": {"MaximumRetryAttempts": 0, "MaximumEventAgeInSeconds": 60},
        "DeadLetterConfig": {"Arn": QUEUE},
    }
    targets = [{"Id": str(number), "Arn": f"{FUNCTION}{number}", **settings} for number in range(5)]
    answer = room.events.put_targets(Rule=rule, EventBusName=bus, Targets=targets)
    assert (answer["FailedEntryCount"], answer["FailedEntries"]) == (0, [])
    first = room.events.list_targets_by_rule(Rule=rule, EventBusName=bus, Limit=3)
    rest = room.events.list_targets_by_rule(Rule=rule, EventBusName=bus, NextToken=first["NextToken"])
    assert first["Targets"] + rest["Targets"] == targets
    more = [{"Id": "6", "Arn": FUNCTION}]
    message = refusal("LimitExceededException", room.events.put_targets, Rule=rule, EventBusName=bus, Targets=more)
    assert message == "The requested resource exceeds the maximum number allowed."
    room.events.put_targets(Rule=rule, EventBusName=bus, Targets=[{"Id": "0", "Arn": QUEUE}])
    assert room.events.list_targets_by_rule(Rule=rule, EventBusName=bus)["Targets"][0] == {"Id": "0", "Arn": QUEUE}
    other, _ = room.rule(bus, {"Arn": QUEUE})
    found = room.events.list_rule_names_by_target(TargetArn=QUEUE, EventBusName=bus)["RuleNames"]
    assert found == sorted([rule, other])
    page = room.events.list_rule_names_by_target(TargetArn=QUEUE, EventBusName=bus, Limit=1)
    assert page["RuleNames"] == found[:1]
    message = refusal("ResourceNotFoundException", room.events.put_targets, Rule="no", EventBusName=bus, Targets=more)
    assert message == f"Rule no does not exist on EventBus {bus}."


@pytest.mark.parametrize(
    ("code", "message", "target"),
    [
        (
            "ValidationException",
            "Parameter q is not valid. Reason: Provided Arn is not in correct format.",
            {"Arn": "q"},
        ),
        ("ValidationException", "route53 is not a supported service for a target.", {"Arn": "arn:aws:route53:::a"}),
        ("NotImplementedException", "kinesis", {"Arn": f"arn:aws:kinesis:us-east-1:{ACCOUNT}:stream/s"}),
        ("NotImplementedException", "states", {"Arn": f"arn:aws:states:us-east-1:{ACCOUNT}:stateMachine:s"}),
        (
            "ValidationException",
            "Parameter(s) EcsParameters not supported for target: 1.",
            {"Arn": FUNCTION, "EcsParameters": {"TaskDefinitionArn": "a"}},
        ),
        (
            "ValidationException",
            "Parameter(s) HttpParameters not supported for target: 1.",
            {"Arn": FUNCTION, "HttpParameters": {"PathParameterValues": ["a"]}},
        ),
        ("ValidationException", "region of the rule", {"Arn": QUEUE.replace("us-east-1", "eu-west-1")}),
        (
            "ValidationException",
            "Parameter(s) SqsParameters must be specified for target: 1.",
            {"Arn": f"{QUEUE}.fifo"},
        ),
        (
            "ValidationException",
            "Only one of Input, InputPath, or InputTransformer must be provided for target 1.",
            {"Arn": QUEUE, "Input": "{}", "InputPath": "$"},
        ),
        ("ValidationException", "JSON syntax error in input for target 1.", {"Arn": QUEUE, "Input": "{"}),
        ("ValidationException", "InputPath for target 1 is invalid.", {"Arn": QUEUE, "InputPath": "detail"}),
        ("ValidationException", "InputPath for target 1 is invalid.", {"Arn": QUEUE, "InputPath": "$.detail['a']"}),
        (
            "ValidationException",
            "InputPath for target 1 is invalid.",
            {"Arn": QUEUE, "InputTransformer": {"InputPathsMap": {"a": "$.detail['a']"}, "InputTemplate": '"<a>"'}},
        ),
        (
            "ValidationException",
            "InputTemplate for target 1 contains invalid placeholder b.",
            {"Arn": QUEUE, "InputTransformer": {"InputPathsMap": {"a": "$.a"}, "InputTemplate": '"<b>"'}},
        ),
        (
            "ValidationException",
            "Invalid InputTemplate for target 1",
            {"Arn": QUEUE, "InputTransformer": {"InputTemplate": "not quoted"}},
        ),
        (
            "ValidationException",
            "SQS FIFO is not supported by Dead Letter Queues.",
            {"Arn": QUEUE, "DeadLetterConfig": {"Arn": f"{QUEUE}.fifo"}},
        ),
        (
            "ValidationException",
            "lambda is not supported as a dead letter resource.",
            {"Arn": QUEUE, "DeadLetterConfig": {"Arn": FUNCTION}},
        ),
        ("ValidationException", "Provided Arn is not", {"Arn": QUEUE, "DeadLetterConfig": {"Arn": "q"}}),
        (
            "ValidationException",
            "region of the rule",
            {"Arn": QUEUE, "DeadLetterConfig": {"Arn": QUEUE.replace("us-east-1", "eu-west-1")}},
        ),
        ("ValidationException", "RoleArn", {"Arn": QUEUE, "RoleArn": "me"}),
        (
            "ResourceNotFoundException",
            "An api-destination 'no' does not exist.",
            {"Arn": f"arn:aws:events:us-east-1:{ACCOUNT}:api-destination/no/1"},
        ),
        (
            "ValidationException",
            "Modifying the input for target 1 is not supported.",
            {"Arn": f"arn:aws:events:us-east-1:{ACCOUNT}:event-bus/other", "Input": "{}"},
        ),
        ("ValidationException", f"RoleArn is not supported for target {GROUP}.", {"Arn": GROUP, "RoleArn": ROLE}),
        ("ValidationException", f"Input is not supported for target {GROUP}.", {"Arn": GROUP, "Input": "{}"}),
        ("ValidationException", f"InputPath is not supported for target {GROUP}.", {"Arn": GROUP, "InputPath": "$"}),
        *(
            (
                "ValidationException",
                'InputTemplate for target 1 must have the format {"timestamp": "<timestamp>", "message": "<message>"}.',
                {"Arn": GROUP, "InputTransformer": {"InputPathsMap": {"a": "$.time"}, "InputTemplate": template}},
            )
            for template in ('{"message": <a>}', '{"timestamp": 1, "message": <a>}', '"<a>"', '"<a>"\n"b"')
        ),
    ],
)
def test_targets_that_cannot_be_are_refused(room: Room, code: str, message: str, target: dict) -> None:  # type: ignore[type-arg] # whatever
    rule, _ = room.rule("default")
    assert message in refusal(code, room.events.put_targets, Rule=rule, Targets=[{"Id": "1", **target}])
    assert room.events.list_targets_by_rule(Rule=rule)["Targets"] == []


def test_an_id_is_given_to_one_target_of_a_request(room: Room) -> None:
    rule, _ = room.rule("default")
    targets = [{"Id": one, "Arn": QUEUE} for one in ("1", "2", "1")]
    message = refusal("ValidationException", room.events.put_targets, Rule=rule, Targets=targets)
    assert message == "Parameter targets is not valid. Reason: More than one target with Id '1' is provided."
    assert room.events.list_targets_by_rule(Rule=rule)["Targets"] == []


def test_what_is_for_queues_may_be_said_of_any_target(room: Room) -> None:
    room.rule("default", {"Arn": FUNCTION, "SqsParameters": {"MessageGroupId": "g"}})


def test_a_rule_does_not_send_to_its_own_bus(room: Room) -> None:
    bus = room.bus()
    rule, _ = room.rule(bus)
    targets = [{"Id": "1", "Arn": room.bus_arn(bus)}]
    refusal("ValidationException", room.events.put_targets, Rule=rule, EventBusName=bus, Targets=targets)
