"""Sending, receiving, deleting, hiding: standard queues as boto3 sees them."""

import hashlib
import http.client
import json
import threading
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.services.sqs.conftest import Served, bodies, counts, received, refused

Make = Callable[..., str]
TRACE = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1"


def test_a_message_comes_as_it_was_sent(served: Served, sqs: Any, make: Make) -> None:
    url, body = make(), "héllo \U0001f600\n"
    given = {
        "text": {"DataType": "String", "StringValue": "é"},
        "number": {"DataType": "Number.int", "StringValue": "+1.5e3"},
        "bytes": {"DataType": "Binary.png", "BinaryValue": b"\x00\xff"},
    }
    system = {"AWSTraceHeader": {"DataType": "String", "StringValue": TRACE}}
    sent = sqs.send_message(QueueUrl=url, MessageBody=body, MessageAttributes=given, MessageSystemAttributes=system)
    assert sent["MD5OfMessageBody"] == hashlib.md5(body.encode()).hexdigest()
    assert sent["MD5OfMessageSystemAttributes"] == "5ae4d5d7636402d80f4eb6d213245a88"
    assert "SequenceNumber" not in sent
    (message,) = received(sqs, url, AttributeNames=["All"], MessageAttributeNames=["All"])
    assert (message["MessageId"], message["Body"]) == (sent["MessageId"], body)
    assert message["MD5OfBody"] == sent["MD5OfMessageBody"]
    assert message["MessageAttributes"] == given
    assert message["MD5OfMessageAttributes"] == sent["MD5OfMessageAttributes"]  # boto3 checked both against its own
    shown = message["Attributes"]
    assert (shown.pop("ApproximateReceiveCount"), shown.pop("AWSTraceHeader")) == ("1", TRACE)
    sent_at, first = int(shown.pop("SentTimestamp")), int(shown.pop("ApproximateFirstReceiveTimestamp"))
    assert 0 <= first - sent_at < 10_000
    assert abs(sent_at / 1000 - served.clock.now()) < 10
    assert shown == {"SenderId": "000000000000"}


def test_the_sums_of_attributes_are_those_of_aws(sqs: Any, make: Make) -> None:
    """Seen on AWS; boto3 checks that of every message it sends or receives besides."""
    known: list[tuple[str, dict[str, Any]]] = [
        ("befa18540a897f7d022bf07057754a03", {"test-key": {"DataType": "String", "StringValue": "test-value"}}),
        (
            "d21ae90c49061e927f57df5f5d72be1f",
            {
                "ordinal": {"DataType": "Number", "StringValue": "1"},
                "category": {"DataType": "String", "StringValue": "test"},
            },
        ),
    ]
    url = make()
    for digest, attributes in known:
        sent = sqs.send_message(QueueUrl=url, MessageBody="x", MessageAttributes=attributes)
        assert sent["MD5OfMessageAttributes"] == digest


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ([], set()),
        (["foo.a"], {"foo.a"}),
        (["foo.*"], {"foo.a", "foo.b", "food"}),
        (["foo..*"], {"foo.a", "foo.b"}),
        (["All"], {"foo.a", "foo.b", "food", "bar"}),
        ([".*"], {"foo.a", "foo.b", "food", "bar"}),
        (["*"], {"foo.a", "foo.b", "food", "bar"}),
        (["bar", "nothing"], {"bar"}),
        (["fo"], set()),
        (["fo*"], set()),
    ],
)
def test_attributes_asked_for_by_name(sqs: Any, make: Make, asked: list[str], found: set[str]) -> None:
    url = make()
    given = {name: {"DataType": "String", "StringValue": name} for name in ("foo.a", "foo.b", "food", "bar")}
    sqs.send_message(QueueUrl=url, MessageBody="x", MessageAttributes=given)
    (message,) = received(sqs, url, MessageAttributeNames=asked)
    assert set(message.get("MessageAttributes", {})) == found
    assert ("MD5OfMessageAttributes" in message) == bool(found)


