"""`bulb events` against a real server: an upload, an event that fails, one whose end is told; live and afterwards."""

import json
import re
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from bulb.cli.main import main
from tests.cli.command import Background, bulb
from tests.support.bulb import Process
from tests.support.functions import create
from tests.support.waiting import until

HANDLER = """
import time
def handler(event, context):
    if event.get("fail"):
        raise ValueError("no\\ngood")
    time.sleep(event.get("seconds", 0))
    return "done"
"""
MOMENT = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"


def events(server: Process, *arguments: str) -> list[str]:
    """What the command prints; in this process, for the sake of time."""
    ran = CliRunner().invoke(main, ["events", *arguments, "--endpoint", server.url])
    assert (ran.exit_code, ran.stderr) == (0, "")
    return ran.stdout.splitlines()


def found(server: Process, *arguments: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in events(server, "--json", *arguments)]


def ended(server: Process, target: str) -> list[str]:
    """The lines about a target, once nothing waits any more."""

    def look() -> list[str] | None:
        lines = events(server, "--target", target)
        return lines if lines and not any(line.endswith("waiting") for line in lines) else None

    return until(look, f"events for {target}", every=0.2)


def test_an_upload_says_what_it_triggered(server: Process) -> None:
    aws, s3 = server.client("lambda"), server.client("s3")
    arn = create(aws, "shout", HANDLER)
    aws.add_permission(
        FunctionName="shout", StatementId="s3", Action="lambda:InvokeFunction", Principal="s3.amazonaws.com"
    )
    s3.create_bucket(Bucket="inbox")
    s3.put_bucket_notification_configuration(
        Bucket="inbox",
        NotificationConfiguration={
            "LambdaFunctionConfigurations": [{"LambdaFunctionArn": arn, "Events": ["s3:ObjectCreated:*"]}]
        },
    )
    s3.put_object(Bucket="inbox", Key="in/the note.txt", Body=b"x")
    (line,) = ended(server, "lambda:shout")
    wanted = rf"{MOMENT}  s3:inbox ObjectCreated:Put in/the note\.txt → lambda:shout  succeeded in [\d.]+ m?s"
    assert re.fullmatch(wanted, line), line
    (event,) = found(server, "--source", "s3:inbox")
    assert (event["source_arn"], event["target_arn"], event["attempts"]) == ("arn:aws:s3:::inbox", arn, 1)
    assert abs(event["at"] - time.time()) < 60


def test_a_failure_says_where_its_end_was_told_and_the_telling_is_an_event_too(server: Process) -> None:
    aws = server.client("lambda")
    server.client("s3").create_bucket(Bucket="failures")
    create(aws, "fails", HANDLER)
    aws.put_function_event_invoke_config(
        FunctionName="fails",
        MaximumRetryAttempts=0,
        DestinationConfig={"OnFailure": {"Destination": "arn:aws:s3:::failures"}},
    )
    aws.invoke(FunctionName="fails", InvocationType="Event", Payload='{"fail": true}')
    (line,) = ended(server, "lambda:fails")
    wanted = rf"{MOMENT}  invoke → lambda:fails  failed ValueError: no good; OnFailure: sent to s3:failures"
    assert re.fullmatch(wanted, line), line
    (told,) = ended(server, "s3:failures")
    assert re.fullmatch(rf"{MOMENT}  lambda:fails .*→ s3:failures  delivered", told), told
    (event,), (record,) = found(server, "--target", "lambda:fails"), found(server, "--target", "s3:failures")
    assert record["cause"] == event["id"]
    assert [event["id"] for event in found(server, "--failed")] == [event["id"]]
    assert found(server, "--failed", "--target", "shout") == []


def test_what_others_wrote_does_not_command_the_terminal(server: Process) -> None:
    create(
        server.client("lambda"), "paints", "def handler(event, context): raise ValueError('\\x1b]0;gotcha\\x07 no.')"
    )
    server.client("lambda").invoke(FunctionName="paints", InvocationType="Event")
    (line,) = ended(server, "lambda:paints")
    assert "failed ValueError: \ufffd]0;gotcha\ufffd no; again at" in line


def test_what_is_tried_again_says_when(server: Process) -> None:
    create(server.client("lambda"), "stumbles", HANDLER)
    server.client("lambda").invoke(FunctionName="stumbles", InvocationType="Event", Payload='{"fail": true}')
    (line,) = ended(server, "lambda:stumbles")
    assert re.search(r"failed ValueError: no good; again at \d\d:\d\d:\d\d$", line), line
    (event,) = found(server, "--failed", "--target", "stumbles")
    assert event["next_at"] - event["changed_at"] == pytest.approx(60, abs=5)


