"""The commands that are clients, against a real server."""

import hashlib
import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.cli.command import SECONDS, Background, bulb, environment
from tests.support.bulb import Process
from tests.support.functions import create
from tests.support.nodejs import runtime
from tests.support.waiting import until

NODE = runtime()
ECHO = """
def handler(event, context):
    print("got", event)
    return event
"""
STREAMS = """
exports.handler = awslambda.streamifyResponse(async (event, out) => {
  out.write('first ');
  await new Promise((resolve) => setTimeout(resolve, 4000));
  out.write('second');
  out.end();
});
"""
FAILS = """
def handler(event, context):
    raise ValueError("no good")
"""
SLOW = """
import time
def handler(event, context):
    print("in the middle")
    time.sleep(event["seconds"])
    return "done"
"""


def test_invoke_prints_the_answer_and_nothing_else(server: Process) -> None:
    create(server.client("lambda"), "echo", ECHO)
    ran = bulb("invoke", "echo", '{"a": 1}', "--endpoint", server.url)
    assert (ran.returncode, json.loads(ran.stdout), ran.stderr) == (0, {"a": 1}, "")


def test_invoke_reads_standard_input_and_shows_the_log_on_standard_error(server: Process) -> None:
    create(server.client("lambda"), "piped", ECHO)
    ran = bulb("invoke", "piped", "-", "--tail", stdin="[1, 2]", AWS_ENDPOINT_URL=server.url)
    assert json.loads(ran.stdout) == [1, 2]
    assert "got [1, 2]" in ran.stderr
    assert "REPORT RequestId" in ran.stderr


def test_invoke_takes_a_version_or_an_alias(server: Process) -> None:
    aws = server.client("lambda")
    create(aws, "qualified", "def handler(event, context):\n    return context.function_version")
    aws.publish_version(FunctionName="qualified")
    aws.create_alias(FunctionName="qualified", Name="live", FunctionVersion="1")
    for more, version in ((), "$LATEST"), (("--qualifier", "1"), "1"), (("--qualifier", "live"), "1"):
        ran = bulb("invoke", "qualified", *more, "--endpoint", server.url)
        assert (ran.returncode, json.loads(ran.stdout)) == (0, version)


@pytest.mark.skipif(NODE is None, reason="no Node.js 20, 22 or 24 on this machine")
def test_a_stream_is_printed_while_it_comes(server: Process, tmp_path: Path) -> None:
    create(server.client("lambda"), "streams", STREAMS, Runtime=NODE, Timeout=60)
    call = Background(tmp_path / "streamed", "invoke", "streams", "--stream", "--tail", "--endpoint", server.url)
    try:
        until(lambda: call.output() == "first ", "the first part, while the function waits")
        assert call.wait() == 0
        printed = call.output()
        assert printed.startswith("first second") and "REPORT RequestId" in printed
    finally:
        call.end()


def test_a_stream_of_a_function_that_fails_is_exit_code_1(server: Process) -> None:
    create(server.client("lambda"), "fails-streaming", FAILS)
    ran = bulb("invoke", "fails-streaming", "--stream", "--endpoint", server.url)
    assert ran.returncode == 1
    assert json.loads(ran.stdout)["errorType"] == "ValueError"


def test_what_has_no_answer_cannot_be_streamed(server: Process) -> None:
    ran = bulb("invoke", "nobody", "--async", "--stream", "--endpoint", server.url)
    assert ran.returncode == 2
    assert "asynchronous" in ran.stderr


def test_a_function_that_fails_is_exit_code_1_and_its_document_is_printed(server: Process) -> None:
    create(server.client("lambda"), "fails", FAILS)
    ran = bulb("invoke", "fails", "--endpoint", server.url)
    assert ran.returncode == 1
    assert json.loads(ran.stdout)["errorType"] == "ValueError"


def test_an_event_is_accepted_and_run(server: Process) -> None:
    create(server.client("lambda"), "later", ECHO)
    ran = bulb("invoke", "later", '"soon"', "--async", "--endpoint", server.url)
    assert ran.returncode == 0
    assert ran.stdout == ""
    assert ran.stderr.startswith("accepted as ")
    until(lambda: "got soon" in bulb("logs", "later", "--endpoint", server.url).stdout, "the event's line", every=0.2)


def test_follow_shows_a_line_while_the_function_runs_and_ends_quietly(server: Process, tmp_path: Path) -> None:
    create(server.client("lambda"), "slow", SLOW, Timeout=60)
    follower = Background(tmp_path / "followed", "logs", "slow", "--follow", "--endpoint", server.url)
    call = Background(tmp_path / "answer", "invoke", "slow", '{"seconds": 20}', "--endpoint", server.url)
    try:
        until(lambda: "in the middle" in follower.output(), "the line", seconds=18)
        assert call.output() == "", "the line came only after the answer"
        assert "\x1b" not in follower.output()
        assert follower.interrupt() == 130
        assert "Aborted" not in follower.output()
    finally:
        follower.end()
        call.end()


