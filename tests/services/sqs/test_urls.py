"""Queue URLs in every shape, and the query protocol, which old clients speak."""

import http.client
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest

from bulb.services.sqs.addresses import Address, parse
from tests.services.sqs.conftest import ACCOUNT, REGION, Served, bodies, counts, name_of, refused

Make = Callable[..., str]


@pytest.mark.parametrize(
    ("url", "region"),
    [
        ("http://localhost:4566/000000000000/q", None),
        ("http://127.0.0.1:4566/000000000000/q/", None),
        ("/000000000000/q", None),
        ("http://sqs.eu-west-1.localhost:4566/000000000000/q", "eu-west-1"),
        ("https://sqs.eu-west-1.amazonaws.com/000000000000/q", "eu-west-1"),
        ("https://sqs.us-gov-west-1.amazonaws.com/000000000000/q", "us-gov-west-1"),
        ("https://eu-west-1.queue.amazonaws.com/000000000000/q", "eu-west-1"),
        ("https://queue.amazonaws.com/000000000000/q", None),
        ("http://queue.localhost.localstack.cloud:4566/000000000000/q", None),
        ("http://eu-west-1.queue.localhost.localstack.cloud:4566/000000000000/q", "eu-west-1"),
        ("http://localhost:4566/queue/eu-west-1/000000000000/q", "eu-west-1"),
        ("http://localhost:4566/queue/000000000000/q", None),
    ],
)
def test_shapes(url: str, region: str | None) -> None:
    assert parse(url) == Address("000000000000", region, "q")


@pytest.mark.parametrize(
    "url",
    ["", "q", "http://localhost", "http://localhost/q", "http://localhost/123/q", "http://localhost/000000000000/q/r",
     "ftp://localhost/000000000000/q", "http://[/000000000000/q", "arn:aws:sqs:us-east-1:000000000000:q"],
)  # fmt: skip
def test_what_is_no_queue_url(url: str, sqs: Any) -> None:
    assert parse(url) is None
    code, message = refused(sqs.receive_message, QueueUrl=url)
    assert (code, message) == ("InvalidAddress", f"The address {url} is not valid for this endpoint.")


def test_each_shape_names_the_queue(sqs: Any, make: Make) -> None:
    url = make()
    path = f"{ACCOUNT}/{name_of(url)}"
    for start in (f"https://sqs.{REGION}.amazonaws.com/", "https://queue.amazonaws.com/", f"http://x/queue/{REGION}/"):
        sqs.send_message(QueueUrl=start + path, MessageBody=start)
    assert counts(sqs, url) == (3, 0, 0)
    elsewhere = f"https://sqs.eu-west-1.amazonaws.com/{path}"
    assert refused(sqs.send_message, QueueUrl=elsewhere, MessageBody="x")[0].endswith("NonExistentQueue")


def query(served: Served, path: str, host: str | None = None, **params: str) -> tuple[int, str]:
    place = urlsplit(served.url)
    connection = http.client.HTTPConnection(str(place.hostname), place.port, timeout=30)
    headers = {"content-type": "application/x-www-form-urlencoded"} | ({"host": host} if host else {})
    connection.request("POST", path, urlencode(params), headers)
    answer = connection.getresponse()
    try:
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def test_the_query_protocol(served: Served, sqs: Any, make: Make) -> None:
    url = make()
    version = {"Version": "2012-11-05"}
    attribute = {
        "MessageAttribute.1.Name": "a",
        "MessageAttribute.1.Value.DataType": "String",
        "MessageAttribute.1.Value.StringValue": "b",
    }
    send = {**version, "Action": "SendMessage", "MessageBody": "by query & more", **attribute}
    status, text = query(served, "/", **send, QueueUrl=url)
    assert (status, "<SendMessageResult>" in text, "<MD5OfMessageBody>" in text) == (200, True, True)
    path = urlsplit(url).path
    for address, host in ((path, None), (path, f"sqs.{REGION}.localhost"), (f"/queue/{REGION}{path}", None)):
        assert query(served, address, host, **send)[0] == 200  # straight to the queue's URL
    assert counts(sqs, url) == (4, 0, 0)
    status, text = query(served, path, **version, Action="ReceiveMessage", **{"AttributeName.1": "All"})
    assert (status, "<Body>by query &amp; more</Body>" in text, "<Name>SenderId</Name>" in text) == (200, True, True)
    entries = {
        "DeleteMessageBatchRequestEntry.1.Id": "a",
        "DeleteMessageBatchRequestEntry.1.ReceiptHandle": text.partition("<ReceiptHandle>")[2].partition("<")[0],
    }
    status, text = query(served, path, **version, Action="DeleteMessageBatch", **entries)
    assert (status, "<DeleteMessageBatchResultEntry><Id>a</Id>" in text) == (200, True)
    assert counts(sqs, url) == (3, 0, 0)