def test_who_follows_sees_an_event_come_in_and_end(server: Process, tmp_path: Path) -> None:
    create(server.client("lambda"), "slow", HANDLER)
    server.client("lambda").update_function_configuration(FunctionName="slow", Timeout=30)
    follower = Background(tmp_path / "followed", "events", "-f", "--target", "slow", "--endpoint", server.url)
    try:
        before = len(following(server, follower, "slow"))
        server.client("lambda").invoke(FunctionName="slow", InvocationType="Event", Payload='{"seconds": 3}')
        until(lambda: "lambda:slow  waiting\n" in follower.output()[before:], "the event coming in")
        assert "succeeded" not in follower.output()[before:]
        until(lambda: re.search(r"succeeded in [\d.]+ s\n", follower.output()[before:]), "the event's end")
        assert len(follower.output()[before:].splitlines()) == 2
        assert follower.interrupt() == 130
        assert "Aborted" not in follower.output() and "\x1b" not in follower.output()
    finally:
        follower.end()


def following(server: Process, follower: Background, function: str) -> str:
    """What it printed of events that ended while it came to follow: from now on it has to be told."""

    def look() -> bool:
        server.client("lambda").invoke(FunctionName=function, InvocationType="Event", Payload="{}")
        ended(server, function)
        time.sleep(1)
        return bool(follower.output())

    until(look, "the first line")
    until(lambda: re.search(r"succeeded in [\d.]+ m?s\n$", follower.output()), "its end")
    return follower.output()


def test_what_a_queue_gives_up_is_told(server: Process) -> None:
    sqs = server.client("sqs")
    sqs.create_queue(QueueName="given-up")
    redrive = {"deadLetterTargetArn": "arn:aws:sqs:us-east-1:000000000000:given-up", "maxReceiveCount": 2}
    url = sqs.create_queue(QueueName="tried", Attributes={"RedrivePolicy": json.dumps(redrive)})["QueueUrl"]

    def exhaust() -> None:
        for _ in range(2):
            assert sqs.receive_message(QueueUrl=url, VisibilityTimeout=0, MaxNumberOfMessages=10)["Messages"]
        assert "Messages" not in sqs.receive_message(QueueUrl=url)

    said = sqs.send_message(QueueUrl=url, MessageBody="x")["MessageId"]
    exhaust()
    line = f"sqs:tried message {said} received 2 times → sqs:given-up  delivered"
    until(lambda: [each[26:] for each in events(server, "--target", "sqs:given-up")] == [line], "its event", every=0.2)
    for body in "yz":
        sqs.send_message(QueueUrl=url, MessageBody=body)
    exhaust()
    until(lambda: len(found(server, "--target", "sqs:given-up")) == 2, "the event of both", every=0.2)
    (_, both) = found(server, "--target", "sqs:given-up")
    assert (both["source"], both["about"]) == ("sqs:tried", "2 messages received too often")


def test_synchronous_invocations_are_no_events(server: Process) -> None:
    create(server.client("lambda"), "called", HANDLER)
    server.client("lambda").invoke(FunctionName="called")
    assert events(server, "--target", "called") == []


def test_the_journal_survives_a_kill_and_can_be_cut_short(tmp_path: Path) -> None:
    server = Process(tmp_path / "data")
    server.start()
    try:
        create(server.client("lambda"), "kept", HANDLER)
        for _ in range(3):
            server.client("lambda").invoke(FunctionName="kept", InvocationType="Event")
        lines = until(
            lambda: (now := events(server)) and sum("succeeded" in line for line in now) == 3 and now, "three ends"
        )
        server.kill()
        server.start()
        assert events(server) == lines
        ran = bulb("events", "--limit", "2", "--endpoint", server.url)
        assert ran.stdout.splitlines() == lines[1:]
        assert ran.stderr.startswith("there were more: these are the last 2")
        assert events(server, "--since", "0") == []
    finally:
        server.kill()


def test_a_server_without_a_journal_says_so(tmp_path: Path) -> None:
    server = Process(tmp_path / "data", "--journal-days", "0")
    server.start()
    try:
        ran = bulb("events", "--endpoint", server.url)
        assert ran.returncode == 1
        assert "--journal-days 0" in ran.stderr and len(ran.stderr.splitlines()) == 1
    finally:
        server.stop()