def test_system_attributes_are_asked_for_in_two_ways(sqs: Any, make: Make) -> None:
    url = make()
    sqs.send_message(QueueUrl=url, MessageBody="x")
    options: list[dict[str, Any]] = [
        {"AttributeNames": ["SenderId"]},
        {"MessageSystemAttributeNames": ["SenderId"]},
        {"MessageSystemAttributeNames": ["SenderId"], "AttributeNames": ["SentTimestamp"]},
    ]
    found = [set(received(sqs, url, VisibilityTimeout=0, **one)[0]["Attributes"]) for one in options]
    assert found == [{"SenderId"}, {"SenderId"}, {"SenderId", "SentTimestamp"}]
    assert refused(sqs.receive_message, QueueUrl=url, AttributeNames=["Policy"])[0] == "InvalidAttributeName"


def test_a_trace_header_of_the_call_goes_with_the_message(served: Served, sqs: Any, make: Make) -> None:
    url, tracing = make(), served.client()
    tracing.meta.events.register(
        "before-sign.sqs.SendMessage", lambda request, **_: request.headers.add_header("X-Amzn-Trace-Id", TRACE)
    )
    tracing.send_message(QueueUrl=url, MessageBody="x")
    assert received(sqs, url, AttributeNames=["AWSTraceHeader"])[0]["Attributes"] == {"AWSTraceHeader": TRACE}


def test_what_is_received_is_hidden_until_its_time(served: Served, sqs: Any, make: Make) -> None:
    url = make(VisibilityTimeout="20")
    sqs.send_message(QueueUrl=url, MessageBody="x")
    (first,) = received(sqs, url, AttributeNames=["ApproximateReceiveCount"])
    assert (bodies(sqs, url), counts(sqs, url)) == ([], (0, 1, 0))
    served.clock.advance(10)
    assert bodies(sqs, url) == []
    served.clock.advance(11)
    assert counts(sqs, url) == (1, 0, 0)
    (again,) = received(sqs, url, AttributeNames=["ApproximateReceiveCount"], VisibilityTimeout=5)
    assert again["Attributes"]["ApproximateReceiveCount"] == "2"
    assert again["ReceiptHandle"] != first["ReceiptHandle"]
    served.clock.advance(6)
    assert bodies(sqs, url) == ["x"]


def test_a_delete_needs_the_last_handle(sqs: Any, make: Make) -> None:
    url = make(VisibilityTimeout="0")
    sqs.send_message(QueueUrl=url, MessageBody="x")
    (old,), (new,) = received(sqs, url), received(sqs, url)
    sqs.delete_message(QueueUrl=url, ReceiptHandle=old["ReceiptHandle"])
    assert counts(sqs, url) == (1, 0, 0)
    sqs.delete_message(QueueUrl=url, ReceiptHandle=new["ReceiptHandle"])
    sqs.delete_message(QueueUrl=url, ReceiptHandle=new["ReceiptHandle"])  # gone already
    assert counts(sqs, url) == (0, 0, 0)


def test_a_handle_that_is_none(sqs: Any, make: Make) -> None:
    url, other = make(), make()
    sqs.send_message(QueueUrl=other, MessageBody="x")
    (message,) = received(sqs, other)
    for handle in ("nonsense", "", "é", "AQEA", message["ReceiptHandle"], message["ReceiptHandle"][:-4] + "AAAA"):
        assert refused(sqs.delete_message, QueueUrl=url, ReceiptHandle=handle)[0] == "ReceiptHandleIsInvalid"
        assert (
            refused(sqs.change_message_visibility, QueueUrl=url, ReceiptHandle=handle, VisibilityTimeout=1)[0]
            == "ReceiptHandleIsInvalid"
        )


def test_visibility_is_changed(served: Served, sqs: Any, make: Make) -> None:
    url = make()
    sqs.send_message(QueueUrl=url, MessageBody="x")
    (message,) = received(sqs, url)
    asked = {"QueueUrl": url, "ReceiptHandle": message["ReceiptHandle"]}
    sqs.change_message_visibility(**asked, VisibilityTimeout=100)
    served.clock.advance(60)
    assert bodies(sqs, url) == []
    sqs.change_message_visibility(**asked, VisibilityTimeout=0)
    assert counts(sqs, url) == (1, 0, 0)
    sqs.change_message_visibility(**asked, VisibilityTimeout=5)  # nobody else has received it
    assert counts(sqs, url) == (0, 1, 0)
    served.clock.advance(6)
    (message,) = received(sqs, url)
    assert refused(sqs.change_message_visibility, **asked, VisibilityTimeout=5)[0] == "InvalidParameterValue"  # stale
    asked["ReceiptHandle"] = message["ReceiptHandle"]
    for bad in (-1, 43_201):
        assert refused(sqs.change_message_visibility, **asked, VisibilityTimeout=bad)[0] == "InvalidParameterValue"
    sqs.delete_message(**asked)
    code, text = refused(sqs.change_message_visibility, **asked, VisibilityTimeout=5)
    assert code == "InvalidParameterValue"
    assert "Message does not exist or is not available for visibility timeout change." in text


