"""The API of EventBridge Scheduler, as boto3 sees it. Nothing here waits for a tick."""

from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.services.scheduler.room import OFF, QUEUE, ROLE, queue_target, refusal, schedule
from tests.support.bulb import Running
from tests.support.waiting import until

LAMBDA = "arn:aws:lambda:us-east-1:000000000000:function:f"
LATER = "at(2099-01-01T00:00:00)"
ALL: dict[str, Any] = {
    "ScheduleExpression": "cron(0 9 ? * MON-FRI *)",
    "ScheduleExpressionTimezone": "Europe/Berlin",
    "StartDate": datetime(2090, 1, 1, tzinfo=UTC),
    "EndDate": datetime(2091, 1, 1, tzinfo=UTC),
    "Description": "each working day",
    "State": "DISABLED",
    "Target": {
        "Arn": LAMBDA,
        "RoleArn": ROLE,
        "Input": '{"a": 1}',
        "DeadLetterConfig": {"Arn": QUEUE + "dead"},
        "RetryPolicy": {"MaximumEventAgeInSeconds": 60, "MaximumRetryAttempts": 3},
    },
    "FlexibleTimeWindow": {"Mode": "FLEXIBLE", "MaximumWindowInMinutes": 15},
    "ActionAfterCompletion": "DELETE",
}


def without_dates(answer: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in answer.items() if k not in ("CreationDate", "LastModificationDate", "ResponseMetadata")}


def test_a_schedule_is_shown_as_it_was_made(bulb: Running, scheduler: Any) -> None:
    arn = scheduler.create_schedule(Name="whole", **ALL)["ScheduleArn"]
    assert arn == "arn:aws:scheduler:us-east-1:000000000000:schedule/default/whole"
    found = scheduler.get_schedule(Name="whole")
    assert without_dates(found) == {"Name": "whole", "GroupName": "default", "Arn": arn, **ALL}
    assert abs(found["CreationDate"].timestamp() - bulb.clock.now()) < 60
    listed = scheduler.list_schedules(NamePrefix="who")["Schedules"]
    assert [without_dates(one) for one in listed] == [
        {"Arn": arn, "Name": "whole", "GroupName": "default", "State": "DISABLED", "Target": {"Arn": LAMBDA}}
    ]


def test_an_update_replaces_all_of_it(scheduler: Any) -> None:
    scheduler.create_schedule(Name="replaced", **ALL)
    before = scheduler.get_schedule(Name="replaced")
    least = {"ScheduleExpression": LATER, "Target": {"Arn": LAMBDA, "RoleArn": ROLE}, "FlexibleTimeWindow": OFF}
    assert scheduler.update_schedule(Name="replaced", **least)["ScheduleArn"] == before["Arn"]
    found = scheduler.get_schedule(Name="replaced")
    defaults = {"RetryPolicy": {"MaximumEventAgeInSeconds": 86_400, "MaximumRetryAttempts": 185}}
    assert without_dates(found) == {
        "Name": "replaced",
        "GroupName": "default",
        "Arn": before["Arn"],
        "State": "ENABLED",
        "ScheduleExpression": LATER,
        "ScheduleExpressionTimezone": "UTC",
        "Target": {"Arn": LAMBDA, "RoleArn": ROLE, **defaults},
        "FlexibleTimeWindow": OFF,
        "ActionAfterCompletion": "NONE",
    }
    assert found["CreationDate"] == before["CreationDate"]
    assert found["LastModificationDate"] > before["LastModificationDate"]


