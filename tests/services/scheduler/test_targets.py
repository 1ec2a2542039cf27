"""What schedules invoke, what arrives there, and what follows where nothing arrives."""

import json
import time
from typing import Any

import pytest

from bulb.core.facts import Delivered
from tests.services.scheduler.room import (
    ACCOUNT,
    QUEUE,
    REGION,
    ROLE,
    at,
    bodies,
    drained,
    nothing_in,
    queue,
    queue_target,
    received,
    schedule,
    shown,
)
from tests.support import functions
from tests.support.bulb import Running
from tests.support.waiting import until

ECHO = """
import json
def handler(event, context):
    print("GOT " + json.dumps({"event": event, "id": context.aws_request_id}))
    return event
"""


@pytest.fixture(scope="module")
def echo(bulb: Running) -> str:
    return functions.create(bulb.client("lambda"), "echo", ECHO)


def logged(bulb: Running, function: str, count: int) -> list[dict[str, Any]]:
    """What the function printed of its events."""
    logs = bulb.client("logs")

    def look() -> list[dict[str, Any]]:
        try:
            found = logs.filter_log_events(logGroupName=f"/aws/lambda/{function}", filterPattern="GOT")["events"]
        except logs.exceptions.ResourceNotFoundException:
            return []
        said = [json.loads(event["message"].partition("GOT ")[2]) for event in found]
        return said if len(said) >= count else []

    return until(look, f"{function} ran {count} times")


def soon(bulb: Running, seconds: int = 100) -> int:
    return int(bulb.clock.now()) + seconds


def universal(action: str, **given: Any) -> dict[str, Any]:
    document = {name: given.pop(name) for name in list(given) if name not in ("RetryPolicy", "DeadLetterConfig")}
    return {
        "Arn": f"arn:aws:scheduler:::aws-sdk:{action}",
        "RoleArn": ROLE,
        "Input": json.dumps(document),
        **given,
    }


def until_tried(bulb: Running, arn: str, attempts: int) -> None:
    """So many attempts of a schedule's invocation have been made."""

    def most() -> int:
        told = (fact for fact in list(bulb.facts) if isinstance(fact, Delivered) and fact.source_arn == arn)
        return max((fact.attempts for fact in told), default=0)

    until(lambda: most() >= attempts, f"{attempts} attempts of {arn}")


def go_to(bulb: Running, moment: float) -> None:
    bulb.clock.advance(moment + 0.5 - bulb.clock.now())


def test_a_function_gets_exactly_the_input(bulb: Running, scheduler: Any, echo: str) -> None:
    due = soon(bulb)
    text = '{"when":"<aws.scheduler.scheduled-time>","n":[1,2.50,null],"text":"é"}'
    arn = schedule(scheduler, "echo", at(due), {"Arn": echo, "RoleArn": ROLE, "Input": text})
    plain = schedule(scheduler, "echo-nothing", at(due), {"Arn": f"{echo}:$LATEST", "RoleArn": ROLE})
    go_to(bulb, due)
    given, default = sorted((one["event"] for one in logged(bulb, "echo", 2)), key=len)
    assert given == {"when": shown(due), "n": [1, 2.5, None], "text": "é"}
    assert arn.endswith("schedule/default/echo")
    is_default_notification(default, plain, due)


def is_default_notification(event: dict[str, Any], schedule_arn: str, tick: int) -> None:
    """What any target gets without an Input. Its detail is a text."""
    assert len(event.pop("id")) == 36
    assert event == {
        "version": "0",
        "detail-type": "Scheduled Event",
        "source": "aws.scheduler",
        "account": ACCOUNT,
        "time": shown(tick),
        "region": REGION,
        "resources": [schedule_arn],
        "detail": "{}",
    }


