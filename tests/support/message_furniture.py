"""What requests to queues, topics, buses and schedules name; what is still there is left."""

from contextlib import suppress
from typing import Any

from botocore.exceptions import ClientError

from tests.support import plausible_messages as names
from tests.support.plausible import ROLE_ARN

ENDPOINT = "https://127.0.0.1:9/nobody"  # Nothing listens on that port.


def furnish_queues(aws: Any) -> dict[str, str | int]:
    """Two queues with messages, one of them received, and the queue of a task that moves messages."""
    fifo = {"FifoQueue": "true", "ContentBasedDeduplication": "true"}
    with suppress(ClientError):
        aws.create_queue(QueueName=names.QUEUE)
    with suppress(ClientError):
        aws.create_queue(QueueName=f"{names.QUEUE}.fifo", Attributes=fifo)
    named: dict[str, str | int] = {}
    with suppress(ClientError):
        aws.set_queue_attributes(QueueUrl=names.QUEUE_URL, Attributes={"VisibilityTimeout": "30", "DelaySeconds": "0"})
        aws.send_message(QueueUrl=names.QUEUE_URL, MessageBody="{}")
        received = aws.receive_message(QueueUrl=names.QUEUE_URL, VisibilityTimeout=600).get("Messages", ())
        for message in received:
            named["@receipt"] = message["ReceiptHandle"]
    return named


def furnish_topics(aws: Any) -> dict[str, str | int]:
    """A topic that tells the queue."""
    named: dict[str, str | int] = {}
    with suppress(ClientError):
        topic = aws.create_topic(Name=names.TOPIC)["TopicArn"]
        arguments = {"TopicArn": topic, "Protocol": "sqs", "Endpoint": names.QUEUE_ARN}
        named["@subscription"] = aws.subscribe(**arguments, ReturnSubscriptionArn=True)["SubscriptionArn"]
    with suppress(ClientError):
        aws.create_topic(Name=names.FIFO_TOPIC, Attributes={"FifoTopic": "true"})
    return named


def furnish_buses(aws: Any) -> dict[str, str | int]:
    """A bus with a rule that has a target, an archive, a connection and a destination, all of one name."""
    name, bus = names.ALIAS, {"EventBusName": names.ALIAS}
    named: dict[str, str | int] = {}
    key = {"ApiKeyAuthParameters": {"ApiKeyName": "x", "ApiKeyValue": "y"}}
    for make, arguments in (
        (aws.create_event_bus, {"Name": name}),
        (aws.put_rule, {"Name": name, "EventPattern": '{"source": ["a"]}'}),
        (aws.put_rule, {"Name": name, "EventPattern": '{"source": ["a"]}', **bus}),
        (aws.put_targets, {"Rule": name, "Targets": [{"Id": "one", "Arn": names.QUEUE_ARN}]}),
        (aws.create_archive, {"ArchiveName": name, "EventSourceArn": names.BUS_ARN}),
        (aws.create_connection, {"Name": name, "AuthorizationType": "API_KEY", "AuthParameters": key}),
    ):
        with suppress(ClientError):
            make(**arguments)
    with suppress(ClientError):
        named["@connection"] = aws.describe_connection(Name=name)["ConnectionArn"]
        aws.create_api_destination(
            Name=name, ConnectionArn=named["@connection"], InvocationEndpoint=ENDPOINT, HttpMethod="POST"
        )
    with suppress(ClientError):
        named["@destination"] = aws.describe_api_destination(Name=name)["ApiDestinationArn"]
    return named


def furnish_schedules(aws: Any) -> dict[str, str | int]:
    """A group and a schedule in it, and one in the default group."""
    name = names.ALIAS
    what = {
        "Name": name,
        "ScheduleExpression": "rate(1 hour)",
        "FlexibleTimeWindow": {"Mode": "OFF"},
        "Target": {"Arn": names.QUEUE_ARN, "RoleArn": ROLE_ARN},
    }
    for make, arguments in (
        (aws.create_schedule_group, {"Name": name}),
        (aws.create_schedule, what),
        (aws.create_schedule, {**what, "GroupName": name}),
    ):
        with suppress(ClientError):
            make(**arguments)
    return {}
