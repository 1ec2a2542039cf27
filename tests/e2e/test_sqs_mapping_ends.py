"""Mappings across restarts, accounts and policies."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from tests.support.bulb import Process, running_bulb
from tests.support.functions import ROLE, create
from tests.support.guarded import ELSEWHERE, HOME, allow, document, guarded_server
from tests.support.strict import root_of
from tests.support.waiting import until

ARN = f"arn:aws:sqs:us-east-1:{HOME}"
# Tells what it sees in the queue `seen`, and takes as long as the body says, the first time.
SLOW = """
import json, os, time, boto3
sqs = boto3.client("sqs")
def handler(event, context):
    sqs.send_message(QueueUrl=os.environ["SEEN"], MessageBody=json.dumps(event))
    for record in event["Records"]:
        if record["attributes"]["ApproximateReceiveCount"] == "1":
            time.sleep(float(record["body"]))
"""


def counts(sqs: Any, url: str) -> tuple[int, int]:
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    shown = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
    return int(shown[names[0]]), int(shown[names[1]])


def seen(sqs: Any, url: str) -> dict[str, Any]:
    """The next event the function has seen."""

    def look() -> Any:
        answer = sqs.receive_message(QueueUrl=url)
        for message in answer.get("Messages", ()):
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
            return json.loads(message["Body"])
        return None

    event: dict[str, Any] = until(look, "an event")
    return event


def received(record: dict[str, Any]) -> int:
    """How often its message was, this time included."""
    return int(record["attributes"]["ApproximateReceiveCount"])


def set_up(server: Process, visibility_s: int, timeout_s: int, **options: Any) -> tuple[Any, str, str]:
    aws, sqs = server.client("lambda"), server.client("sqs")
    attributes = {"VisibilityTimeout": str(visibility_s)}
    url = sqs.create_queue(QueueName="q", Attributes=attributes)["QueueUrl"]
    told = sqs.create_queue(QueueName="seen")["QueueUrl"]
    create(aws, "f", SLOW, Timeout=timeout_s, Environment={"Variables": {"SEEN": told}})
    aws.create_event_source_mapping(FunctionName="f", EventSourceArn=f"{ARN}:q", **options)
    return sqs, url, told


def test_a_stop_finishes_what_runs_and_gives_back_the_rest(tmp_path: Path) -> None:
    server = Process(tmp_path / "data")
    server.start()
    try:
        sqs, url, told = set_up(server, 600, 60, BatchSize=2, MaximumBatchingWindowInSeconds=120)
        sqs.send_message_batch(QueueUrl=url, Entries=[{"Id": str(n), "MessageBody": "2"} for n in range(3)])
        first = seen(sqs, told)
        until(lambda: counts(sqs, url) == (0, 3), "one waits for its window")
        port = server.port
        server.stop()
        server.start(port)
        sqs = server.client("sqs")
        assert sum(counts(sqs, url)) == 1, "the batch that ran is settled"
        sqs.send_message(QueueUrl=url, MessageBody="0")
        second = seen(sqs, told)
        records = [*first["Records"], *second["Records"]]
        assert len({record["messageId"] for record in records}) == 4
        assert {record["attributes"]["ApproximateReceiveCount"] for record in records} == {"1"}
        until(lambda: counts(sqs, url) == (0, 0), "the queue is empty")
    finally:
        server.stop()


def test_what_a_kill_interrupts_comes_again_after_its_visibility_timeout(tmp_path: Path) -> None:
    server = Process(tmp_path / "data")
    server.start()
    try:
        sqs, url, told = set_up(server, 8, 8)
        sqs.send_message(QueueUrl=url, MessageBody="7")
        first = seen(sqs, told)
        port = server.port
        server.kill()
        server.start(port)
        sqs = server.client("sqs")
        (before,), (after,) = first["Records"], seen(sqs, told)["Records"]
        while received(after) < received(before):  # so slow to begin that others had come before it
            (after,) = seen(sqs, told)["Records"]
        assert (before["messageId"], before["body"]) == (after["messageId"], after["body"])
        assert received(after) > received(before)
        claimed_at = int(before["attributes"]["ApproximateFirstReceiveTimestamp"]) / 1000
        assert time.time() - claimed_at >= 8, "a claim outlives the server"
        until(lambda: counts(sqs, url) == (0, 0), "the queue is empty")
    finally:
        server.stop()


def test_a_queue_of_another_account_lets_the_role_in_itself(tmp_path: Path) -> None:
    with running_bulb(tmp_path) as bulb:
        aws, theirs = bulb.client("lambda"), bulb.client("sqs", access_key=ELSEWHERE)
        arn = f"arn:aws:sqs:us-east-1:{ELSEWHERE}:theirs"
        url = theirs.create_queue(QueueName="theirs")["QueueUrl"]
        create(aws, "f", "def handler(event, context):\n    pass", Timeout=20)
        with pytest.raises(aws.exceptions.InvalidParameterValueException) as refused:
            aws.create_event_source_mapping(FunctionName="f", EventSourceArn=arn)
        text = "The provided execution role does not have permissions to call ReceiveMessage on SQS"
        assert refused.value.response["Error"]["Message"] == text
        policy = document(allow("sqs:*", arn, Principal={"AWS": ROLE}))
        theirs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
        aws.create_event_source_mapping(FunctionName="f", EventSourceArn=arn)
        theirs.send_message(QueueUrl=url, MessageBody="x")
        until(lambda: counts(theirs, url) == (0, 0), "read")
        with pytest.raises(aws.exceptions.InvalidParameterValueException) as refused:
            aws.create_event_source_mapping(FunctionName="f", EventSourceArn=arn.replace("us-east-1", "eu-west-1"))
        assert "not in the function's region us-east-1" in refused.value.response["Error"]["Message"]


def test_where_policies_are_enforced_the_role_must_be_allowed_to_read(tmp_path: Path) -> None:
    with guarded_server(tmp_path / "data") as bulb:
        keys = root_of(bulb)
        aws, sqs, iam = (bulb.client(service, **keys) for service in ("lambda", "sqs", "iam"))
        url = sqs.create_queue(QueueName="q")["QueueUrl"]
        create(aws, "f", "def handler(event, context):\n    pass", Timeout=20)

        def allowed(*actions: str) -> None:
            say = document(allow([f"sqs:{action}" for action in actions], f"{ARN}:q"))
            iam.put_role_policy(RoleName="test", PolicyName="reads", PolicyDocument=say)

        def refusal() -> str:
            with pytest.raises(aws.exceptions.InvalidParameterValueException) as refused:
                aws.create_event_source_mapping(FunctionName="f", EventSourceArn=f"{ARN}:q")
            return str(refused.value.response["Error"]["Message"])

        text = "The provided execution role does not have permissions to call {} on SQS"
        assert refusal() == text.format("ReceiveMessage")
        allowed("ReceiveMessage", "DeleteMessage")
        assert refusal() == text.format("GetQueueAttributes")
        allowed("ReceiveMessage", "DeleteMessage", "GetQueueAttributes")
        uuid = aws.create_event_source_mapping(FunctionName="f", EventSourceArn=f"{ARN}:q")["UUID"]
        until(lambda: aws.get_event_source_mapping(UUID=uuid)["State"] == "Enabled", "enabled")
        sqs.send_message(QueueUrl=url, MessageBody="x")
        until(lambda: counts(sqs, url) == (0, 0), "read")
        allowed("DeleteMessage")
        time.sleep(1)  # the look at the queue that x's end gave cause to may have had leave still
        sqs.send_message(QueueUrl=url, MessageBody="y")
        shown = aws.get_event_source_mapping(UUID=uuid)
        assert shown["LastProcessingResult"] == "PROBLEM: " + text.format("ReceiveMessage")
        assert counts(sqs, url) == (1, 0)
        allowed("ReceiveMessage", "DeleteMessage", "GetQueueAttributes")
        bulb.clock.advance(60)
        until(lambda: counts(sqs, url) == (0, 0), "read again")
