"""Invoke and InvokeAsync: what reaches the function, what comes back, what is refused."""

import base64
import json
import time
from typing import Any

import pytest
from botocore.exceptions import ClientError

from bulb.core.errors import AwsError
from bulb.services.lambda_ import payload
from tests.services.lambda_.room import ARN, Room
from tests.services.lambda_.test_lifecycle import message


def test_the_answer_passes_through_untouched(room: Room) -> None:
    room.create()
    event = b'{ "b": 1,\n  "a":  [1.0, "\xc3\xa9", "\\ud800"] }'
    answer = room.client().invoke(FunctionName="f", Payload=event)
    assert answer["Payload"].read() == event
    assert (answer["StatusCode"], answer["ExecutedVersion"]) == (200, "$LATEST")
    assert "FunctionError" not in answer
    assert "LogResult" not in answer
    headers = answer["ResponseMetadata"]["HTTPHeaders"]
    assert headers["x-amzn-remapped-content-length"] == "0"
    assert headers["x-amzn-trace-id"].startswith("Root=1-")
    (invocation,) = room.runner.invocations
    assert invocation.request_id == answer["ResponseMetadata"]["RequestId"]
    assert invocation.trace_header == headers["x-amzn-trace-id"]
    assert invocation.client_context is None
    assert not invocation.log_tail


def test_an_empty_body_is_an_empty_object(room: Room) -> None:
    room.create()
    room.client().invoke(FunctionName="f")
    assert room.runner.invocations[0].payload == b"{}"


def test_function_error_log_tail_and_client_context(room: Room) -> None:
    room.create()
    room.runner.function_error = "Unhandled"
    context = base64.b64encode(b'{"client": {"app": "x"}}').decode()
    answer = room.client().invoke(FunctionName="f", LogType="Tail", ClientContext=context)
    assert answer["FunctionError"] == "Unhandled"
    assert base64.b64decode(answer["LogResult"]) == room.runner.log
    assert room.runner.invocations[0].client_context == '{"client": {"app": "x"}}'


def test_refusals_of_the_invoke_path_reach_the_caller(room: Room) -> None:
    room.create()
    room.runner.error = AwsError(
        "TooManyRequestsException",
        "Rate Exceeded.",
        status=429,
        members={"Reason": "ConcurrentInvocationLimitExceeded"},
        headers={"retry-after": "1"},
    )
    with pytest.raises(ClientError) as raised:
        room.client().invoke(FunctionName="f")
    assert message(raised) == ("TooManyRequestsException", "Rate Exceeded.", 429)
    assert raised.value.response["Reason"] == "ConcurrentInvocationLimitExceeded"
    assert raised.value.response["ResponseMetadata"]["HTTPHeaders"]["retry-after"] == "1"


@pytest.mark.parametrize("name", ["f", f"{ARN}:f", "function:f", "000000000000:function:f"])
def test_names(room: Room, name: str) -> None:
    room.create()
    aws = room.client()
    aws.invoke(FunctionName=name)
    aws.invoke(FunctionName=f"{name}:$LATEST")
    aws.invoke(FunctionName=name, Qualifier="$LATEST")
    arns = [invocation.invoked_arn for invocation in room.runner.invocations]
    assert arns == [f"{ARN}:f", f"{ARN}:f:$LATEST", f"{ARN}:f:$LATEST"]


@pytest.mark.parametrize("qualifier", ["1", "live", "$LATEST.PUBLISHED"])
def test_unknown_versions_and_aliases(room: Room, qualifier: str) -> None:
    room.create()
    for kind in ("RequestResponse", "Event", "DryRun"):
        with pytest.raises(ClientError) as raised:
            room.client().invoke(FunctionName="f", Qualifier=qualifier, InvocationType=kind)
        expected = f"Function not found: {ARN}:f:{qualifier}"
        assert message(raised) == ("ResourceNotFoundException", expected, 404)


def test_names_that_lead_elsewhere(room: Room) -> None:
    aws = room.client()
    cases = {
        "arn:aws:lambda:eu-west-1:000000000000:function:f": (
            "ResourceNotFoundException",
            "Functions from 'eu-west-1' are not reachable in this region ('us-east-1')",
            404,
        ),
        "arn:aws:lambda:us-east-1:111111111111:function:f": ("AccessDeniedException", "", 403),
        "f:1": (
            "InvalidParameterValueException",
            "The derived qualifier from the function name does not match the specified qualifier.",
            400,
        ),
    }
    for name, expected in cases.items():
        with pytest.raises(ClientError) as raised:
            aws.invoke(FunctionName=name, Qualifier="$LATEST")
        code, text, status = message(raised)
        assert (code, status) == (expected[0], expected[2])
        assert text in (expected[1], "None" if not expected[1] else expected[1])
    with pytest.raises(ClientError) as raised:
        aws.get_function(FunctionName="a" * 65)
    assert message(raised)[0] == "InvalidParameterValueException"
    assert "Member must have length less than or equal to 64" in message(raised)[1]


def test_accounts_and_regions_are_apart(room: Room) -> None:
    room.create()
    for other in (room.client(access_key="111111111111"), room.client(region="eu-west-1")):
        with pytest.raises(ClientError):
            other.get_function(FunctionName="f")
        assert other.list_functions()["Functions"] == []


