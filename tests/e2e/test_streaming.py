"""Response streaming, from a function's first byte to the caller's."""

import base64
import json
from typing import Any

import pytest

from tests.support.bulb import Running
from tests.support.functions import create

NODE = "nodejs22.x"


class Streamed:
    """What a caller of InvokeWithResponseStream gets."""

    def __init__(self, response: dict[str, Any]) -> None:
        self.response = response
        self.chunks: list[bytes] = []
        self.complete: dict[str, Any] | None = None
        for event in response["EventStream"]:
            assert self.complete is None, "InvokeComplete is the last event"
            if "PayloadChunk" in event:
                self.chunks.append(event["PayloadChunk"]["Payload"])
            else:
                self.complete = event["InvokeComplete"]

    @property
    def payload(self) -> bytes:
        return b"".join(self.chunks)

    @property
    def error(self) -> Any:
        assert self.complete is not None
        return json.loads(self.complete["ErrorDetails"])


def stream(aws: Any, name: str, event: Any = None, **settings: Any) -> Streamed:
    payload = json.dumps(event if event is not None else {})
    return Streamed(aws.invoke_with_response_stream(FunctionName=name, Payload=payload, **settings))


@pytest.fixture(scope="module")
def aws(bulb: Running) -> Any:
    return bulb.client("lambda", read_timeout=60)


def test_a_handler_that_does_not_stream_is_one_chunk(aws: Any) -> None:
    create(
        aws,
        "stream-buffered",
        """
        def handler(event, context):
            print("hello from", context.aws_request_id)
            if event.get("fail"):
                raise ValueError("no")
            return {"got": event}
        """,
    )
    streamed = stream(aws, "stream-buffered", {"a": 1}, LogType="Tail")
    assert streamed.response["StatusCode"] == 200
    assert streamed.response["ExecutedVersion"] == "$LATEST"
    assert streamed.response["ResponseStreamContentType"] == "application/json"
    assert streamed.chunks == [b'{"got": {"a": 1}}']
    assert streamed.complete is not None
    assert set(streamed.complete) == {"LogResult"}
    log = base64.b64decode(streamed.complete["LogResult"]).decode()
    assert f"hello from {streamed.response['ResponseMetadata']['RequestId']}" in log
    assert "REPORT" in log

    failed = stream(aws, "stream-buffered", {"fail": True})
    assert failed.chunks == []
    assert failed.complete is not None
    assert failed.complete["ErrorCode"] == "Unhandled"
    assert failed.error["errorType"] == "ValueError"
    assert "LogResult" not in failed.complete


def test_a_dry_run_runs_nothing(aws: Any) -> None:
    create(aws, "stream-dry", "def handler(event, context):\n    raise SystemExit(1)\n")
    response = aws.invoke_with_response_stream(FunctionName="stream-dry", InvocationType="DryRun", Payload=b"{}")
    assert response["StatusCode"] == 204
    assert list(response["EventStream"]) == []
    with pytest.raises(aws.exceptions.ResourceNotFoundException):
        aws.invoke_with_response_stream(FunctionName="stream-none", InvocationType="DryRun")


def test_what_is_too_large_or_no_json_is_refused(aws: Any) -> None:
    with pytest.raises(aws.exceptions.RequestTooLargeException) as refused:
        aws.invoke_with_response_stream(FunctionName="stream-dry", Payload=b'"' + b"x" * 6_291_456)
    assert refused.value.response["Error"]["Message"] == (
        "6291457 byte payload is too large for the RequestResponse invocation type (limit 6291456 bytes)"
    )
    with pytest.raises(aws.exceptions.InvalidRequestContentException):
        aws.invoke_with_response_stream(FunctionName="stream-dry", Payload=b"{")