def test_nothing_is_hidden_for_longer_than_twelve_hours(served: Served, sqs: Any, make: Make) -> None:
    url = make()
    sqs.send_message(QueueUrl=url, MessageBody="x")
    (message,) = received(sqs, url, VisibilityTimeout=3600)
    asked = {"QueueUrl": url, "ReceiptHandle": message["ReceiptHandle"]}
    served.clock.advance(600)
    code, text = refused(sqs.change_message_visibility, **asked, VisibilityTimeout=43_200)
    assert (code, "beyond the limit [43200 seconds]" in text) == ("InvalidParameterValue", True)
    sqs.change_message_visibility(**asked, VisibilityTimeout=42_000)


def test_delays(served: Served, sqs: Any, make: Make) -> None:
    url = make(DelaySeconds="10")
    sqs.send_message(QueueUrl=url, MessageBody="queue's")
    sqs.send_message(QueueUrl=url, MessageBody="own", DelaySeconds=100)
    sqs.send_message(QueueUrl=url, MessageBody="none", DelaySeconds=0)
    assert counts(sqs, url) == (1, 0, 2)
    assert bodies(sqs, url) == ["none"]
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"DelaySeconds": "0"})  # not for those that are there
    assert bodies(sqs, url) == []
    served.clock.advance(11)
    assert bodies(sqs, url) == ["queue's"]
    served.clock.advance(90)
    assert set(bodies(sqs, url)) == {"queue's", "none", "own"}
    for bad in (-1, 901):
        assert refused(sqs.send_message, QueueUrl=url, MessageBody="x", DelaySeconds=bad)[0] == "InvalidParameterValue"


def test_what_is_too_old_is_never_seen_and_goes(served: Served, sqs: Any, make: Make) -> None:
    url = make(MessageRetentionPeriod="60", VisibilityTimeout="0")
    sqs.send_message(QueueUrl=url, MessageBody="old")
    sqs.send_message(QueueUrl=url, MessageBody="delayed", DelaySeconds=900)
    assert bodies(sqs, url) == ["old"]
    served.clock.advance(30)
    sqs.send_message(QueueUrl=url, MessageBody="young")
    served.clock.advance(31)
    assert bodies(sqs, url) == ["young"]
    assert counts(sqs, url) == (1, 0, 0)
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"MessageRetentionPeriod": "1000"})
    served.clock.advance(900)
    assert bodies(sqs, url) == ["young"]  # the others did not come back


def test_batches(sqs: Any, make: Make) -> None:
    url = make()
    entries = [{"Id": f"e{number}", "MessageBody": f"m{number}", "DelaySeconds": 0} for number in range(9)]
    entries.append({"Id": "late", "MessageBody": "x", "DelaySeconds": 901})
    sent = sqs.send_message_batch(QueueUrl=url, Entries=entries)
    assert [one["Id"] for one in sent["Successful"]] == [f"e{number}" for number in range(9)]
    (failed,) = sent["Failed"]
    assert (failed["Id"], failed["SenderFault"], failed["Code"]) == ("late", True, "InvalidParameterValue")
    found = received(sqs, url)
    assert sorted(message["Body"] for message in found) == [f"m{number}" for number in range(9)]
    assert {one["MessageId"] for one in sent["Successful"]} == {message["MessageId"] for message in found}
    handles = [message["ReceiptHandle"] for message in found]
    changed = sqs.change_message_visibility_batch(
        QueueUrl=url,
        Entries=[
            {"Id": "a", "ReceiptHandle": handles[0], "VisibilityTimeout": 0},
            {"Id": "b", "ReceiptHandle": handles[1], "VisibilityTimeout": 99_999},
            {"Id": "c", "ReceiptHandle": "bad", "VisibilityTimeout": 0},
        ],
    )
    assert [one["Id"] for one in changed["Successful"]] == ["a"]
    codes = {one["Id"]: one["Code"] for one in changed["Failed"]}
    assert codes == {"b": "InvalidParameterValue", "c": "ReceiptHandleIsInvalid"}
    done = sqs.delete_message_batch(
        QueueUrl=url,
        Entries=[
            *({"Id": str(at), "ReceiptHandle": handle} for at, handle in enumerate(handles[1:])),
            {"Id": "bad", "ReceiptHandle": "bad"},
        ],
    )
    assert (len(done["Successful"]), [one["Id"] for one in done["Failed"]]) == (8, ["bad"])
    assert counts(sqs, url) == (1, 0, 0)