def test_what_is_not_there_and_what_is_there_already(scheduler: Any) -> None:
    schedule(scheduler, "single", LATER, queue_target("q"))
    least = {"ScheduleExpression": LATER, "Target": queue_target("q"), "FlexibleTimeWindow": OFF}
    refused = {
        ("ConflictException", "Schedule single already exists.", 409): [
            lambda: scheduler.create_schedule(Name="single", **least)
        ],
        ("ResourceNotFoundException", "Schedule nobody does not exist.", 404): [
            lambda: scheduler.get_schedule(Name="nobody"),
            lambda: scheduler.delete_schedule(Name="nobody"),
            lambda: scheduler.update_schedule(Name="nobody", **least),
        ],
        ("ResourceNotFoundException", "Schedule single does not exist.", 404): [
            lambda: scheduler.get_schedule(Name="single", GroupName="elsewhere")
        ],
        ("ResourceNotFoundException", "Schedule group nobody does not exist.", 404): [
            lambda: scheduler.create_schedule(Name="x", GroupName="nobody", **least),
            lambda: scheduler.get_schedule_group(Name="nobody"),
            lambda: scheduler.delete_schedule_group(Name="nobody"),
            lambda: scheduler.list_schedules(GroupName="nobody"),
        ],
        ("ValidationException", "This operation cannot be performed on schedule group default.", 400): [
            lambda: scheduler.create_schedule_group(Name="default"),
            lambda: scheduler.delete_schedule_group(Name="default"),
        ],
    }
    for expected, calls in refused.items():
        for call in calls:
            with pytest.raises(ClientError) as caught:
                call()
            assert refusal(caught.value) == expected
    scheduler.delete_schedule(Name="single")
    with pytest.raises(ClientError):
        scheduler.get_schedule(Name="single")


EXPRESSIONS = ["rate(10)", " rate(10 minutes)", "rate(10 seconds)", "at(2021-12-31)", "cron(0 12 * * * *)", "cron()"]


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_expressions_that_are_none(scheduler: Any, expression: str) -> None:
    with pytest.raises(ClientError) as caught:
        schedule(scheduler, "wrong", expression, queue_target("q"))
    assert refusal(caught.value) == ("ValidationException", f"Invalid Schedule Expression {expression}.", 400)


def universal(action: str, **further: Any) -> dict[str, Any]:
    return {"Target": {"Arn": f"arn:aws:scheduler:::aws-sdk:{action}", "RoleArn": ROLE, "Input": "{}", **further}}


def target(arn: str, **further: Any) -> dict[str, Any]:
    return {"Target": {"Arn": arn, "RoleArn": ROLE, **further}}


