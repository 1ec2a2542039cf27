"""Schedules where policies are enforced: who may make them, and what their roles may do when they tick."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.services.scheduler.room import OFF, QUEUE, at, bodies, queue, received, refusal, schedule
from tests.support.bulb import Running
from tests.support.guarded import allow, denied, document, guarded_server, user
from tests.support.strict import root_of

GROUP = "arn:aws:scheduler:us-east-1:000000000000:schedule-group/default"
HOME = {"StringEquals": {"aws:SourceAccount": "000000000000", "aws:SourceArn": GROUP}}
BY_CLOCK = {"Effect": "Allow", "Principal": {"Service": "scheduler.amazonaws.com"}, "Action": "sts:AssumeRole"}
BY_LAMBDA = {**BY_CLOCK, "Principal": {"Service": "lambda.amazonaws.com"}}


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with guarded_server(tmp_path_factory.mktemp("guarded") / "data", egress="none") as bulb:
        yield bulb


@pytest.fixture(scope="module")
def aws(guarded: Running) -> dict[str, Any]:
    root = root_of(guarded)
    return {service: guarded.client(service, **root) for service in ("scheduler", "sqs", "iam")}


def role(iam: Any, name: str, trust: dict[str, Any], *statements: dict[str, Any]) -> str:
    arn = iam.create_role(RoleName=name, AssumeRolePolicyDocument=document(trust))["Role"]["Arn"]
    if statements:
        iam.put_role_policy(RoleName=name, PolicyName="own", PolicyDocument=document(*statements))
    return str(arn)


def test_a_role_must_let_the_service_assume_it(aws: dict[str, Any]) -> None:
    wrong = role(aws["iam"], "of-functions", BY_LAMBDA)
    elsewhere = {**BY_CLOCK, "Condition": {"StringEquals": {"aws:SourceArn": GROUP + "x"}}}
    other = role(aws["iam"], "of-another-group", elsewhere)
    for arn in (wrong, other, "arn:aws:iam::000000000000:role/nobody"):
        with pytest.raises(ClientError) as caught:
            schedule(aws["scheduler"], "untrusted", "rate(1 hours)", {"Arn": QUEUE + "q", "RoleArn": arn})
        message = "The execution role you provide must allow AWS EventBridge Scheduler to assume the role."
        assert refusal(caught.value) == ("ValidationException", message, 400)


def test_ticks_do_what_their_roles_may(guarded: Running, aws: dict[str, Any]) -> None:
    sqs, scheduler, due = aws["sqs"], aws["scheduler"], int(guarded.clock.now()) + 100
    url, dead = queue(sqs, "work"), queue(sqs, "dead")
    sends = allow("sqs:SendMessage", [QUEUE + "work", QUEUE + "dead"])
    able = role(aws["iam"], "able", {**BY_CLOCK, "Condition": HOME}, sends)
    unable = role(aws["iam"], "unable", BY_CLOCK, allow("sqs:SendMessage", QUEUE + "dead"))
    letters = {"DeadLetterConfig": {"Arn": QUEUE + "dead"}}
    call = {"Arn": "arn:aws:scheduler:::aws-sdk:sqs:sendMessage", **letters}
    for name, arn in (("able", able), ("unable", unable)):
        template = {"Arn": QUEUE + "work", "RoleArn": arn, "Input": json.dumps({"by": f"template {name}"}), **letters}
        schedule(scheduler, f"template-{name}", at(due), template)
        request = {"QueueUrl": url, "MessageBody": json.dumps({"by": f"call {name}"})}
        schedule(scheduler, f"call-{name}", at(due), {**call, "RoleArn": arn, "Input": json.dumps(request)})
    guarded.clock.advance(due + 1 - guarded.clock.now())
    assert sorted(body["by"] for body in bodies(sqs, url, 2)) == ["call able", "template able"]
    found = received(sqs, dead, 2)
    said = [{name: one["StringValue"] for name, one in message["MessageAttributes"].items()} for message in found]
    assert {one["ERROR_CODE"] for one in said} == {"AccessDeniedException"}
    assert all("is not authorized to perform: sqs:SendMessage" in one["ERROR_MESSAGE"] for one in said)
    assert all("assumed-role/unable/" in one["ERROR_MESSAGE"] for one in said)
    assert {json.loads(json.loads(message["Body"])["MessageBody"])["by"] for message in found} == {
        "template unable",
        "call unable",
    }


def test_a_role_that_is_not_trusted_any_more(guarded: Running, aws: dict[str, Any]) -> None:
    sqs, due = aws["sqs"], int(guarded.clock.now()) + 100
    url = queue(sqs, "untouched")
    was_able = role(aws["iam"], "was-able", BY_CLOCK, allow("sqs:SendMessage"))
    target = {"Arn": QUEUE + "untouched", "RoleArn": was_able, "DeadLetterConfig": {"Arn": QUEUE + "untouched"}}
    schedule(aws["scheduler"], "was-able", at(due), {**target, "Input": '"x"'})
    schedule(
        aws["scheduler"],
        "control",
        at(due),
        {
            "Arn": QUEUE + "untouched",
            "Input": '"control"',
            "RoleArn": role(aws["iam"], "control", BY_CLOCK, allow("sqs:SendMessage")),
        },
    )
    aws["iam"].update_assume_role_policy(RoleName="was-able", PolicyDocument=document(BY_LAMBDA))
    guarded.clock.advance(due + 1 - guarded.clock.now())
    assert bodies(sqs, url, 1) == ["control"]  # neither the message nor, since the role is not lent, its letter


def test_who_may_make_schedules(guarded: Running, aws: dict[str, Any]) -> None:
    lent = role(aws["iam"], "lent", BY_CLOCK)
    mine = "arn:aws:scheduler:us-east-1:000000000000:schedule/default/mine-*"
    passes = allow("iam:PassRole", lent, Condition={"StringEquals": {"iam:PassedToService": "scheduler.amazonaws.com"}})
    keys = user(guarded, "clockmaker", allow("scheduler:*", mine), passes)
    client = guarded.client("scheduler", **keys)
    given = {"ScheduleExpression": "rate(1 hours)", "FlexibleTimeWindow": OFF}
    target = {"Arn": QUEUE + "q", "RoleArn": lent}
    client.create_schedule(Name="mine-1", Target=target, **given)
    client.get_schedule(Name="mine-1")
    not_mine = denied(client.create_schedule, Name="yours", Target=target, **given)
    assert (
        "scheduler:CreateSchedule on resource: arn:aws:scheduler:us-east-1:000000000000:schedule/default/yours"
        in not_mine
    )
    other = {**target, "RoleArn": "arn:aws:iam::000000000000:role/of-functions"}
    assert "iam:PassRole" in denied(client.update_schedule, Name="mine-1", Target=other, **given)
    assert "scheduler:ListSchedules" in denied(client.list_schedules)
    assert "schedule-group/team" in denied(client.create_schedule_group, Name="team")
    assert "schedule-group/default" in denied(client.list_tags_for_resource, ResourceArn=GROUP)
    client.delete_schedule(Name="mine-1")
