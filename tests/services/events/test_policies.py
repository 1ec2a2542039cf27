"""EventBridge where policies are enforced: callers, buses' own policies, roles that are passed, targets' policies."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.services.events.room import PATTERN, refusal
from tests.support import functions
from tests.support.bulb import Running, running_bulb
from tests.support.guarded import ELSEWHERE, HOME, allow, denied, document, guarded_server, user
from tests.support.strict import Keys, root_of
from tests.support.waiting import until

BUS_ARN = f"arn:aws:events:us-east-1:{HOME}:event-bus"
ENTRY = {"Source": "app", "DetailType": "kind", "Detail": "{}"}
BY_EVENTS = {"Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"}, "Action": "sts:AssumeRole"}


@dataclass
class Two:
    bulb: Running
    root: Keys
    other: Keys

    def client(self, service: str, keys: Keys | None = None) -> Any:
        return self.bulb.client(service, **(keys or self.root))


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Two]:
    """The other account gets its first user while any credentials do."""
    data: Path = tmp_path_factory.mktemp("two") / "data"
    with running_bulb(data, stock=0, egress="none") as open_to_all:
        other = user(open_to_all, "admin", allow("*"), by={"access_key": ELSEWHERE, "secret_key": "any"})
    with guarded_server(data, egress="none") as bulb:
        yield Two(bulb, root_of(bulb), other)


def test_putting_events_is_allowed_for_each_bus_by_itself(two: Two) -> None:
    two.client("events").create_event_bus(Name="open")
    ann = two.client("events", user(two.bulb, "ann", allow("events:PutEvents", f"{BUS_ARN}/open")))
    assert ann.put_events(Entries=[{**ENTRY, "EventBusName": "open"}])["FailedEntryCount"] == 0
    message = denied(ann.put_events, Entries=[{**ENTRY, "EventBusName": "open"}, ENTRY])
    assert f"perform: events:PutEvents on resource: {BUS_ARN}/default because no identity-based policy" in message
    only = {"StringEquals": {"events:source": "app"}}
    bob = two.client("events", user(two.bulb, "bob", allow("events:PutEvents", "*", Condition=only)))
    bob.put_events(Entries=[ENTRY])
    denied(bob.put_events, Entries=[{**ENTRY, "Source": "other"}])


def test_rules_are_allowed_by_their_arns(two: Two) -> None:
    rule_arn = f"arn:aws:events:us-east-1:{HOME}:rule/own-*"
    cat = two.client("events", user(two.bulb, "cat", allow(["events:PutRule", "events:DescribeRule"], rule_arn)))
    cat.put_rule(Name="own-one", EventPattern=PATTERN)
    cat.describe_rule(Name="own-one")
    denied(cat.put_rule, Name="other", EventPattern=PATTERN)
    denied(cat.delete_rule, Name="own-one")
    denied(cat.list_rules)


def test_rules_and_targets_are_allowed_by_what_they_are_about(two: Two) -> None:
    queue, other = (f"arn:aws:sqs:us-east-1:{HOME}:{name}" for name in ("mine", "others"))
    two.client("events").put_rule(Name="about", EventPattern=PATTERN)
    policy = allow("events:PutTargets", "*", Condition={"ForAllValues:ArnEquals": {"events:TargetArn": queue}})
    fay = two.client("events", user(two.bulb, "fay", policy))
    fay.put_targets(Rule="about", Targets=[{"Id": "1", "Arn": queue}])
    denied(fay.put_targets, Rule="about", Targets=[{"Id": "1", "Arn": queue}, {"Id": "2", "Arn": other}])
    about = {"ForAllValues:StringEquals": {"events:source": ["app", "shop"]}, "Null": {"events:source": "false"}}
    mine = {"StringEquals": {"events:creatorAccount": HOME}}
    gus = two.client("events", user(two.bulb, "gus", allow("events:PutRule", "*", Condition={**about, **mine})))
    gus.put_rule(Name="his", EventPattern='{"source": ["app", "shop"]}')
    for pattern in ('{"source": ["app", "bank"]}', '{"source": ["app", {"prefix": "b"}]}', '{"detail-type": ["kind"]}'):
        denied(gus.put_rule, Name="his", EventPattern=pattern)


def test_another_account_is_let_in_by_the_policy_of_the_bus(two: Two) -> None:
    events, sqs = two.client("events"), two.client("sqs")
    events.create_event_bus(Name="shared")
    queue = f"arn:aws:sqs:us-east-1:{HOME}:heard"
    url = sqs.create_queue(QueueName="heard")["QueueUrl"]
    let_in = {"Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"}, "Action": "sqs:SendMessage"}
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": document({**let_in, "Resource": queue})})
    events.put_rule(Name="r", EventBusName="shared", EventPattern=PATTERN)
    events.put_targets(Rule="r", EventBusName="shared", Targets=[{"Id": "1", "Arn": queue}])
    theirs = two.client("events", two.other)
    entries = [{**ENTRY, "EventBusName": f"{BUS_ARN}/shared"}]
    assert "no resource-based policy allows" in denied(theirs.put_events, Entries=entries)
    events.put_permission(EventBusName="shared", Action="events:PutEvents", Principal=ELSEWHERE, StatementId="in")
    theirs.put_events(Entries=entries)
    found = until(lambda: sqs.receive_message(QueueUrl=url).get("Messages"), "the event")
    assert json.loads(found[0]["Body"])["account"] == ELSEWHERE
    events.remove_permission(EventBusName="shared", StatementId="in")
    denied(theirs.put_events, Entries=entries)


def test_a_function_is_invoked_when_its_policy_names_the_rule(two: Two) -> None:
    events, sqs, aws = two.client("events"), two.client("sqs"), two.client("lambda")
    dead = f"arn:aws:sqs:us-east-1:{HOME}:dead"
    url = sqs.create_queue(QueueName="dead")["QueueUrl"]
    let_in = {"Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"}, "Action": "sqs:SendMessage"}
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": document({**let_in, "Resource": dead})})
    arn = functions.create(aws, "heard", "def handler(event, context): return event")
    rule_arn = events.put_rule(Name="to-function", EventPattern='{"source":["function"]}')["RuleArn"]
    events.put_targets(Rule="to-function", Targets=[{"Id": "1", "Arn": arn, "DeadLetterConfig": {"Arn": dead}}])
    events.put_events(Entries=[{**ENTRY, "Source": "function"}])
    letter = until(
        lambda: sqs.receive_message(QueueUrl=url, MessageAttributeNames=["All"]).get("Messages"), "the letter"
    )[0]
    assert letter["MessageAttributes"]["ERROR_CODE"]["StringValue"] == "NO_PERMISSIONS"
    grant = {"FunctionName": "heard", "Action": "lambda:InvokeFunction", "Principal": "events.amazonaws.com"}
    aws.add_permission(**grant, StatementId="in", SourceArn=rule_arn)
    events.put_events(Entries=[{**ENTRY, "Source": "function"}])
    until(lambda: [one for one in list(two.bulb.facts) if _is_delivery(one, arn)], "the delivery")


def test_a_role_is_given_to_a_target_by_who_may_pass_it_and_if_it_may(two: Two) -> None:
    events, iam = two.client("events"), two.client("iam")
    queue = f"arn:aws:sqs:us-east-1:{HOME}:by-role"
    url = two.client("sqs").create_queue(QueueName="by-role")["QueueUrl"]
    role = iam.create_role(RoleName="sender", AssumeRolePolicyDocument=document(BY_EVENTS))["Role"]["Arn"]
    events.put_rule(Name="by-role", EventPattern='{"source":["role"]}')
    targets = [{"Id": "1", "Arn": queue, "RoleArn": role}]
    dan = two.client("events", user(two.bulb, "dan", allow("events:*")))
    assert "iam:PassRole" in denied(dan.put_targets, Rule="by-role", Targets=targets)
    assert "may not perform sqs:SendMessage" in refusal(
        "ValidationException", events.put_targets, Rule="by-role", Targets=targets
    )
    policy = document(allow("sqs:SendMessage", queue))
    iam.put_role_policy(RoleName="sender", PolicyName="send", PolicyDocument=policy)
    events.put_targets(Rule="by-role", Targets=targets)
    events.put_events(Entries=[{**ENTRY, "Source": "role"}])
    until(lambda: two.client("sqs").receive_message(QueueUrl=url).get("Messages"), "the event")


def test_who_has_no_policy_is_called_in_the_name_of_a_role(two: Two) -> None:
    events, iam = two.client("events"), two.client("iam")
    key = {"ApiKeyAuthParameters": {"ApiKeyName": "x-key", "ApiKeyValue": "secret"}}
    made = events.create_connection(Name="c", AuthorizationType="API_KEY", AuthParameters=key)
    hook = events.create_api_destination(
        Name="hook",
        ConnectionArn=made["ConnectionArn"],
        InvocationEndpoint="https://hook.example",
        HttpMethod="POST",
    )["ApiDestinationArn"]
    elsewhere = BUS_ARN.replace(HOME, ELSEWHERE) + "/default"
    events.put_rule(Name="calls", EventPattern='{"source":["nobody"]}')
    for arn in (hook, elsewhere):
        message = refusal("ValidationException", events.put_targets, Rule="calls", Targets=[{"Id": "1", "Arn": arn}])
        assert message == f"RoleArn is required for target {arn}."
    role = iam.create_role(RoleName="caller", AssumeRolePolicyDocument=document(BY_EVENTS))["Role"]["Arn"]
    targets = [{"Id": "1", "Arn": hook, "RoleArn": role}]
    assert "may not perform events:InvokeApiDestination" in refusal(
        "ValidationException", events.put_targets, Rule="calls", Targets=targets
    )
    policy = document(allow("events:InvokeApiDestination", hook))
    iam.put_role_policy(RoleName="caller", PolicyName="call", PolicyDocument=policy)
    assert events.put_targets(Rule="calls", Targets=targets)["FailedEntryCount"] == 0


def _is_delivery(fact: Any, arn: str) -> bool:
    return getattr(fact, "destination_arn", "") == arn and fact.outcome == "delivered"