BUS = "arn:aws:events:us-east-1:000000000000:event-bus/default"
RATE = {"ScheduleExpression": "rate(1 hours)"}
STREAM = "arn:aws:kinesis:us-east-1:000000000000:stream/s"
INVALID: list[tuple[dict[str, Any], str]] = [
    (
        {"FlexibleTimeWindow": {"Mode": "OFF", "MaximumWindowInMinutes": 5}},
        "MaximumWindowInMinutes must not be provided when FlexibleTimeWindowMode is set to OFF.",
    ),
    (
        {"FlexibleTimeWindow": {"Mode": "FLEXIBLE"}},
        "MaximumWindowInMinutes must be provided when FlexibleTimeWindowMode is set to FLEXIBLE.",
    ),
    (
        {**RATE, "StartDate": datetime(2090, 1, 2, tzinfo=UTC), "EndDate": datetime(2090, 1, 1, tzinfo=UTC)},
        "The StartDate you specify must come before the EndDate.",
    ),
    (
        {**RATE, "StartDate": datetime(2020, 1, 1, tzinfo=UTC)},
        "The StartDate you specify cannot be earlier than 5 minutes ago.",
    ),
    ({**RATE, "EndDate": datetime(2020, 1, 1, tzinfo=UTC)}, "The EndDate you specify must be in the future."),
    ({"ScheduleExpressionTimezone": "Mars/Olympus"}, "Invalid ScheduleExpressionTimezone Mars/Olympus."),
    (
        target(LAMBDA.replace("us-east-1", "eu-west-1")),
        "The target ARN provided does not match the current region us-east-1.",
    ),
    (target("arn:aws:rds:us-east-1:000000000000:db:d"), "rds is not a supported service for a target."),
    (target("arn:aws:scheduler:us-east-1:1:aws-sdk:sqs:x"), "scheduler is not a supported service for a target."),
    (target("nonsense"), "Parameter Target.Arn is not valid. Reason: Provided Arn is not in correct format."),
    (target(LAMBDA, Input="{"), "JSON syntax error in input for the target."),
    (target(LAMBDA, SqsParameters={}), "Parameters SqsParameters not supported for the target."),
    (target(QUEUE + "q.fifo"), "Parameters SqsParameters must be specified."),
    (
        target(QUEUE + "q", SqsParameters={"MessageGroupId": "g"}),
        "Parameters MessageGroupId not valid for the target.",
    ),
    (target(BUS), "Parameters EventBridgeParameters must be specified."),
    (
        target(LAMBDA, DeadLetterConfig={"Arn": "arn:aws:sqs:eu-west-1:000000000000:q"}),
        "The dead-letter queue ARN provided does not match the current region us-east-1.",
    ),
    (universal("sqs:getQueueUrl"), "getQueueUrl API is not supported."),
    (universal("sqs:GetQueueUrl"), "GetQueueUrl API is not supported."),
    (universal("sqs:listQueues"), "listQueues API is not supported."),
    (universal("sqs:receiveMessage"), "receiveMessage API is not supported."),
    (universal("sqs:batchGetThings"), "batchGetThings API is not supported."),
    (universal("sqs:sendLove"), "sendLove API is not supported."),
    (universal("sqs:sendMessage", Input="[]"), "JSON syntax error in input for the target."),
    (universal("sqs:sendMessage", SqsParameters={}), "Parameters SqsParameters not supported for the target."),
    (universal("sqs"), "Parameter Target.Arn is not valid. Reason: Provided Arn is not in correct format."),
    (
        {"Target": {"Arn": "arn:aws:scheduler:::aws-sdk:sqs:sendMessage", "RoleArn": ROLE}},
        "You must provide an input to set this target for your schedule.",
    ),
    (target(LAMBDA, Input='"' + "x" * 262_143 + '"'), "The Input of a target must be no longer than 262144 bytes."),
]


@pytest.mark.parametrize(("given", "message"), INVALID, ids=[message[:40] for _, message in INVALID])
def test_what_is_invalid_is_said_in_the_services_words(scheduler: Any, given: dict[str, Any], message: str) -> None:
    least = {"ScheduleExpression": LATER, "Target": queue_target("q"), "FlexibleTimeWindow": OFF}
    for call in (scheduler.create_schedule, scheduler.update_schedule):
        with pytest.raises(ClientError) as caught:
            call(Name="invalid", **{**least, **given})
        assert refusal(caught.value) == ("ValidationException", message, 400)


def test_a_one_time_schedule_may_have_any_dates(scheduler: Any) -> None:
    dates = {"StartDate": datetime(2021, 1, 1, tzinfo=UTC), "EndDate": datetime(2020, 1, 1, tzinfo=UTC)}
    schedule(scheduler, "dated", LATER, queue_target("q"), **dates)
    found = scheduler.get_schedule(Name="dated")
    assert {name: found[name] for name in dates} == dates


def test_a_start_that_has_passed_is_refused_even_if_it_was_there(bulb: Running, scheduler: Any) -> None:
    start = datetime.fromtimestamp(int(bulb.clock.now()), UTC)
    schedule(scheduler, "started", "rate(1 days)", queue_target("q"), StartDate=start, State="DISABLED")
    bulb.clock.advance(301)
    given = {"Name": "started", "ScheduleExpression": "rate(1 days)", "FlexibleTimeWindow": OFF}
    with pytest.raises(ClientError) as caught:
        scheduler.update_schedule(**given, Target=queue_target("q"), State="DISABLED", StartDate=start)
    assert "cannot be earlier than 5 minutes ago" in refusal(caught.value)[1]
    scheduler.update_schedule(**given, Target=queue_target("q"), State="DISABLED")
    assert "StartDate" not in scheduler.get_schedule(Name="started")