def test_one_element_of_a_list_needs_no_number(served: Served, sqs: Any, make: Make) -> None:
    """As boto 2 and the examples of AWS's older pages write it."""
    url = make()

    def ask(action: str, **params: str) -> tuple[int, str]:
        return query(served, urlsplit(url).path, Action=action, Version="2012-11-05", **params)

    assert ask("SetQueueAttributes", **{"Attribute.Name": "DelaySeconds", "Attribute.Value": "7"})[0] == 200
    status, text = ask("GetQueueAttributes", AttributeName="DelaySeconds")
    assert (status, "<Name>DelaySeconds</Name><Value>7</Value>" in text) == (200, True)
    assert ask("TagQueue", **{"Tag.Key": "kind", "Tag.Value": "test"})[0] == 200
    assert sqs.list_queue_tags(QueueUrl=url)["Tags"] == {"kind": "test"}
    assert ask("UntagQueue", TagKey="kind")[0] == 200
    assert "Tags" not in sqs.list_queue_tags(QueueUrl=url)
    entry = {"SendMessageBatchRequestEntry.Id": "a", "SendMessageBatchRequestEntry.MessageBody": "b"}
    assert "<SendMessageBatchResultEntry><Id>a</Id>" in ask("SendMessageBatch", **entry)[1]
    assert counts(sqs, url) == (0, 0, 1)
    status, text = ask("GetQueueAttributes", **{"AttributeName.x": "All"})
    assert (status, "<Code>MalformedInput</Code>" in text) == (400, True)


def test_errors_of_the_query_protocol(served: Served, make: Make) -> None:
    path = urlsplit(make()).path
    status, text = query(served, f"{path}x", Action="ReceiveMessage", Version="2012-11-05")
    assert (status, "<Code>AWS.SimpleQueueService.NonExistentQueue</Code>" in text) == (400, True)
    assert "<Message>The specified queue does not exist for this wsdl version.</Message>" in text
    status, text = query(served, path, Action="SendMessage", Version="2012-11-05")
    assert (status, "<Code>MissingParameter</Code>" in text) == (400, True)
    status, text = query(served, path, Action="SendMessageBatch", Version="2012-11-05")
    assert (status, "at least one SendMessageBatchRequestEntry in the request" in text) == (400, True)
    status, text = query(served, path, Action="Nothing", Version="2012-11-05")
    assert (status, "<Code>InvalidAction</Code>" in text) == (400, True)
    assert "<Message>The action Nothing is not valid for this endpoint.</Message>" in text


def test_answers_in_both_protocols_name_the_host_asked(served: Served, sqs: Any, make: Make) -> None:
    name = name_of(make())
    status, text = query(
        served, "/", f"sqs.{REGION}.localhost:4566", Action="GetQueueUrl", Version="2012-11-05", QueueName=name
    )
    assert (status, f"<QueueUrl>http://sqs.{REGION}.localhost:4566/{ACCOUNT}/{name}</QueueUrl>" in text) == (200, True)
    assert bodies(sqs, f"http://sqs.{REGION}.localhost:4566/{ACCOUNT}/{name}") == []
