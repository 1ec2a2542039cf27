"""Function URLs without a server: addresses, events of proxies, answers in every corner."""

import json
from typing import Any

import pytest

from bulb.http.message import BufferedBody, Request
from bulb.services.lambda_.model import FunctionKey
from bulb.services.lambda_.urls import streaming
from bulb.services.lambda_.urls.address import address
from bulb.services.lambda_.urls.event import arrival, event
from bulb.services.lambda_.urls.model import FunctionUrl, new_id
from bulb.services.lambda_.urls.response import MalformedAnswerError, response

NOW = 1_773_342_238.39


@pytest.mark.parametrize(
    ("base", "domain", "expected"),
    [
        ("http://127.0.0.1:4566", None, "http://ID.lambda-url.eu-west-1.localhost:4566/"),
        ("http://localhost:4566", None, "http://ID.lambda-url.eu-west-1.localhost:4566/"),
        ("http://[::1]:4566", None, "http://ID.lambda-url.eu-west-1.localhost:4566/"),
        ("http://10.0.0.5:4566", None, "http://10.0.0.5:4566/_url/ID/"),
        ("http://bulb.example", None, "http://bulb.example/_url/ID/"),
        ("http://10.0.0.5:4566", "fn.example.com", "https://ID.lambda-url.eu-west-1.fn.example.com/"),
    ],
)
def test_addresses_work_from_where_the_client_is(base: str, domain: str | None, expected: str) -> None:
    assert address("ID", "eu-west-1", base, domain) == expected


def test_ids_are_32_letters_and_digits() -> None:
    made = {new_id() for _ in range(50)}
    assert len(made) == 50
    assert all(len(one) == 32 and one.isascii() and one.isalnum() and one == one.lower() for one in made)


def test_time_is_in_english_and_to_the_millisecond() -> None:
    request = Request("GET", "/", "", {"host": "x"}, BufferedBody(b""), ("192.0.2.7", 1))
    url = FunctionUrl(FunctionKey("000000000000", "us-east-1", "f"), None, "ID", "NONE", 0, 0)
    came = arrival(request, "r", NOW, "Root=1-a-b", behind_proxy=False)
    context = json.loads(event(url, request, "/", b"", came, None))["requestContext"]
    assert (context["time"], context["timeEpoch"]) == ("12/Mar/2026:19:03:58 +0000", 1773342238390)
    assert context["http"]["sourceIp"] == "192.0.2.7"


@pytest.mark.parametrize("payload", [b"plain text", b"\xff\xfe", b'{"open'])
def test_what_is_no_json_is_passed_on(payload: bytes) -> None:
    made = response(payload)
    assert (made.status, made.header("content-type"), made.body) == (200, "application/octet-stream", payload)


@pytest.mark.parametrize(
    ("answer", "status", "body"),
    [
        ({"statusCode": "404", "body": None}, 404, b""),
        ({"statusCode": 200, "body": {"a": 1}}, 200, b'{"a":1}'),
        ({"statusCode": 200}, 200, b""),
        ({"statusCode": 599, "body": ""}, 599, b""),
    ],
)
def test_corners_of_answers_with_a_status(answer: Any, status: int, body: bytes) -> None:
    made = response(json.dumps(answer).encode())
    assert (made.status, made.body, made.header("content-type")) == (status, body, "application/json")


def test_what_is_only_nearly_json_becomes_json() -> None:
    assert response(b'{"a": NaN}').body == b'{"a":null}'
    assert response(b'{"a": "\\ud800"}').body == b'{"a":"\\ud800"}'


@pytest.mark.parametrize("status", [True, 100.5, None, [], "", "2000000000000000000000", 100, 600, -1])
def test_what_is_no_status_is_malformed(status: Any) -> None:
    with pytest.raises(MalformedAnswerError):
        response(json.dumps({"statusCode": status}).encode())


def test_letters_beyond_latin_1_in_headers_are_utf_8() -> None:
    made = response(json.dumps({"statusCode": 200, "headers": {"x": "\u20ac"}}).encode())
    assert made.header("x") == "\u20ac".encode().decode("latin-1")


def test_a_collected_stream_begins_with_its_metadata() -> None:
    made = streaming.collected(b'{"statusCode":201,"cookies":["a=b"]}' + bytes(8) + b"body\x00\x00")
    assert made is not None
    assert (made.status, made.header("set-cookie"), made.body) == (201, "a=b", b"body\x00\x00")
    assert streaming.collected(b"{" + bytes(8)) is None
    assert streaming.collected(b"text" + bytes(8)) is None