def test_events_are_accepted_and_dry_runs_run_nothing(room: Room) -> None:
    room.create()
    aws = room.client()
    context = base64.b64encode(b"{}").decode()
    accepted = aws.invoke(FunctionName="f", InvocationType="Event", Payload=b"[1]", ClientContext=context)
    assert (accepted["StatusCode"], accepted["Payload"].read()) == (202, b"")
    assert "ExecutedVersion" not in accepted
    (name, qualifier, event) = room.runner.events[0]
    assert (name, qualifier, event.payload, event.client_context) == ("f", None, b"[1]", "{}")
    assert event.request_id == accepted["ResponseMetadata"]["RequestId"]
    assert aws.invoke(FunctionName="f", InvocationType="DryRun")["StatusCode"] == 204
    assert aws.invoke_async(FunctionName="f", InvokeArgs=b'{"old": true}')["Status"] == 202
    assert room.runner.events[1][2].payload == b'{"old": true}'
    assert len(room.runner.events) == 2
    assert room.runner.invocations == []


@pytest.mark.parametrize(
    ("kind", "limit"), [("RequestResponse", 6_291_456), ("DryRun", 6_291_456), ("Event", 1_048_576)]
)
def test_payload_limits(room: Room, kind: str, limit: int) -> None:
    room.create()
    aws = room.client()
    fits = b'"' + b"x" * (limit - 2) + b'"'
    assert aws.invoke(FunctionName="f", InvocationType=kind, Payload=fits)["StatusCode"] in (200, 202, 204)
    with pytest.raises(ClientError) as raised:
        aws.invoke(FunctionName="f", InvocationType=kind, Payload=fits + b" ")
    text = f"{limit + 1} byte payload is too large for the {kind} invocation type (limit {limit} bytes)"
    assert message(raised) == ("RequestTooLargeException", text, 413)


@pytest.mark.parametrize(
    ("body", "detail", "column"),
    [
        (b"abc", "Unrecognized token 'abc': was expecting (JSON String, Number, Array, Object or token", None),
        (b'{"a":', "Unexpected end-of-input", None),
        (b"{a: 1}", "Unexpected character ('a' (code 97)): was expecting double-quote to start field name", 2),
        (b'{"a" 1}', "Unexpected character ('1' (code 49)): was expecting a colon to separate field name and", 6),
        (b"[1 2]", "Unexpected character ('2' (code 50)): was expecting comma to separate", 4),
        (b"NaN", "Unrecognized token 'NaN'", None),
        (b"\xff", "Invalid UTF-8 start byte 0xff", 1),
        (b"[" * 5_000, "Document nesting depth exceeds", None),
    ],
)
def test_payloads_that_are_not_json(room: Room, body: bytes, detail: str, column: int | None) -> None:
    room.create()
    for kind in ("RequestResponse", "Event", "DryRun"):
        with pytest.raises(ClientError) as raised:
            room.client().invoke(FunctionName="f", InvocationType=kind, Payload=body)
        code, text, status = message(raised)
        assert (code, status) == ("InvalidRequestContentException", 400)
        assert text.startswith(f"Could not parse request body into json: Could not parse payload into json: {detail}")
        assert "\n at [Source: REDACTED (`StreamReadFeature.INCLUDE_SOURCE_IN_LOCATION` disabled); line: 1" in text
        if column is not None:
            assert text.endswith(f"column: {column}]")
    assert room.runner.invocations == []


@pytest.mark.parametrize("context", ["%%%", base64.b64encode(b"not json").decode(), base64.b64encode(b"[]").decode()])
def test_bad_client_contexts(room: Room, context: str) -> None:
    room.create()
    with pytest.raises(ClientError) as raised:
        room.client().invoke(FunctionName="f", ClientContext=context)
    expected = "Client context must be a valid Base64-encoded JSON object."
    assert message(raised) == ("InvalidRequestContentException", expected, 400)


def test_client_contexts_are_limited(room: Room) -> None:
    room.create()

    def encoded(size: int) -> str:
        return base64.b64encode(json.dumps({"k": "x" * size}).encode()).decode()

    assert len(encoded(2_676)) == 3_580
    room.client().invoke(FunctionName="f", ClientContext=encoded(2_676))
    with pytest.raises(ClientError) as raised:
        room.client().invoke(FunctionName="f", ClientContext=encoded(2_680))
    assert message(raised)[0] == "InvalidRequestContentException"


def test_kinds_of_functions_that_do_not_exist_here(room: Room) -> None:
    room.create()
    further: list[dict[str, Any]] = [{"TenantId": "t"}, {"DurableExecutionName": "d"}]
    for params in further:
        with pytest.raises(ClientError) as raised:
            room.client().invoke(FunctionName="f", **params)
        assert message(raised)[0] == "InvalidParameterValueException"
    with pytest.raises(ClientError) as raised:
        room.client().invoke_with_response_stream(FunctionName="f", TenantId="t")
    assert message(raised)[0] == "InvalidParameterValueException"
    assert room.runner.invocations == []


def test_a_warm_invoke_asks_no_database(room: Room) -> None:
    room.create()
    aws = room.client()
    aws.invoke(FunctionName="f")
    database = room.opened["database"]

    async def broken(function: object) -> None:
        raise AssertionError("the database was asked")

    database.read = database.write = broken
    try:
        assert aws.invoke(FunctionName="f")["StatusCode"] == 200
    finally:
        del database.read, database.write


def test_checking_an_event_is_cheap() -> None:
    event = json.dumps({"Records": [{"key": "value" * 20}] * 5}).encode()
    began = time.thread_time()  # not what others have of the processor
    for _ in range(2_000):
        payload.check_json(event)
    assert (time.thread_time() - began) / 2_000 < 100e-6
