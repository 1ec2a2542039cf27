"""What the tests of schedules have in common."""

import json
import time
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError

ACCOUNT, REGION = "000000000000", "us-east-1"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/clock"
OFF = {"Mode": "OFF"}
QUEUE = f"arn:aws:sqs:{REGION}:{ACCOUNT}:"


def queue_target(name: str, **further: Any) -> dict[str, Any]:
    return {"Arn": QUEUE + name, "RoleArn": ROLE, **further}


def schedule(client: Any, name: str, expression: str, target: dict[str, Any], **further: Any) -> str:
    """Its ARN."""
    given = {"FlexibleTimeWindow": OFF, **further}
    return client.create_schedule(Name=name, ScheduleExpression=expression, Target=target, **given)["ScheduleArn"]


def refusal(error: ClientError) -> tuple[str, str, int]:
    answer = error.response
    return answer["Error"]["Code"], answer["Error"]["Message"], answer["ResponseMetadata"]["HTTPStatusCode"]


def at(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("at(%Y-%m-%dT%H:%M:%S)")


def shown(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def queue(client: Any, name: str, **attributes: str) -> str:
    """A new queue's URL."""
    return client.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]


def received(client: Any, url: str, count: int, seconds: float = 30.0) -> list[dict[str, Any]]:
    """The next `count` messages, which are deleted."""
    found: list[dict[str, Any]] = []
    until = time.monotonic() + seconds
    while len(found) < count:
        assert time.monotonic() < until, f"{len(found)} of {count} messages: {found}"
        answer = client.receive_message(
            QueueUrl=url,
            MaxNumberOfMessages=10,
            WaitTimeSeconds=1,
            MessageAttributeNames=["All"],
            MessageSystemAttributeNames=["All"],
        )
        for message in answer.get("Messages", []):
            client.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
            found.append(message)
    return found


def bodies(client: Any, url: str, count: int) -> list[Any]:
    return [json.loads(message["Body"]) for message in received(client, url, count)]


def drained(client: Any, url: str) -> list[Any]:
    """What is there now, and is deleted."""
    found = []
    while messages := client.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
        for message in messages:
            client.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
            found.append(json.loads(message["Body"]))
    return found


def nothing_in(client: Any, url: str) -> bool:
    return "Messages" not in client.receive_message(QueueUrl=url, WaitTimeSeconds=0)