def test_batches_that_are_refused_whole(sqs: Any, make: Make) -> None:
    url = make()

    def send(*ids: str, body: str = "x") -> tuple[str, str]:
        entries = [{"Id": id_, "MessageBody": body} for id_ in ids]
        return refused(sqs.send_message_batch, QueueUrl=url, Entries=entries)

    start = "AWS.SimpleQueueService."
    assert send() == (
        f"{start}EmptyBatchRequest",
        "There should be at least one SendMessageBatchRequestEntry in the request.",
    )
    assert send(*map(str, range(11))) == (
        f"{start}TooManyEntriesInBatchRequest",
        "Maximum number of entries per request are 10. You have sent 11.",
    )
    assert send("a", "b", "a") == (f"{start}BatchEntryIdsNotDistinct", "Id a repeated.")
    for bad in ("", "a b", "a" * 81, "é"):
        assert send(bad)[0] == f"{start}InvalidBatchEntryId"
    assert send("a", "b", body="x" * 524_289)[0] == f"{start}BatchRequestTooLong"
    assert counts(sqs, url) == (0, 0, 0)
    sqs.send_message_batch(
        QueueUrl=url, Entries=[{"Id": id_, "MessageBody": "x" * 524_288} for id_ in "ab"]
    )  # exactly a mebibyte


def test_sizes(sqs: Any, make: Make) -> None:
    url = make(MaximumMessageSize="1024")
    attribute = {"name": {"DataType": "String", "StringValue": "y" * 14}}  # 4 + 6 + 14 bytes
    sqs.send_message(QueueUrl=url, MessageBody="x" * 1_000, MessageAttributes=attribute)
    for body, given in (("x" * 1_001, attribute), ("é" * 513, {})):
        code, message = refused(sqs.send_message, QueueUrl=url, MessageBody=body, MessageAttributes=given)
        assert code == "InvalidParameterValue"
        assert message == "One or more parameters are invalid. Reason: Message must be shorter than 1024 bytes."
    large = make()
    sqs.send_message(QueueUrl=large, MessageBody="x" * 1_048_576)
    assert len(received(sqs, large)[0]["Body"]) == 1_048_576
    assert refused(sqs.send_message, QueueUrl=large, MessageBody="x" * 1_048_577)[0] == "InvalidParameterValue"


def test_bodies_that_cannot_be(sqs: Any, make: Make) -> None:
    url = make()
    assert refused(sqs.send_message, QueueUrl=url, MessageBody="")[0] == "MissingParameter"
    for body in ("a\x00b", "\x0b", "\ufffe", "\uffff"):
        assert refused(sqs.send_message, QueueUrl=url, MessageBody=body)[0] == "InvalidMessageContents"
    for body in ("\t\n\r", "\ufffd", "\U0010ffff"):
        sqs.send_message(QueueUrl=url, MessageBody=body)


