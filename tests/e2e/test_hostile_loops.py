"""Functions that cause themselves, by way of queues, topics and buckets: it ends by itself, and nobody else waits."""

import time
from collections.abc import Iterator
from typing import Any

import pytest

from bulb.core.facts import InvocationFinished
from tests.e2e.messages import House, Neighbour, queue_arn, watched
from tests.support import functions
from tests.support.bulb import Running
from tests.support.waiting import until

# Each ends where it began.
TO_TOPIC = """
import boto3
sns = boto3.client("sns")
def handler(event, context):
    for record in event["Records"]:
        sns.publish(TopicArn={topic!r}, Message="round")
"""
TO_QUEUE = """
import boto3
sqs = boto3.client("sqs")
def handler(event, context):
    for record in event["Records"]:
        sqs.send_message(QueueUrl={url!r}, MessageBody="round")
"""
TO_BUCKET = """
import boto3
s3 = boto3.client("s3")
def handler(event, context):
    for record in event["Records"]:
        s3.put_object(Bucket="loop", Key=record["s3"]["object"]["key"] + "x", Body=b"")
"""
# What AWS lets go round, and some that were on their way when it was noticed.
MOST_ROUNDS = 20


@pytest.fixture(scope="module")
def bulb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with watched(tmp_path_factory.mktemp("loops") / "data", stock=1) as running:
        yield running


@pytest.fixture(scope="module")
def house(bulb: Running) -> House:
    return House(bulb)


@pytest.fixture(scope="module")
def neighbour(bulb: Running) -> Neighbour:
    return Neighbour(bulb)


def invocations(bulb: Running, name: str) -> int:
    return sum(
        isinstance(fact, InvocationFinished) and fact.environment.function.name == name for fact in [*bulb.facts]
    )


def assert_ends(bulb: Running, neighbour: Neighbour, name: str) -> None:
    """It goes round some times, the neighbour is served meanwhile, and then it is over."""
    until(lambda: invocations(bulb, name) >= 3, f"{name} to go round", 60)
    neighbour.assert_served()
    seen, since = invocations(bulb, name), time.monotonic()
    while time.monotonic() - since < 3:
        time.sleep(0.1)
        if (now := invocations(bulb, name)) != seen:
            seen, since = now, time.monotonic()
        assert seen <= MOST_ROUNDS, f"{name} went round {seen} times"
    neighbour.assert_served()


def mapping(bulb: Running, name: str, queue: str) -> str:
    aws = bulb.client("lambda")
    made = aws.create_event_source_mapping(FunctionName=name, EventSourceArn=queue_arn(queue))
    uuid: str = made["UUID"]
    until(lambda: aws.get_event_source_mapping(UUID=uuid)["State"] == "Enabled", "the mapping", 30)
    return uuid


def test_a_topic_a_queue_and_a_function(bulb: Running, house: House, neighbour: Neighbour) -> None:
    house.queue("loop")
    topic = house.topic("loop", "loop")
    functions.create(bulb.client("lambda"), "by-topic", TO_TOPIC.format(topic=topic), Timeout=20, MemorySize=256)
    mapping(bulb, "by-topic", "loop")
    house.sns.publish(TopicArn=topic, Message="round")
    assert_ends(bulb, neighbour, "by-topic")


def test_a_queue_and_a_function(bulb: Running, house: House, neighbour: Neighbour) -> None:
    url = house.queue("short-loop")
    functions.create(bulb.client("lambda"), "by-queue", TO_QUEUE.format(url=url), Timeout=20, MemorySize=256)
    mapping(bulb, "by-queue", "short-loop")
    house.sqs.send_message(QueueUrl=url, MessageBody="round")
    assert_ends(bulb, neighbour, "by-queue")


def test_a_bucket_and_a_function(bulb: Running, house: House, neighbour: Neighbour) -> None:
    s3: Any = bulb.client("s3")
    aws = bulb.client("lambda")
    arn = functions.create(aws, "by-bucket", TO_BUCKET, Timeout=20, MemorySize=256)
    aws.add_permission(
        FunctionName="by-bucket", StatementId="s", Action="lambda:InvokeFunction", Principal="s3.amazonaws.com"
    )
    s3.create_bucket(Bucket="loop")
    wanted = {"LambdaFunctionArn": arn, "Events": ["s3:ObjectCreated:*"]}
    s3.put_bucket_notification_configuration(
        Bucket="loop", NotificationConfiguration={"LambdaFunctionConfigurations": [wanted]}
    )
    s3.put_object(Bucket="loop", Key="x", Body=b"")
    assert_ends(bulb, neighbour, "by-bucket")


def test_a_function_that_is_deleted_while_its_queue_is_full(bulb: Running, house: House, neighbour: Neighbour) -> None:
    """The messages it did not take stay in the queue; whoever comes next gets them all."""
    url = house.queue("orphaned", VisibilityTimeout="30")
    aws = bulb.client("lambda")
    slow = "import time\ndef handler(event, context):\n    time.sleep(0.3)\n    raise ValueError('never done')"
    functions.create(aws, "orphan", slow, Timeout=5, MemorySize=256)
    uuid = mapping(bulb, "orphan", "orphaned")
    sent = [str(number) for number in range(30)]
    for body in sent:
        house.sqs.send_message(QueueUrl=url, MessageBody=body)
    until(lambda: invocations(bulb, "orphan"), "an invocation", 60)
    aws.delete_function(FunctionName="orphan")
    neighbour.assert_served()
    aws.delete_event_source_mapping(UUID=uuid)
    until(
        lambda: not aws.list_event_source_mappings(EventSourceArn=queue_arn("orphaned"))["EventSourceMappings"],
        "its end",
        60,
    )
    found: list[str] = []

    def all_there() -> bool:
        bulb.clock.advance(31)
        found.extend(house.take(url))
        return len(set(found)) >= 30

    until(all_there, "every message", 30, every=0.2)
    assert sorted(found, key=int) == sent