UNSUPPORTED: list[tuple[dict[str, Any], str]] = [
    ({"KmsKeyArn": "arn:aws:kms:us-east-1:000000000000:key/k"}, "KmsKeyArn"),
    (target(STREAM, KinesisParameters={"PartitionKey": "p"}), "Kinesis"),
    (target("arn:aws:states:us-east-1:000000000000:stateMachine:m"), "Step Functions"),
    (target("arn:aws:codebuild:us-east-1:000000000000:project/p"), "CodeBuild"),
    (universal("ec2:stopInstances"), "ec2"),
    (universal("cloudwatchlogs:putMetricFilter"), "PutMetricFilter"),
]


@pytest.mark.parametrize(("given", "named"), UNSUPPORTED)
def test_what_is_not_there_is_refused_by_name(scheduler: Any, given: dict[str, Any], named: str) -> None:
    least = {"ScheduleExpression": LATER, "Target": queue_target("q"), "FlexibleTimeWindow": OFF}
    with pytest.raises(ClientError) as caught:
        scheduler.create_schedule(Name="unsupported", **{**least, **given})
    code, message, status = refusal(caught.value)
    assert (code, status) == ("NotImplementedException", 501)
    assert named in message


def test_a_request_made_twice_counts_once(scheduler: Any) -> None:
    least = {"ScheduleExpression": LATER, "Target": queue_target("q"), "FlexibleTimeWindow": OFF}
    first = scheduler.create_schedule(Name="twice", ClientToken="token", **least)
    assert scheduler.create_schedule(Name="twice", ClientToken="token", **least)["ScheduleArn"] == first["ScheduleArn"]
    with pytest.raises(ClientError) as caught:
        scheduler.create_schedule(Name="twice", ClientToken="token", **{**least, "Description": "other"})
    assert refusal(caught.value)[0] == "ConflictException"
    scheduler.update_schedule(Name="twice", ClientToken="change", **least)
    changed = scheduler.get_schedule(Name="twice")["LastModificationDate"]
    scheduler.update_schedule(Name="twice", ClientToken="change", **least)
    assert scheduler.get_schedule(Name="twice")["LastModificationDate"] == changed
    scheduler.delete_schedule(Name="twice", ClientToken="gone")
    scheduler.delete_schedule(Name="twice", ClientToken="gone")
    with pytest.raises(ClientError) as caught:
        scheduler.delete_schedule(Name="twice", ClientToken="another")
    assert refusal(caught.value)[0] == "ResourceNotFoundException"


def test_groups_hold_schedules_of_their_own(scheduler: Any) -> None:
    arn = scheduler.create_schedule_group(Name="team", Tags=[{"Key": "a", "Value": "1"}])["ScheduleGroupArn"]
    assert arn == "arn:aws:scheduler:us-east-1:000000000000:schedule-group/team"
    with pytest.raises(ClientError) as caught:
        scheduler.create_schedule_group(Name="team")
    assert refusal(caught.value) == ("ConflictException", "Schedule group team already exists.", 409)
    found = scheduler.get_schedule_group(Name="team")
    assert (found["Arn"], found["Name"], found["State"]) == (arn, "team", "ACTIVE")
    schedule(scheduler, "same", LATER, queue_target("q"))
    in_group = schedule(scheduler, "same", LATER, queue_target("q"), GroupName="team")
    assert in_group == "arn:aws:scheduler:us-east-1:000000000000:schedule/team/same"
    listed = scheduler.list_schedules(GroupName="team")["Schedules"]
    assert [(one["GroupName"], one["Name"]) for one in listed] == [("team", "same")]
    scheduler.delete_schedule_group(Name="team")

    def is_gone() -> bool:
        try:
            state = scheduler.get_schedule_group(Name="team")["State"]
        except ClientError as error:
            return refusal(error)[0] == "ResourceNotFoundException"
        assert state == "DELETING"
        return False

    until(is_gone, "the group is gone")
    with pytest.raises(ClientError):
        scheduler.get_schedule(Name="same", GroupName="team")
    assert scheduler.get_schedule(Name="same")["GroupName"] == "default"
    scheduler.create_schedule_group(Name="team")
    assert scheduler.list_schedules(GroupName="team")["Schedules"] == []