_TOO_LONG = "must be shorter than 256 bytes."
_EMPTY = "Message (user) attribute 'a' must contain a non-empty value of type"
_RESERVED = "You can't use message attribute names beginning with 'AWS.' or 'Amazon'. These strings are reserved for "
_RESERVED += "internal use."


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("", {"DataType": "String", "StringValue": "x"}, "The request must contain non-empty message (user) attribute"),
        ("AWS.x", {"DataType": "String", "StringValue": "x"}, _RESERVED),
        ("amazon.x", {"DataType": "String", "StringValue": "x"}, _RESERVED),
        (".x", {"DataType": "String", "StringValue": "x"}, "period"),
        ("x.", {"DataType": "String", "StringValue": "x"}, "period"),
        ("a..b", {"DataType": "String", "StringValue": "x"}, "period"),
        ("a b", {"DataType": "String", "StringValue": "x"}, "underscores and periods"),
        ("a§", {"DataType": "String", "StringValue": "x"}, "underscores and periods"),
        ("a" * 257, {"DataType": "String", "StringValue": "x"}, f"Message (user) attribute name {_TOO_LONG}"),
        (
            "a",
            {"DataType": "Text", "StringValue": "x"},
            "The type of message (user) attribute 'a' is invalid. You must",
        ),
        ("a", {"DataType": "", "StringValue": "x"}, "non-empty message attribute type"),
        ("a", {"DataType": "String", "StringValue": ""}, f"{_EMPTY} 'String'."),
        ("a", {"DataType": "String", "BinaryValue": b"x"}, f"{_EMPTY} 'String'."),
        ("a", {"DataType": "String", "StringValue": "x", "BinaryValue": b"x"}, "multiple values"),
        ("a", {"DataType": "String", "StringValue": "\x00"}, "Invalid characters"),
        ("a", {"DataType": "Binary", "StringValue": "x"}, f"{_EMPTY} 'Binary'."),
        (
            "a",
            {"DataType": "Number", "StringValue": "one"},
            "Can't cast the value of message (user) attribute 'a' to a",
        ),
        ("a", {"DataType": "Number", "StringValue": "1" * 39}, "Can't cast the value"),
        ("a", {"DataType": "Number", "StringValue": "1.1e126"}, "Can't cast the value"),
        ("a", {"DataType": "Number", "StringValue": "-1.1e128"}, "Can't cast the value"),
        ("a", {"DataType": "String." + "x" * 250, "StringValue": "x"}, f"Message (user) attribute type {_TOO_LONG}"),
    ],
)
def test_attributes_that_cannot_be(sqs: Any, make: Make, name: str, value: dict[str, Any], told: str) -> None:
    code, message = refused(sqs.send_message, QueueUrl=make(), MessageBody="x", MessageAttributes={name: value})
    assert code == "InvalidParameterValue"
    assert told in message


def test_names_of_attributes_are_of_any_alphabet(sqs: Any, make: Make) -> None:
    url, name = make(), "größe.1-名前_ø"
    given = {name: {"DataType": "String", "StringValue": "x"}}
    sent = sqs.send_message(QueueUrl=url, MessageBody="x", MessageAttributes=given)
    (message,) = received(sqs, url, MessageAttributeNames=[name])
    assert message["MessageAttributes"] == given
    assert message["MD5OfMessageAttributes"] == sent["MD5OfMessageAttributes"]
    small = make(MaximumMessageSize="1024")
    body = "x" * (1024 - len(f"{name}Stringx".encode()))
    sqs.send_message(QueueUrl=small, MessageBody=body, MessageAttributes=given)
    assert refused(sqs.send_message, QueueUrl=small, MessageBody=f"{body}x", MessageAttributes=given)[0] == (
        "InvalidParameterValue"
    )


def test_more_than_ten_attributes_and_lists(sqs: Any, make: Make) -> None:
    url = make()
    eleven = {str(number): {"DataType": "String", "StringValue": "x"} for number in range(11)}
    assert refused(sqs.send_message, QueueUrl=url, MessageBody="x", MessageAttributes=eleven) == (
        "InvalidParameterValue",
        "Number of message attributes [11] exceeds the allowed maximum [10].",
    )
    listed = {"a": {"DataType": "String", "StringListValues": ["x"]}}
    assert refused(sqs.send_message, QueueUrl=url, MessageBody="x", MessageAttributes=listed)[0] == (
        "AWS.SimpleQueueService.UnsupportedOperation"
    )
    for system in ({"Other": {"DataType": "String", "StringValue": "x"}}, {"AWSTraceHeader": {"DataType": "Binary"}}):
        code, _ = refused(sqs.send_message, QueueUrl=url, MessageBody="x", MessageSystemAttributes=system)
        assert code == "InvalidParameterValue"


