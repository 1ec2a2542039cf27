"""What follows when what happens in one service does not reach the next: retries, dead letters, and what is said of it.

what fails                              here, or where it is tested already
a function, whatever woke it            test_a_function_that_fails_is_tried_three_times_whatever_woke_it
a function behind a queue               test_sqs_mapping.py: test_a_failed_batch_comes_again_and_ends_in_...
S3 or Logs to what is gone              test_what_is_gone_is_not_told_and_that_is_said (the default bus is never gone)
S3 to whose policy does not let it in   test_a_policy_counts_when_something_arrives
SNS to a function or queue              tests/services/sns/test_failures.py
a rule to its target                    tests/services/events/test_retries.py
a schedule to its target                tests/services/scheduler/test_targets.py: test_attempts_are_made_again_...
Lambda's ends to what is gone           test_an_end_nobody_takes_is_said
anybody to who is busy                  tests/delivery/test_errands.py: nobody in the house ever is
the server                              test_uploads_are_told_once_although_the_server_is_killed
"""

import contextlib
import json
import sqlite3
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bulb.core.facts import Delivered, DeliveryFailed, InvocationFinished, InvocationStarted
from tests.e2e.test_edges import ACCOUNT, ANSWERS, FAILS, LAMBDA, notify, tried_out, unpacked
from tests.services.scheduler.room import at
from tests.support.bulb import Process, Running, running_bulb
from tests.support.functions import ROLE, create
from tests.support.queues import Queue
from tests.support.strict import root_of, strict_server
from tests.support.waiting import until

ARN = f"us-east-1:{ACCOUNT}"
CREATED = ["s3:ObjectCreated:*"]


@pytest.fixture(scope="module")
def bulb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running_bulb(tmp_path_factory.mktemp("edges-failing") / "data", stock=1) as running:
        yield running


def put_back(bulb: Running, name: str, attempts: int) -> int:
    """How many events of a function wait for another attempt after so many."""
    query = "SELECT count(*) FROM storage_queue WHERE lease_generation = 0 AND lane LIKE ? AND attempts = ?"
    with contextlib.closing(sqlite3.connect(f"file:{bulb.data / 'bulb.db'}?mode=ro", uri=True)) as database:
        return int(database.execute(query, (f"%:{name}:%", attempts)).fetchone()[0])