def test_logs_as_json_are_one_event_a_line(server: Process) -> None:
    create(server.client("lambda"), "lines", ECHO)
    bulb("invoke", "lines", "1", "--endpoint", server.url)
    printed = bulb("logs", "lines", "--json", "--endpoint", server.url).stdout.splitlines()
    messages = [json.loads(line)["message"] for line in printed]
    assert any(message.startswith("got 1") for message in messages)
    assert any(message.startswith("REPORT ") for message in messages)


def test_the_bill_has_what_was_invoked(server: Process) -> None:
    create(server.client("lambda"), "billed", ECHO)
    for _ in range(3):
        bulb("invoke", "billed", "--endpoint", server.url)

    def requests() -> int:
        statement = json.loads(bulb("bill", "--json", "--endpoint", server.url).stdout)
        return sum(line["requests"] for line in statement["lines"] if line["function"].endswith("billed"))

    until(lambda: requests() == 3, "three requests on the bill", every=0.2)
    table = bulb("bill", "--endpoint", server.url).stdout
    assert "GB-seconds" in table
    assert "billed" in table


def test_status_is_plain_in_a_pipe_and_json_where_asked(server: Process) -> None:
    plain = bulb("status", "--endpoint", server.url)
    assert "\x1b" not in plain.stdout
    assert "isolation" in plain.stdout
    status = json.loads(bulb("status", "--json", "--endpoint", server.url).stdout)
    assert status["isolation"]["rung"] in {"full", "userns", "plain"}
    assert status["storage"]["durable"] is True
    assert any(runtime["runs"] for runtime in status["runtimes"])


@pytest.mark.skipif(shutil.which("aws", path=environment()["PATH"]) is None, reason="the AWS CLI is not installed")
def test_env_makes_the_aws_cli_work(server: Process) -> None:
    script = f'eval "$(bulb env --endpoint {server.url} --account 111122223333)" && aws sts get-caller-identity'
    ran = subprocess.run(
        ["sh", "-c", script], capture_output=True, text=True, env=environment(), timeout=SECONDS, check=False
    )
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout)["Account"] == "111122223333"


def test_env_makes_the_aws_cli_find_queues(server: Process) -> None:
    """Version 1 of the AWS CLI takes SQS's endpoint for queue.amazonaws.com, whatever AWS_ENDPOINT_URL says."""
    script = f"""
        set -e
        eval "$(bulb env --endpoint {server.url})"
        url=$(aws sqs create-queue --queue-name by-cli --attributes VisibilityTimeout=5 --query QueueUrl --output text)
        aws --region us-east-1 sqs send-message --queue-url "$url" --message-body "a  b" --query MD5OfMessageBody
        aws sqs receive-message --queue-url "$url" --attribute-names All
        aws sts get-caller-identity --query Account
    """
    ran = subprocess.run(
        ["sh", "-c", script], capture_output=True, text=True, env=environment(), timeout=4 * SECONDS, check=False
    )
    assert ran.returncode == 0, ran.stderr
    assert f'"{hashlib.md5(b"a  b").hexdigest()}"' in ran.stdout
    assert '"Body": "a  b"' in ran.stdout
    assert '"ApproximateReceiveCount": "1"' in ran.stdout
    assert ran.stdout.rstrip().endswith('"000000000000"')


def test_env_for_fish_has_no_function() -> None:
    assert "aws()" in bulb("env", "--shell", "/bin/zsh").stdout
    ran = bulb("env", "--shell", "/usr/bin/fish")
    assert all(line.startswith("export ") for line in ran.stdout.splitlines())


@pytest.mark.parametrize("arguments", [("invoke", "nobody"), ("logs", "nobody")])
def test_what_is_not_there_is_one_sentence(server: Process, arguments: tuple[str, ...]) -> None:
    ran = bulb(*arguments, "--endpoint", server.url)
    assert ran.returncode == 1
    assert ran.stdout == ""
    assert ran.stderr.startswith("Error: ")
    assert len(ran.stderr.splitlines()) == 1
    assert "nobody" in ran.stderr


def test_who_has_no_key_of_a_server_that_asks_for_one_is_told_where_it_is(tmp_path: Path) -> None:
    strict = Process(tmp_path / "data", "--credentials", "required")
    strict.start()
    try:
        ran = bulb("dlq", "list", "--endpoint", strict.url, AWS_ACCESS_KEY_ID="0" * 12, AWS_SECRET_ACCESS_KEY="bulb")
        assert ran.returncode == 1
        assert ran.stderr.startswith("Error: UnrecognizedClientException: ") and "root-key.json" in ran.stderr
        key = json.loads((tmp_path / "data" / "root-key.json").read_text())
        keys = {"AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]}
        ran = bulb("dlq", "list", "--endpoint", strict.url, **keys)
        assert ran.stdout == "nobody has a dead-letter queue\n", ran.stderr
    finally:
        strict.stop()
