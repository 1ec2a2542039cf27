"""What the Telemetry and Logs APIs take, and what they say of the rest."""

import json
from typing import Any

import pytest

from bulb.environments.subscriptions import InvalidSubscriptionError, Subscription, parse

GOOD: dict[str, Any] = {
    "schemaVersion": "2022-12-13",
    "types": ["platform", "function", "platform"],
    "destination": {"protocol": "HTTP", "URI": "http://sandbox.localdomain:8080/a?b=c"},
}


def body(**changes: Any) -> bytes:
    return json.dumps({name: value for name, value in (GOOD | changes).items() if value is not ...}).encode()


def test_defaults() -> None:
    assert parse("telemetry", body()) == Subscription(
        api="telemetry",
        schema="2022-12-13",
        types=("platform", "function"),
        max_items=10_000,
        max_bytes=262_144,
        timeout_ms=1_000,
        protocol="HTTP",
        port=8080,
        host="sandbox.localdomain:8080",
        path="/a?b=c",
    )


def test_tcp_and_bounds() -> None:
    buffering = {"maxItems": 1_000, "maxBytes": 1_048_576, "timeoutMs": 25}
    found = parse("telemetry", body(destination={"protocol": "TCP", "port": 5000}, buffering=buffering))
    assert (found.protocol, found.port) == ("TCP", 5000)
    assert (found.max_items, found.max_bytes, found.timeout_ms) == (1_000, 1_048_576, 25)


def test_the_older_api_has_no_schema_version() -> None:
    found = parse("logs", body(schemaVersion=..., destination={"protocol": "HTTP", "URI": "http://sandbox:80"}))
    assert (found.schema, found.path, found.has_parsed_records) == (None, "/", False)


@pytest.mark.parametrize(("schema", "parsed"), [("2022-07-01", False), ("2022-12-13", True), ("2025-01-29", True)])
def test_newer_schemas_have_parsed_records(schema: str, parsed: bool) -> None:
    assert parse("telemetry", body(schemaVersion=schema)).has_parsed_records is parsed


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        (
            {"types": [], "destination": {"protocol": "HTTP", "URI": "http://sandbox.localdomain"}},
            "URI port is not provided; types should not be empty",
        ),
        ({"types": ["function", "x"]}, "types: x is not one of platform, function, extension"),
        ({"schemaVersion": "2020-01-01"}, "schemaVersion should be one of 2022-07-01, 2022-12-13, 2025-01-29"),
        ({"buffering": {"maxItems": 999}}, "buffering: maxItems should be between 1000 and 10000"),
        ({"buffering": {"maxBytes": 1_048_577}}, "buffering: maxBytes should be between 262144 and 1048576"),
        ({"buffering": {"timeoutMs": 24}}, "buffering: timeoutMs should be between 25 and 30000"),
        ({"buffering": {"timeoutMs": True}}, "buffering: timeoutMs should be between 25 and 30000"),
        ({"destination": ...}, "destination is not provided"),
        ({"destination": {"protocol": "UDP"}}, "destination: protocol should be HTTP or TCP"),
        ({"destination": {"protocol": "TCP"}}, "port is not provided"),
        ({"destination": {"protocol": "TCP", "port": 9001}}, "port 9001 is reserved"),
        (
            {"destination": {"protocol": "HTTP", "URI": "http://sandbox.localdomain:9001"}},
            "URI port 9001 is reserved",
        ),
        (
            {"destination": {"protocol": "HTTP", "URI": "http://example.com:80"}},
            "URI host should be sandbox.localdomain",
        ),
        ({"destination": {"protocol": "HTTP", "URI": "https://sandbox:80"}}, "URI scheme should be http"),
        ({"destination": {"protocol": "HTTP", "URI": "http://sandbox:99999"}}, "URI is not valid"),
        ({"destination": {"protocol": "HTTP", "URI": "http://sandbox:80/a b"}}, "URI is not valid"),
    ],
)
def test_what_is_wrong_is_named(changes: dict[str, Any], text: str) -> None:
    with pytest.raises(InvalidSubscriptionError) as refused:
        parse("telemetry", body(**changes))
    assert str(refused.value) == text


@pytest.mark.parametrize("raw", [b"", b"[]", b"{"])
def test_no_document_at_all(raw: bytes) -> None:
    with pytest.raises(InvalidSubscriptionError):
        parse("logs", raw)
