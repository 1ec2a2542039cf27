"""What tests of EventBridge do again and again."""

import itertools
import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.support import functions
from tests.support.bulb import Running
from tests.support.waiting import until

ACCOUNT, OTHER = "000000000000", "111122223333"
PATTERN = json.dumps({"source": ["app"]})
_NUMBERS = itertools.count()

# Writes each event it gets to the bucket of its name.
RECORDER = """
import boto3, json
s3 = boto3.client("s3")
def handler(event, context):
    body = json.dumps({"event": event, "request_id": context.aws_request_id})
    s3.put_object(Bucket="recorded", Key=f"{context.function_name}/{context.aws_request_id}", Body=body)
"""


class Room:
    """A server's clients, and unique names."""

    def __init__(self, bulb: Running) -> None:
        self.bulb = bulb
        self.clock = bulb.clock
        self.events = bulb.client("events")
        self.sqs = bulb.client("sqs")
        self.sns = bulb.client("sns")
        self.logs = bulb.client("logs")
        self.s3 = bulb.client("s3")
        self.functions = bulb.client("lambda")
        self.s3.create_bucket(Bucket="recorded")

    def name(self, kind: str = "one") -> str:
        return f"{kind}-{next(_NUMBERS)}"

    def bus(self) -> str:
        name = self.name("bus")
        self.events.create_event_bus(Name=name)
        return name

    def bus_arn(self, bus: str, account: str = ACCOUNT, region: str = "us-east-1") -> str:
        return f"arn:aws:events:{region}:{account}:event-bus/{bus}"

    def queue(self, **attributes: str) -> tuple[str, str]:
        """A queue's URL and ARN."""
        name = self.name("queue") + (".fifo" if attributes.get("FifoQueue") else "")
        url = self.sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
        return url, f"arn:aws:sqs:us-east-1:{ACCOUNT}:{name}"

    def rule(self, bus: str, *targets: dict[str, Any], pattern: str = PATTERN) -> tuple[str, str]:
        """A rule's name and ARN; targets get ids."""
        name = self.name("rule")
        arn = self.events.put_rule(Name=name, EventBusName=bus, EventPattern=pattern)["RuleArn"]
        if targets:
            given = [{"Id": str(number), **_with_role(target)} for number, target in enumerate(targets)]
            self.events.put_targets(Rule=name, EventBusName=bus, Targets=given)
        return name, arn

    def put(self, bus: str, detail: Any = None, **members: Any) -> str:
        """Put an event; its id."""
        entry = {"Source": "app", "DetailType": "kind", "Detail": json.dumps(detail or {}), "EventBusName": bus}
        answer = self.events.put_events(Entries=[{**entry, **members}])
        assert answer["FailedEntryCount"] == 0, answer
        event_id: str = answer["Entries"][0]["EventId"]
        return event_id

    def messages(self, url: str, count: int = 1, seconds: float = 30.0) -> list[dict[str, Any]]:
        """So many messages of a queue, as soon as they are there; they are deleted."""
        found: list[dict[str, Any]] = []

        def look() -> bool:
            answer = self.sqs.receive_message(
                QueueUrl=url, MaxNumberOfMessages=10, MessageAttributeNames=["All"], AttributeNames=["All"]
            )
            for message in answer.get("Messages", ()):
                self.sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
                found.append(message)
            return len(found) >= count

        until(look, f"{count} messages", seconds)
        return found

    def message(self, url: str) -> dict[str, Any]:
        return self.messages(url)[0]

    def is_empty(self, url: str) -> bool:
        return "Messages" not in self.sqs.receive_message(QueueUrl=url, WaitTimeSeconds=0)

    def recorder(self) -> tuple[str, str]:
        """The name and ARN of a function that records its events."""
        name = self.name("function")
        return name, functions.create(self.functions, name, RECORDER)

    def recorded(self, function: str, count: int = 1) -> list[dict[str, Any]]:
        """What a function recorded, as soon as there is so much."""

        def look() -> list[str] | None:
            found = self.s3.list_objects_v2(Bucket="recorded", Prefix=f"{function}/").get("Contents", [])
            keys = [one["Key"] for one in sorted(found, key=lambda one: one["LastModified"])]
            return keys if len(keys) >= count else None

        keys = until(look, f"{count} invocations of {function}")
        return [json.loads(self.s3.get_object(Bucket="recorded", Key=key)["Body"].read()) for key in keys]


def refusal(code: str, call: Any, **arguments: Any) -> str:
    """The message of the error that a call answers, which has that code."""
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    assert caught.value.response["Error"]["Code"] == code, caught.value
    message: str = caught.value.response["Error"]["Message"]
    return message


def _with_role(target: dict[str, Any]) -> dict[str, Any]:
    """The target, with the role that those of API destinations need."""
    return {"RoleArn": f"arn:aws:iam::{ACCOUNT}:role/r", **target} if ":api-destination/" in target["Arn"] else target
