"""Records byte by byte."""

import json

import pytest

from bulb.core.errors import AwsError
from bulb.invoke.endings import NOTIFICATION_BYTES, RECORD_BYTES, Ending, deliveries, record
from bulb.invoke.model import AsyncRules, Outcome

FUNCTION = "arn:aws:lambda:us-east-1:000000000000:function:f:$LATEST"
QUEUE = "arn:aws:sqs:us-east-1:000000000000:q"
FAILED = Outcome(b'{"errorMessage": "no", "errorType": "ValueError"}', "$LATEST", "Unhandled")
AT = 1_764_025_868.123
HEAD = (
    b'{"version":"1.0","timestamp":"2025-11-24T23:11:08.123Z","requestContext":{"requestId":"id-1","functionArn":'
    b'"arn:aws:lambda:us-east-1:000000000000:function:f:$LATEST","condition":"%b","approximateInvokeCount":%d},'
    b'"requestPayload":{"n": 1}'
)


def ending(condition: str = "RetriesExhausted", count: int = 3, **further: object) -> Ending:
    members = {"payload": b'{"n": 1}', "outcome": FAILED, **further}
    return Ending(request_id="id-1", invoked_arn=FUNCTION, condition=condition, invocations=count, at=AT, **members)  # type: ignore[arg-type]


def test_a_failure() -> None:
    assert record(ending()) == HEAD % (b"RetriesExhausted", 3) + (
        b',"responseContext":{"statusCode":200,"executedVersion":"$LATEST","functionError":"Unhandled"},'
        b'"responsePayload":{"errorMessage": "no", "errorType": "ValueError"}}'
    )


def test_a_success() -> None:
    assert record(ending("Success", 1, outcome=Outcome(b'"done"', "7"))) == HEAD % (b"Success", 1) + (
        b',"responseContext":{"statusCode":200,"executedVersion":"7"},"responsePayload":"done"}'
    )


def test_what_never_ran_has_no_response() -> None:
    refusal = AwsError("TooManyRequestsException", "Rate Exceeded.", status=429)
    never = ending("ZeroReservedConcurrency", 0, outcome=None, refusal=refusal)
    assert record(never) == HEAD % (b"ZeroReservedConcurrency", 0) + b"}"


def test_an_answer_that_is_not_json_goes_as_a_string() -> None:
    told = json.loads(record(ending("Success", outcome=Outcome(b"<html>\xff", "$LATEST"))))
    assert told["responsePayload"] == "<html>\ufffd"


def test_too_big_a_record_goes_without_the_response_and_then_without_the_event() -> None:
    big = b'"' + b"x" * RECORD_BYTES + b'"'
    first = json.loads(record(ending(outcome=Outcome(big, "$LATEST")), RECORD_BYTES))
    assert list(first) == ["version", "timestamp", "requestContext", "requestPayload", "responseContext"]
    second = json.loads(record(ending(payload=big), RECORD_BYTES))
    assert list(second) == ["version", "timestamp", "requestContext", "responseContext"]
    assert len(record(ending(payload=big))) > RECORD_BYTES


def test_a_topic_gets_no_more_than_a_notification_has() -> None:
    answer = Outcome(b'"' + b"x" * NOTIFICATION_BYTES + b'"', "$LATEST")
    for topic, members in ((QUEUE, 6), (QUEUE.replace(":sqs:", ":sns:"), 5)):
        [told] = deliveries(ending("Success", outcome=answer), AsyncRules(on_success=topic), None)
        assert len(json.loads(told.payload)) == members
    big = b'"' + b"x" * NOTIFICATION_BYTES + b'"'
    [told] = deliveries(ending(payload=big), AsyncRules(on_failure=QUEUE.replace(":sqs:", ":sns:")), None)
    assert "requestPayload" not in json.loads(told.payload)