def test_a_function_that_fails_is_tried_three_times_whatever_woke_it(bulb: Running) -> None:
    aws, sns, events, logs = (bulb.client(service) for service in ("lambda", "sns", "events", "logs"))
    scheduler = bulb.client("scheduler")
    dead, failed = Queue.make(bulb, "dead"), Queue.make(bulb, "failed")
    arn = create(aws, "failing", FAILS, DeadLetterConfig={"TargetArn": dead.arn})
    aws.put_function_event_invoke_config(
        FunctionName="failing", DestinationConfig={"OnFailure": {"Destination": failed.arn}}
    )
    notify(bulb, "waking", LambdaFunctionConfigurations=[{"LambdaFunctionArn": arn, "Events": CREATED}])
    topic = sns.create_topic(Name="waking")["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="lambda", Endpoint=arn)
    events.put_rule(Name="waking", EventPattern=json.dumps({"source": ["waking"]}))
    events.put_targets(Rule="waking", Targets=[{"Id": "1", "Arn": arn}])
    logs.create_log_group(logGroupName="/waking")
    events.put_rule(Name="ticking", ScheduleExpression="rate(5 minutes)")
    events.put_targets(Rule="ticking", Targets=[{"Id": "1", "Arn": arn}])
    scheduler.create_schedule(
        Name="waking",
        ScheduleExpression=at(bulb.clock.now() + 299),
        FlexibleTimeWindow={"Mode": "OFF"},
        Target={"Arn": arn, "RoleArn": ROLE},
    )
    bulb.clock.advance(301)
    bulb.client("s3").put_object(Bucket="waking", Key="k", Body=b"")
    sns.publish(TopicArn=topic, Message="m")
    events.put_events(Entries=[{"Source": "waking", "DetailType": "d", "Detail": "{}"}])
    logs.put_subscription_filter(logGroupName="/waking", filterName="f", filterPattern="", destinationArn=arn)
    for attempt, delay in ((1, 60), (2, 120)):
        until(lambda n=attempt: put_back(bulb, "failing", n) == 6, f"all put back after attempt {attempt}")
        assert not dead.take()
        bulb.clock.advance(delay + 30)
    letters: list[dict[str, Any]] = []
    until(lambda: collect(letters, dead) == 6, "six letters")
    sent = [json.loads(letter["Body"]) for letter in letters]
    assert sorted(map(source_of, sent)) == ["aws.events", "aws.scheduler", "aws:s3", "aws:sns", "logs", "waking"]
    for letter in letters:
        attributes = letter["MessageAttributes"]
        assert (attributes["ErrorCode"]["StringValue"], attributes["ErrorMessage"]["StringValue"]) == ("200", "no")
    records: list[dict[str, Any]] = []
    until(lambda: collect(records, failed) == 6, "six records")
    told = [json.loads(record["Body"]) for record in records]
    assert {each["requestContext"]["approximateInvokeCount"] for each in told} == {3}
    assert {each["requestContext"]["condition"] for each in told} == {"RetriesExhausted"}
    by_id = {each["requestContext"]["requestId"]: each["requestPayload"] for each in told}
    ids = [letter["MessageAttributes"]["RequestID"]["StringValue"] for letter in letters]
    assert by_id == dict(zip(ids, sent, strict=True))
    delivered = {fact.delivery_id for fact in bulb.facts if isinstance(fact, Delivered) and fact.destination_arn == arn}
    assert by_id.keys() == delivered, "an event goes by the id of its delivery"
    for request_id in by_id:
        began, ended = (times(bulb, kind, request_id) for kind in (InvocationStarted, InvocationFinished))
        assert len(began) == len(ended) == 3
        for delay, before, after in zip((60, 120), ended, began[1:], strict=False):
            assert delay - 0.01 <= after - before <= delay + 60, "a minute, then two more"


def times(bulb: Running, kind: type[InvocationStarted] | type[InvocationFinished], request_id: str) -> list[float]:
    """When, by the server's clock, the attempts of an event began or ended."""
    return [fact.at for fact in bulb.facts if isinstance(fact, kind) and fact.request_id == request_id]


def collect(found: list[dict[str, Any]], queue: Queue) -> int:
    found += queue.take()
    return len(found)


def source_of(event: dict[str, Any]) -> str:
    """Who woke the function."""
    if "awslogs" in event:
        return "logs" if unpacked(event)["messageType"] == "CONTROL_MESSAGE" else "?"
    if "Records" in event:
        [record] = event["Records"]
        return str(record.get("eventSource") or record["EventSource"])
    return str(event["source"])


def deliveries(bulb: Running, arn: str) -> list[Delivered]:
    """What is said of deliveries to a place."""
    return [fact for fact in [*bulb.facts] if isinstance(fact, Delivered) and fact.destination_arn == arn]


def said(bulb: Running, arn: str) -> Delivered:
    """What is said of the last delivery to a place that was not taken there."""
    return until(lambda: [fact for fact in deliveries(bulb, arn) if fact.code is not None], f"word of {arn}")[-1]


def test_what_is_gone_is_not_told_and_that_is_said(bulb: Running) -> None:
    aws, sqs, sns, logs = (bulb.client(service) for service in ("lambda", "sqs", "sns", "logs"))
    arn = create(aws, "leaving", ANSWERS)
    queue = Queue.make(bulb, "leaving")
    topic = sns.create_topic(Name="leaving")["TopicArn"]
    notify(
        bulb,
        "left",
        LambdaFunctionConfigurations=[{"LambdaFunctionArn": arn, "Events": ["s3:ObjectCreated:Put"]}],
        QueueConfigurations=[{"QueueArn": queue.arn, "Events": ["s3:ObjectTagging:*"]}],
        TopicConfigurations=[{"TopicArn": topic, "Events": ["s3:ObjectRemoved:*"]}],
    )
    logs.create_log_group(logGroupName="/left")
    logs.create_log_stream(logGroupName="/left", logStreamName="s")
    logs.put_subscription_filter(logGroupName="/left", filterName="f", filterPattern="", destinationArn=arn)
    until(lambda: deliveries(bulb, arn), "the word that the log is followed")
    aws.delete_function(FunctionName="leaving")
    sqs.delete_queue(QueueUrl=queue.url)
    sns.delete_topic(TopicArn=topic)
    s3 = bulb.client("s3")
    s3.put_object(Bucket="left", Key="k", Body=b"")
    last = said(bulb, arn)
    assert (last.source, last.outcome, last.code, last.attempts) == ("s3", "dropped", "NO_RESOURCE", 1)
    assert last.about == "ObjectCreated:Put k"
    s3.put_object_tagging(Bucket="left", Key="k", Tagging={"TagSet": []})
    assert (said(bulb, queue.arn).outcome, said(bulb, queue.arn).code) == ("dropped", "NO_RESOURCE")
    s3.delete_object(Bucket="left", Key="k")
    assert (said(bulb, topic).outcome, said(bulb, topic).code) == ("dropped", "NO_RESOURCE")
    now = int(bulb.clock.now() * 1000)
    logs.put_log_events(logGroupName="/left", logStreamName="s", logEvents=[{"timestamp": now, "message": "m"}])
    until(lambda: said(bulb, arn).source == "logs", "word of the log event")
    assert (said(bulb, arn).outcome, said(bulb, arn).code) == ("dropped", "NO_RESOURCE")


def test_an_end_nobody_takes_is_said(bulb: Running) -> None:
    aws, sqs, sns, s3, events = (bulb.client(service) for service in ("lambda", "sqs", "sns", "s3", "events"))
    queue = Queue.make(bulb, "gone")
    targets = {
        "sqs": queue.arn,
        "sns": sns.create_topic(Name="gone")["TopicArn"],
        "events": events.create_event_bus(Name="gone")["EventBusArn"],
        "lambda": create(aws, "gone", ANSWERS),
        "s3": "arn:aws:s3:::gone",
    }
    s3.create_bucket(Bucket="gone")
    for service, target in targets.items():
        letters = {"DeadLetterConfig": {"TargetArn": target}} if service in ("sqs", "sns") else {}
        create(aws, f"ending-{service}", FAILS, **letters)
        aws.put_function_event_invoke_config(
            FunctionName=f"ending-{service}",
            MaximumRetryAttempts=0,
            DestinationConfig={"OnFailure": {"Destination": target}},
        )
    sqs.delete_queue(QueueUrl=queue.url)
    sns.delete_topic(TopicArn=targets["sns"])
    events.delete_event_bus(Name="gone")
    aws.delete_function(FunctionName="gone")
    s3.delete_bucket(Bucket="gone")
    expected = set()
    for service, target in targets.items():
        answer = aws.invoke(FunctionName=f"ending-{service}", InvocationType="Event")
        request_id = answer["ResponseMetadata"]["RequestId"]
        for kind in ("OnFailure", "DeadLetter") if service in ("sqs", "sns") else ("OnFailure",):
            expected.add((f"{LAMBDA}:ending-{service}:$LATEST", request_id, kind, target))

    def failures() -> set[tuple[str, str, str, str]]:
        facts = [fact for fact in bulb.facts if isinstance(fact, DeliveryFailed)]
        return {(fact.function_arn, fact.request_id, fact.kind, fact.target) for fact in facts}

    until(lambda: failures() >= expected, "word of every end")
    assert failures() == expected
    last = [said(bulb, target) for target in targets.values()]
    assert {(one.outcome, one.code, one.attempts) for one in last} == {("dropped", "NO_RESOURCE", 1)}


def test_a_loop_through_the_own_log_stays_small(bulb: Running) -> None:
    """Nothing ends it, as on AWS; but one message a flush and environment is all there is of it."""
    aws, logs = bulb.client("lambda"), bulb.client("logs")
    arn = create(aws, "echoing", ANSWERS)
    group = "/aws/lambda/echoing"
    logs.create_log_group(logGroupName=group)
    logs.put_subscription_filter(logGroupName=group, filterName="f", filterPattern="", destinationArn=arn)

    def starts() -> list[InvocationStarted]:
        facts = [fact for fact in bulb.facts if isinstance(fact, InvocationStarted)]
        return [fact for fact in facts if fact.environment.function.name == "echoing"]

    def done() -> list[InvocationStarted]:
        found = starts()
        return found if len(found) > 20 else []

    found = until(done, "twenty rounds", seconds=60, every=0.2)
    logs.delete_subscription_filter(logGroupName=group, filterName="f")
    environments = {fact.environment.environment_id for fact in found}
    rate = (len(found) - 1) / (found[-1].at - found[0].at)
    assert len(environments) <= 4
    assert rate <= 4 * len(environments) + 1
    assert put_back(bulb, "echoing", 0) <= 4, "nothing piles up"


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with strict_server(tmp_path_factory.mktemp("edges-strict") / "data") as running:
        yield running


def test_a_policy_counts_when_something_arrives(strict: Running) -> None:
    root = root_of(strict)
    s3, sqs, sns, aws = (strict.client(service, **root) for service in ("s3", "sqs", "sns", "lambda"))
    queue = Queue.make(strict, "guarded", client=sqs)
    topic = sns.create_topic(Name="guarded")["TopicArn"]
    arn = create(aws, "guarded", ANSWERS)
    s3.create_bucket(Bucket="asking")
    wanted = {
        "LambdaFunctionConfigurations": [{"LambdaFunctionArn": arn, "Events": ["s3:ObjectCreated:*"]}],
        "QueueConfigurations": [{"QueueArn": queue.arn, "Events": ["s3:ObjectRemoved:*"]}],
        "TopicConfigurations": [{"TopicArn": topic, "Events": ["s3:ObjectTagging:*"]}],
    }

    def put() -> None:
        s3.put_bucket_notification_configuration(Bucket="asking", NotificationConfiguration=wanted)

    with pytest.raises(s3.exceptions.ClientError) as refused:
        put()
    error = refused.value.response["Error"]
    assert (error["Code"], error["Message"]) == (
        "InvalidArgument",
        "Unable to validate the following destination configurations",
    )
    forbidden = "Permissions on the destination {} do not allow S3 to publish notifications from this bucket"
    assert {name: text for name, text in error.items() if name.startswith("Argument")} == {
        "ArgumentName1": topic,
        "ArgumentValue1": forbidden.format("topic"),
        "ArgumentName2": queue.arn,
        "ArgumentValue2": forbidden.format("queue"),
        "ArgumentName3": f"{arn}, null",
        "ArgumentValue3": f"Not authorized to invoke function [{arn}]",
    }
    assert not queue.take(), "the test that a queue took is undone when another refuses"
    aws.add_permission(
        FunctionName="guarded",
        StatementId="s",
        Action="lambda:InvokeFunction",
        Principal="s3.amazonaws.com",
        SourceArn="arn:aws:s3:::asking",
    )
    letting = {
        "Effect": "Allow",
        "Principal": {"Service": "s3.amazonaws.com"},
        "Condition": {"ArnLike": {"aws:SourceArn": "arn:aws:s3:::asking"}},
    }

    def policy(action: str, resource: str) -> str:
        return json.dumps({"Version": "2012-10-17", "Statement": [{**letting, "Action": action, "Resource": resource}]})

    sqs.set_queue_attributes(QueueUrl=queue.url, Attributes={"Policy": policy("sqs:SendMessage", queue.arn)})
    sns.set_topic_attributes(TopicArn=topic, AttributeName="Policy", AttributeValue=policy("sns:Publish", topic))
    put()
    [test] = queue.take()
    s3.put_object(Bucket="asking", Key="k", Body=b"")
    s3.delete_object(Bucket="asking", Key="k")
    assert json.loads(test["Body"]) == tried_out("asking", json.loads(test["Body"])["RequestId"])
    assert json.loads(queue.next()["Body"])["Records"][0]["eventName"] == "ObjectRemoved:Delete"
    aws.remove_permission(FunctionName="guarded", StatementId="s")
    sqs.set_queue_attributes(QueueUrl=queue.url, Attributes={"Policy": ""})
    s3.put_object(Bucket="asking", Key="k", Body=b"")
    s3.delete_object(Bucket="asking", Key="k")
    for target in (arn, queue.arn):
        assert (said(strict, target).outcome, said(strict, target).code) == ("dropped", "NO_PERMISSIONS")
    assert not queue.take()


def test_uploads_are_told_once_although_the_server_is_killed(tmp_path: Path) -> None:
    server = Process(tmp_path / "data")
    server.start()
    try:
        sns, queue = server.client("sns"), Queue.make(server, "told")
        topic = sns.create_topic(Name="told")["TopicArn"]
        attributes = {"RawMessageDelivery": "true"}
        sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue.arn, Attributes=attributes)
        s3 = server.client("s3")
        s3.create_bucket(Bucket="told")
        wanted = {"TopicConfigurations": [{"TopicArn": topic, "Events": CREATED}]}
        s3.put_bucket_notification_configuration(
            Bucket="told", NotificationConfiguration=wanted, SkipDestinationValidation=True
        )
        for number in range(40):
            s3.put_object(Bucket="told", Key=str(number), Body=b"")
            if number in (10, 30):
                port = server.port
                server.kill()
                server.start(port)
        keys: Counter[str] = Counter()

        def told() -> bool:
            for message in queue.all():
                [record] = json.loads(message["Body"])["Records"]
                keys[record["s3"]["object"]["key"]] += 1
            return len(keys) == 40

        until(told, "every upload told")
        assert set(keys.values()) == {1}
        assert not queue.take()
    finally:
        server.kill()