def test_topics_queues_and_fifo_queues(bulb: Running, scheduler: Any, sqs: Any) -> None:
    due, sns = soon(bulb), bulb.client("sns")
    url = queue(sqs, "plain")
    fifo = queue(sqs, "ordered.fifo", FifoQueue="true", ContentBasedDeduplication="true")
    topic = sns.create_topic(Name="tick")["TopicArn"]
    subscribed = queue(sqs, "subscribed")
    sns.subscribe(
        TopicArn=topic, Protocol="sqs", Endpoint=QUEUE + "subscribed", Attributes={"RawMessageDelivery": "true"}
    )
    schedule(scheduler, "plain", at(due), queue_target("plain", Input="no JSON at all"))
    default = schedule(scheduler, "default", at(due), queue_target("plain"))
    group = {"SqsParameters": {"MessageGroupId": "g"}}
    schedule(scheduler, "ordered", at(due), queue_target("ordered.fifo", Input="one", **group))
    schedule(scheduler, "topic", at(due), {"Arn": topic, "RoleArn": ROLE, "Input": "to all"})
    untold = schedule(scheduler, "topic-nothing", at(due), {"Arn": topic, "RoleArn": ROLE})
    go_to(bulb, due)
    texts = sorted((message["Body"] for message in received(sqs, url, 2)), key=len)
    assert texts[0] == "no JSON at all"
    is_default_notification(json.loads(texts[1]), default, due)
    answer = received(sqs, fifo, 1)[0]
    assert (answer["Body"], answer["Attributes"]["MessageGroupId"]) == ("one", "g")
    told, notified = sorted((message["Body"] for message in received(sqs, subscribed, 2)), key=len)
    assert told == "to all"
    is_default_notification(json.loads(notified), untold, due)


def test_an_event_bus_gets_an_event(bulb: Running, scheduler: Any, sqs: Any) -> None:
    due, events = soon(bulb), bulb.client("events")
    url = queue(sqs, "from-bus")
    events.put_rule(Name="ticks", EventPattern='{"source": ["my.clock"]}')
    events.put_targets(Rule="ticks", Targets=[{"Id": "q", "Arn": QUEUE + "from-bus"}])
    bus = f"arn:aws:events:{REGION}:{ACCOUNT}:event-bus/default"
    given = {"EventBridgeParameters": {"Source": "my.clock", "DetailType": "Tick"}}
    schedule(scheduler, "bus", at(due), {"Arn": bus, "RoleArn": ROLE, "Input": '{"a": 1}', **given})
    plain = schedule(scheduler, "bus-nothing", at(due), {"Arn": bus, "RoleArn": ROLE, **given})
    go_to(bulb, due)
    event, default = sorted(bodies(sqs, url, 2), key=lambda event: len(event["detail"]))
    assert event["detail"] == {"a": 1}
    is_default_notification(default["detail"], plain, due)
    for one in (event, default):
        assert (one["source"], one["detail-type"]) == ("my.clock", "Tick")
        assert (one["account"], one["region"], one["resources"]) == (ACCOUNT, REGION, [])


def test_any_action_of_the_api(bulb: Running, scheduler: Any, sqs: Any, echo: str) -> None:
    due, s3, logs = soon(bulb), bulb.client("s3"), bulb.client("logs")
    url = queue(sqs, "by-call")
    s3.create_bucket(Bucket="calls")
    attribute = {"kind": {"DataType": "Binary", "BinaryValue": "AAE="}}
    wanted = {
        "send": universal(
            "sqs:sendMessage", QueueUrl=url, MessageBody="<aws.scheduler.scheduled-time>", MessageAttributes=attribute
        ),
        "put": universal("s3:putObject", Bucket="calls", Key="k", Body="text", Metadata={"a": "b"}),
        "make": universal("sqs:createQueue", QueueName="made-by-call", Attributes={"VisibilityTimeout": "7"}),
        "log": universal("cloudwatchlogs:createLogGroup", LogGroupName="/made/by/call"),
        "invoke": universal("lambda:invoke", FunctionName="echo", Payload='{"by": "call"}', InvocationType="Event"),
        "rename": universal("lambda:updateFunctionConfiguration", FunctionName="echo", Description="by call"),
    }
    for name, given in wanted.items():
        schedule(scheduler, f"call-{name}", at(due), given)
    go_to(bulb, due)
    message = received(sqs, url, 1)[0]
    assert message["Body"] == shown(due)
    assert message["MessageAttributes"]["kind"]["BinaryValue"] == b"\x00\x01"
    until(lambda: s3.list_objects_v2(Bucket="calls").get("Contents"), "the object is there")
    found = s3.get_object(Bucket="calls", Key="k")
    assert (found["Body"].read(), found["Metadata"]) == (b"text", {"a": "b"})
    urls = until(lambda: sqs.list_queues(QueueNamePrefix="made-by").get("QueueUrls"), "the queue is there")
    attributes = sqs.get_queue_attributes(QueueUrl=urls[0], AttributeNames=["VisibilityTimeout"])["Attributes"]
    assert attributes == {"VisibilityTimeout": "7"}
    until(lambda: logs.describe_log_groups(logGroupNamePrefix="/made/by/call")["logGroups"], "the log group is there")
    until(lambda: [one for one in logged(bulb, "echo", 1) if one["event"] == {"by": "call"}], "the function ran")
    aws = bulb.client("lambda")
    until(lambda: aws.get_function_configuration(FunctionName="echo")["Description"] == "by call", "it is described")


