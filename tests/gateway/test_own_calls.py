"""Calls that Bulb makes itself: documents become parameters, and what goes wrong becomes a refusal."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest

from bulb.core.calls import Call
from bulb.core.errors import AwsError, NotSupported
from bulb.delivery.model import Refusal
from bulb.gateway.own_calls import OwnCalls
from bulb.gateway.own_requests import parameters
from bulb.storage.outbox import Entry
from bulb.wire.catalog import Catalog
from bulb.wire.malformed import Malformed

CATALOG = Catalog()


def read(service: str, operation: str, document: Any) -> dict[str, Any]:
    return parameters(CATALOG.service(service).operation(operation), json.dumps(document).encode())


def test_documents_are_parameters_by_the_names_of_the_api() -> None:
    assert read("lambda", "Invoke", {"FunctionName": "f", "Payload": '{"a": 1}'}) == {
        "FunctionName": "f",
        "Payload": b'{"a": 1}',
    }
    assert read("lambda", "Invoke", {"functionName": "f", "payload": {"a": 1}})["Payload"] == b'{"a":1}'
    assert read("logs", "CreateLogGroup", {"LogGroupName": "g"}) == {"logGroupName": "g"}
    binary = {"DataType": "Binary", "BinaryValue": "AAE="}
    found = read("sqs", "SendMessage", {"QueueUrl": "u", "MessageAttributes": {"a": binary}, "DelaySeconds": 5})
    assert found["MessageAttributes"]["a"]["BinaryValue"] == b"\x00\x01"
    assert found["DelaySeconds"] == 5
    moment = datetime(2030, 1, 1, tzinfo=UTC)
    for written in ("2030-01-01T00:00:00Z", moment.timestamp(), "2030-01-01T01:00:00+01:00"):
        assert read("scheduler", "UpdateSchedule", {"StartDate": written}) == {"StartDate": moment}
    assert read("sqs", "SendMessage", {"QueueUrl": "u", "MessageBody": None}) == {"QueueUrl": "u"}


WRONG: list[tuple[Any, str]] = [
    ([], "The request must be an object."),
    ("x", "The request must be an object."),
    ({"Text": "x"}, "There is no parameter Text."),
    ({"MessageBody": 5}, "MessageBody must be a text."),
    ({"DelaySeconds": "5"}, "DelaySeconds must be a whole number."),
    ({"DelaySeconds": True}, "DelaySeconds must be a whole number."),
    ({"DelaySeconds": 2**70}, "DelaySeconds must be a whole number."),
    ({"MessageAttributes": []}, "MessageAttributes must be an object."),
    ({"MessageAttributes": {"a": 1}}, "MessageAttributes.a must be an object."),
    ({"MessageAttributes": {"a": {"X": 1}}}, "There is no parameter MessageAttributes.a.X."),
    ({"MessageAttributes": {"a": {"BinaryValue": "%"}}}, "Invalid base64 data"),
]


@pytest.mark.parametrize(("document", "message"), WRONG)
def test_what_does_not_fit_says_where(document: Any, message: str) -> None:
    with pytest.raises(Malformed) as caught:
        read("sqs", "SendMessage", document)
    assert str(caught.value).startswith(message.rstrip("."))


def test_what_is_no_json_and_what_is_too_deep() -> None:
    operation = CATALOG.service("sqs").operation("SendMessage")
    for document in (b"{", b"", b"[" * 5_000 + b"]" * 5_000, b'{"a": NaN}'):
        with pytest.raises(Malformed):
            parameters(operation, document)


class Queues:
    """Answers SendMessage with what the test wants."""

    def __init__(self, outcome: Any = None) -> None:
        self.outcome = outcome
        self.calls: list[Call] = []

    async def send_message(self, call: Call) -> dict[str, Any]:
        self.calls.append(call)
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome or {}


class Strict:
    """An authorizer that knows one role."""

    def __init__(self, *, trusted: bool = True, allowed: bool = True) -> None:
        self.trusted, self.allowed = trusted, allowed
        self.asked: list[tuple[str, ...]] = []

    async def authorize(self, call: Call) -> None:
        if not self.allowed:
            raise AwsError("AccessDenied", f"{call.caller.arn} may not", status=403)

    async def lets_assume(self, role_arn: str, service: str, source_arn: str, source_account: str) -> bool:
        self.asked.append((role_arn, service, source_arn, source_account))
        return self.trusted


ROLE = "arn:aws:iam::111122223333:role/path/clock"
SOURCE = "arn:aws:scheduler:eu-west-1:111122223333:schedule/default/s"
GOOD = b'{"QueueUrl": "u", "MessageBody": "hello"}'


def entry(payload: bytes = GOOD, operation: str = "SendMessage", service: str = "sqs") -> Entry:
    call = {"service": service, "operation": operation, "for": "scheduler.amazonaws.com", "owner_arn": "arn:owner"}
    about = {"call": call, "as_role": ROLE, "source_arn": SOURCE, "account": "111122223333", "source": "scheduler"}
    return Entry(1, "arn:aws:scheduler:::aws-sdk:sqs:sendMessage", payload, about, 1.0, "delivery")


def carried(queues: Queues, given: Entry | None = None, authorizer: Strict | None = None) -> Refusal | None:
    return asyncio.run(OwnCalls({"sqs": queues}, CATALOG, authorizer).carry(given or entry(), 5.0))


def test_a_call_is_made_by_a_session_of_the_role_where_the_source_is() -> None:
    queues, strict = Queues(), Strict()
    assert carried(queues, authorizer=strict) is None
    (call,) = queues.calls
    assert (call.service, call.operation, call.region, call.account) == (
        "sqs",
        "SendMessage",
        "eu-west-1",
        "111122223333",
    )
    assert call.caller.arn == "arn:aws:sts::111122223333:assumed-role/clock/delivery"
    assert not call.caller.is_anonymous
    assert (call.params, call.now, call.request_id) == ({"QueueUrl": "u", "MessageBody": "hello"}, 5.0, "delivery")
    assert strict.asked == [(ROLE, "scheduler.amazonaws.com", "arn:owner", "111122223333")]


REFUSED: list[tuple[Exception, str, str, bool]] = [
    (AwsError("QueueDoesNotExist", "no"), "ERROR_FROM_TARGET", "AWS.SimpleQueueService.NonExistentQueue", True),
    (AwsError("NoSuchThing", "no", status=404), "NO_RESOURCE", "NoSuchThing", True),
    (AwsError("AccessDenied", "no", status=403), "NO_PERMISSIONS", "AccessDenied", True),
    (AwsError("ThrottlingException", "slow"), "THROTTLING", "ThrottlingException", False),
    (AwsError("TooMany", "slow", status=429), "THROTTLING", "TooMany", False),
    (AwsError("InternalFailure", "oh", status=500), "INTERNAL_ERROR", "InternalFailure", False),
    (AwsError("ServiceUnavailable", "oh", status=503), "INTERNAL_ERROR", "ServiceUnavailable", False),
    (NotSupported("it"), "INTERNAL_ERROR", "NotImplementedException", True),
]


@pytest.mark.parametrize(("raised", "code", "error", "is_final"), REFUSED)
def test_refusals_say_whether_another_attempt_may_help(
    raised: Exception, code: str, error: str, is_final: bool
) -> None:
    refusal = carried(Queues(raised))
    assert refusal is not None
    assert (refusal.code, refusal.error, refusal.is_final) == (code, error, is_final)


def test_a_failure_of_ours_is_no_refusal() -> None:
    with pytest.raises(ZeroDivisionError):
        carried(Queues(ZeroDivisionError()))


def test_what_the_model_does_not_allow_is_not_called() -> None:
    for payload in (b"{", b'{"MessageBody": "x"}', b'{"QueueUrl": "u", "MessageBody": 5}'):
        queues = Queues()
        refusal = carried(queues, entry(payload))
        assert refusal is not None
        assert refusal.is_final
        assert queues.calls == []


def test_who_may_not_is_not_called() -> None:
    for strict in (Strict(trusted=False), Strict(allowed=False)):
        queues = Queues()
        refusal = carried(queues, authorizer=strict)
        assert refusal is not None
        assert (refusal.code, refusal.is_final) == ("NO_PERMISSIONS", True)
        assert queues.calls == []


def test_operations_and_services_that_are_not_there() -> None:
    for operation, service in (("DeleteMessage", "sqs"), ("Publish", "sns")):
        refusal = carried(Queues(), entry(operation=operation, service=service))
        assert refusal is not None
        assert refusal.is_final


def test_answers_are_read_to_their_end_and_looked_through_for_failed_entries() -> None:
    read_to: list[int] = []

    async def stream() -> AsyncIterator[bytes]:
        for number in range(3):
            read_to.append(number)
            yield b"x"

    assert carried(Queues({"Body": stream()})) is None
    assert read_to == [0, 1, 2]
    failed = {"Entries": [{"EventId": "1"}, {"ErrorCode": "MalformedDetail", "ErrorMessage": "Detail is malformed."}]}
    assert carried(Queues(failed)) == Refusal("ERROR_FROM_TARGET", "Detail is malformed.", error="MalformedDetail")
    passing = {"Failed": [{"Id": "1", "Code": "InternalError", "Message": "oh"}]}
    refusal = carried(Queues(passing))
    assert refusal is not None
    assert not refusal.is_final


def test_actions_go_by_the_names_of_the_sdks() -> None:
    calls = OwnCalls({"sqs": Queues(), "logs": Queues()}, CATALOG, None)
    assert calls.find("sqs", "sendMessage") == ("sqs", "SendMessage")
    assert calls.find("sqs", "sendMessages") is None
    for service, action in (
        ("sqs", "deleteMessage"),
        ("cloudwatchlogs", "createLogGroup"),
        ("logs", "x"),
        ("ec2", "x"),
    ):
        with pytest.raises(NotSupported):
            calls.find(service, action)