def test_a_dead_letter_is_the_event_itself_beside_the_record() -> None:
    rules = AsyncRules(on_success="arn:aws:sqs:us-east-1:000000000000:good", on_failure=QUEUE)
    told, dead = deliveries(ending(), rules, QUEUE + "-dead")
    assert (told.arn, told.payload, told.attributes["kind"]) == (QUEUE, record(ending()), "OnFailure")
    assert (dead.arn, dead.payload, dead.attributes["kind"]) == (QUEUE + "-dead", b'{"n": 1}', "DeadLetter")
    assert dead.attributes["message_attributes"] == {
        "RequestID": {"DataType": "String", "StringValue": "id-1"},
        "ErrorCode": {"DataType": "Number", "StringValue": "200"},
        "ErrorMessage": {"DataType": "String", "StringValue": "no"},
    }


def test_error_messages_of_dead_letters_are_cut_at_a_kilobyte_and_never_inside_a_letter() -> None:
    long = json.dumps({"errorMessage": "é" * 2000}).encode()
    [dead] = deliveries(ending(outcome=Outcome(long, "1", "Unhandled"), payload=b"1"), AsyncRules(), QUEUE)
    assert dead.attributes["message_attributes"]["ErrorMessage"]["StringValue"] == "é" * 512


@pytest.mark.parametrize(
    ("error", "said"),
    [
        ({"errorMessage": "", "errorType": "AssertionError"}, "AssertionError"),
        ({"errorMessage": ""}, "RetriesExhausted"),
        ({"errorMessage": "\x1b[31mred\x1b[0m \x00\uffff\ttab"}, "\ufffd[31mred\ufffd[0m \ufffd\ufffd\ttab"),
        ("not even an object", "RetriesExhausted"),
    ],
)
def test_an_error_message_is_one_that_an_attribute_may_have(error: object, said: str) -> None:
    outcome = Outcome(json.dumps(error).encode(), "1", "Unhandled")
    [dead] = deliveries(ending(outcome=outcome), AsyncRules(), QUEUE)
    assert dead.attributes["message_attributes"]["ErrorMessage"]["StringValue"] == said


def test_characters_that_no_message_may_have_are_escaped() -> None:
    payload = '"\uffff and \ufffe"'.encode()
    told, dead = deliveries(ending(payload=payload), AsyncRules(on_failure=QUEUE), QUEUE)
    assert dead.payload == b'"\\uffff and \\ufffe"'
    assert json.loads(told.payload)["requestPayload"] == json.loads(payload)
    assert "\uffff" not in told.payload.decode()


def test_a_throttled_event_says_so() -> None:
    refusal = AwsError("TooManyRequestsException", "Rate Exceeded.", status=429)
    [dead] = deliveries(ending("EventAgeExceeded", 0, outcome=None, refusal=refusal), AsyncRules(), QUEUE)
    assert dead.attributes["message_attributes"]["ErrorCode"]["StringValue"] == "429"
    assert dead.attributes["message_attributes"]["ErrorMessage"]["StringValue"] == "Rate Exceeded."
    told = json.loads(record(ending("EventAgeExceeded", 0, outcome=None, refusal=refusal)))
    assert (told["responseContext"], "responsePayload" in told) == ({"statusCode": 429}, False)


def test_an_event_for_which_nothing_is_reserved_has_no_code() -> None:
    refusal = AwsError("TooManyRequestsException", "Rate Exceeded.", status=429)
    [dead] = deliveries(ending("ZeroReservedConcurrency", 0, outcome=None, refusal=refusal), AsyncRules(), QUEUE)
    attributes = dead.attributes["message_attributes"]
    assert attributes.keys() == {"RequestID", "ErrorMessage"}
    text = "Function not invoked. Function isconfigured with zero reserved concurrent executions"
    assert attributes["ErrorMessage"]["StringValue"] == text


def test_an_event_bus_gets_an_event() -> None:
    bus = "arn:aws:events:us-east-1:111122223333:event-bus/default"
    [told] = deliveries(ending(), AsyncRules(on_failure=bus), None)
    event = json.loads(told.payload)
    assert event.pop("id")
    assert event.pop("detail") == json.loads(record(ending()))
    assert event == {
        "version": "0",
        "detail-type": "Lambda Function Invocation Result - Failure",
        "source": "lambda",
        "account": "000000000000",
        "time": "2025-11-24T23:11:08Z",
        "region": "us-east-1",
        "resources": [bus, FUNCTION],
    }