def test_what_a_receive_may_ask_for(sqs: Any, make: Make) -> None:
    url = make()
    for name, bad in (
        ("MaxNumberOfMessages", (0, 11)),
        ("WaitTimeSeconds", (-1, 21)),
        ("VisibilityTimeout", (-1, 43_201)),
    ):
        for value in bad:
            code, message = refused(sqs.receive_message, QueueUrl=url, **{name: value})
            assert code == "InvalidParameterValue"
            assert message.startswith(f"Value {value} for parameter {name} is invalid. Reason: Must be ")
    assert refused(sqs.receive_message, QueueUrl=url, ReceiveRequestAttemptId="a")[0] == "InvalidParameterValue"
    code, _ = refused(sqs.send_message, QueueUrl=url, MessageBody="x", MessageDeduplicationId="a")
    assert code == "InvalidParameterValue"


def test_a_group_in_a_standard_queue_is_told(sqs: Any, make: Make) -> None:
    url = make()
    for number in range(2):
        sqs.send_message(QueueUrl=url, MessageBody=str(number), MessageGroupId="tenant")
    found = received(sqs, url, AttributeNames=["All"])
    assert [message["Attributes"]["MessageGroupId"] for message in found] == ["tenant", "tenant"]  # nothing is blocked
    assert "SequenceNumber" not in found[0]["Attributes"]
    assert refused(sqs.send_message, QueueUrl=url, MessageBody="x", MessageGroupId="a b")[0] == "InvalidParameterValue"


def test_receivers_at_the_same_time_get_different_messages(served: Served, sqs: Any, make: Make) -> None:
    url = make()
    for start in range(0, 100, 10):
        entries = [{"Id": str(number), "MessageBody": str(number)} for number in range(start, start + 10)]
        sqs.send_message_batch(QueueUrl=url, Entries=entries)
    found: list[str] = []

    def receive() -> None:
        mine = served.client()
        while got := bodies(mine, url, 7):
            found.extend(got)

    threads = [threading.Thread(target=receive) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(map(int, found)) == list(range(100))


def raw(url: str, operation: str, params: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    place = urlsplit(url)
    connection = http.client.HTTPConnection(str(place.hostname), place.port, timeout=30)
    headers = {"x-amz-target": f"AmazonSQS.{operation}", "content-type": "application/x-amz-json-1.0"}
    connection.request("POST", "/", json.dumps(params), headers)
    answer = connection.getresponse()
    try:
        return answer.status, json.loads(answer.read() or b"{}")
    finally:
        connection.close()


def test_missing_parameters_are_named(served: Served, sqs: Any, make: Make) -> None:
    loose = served.client(parameter_validation=False)
    assert refused(loose.send_message, MessageBody="x") == (
        "MissingParameter",
        "The request must contain the parameter QueueUrl.",
    )
    code, message = refused(loose.send_message_batch, QueueUrl=make(), Entries=[{"Id": "a"}])
    assert code == "MissingParameter"
    assert message == "The request must contain the parameter SendMessageBatchRequestEntry.1.MessageBody."
    asked: list[tuple[str, dict[str, Any]]] = [
        ("GetQueueAttributes", {"AttributeNames": [None]}),
        ("ReceiveMessage", {"MessageSystemAttributeNames": ["All", None]}),
        ("ReceiveMessage", {"MessageAttributeNames": [None]}),
        ("UntagQueue", {"TagKeys": [None]}),
        ("SendMessage", {}),
        ("DeleteMessageBatch", {"Entries": [None]}),
        ("AddPermission", {"Label": "a", "AWSAccountIds": [None], "Actions": [None]}),
    ]
    for operation, params in asked:  # what no SDK sends
        status, answer = raw(served.url, operation, {"QueueUrl": make(), **params})
        assert (status, answer["__type"]) == (400, "MissingRequiredParameterException"), operation
    status, answer = raw(served.url, "ReceiveMessage", {"QueueUrl": make(), "MaxNumberOfMessages": 11})
    assert (status, answer["__type"]) == (400, "InvalidParameterValueException")
    status, answer = raw(served.url, "DeleteMessageBatch", {"QueueUrl": make()})
    assert (status, answer["__type"]) == (400, "EmptyBatchRequest")


def test_standard_order_is_that_of_sending(sqs: Any, make: Make) -> None:
    url = make()
    for number in range(12):
        sqs.send_message(QueueUrl=url, MessageBody=str(number))
        time.sleep(0.002)
    assert bodies(sqs, url) == [str(number) for number in range(10)]
