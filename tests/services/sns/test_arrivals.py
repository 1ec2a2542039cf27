"""What other services have for topics: published like anything else, where the topic's policy lets them."""

import json
from datetime import UTC, datetime

from tests.services.sns.room import Queue, check_signature, subscribe, topic
from tests.support.bulb import Running

OTHER = "111122223333"


def test_a_rule_publishes_to_a_topic(bulb: Running) -> None:
    arn, queue, events = topic(bulb, "ruled"), Queue(bulb, "ruled"), bulb.client("events")
    subscribe(bulb, arn, queue)
    events.put_rule(Name="ruled", EventPattern='{"source": ["shop"]}')
    events.put_targets(Rule="ruled", Targets=[{"Id": "1", "Arn": arn, "InputPath": "$.detail"}])
    events.put_events(Entries=[{"Source": "shop", "DetailType": "sold", "Detail": '{"n":1}'}])
    (document,) = queue.documents(1)
    check_signature(document)
    assert json.loads(document["Message"]) == {"n": 1} and "Subject" not in document


def test_a_schedule_publishes_to_a_topic(own: Running) -> None:
    arn, queue = topic(own, "scheduled"), Queue(own, "scheduled")
    subscribe(own, arn, queue)
    role = "arn:aws:iam::000000000000:role/scheduler"
    trust = {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "scheduler.amazonaws.com"}}
        ],
    }
    own.client("iam").create_role(RoleName="scheduler", AssumeRolePolicyDocument=json.dumps(trust))
    own.client("scheduler").create_schedule(
        Name="scheduled",
        ScheduleExpression=f"at({datetime.fromtimestamp(own.clock.now() + 60, UTC):%Y-%m-%dT%H:%M:%S})",
        FlexibleTimeWindow={"Mode": "OFF"},
        Target={"Arn": arn, "RoleArn": role, "Input": "tick"},
    )
    own.clock.advance(61)
    assert queue.documents(1)[0]["Message"] == "tick"


def test_what_a_topic_does_not_take_is_told(bulb: Running) -> None:
    """A message that is too long for the topic: the rule's dead-letter queue says so."""
    arn, dead, events = (
        topic(bulb, "small", MaximumMessageSize="1024"),
        Queue(bulb, "small-dead"),
        bulb.client("events"),
    )
    events.put_rule(Name="small", EventPattern='{"source": ["large"]}')
    events.put_targets(Rule="small", Targets=[{"Id": "1", "Arn": arn, "DeadLetterConfig": {"Arn": dead.arn}}])
    detail = json.dumps({"text": "x" * 2_000})
    events.put_events(Entries=[{"Source": "large", "DetailType": "d", "Detail": detail}])
    (letter,) = dead.received(1)
    assert letter["MessageAttributes"]["ERROR_CODE"]["StringValue"] == "SDK_CLIENT_ERROR"
    assert letter["MessageAttributes"]["ERROR_MESSAGE"]["StringValue"] == "Invalid parameter: Message too long"


def test_a_rule_of_another_account_needs_the_topics_leave(bulb: Running) -> None:
    arn, queue, sns = topic(bulb, "guarded"), Queue(bulb, "guarded"), bulb.client("sns")
    subscribe(bulb, arn, queue)
    theirs = bulb.client("events", access_key=OTHER)
    dead = Queue(bulb, "guarded-dead", access_key=OTHER)
    rule = theirs.put_rule(Name="across", EventPattern='{"source": ["across"]}')["RuleArn"]
    theirs.put_targets(Rule="across", Targets=[{"Id": "1", "Arn": arn, "DeadLetterConfig": {"Arn": dead.arn}}])

    def put() -> None:
        theirs.put_events(Entries=[{"Source": "across", "DetailType": "d", "Detail": "{}"}])

    put()
    (letter,) = dead.received(1)
    assert letter["MessageAttributes"]["ERROR_CODE"]["StringValue"] == "NO_PERMISSIONS"
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "events.amazonaws.com"},
        "Action": "sns:Publish",
        "Resource": arn,
        "Condition": {"ArnEquals": {"aws:SourceArn": rule}},
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    sns.set_topic_attributes(TopicArn=arn, AttributeName="Policy", AttributeValue=policy)
    put()
    assert json.loads(queue.documents(1)[0]["Message"])["account"] == OTHER