def letter(sqs: Any, url: str) -> tuple[Any, dict[str, str]]:
    message = received(sqs, url, 1)[0]
    attributes = message["MessageAttributes"]
    assert {one["DataType"] for one in attributes.values()} == {"String"}
    return json.loads(message["Body"]), {name: one["StringValue"] for name, one in attributes.items()}


ACTION = "arn:aws:scheduler:::aws-sdk:"
FINAL: list[tuple[str, dict[str, Any], dict[str, Any], str]] = [
    (
        "no-queue",
        queue_target("nowhere", Input="hello"),
        {"MessageBody": "hello", "QueueUrl": f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/nowhere"},
        "AWS.SimpleQueueService.NonExistentQueue",
    ),
    (
        "no-function",
        {"Arn": f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:nobody", "RoleArn": ROLE, "Input": '{"a": 1}'},
        {
            "FunctionName": f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:nobody",
            "InvocationType": "Event",
            "Payload": '{"a": 1}',
        },
        "ResourceNotFoundException",
    ),
    (
        "no-queue-by-call",
        universal("sqs:sendMessage", QueueUrl=f"http://localhost/{ACCOUNT}/nowhere", MessageBody="hello"),
        {"QueueUrl": f"http://localhost/{ACCOUNT}/nowhere", "MessageBody": "hello"},
        "AWS.SimpleQueueService.NonExistentQueue",
    ),
    (
        "no-bucket",
        universal("s3:putObject", Bucket="nobodys", Key="k"),
        {"Bucket": "nobodys", "Key": "k"},
        "NoSuchBucket",
    ),
    (
        "wrong-member",
        universal("sqs:sendMessage", QueueUrl="x", Text="hello"),
        {"QueueUrl": "x", "Text": "hello"},
        "ValidationException",
    ),
    (
        "wrong-type",
        universal("sqs:sendMessage", QueueUrl="x", MessageBody=5),
        {"QueueUrl": "x", "MessageBody": 5},
        "ValidationException",
    ),
    ("missing", universal("sqs:sendMessage", QueueUrl="x"), {"QueueUrl": "x"}, "MissingParameter"),
]


@pytest.mark.parametrize(("name", "target", "body", "error"), FINAL, ids=[case[0] for case in FINAL])
def test_what_can_never_work_goes_to_the_dead_letters_at_once(
    bulb: Running, scheduler: Any, sqs: Any, name: str, target: dict[str, Any], body: Any, error: str
) -> None:
    url, due = queue(sqs, f"dead-{name}"), soon(bulb)
    arn = schedule(scheduler, name, at(due), {**target, "DeadLetterConfig": {"Arn": f"{QUEUE}dead-{name}"}})
    go_to(bulb, due)
    found, said = letter(sqs, url)
    assert found == body
    assert said.pop("ERROR_MESSAGE")
    assert len(said.pop("EXECUTION_ID")) == 16
    assert said == {
        "ERROR_CODE": error,
        "IS_PAYLOAD_TRUNCATED": "false",
        "RETRY_ATTEMPTS": "0",
        "SCHEDULED_TIME": shown(due),
        "SCHEDULE_ARN": arn,
        "TARGET_ARN": {"no-queue": ACTION + "sqs:sendMessage", "no-function": ACTION + "lambda:invoke"}.get(
            name, target["Arn"]
        ),
    }


def busy(name: str, **further: Any) -> dict[str, Any]:
    """A call to a function that takes none: throttled, which may pass."""
    return universal("lambda:invoke", FunctionName=name, Payload='{"n": "<aws.scheduler.attempt-number>"}', **further)


@pytest.fixture(scope="module")
def throttled(bulb: Running) -> str:
    aws = bulb.client("lambda")
    functions.create(aws, "throttled", ECHO)
    aws.put_function_concurrency(FunctionName="throttled", ReservedConcurrentExecutions=0)
    return "throttled"


def test_attempts_are_made_again_until_they_are_used_up(
    bulb: Running, scheduler: Any, sqs: Any, throttled: str
) -> None:
    url, due = queue(sqs, "dead-tries"), soon(bulb)
    dead = {"DeadLetterConfig": {"Arn": QUEUE + "dead-tries"}, "RetryPolicy": {"MaximumRetryAttempts": 2}}
    arn = schedule(scheduler, "tries", at(due), busy(throttled, **dead))
    go_to(bulb, due)
    for attempts in (1, 2):
        until_tried(bulb, arn, attempts)
        assert nothing_in(sqs, url)
        bulb.clock.advance(2.3)  # more than the second and the two seconds between the three attempts
    found, said = letter(sqs, url)
    assert found == {"FunctionName": "throttled", "Payload": '{"n": "3"}'}
    assert (said["ERROR_CODE"], said["RETRY_ATTEMPTS"]) == ("TooManyRequestsException", "2")
    assert said["EXHAUSTED_RETRY_CONDITION"] == "MaximumRetryAttempts"
    assert said["SCHEDULED_TIME"] == shown(due)


def test_attempts_are_made_until_the_event_is_too_old(bulb: Running, scheduler: Any, sqs: Any, throttled: str) -> None:
    url, due = queue(sqs, "dead-age"), soon(bulb)
    dead = {"DeadLetterConfig": {"Arn": QUEUE + "dead-age"}, "RetryPolicy": {"MaximumEventAgeInSeconds": 60}}
    schedule(scheduler, "age", at(due), busy(throttled, **dead))
    go_to(bulb, due)
    said: dict[str, str] = {}
    for _ in range(60):
        if messages := sqs.receive_message(QueueUrl=url, MessageAttributeNames=["All"]).get("Messages"):
            said = {name: one["StringValue"] for name, one in messages[0]["MessageAttributes"].items()}
            break
        time.sleep(0.05)
        bulb.clock.advance(2)
    assert said["EXHAUSTED_RETRY_CONDITION"] == "MaximumEventAgeInSeconds"
    assert 3 <= int(said["RETRY_ATTEMPTS"]) <= 6  # after about 1, 3, 7, 15, 31 and, too late, 63 seconds
    assert bulb.clock.now() - due < 130


def test_a_target_that_comes_back_is_reached(bulb: Running, scheduler: Any, throttled: str) -> None:
    due = soon(bulb)
    arn = schedule(scheduler, "back", at(due), busy(throttled))
    go_to(bulb, due)
    until_tried(bulb, arn, 1)
    aws = bulb.client("lambda")
    aws.delete_function_concurrency(FunctionName=throttled)
    bulb.clock.advance(5)
    events = [one["event"] for one in logged(bulb, "throttled", 1)]
    assert len(events) == 1
    assert int(events[0]["n"]) >= 2
    aws.put_function_concurrency(FunctionName=throttled, ReservedConcurrentExecutions=0)


def test_without_a_queue_for_dead_letters_nothing_is_left_over(bulb: Running, scheduler: Any, sqs: Any) -> None:
    url, due = queue(sqs, "after"), soon(bulb)
    schedule(scheduler, "lost", at(due), queue_target("nowhere", Input="x"))
    missing = {"DeadLetterConfig": {"Arn": QUEUE + "nowhere-either"}}
    schedule(scheduler, "lost-twice", at(due), queue_target("nowhere", Input="x", **missing))
    schedule(scheduler, "after", at(due), queue_target("after", Input='"others"'))
    go_to(bulb, due)
    assert bodies(sqs, url, 1) == ["others"]
    assert drained(sqs, url) == []