def test_tags_of_groups(scheduler: Any) -> None:
    arn = scheduler.create_schedule_group(Name="tagged", Tags=[{"Key": "a", "Value": "1"}])["ScheduleGroupArn"]
    scheduler.tag_resource(ResourceArn=arn, Tags=[{"Key": "b", "Value": "2"}, {"Key": "a", "Value": "3"}])
    assert scheduler.list_tags_for_resource(ResourceArn=arn)["Tags"] == [
        {"Key": "a", "Value": "3"},
        {"Key": "b", "Value": "2"},
    ]
    scheduler.untag_resource(ResourceArn=arn, TagKeys=["a", "c"])
    assert scheduler.list_tags_for_resource(ResourceArn=arn)["Tags"] == [{"Key": "b", "Value": "2"}]
    default = arn.replace("tagged", "default")
    scheduler.tag_resource(ResourceArn=default, Tags=[{"Key": "d", "Value": "4"}])
    assert scheduler.list_tags_for_resource(ResourceArn=default)["Tags"] == [{"Key": "d", "Value": "4"}]
    for wrong in (arn + "x", arn.replace("us-east-1", "eu-west-1"), arn.replace("000000000000", "111111111111")):
        with pytest.raises(ClientError) as caught:
            scheduler.list_tags_for_resource(ResourceArn=wrong)
        assert refusal(caught.value)[0] == "ResourceNotFoundException"
    with pytest.raises(ClientError) as caught:
        scheduler.tag_resource(ResourceArn=arn, Tags=[{"Key": "aws:x", "Value": "4"}])
    assert refusal(caught.value)[0] == "ValidationException"


def test_lists_come_in_pages_and_by_what_is_asked(bulb: Running) -> None:
    scheduler = bulb.client("scheduler", region="eu-west-1")
    in_region = {"Arn": "arn:aws:sqs:eu-west-1:000000000000:q", "RoleArn": ROLE}
    assert [group["Name"] for group in scheduler.list_schedule_groups()["ScheduleGroups"]] == ["default"]
    for name in ("b", "a", "alpha"):
        scheduler.create_schedule_group(Name=name)
    for group, name, state in [
        ("a", "x", "ENABLED"),
        ("a", "y", "DISABLED"),
        ("b", "x", "ENABLED"),
        ("b", "xx", "ENABLED"),
    ]:
        schedule(scheduler, name, LATER, in_region, GroupName=group, State=state)
    schedule(scheduler, "z", LATER, in_region)

    def listed(**by: Any) -> list[str]:
        pages = scheduler.get_paginator("list_schedules").paginate(PaginationConfig={"PageSize": 2}, **by)
        return [f"{one['GroupName']}/{one['Name']}" for page in pages for one in page["Schedules"]]

    assert listed() == ["a/x", "a/y", "b/x", "b/xx", "default/z"]
    assert listed(GroupName="b") == ["b/x", "b/xx"]
    assert listed(NamePrefix="x") == ["a/x", "b/x", "b/xx"]
    assert listed(State="DISABLED") == ["a/y"]
    pages = scheduler.get_paginator("list_schedule_groups").paginate(PaginationConfig={"PageSize": 1}, NamePrefix="a")
    assert [group["Name"] for page in pages for group in page["ScheduleGroups"]] == ["a", "alpha"]
    for token in ("nonsense", "W10=", "eyJhIjogMX0="):
        for call in (scheduler.list_schedules, scheduler.list_schedule_groups):
            with pytest.raises(ClientError) as caught:
                call(NextToken=token)
            assert refusal(caught.value) == ("ValidationException", "Invalid NextToken.", 400)
