"""Events as documents, and what endpoints' answers mean: pure."""

import json
from typing import Any

import pytest

from bulb.services.events.envelope import Event, abroad, event_of_payload, replayed
from bulb.services.events.names import BusName, RuleName, bus_of_arn, rule_of_arn
from bulb.services.events.requests import refusal_of, token_of

BUS = BusName("000000000000", "us-east-1", "orders")
WHOLE = {
    "version": "0",
    "id": "an-id",
    "detail-type": "kind",
    "source": "aws.s3",
    "account": "1",
    "time": "2020-01-01T00:00:00Z",
    "region": "r",
    "resources": ["arn"],
    "detail": {"n": 1},
}


@pytest.mark.parametrize(
    ("status", "headers", "code", "is_final", "wait"),
    [
        (400, {}, "SDK_CLIENT_ERROR", True, None),
        (404, {}, "SDK_CLIENT_ERROR", True, None),
        (403, {}, "NO_PERMISSIONS", True, None),
        (302, {}, "SDK_CLIENT_ERROR", True, None),
        (401, {}, "NO_PERMISSIONS", False, None),
        (407, {}, "NO_PERMISSIONS", False, None),
        (409, {}, "SDK_CLIENT_ERROR", False, None),
        (429, {"retry-after": "7"}, "THROTTLING", False, 7.0),
        (503, {"retry-after": "7"}, "ERROR_FROM_TARGET", False, 7.0),
        (503, {"retry-after": "-1"}, "ERROR_FROM_TARGET", True, None),
        (500, {"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT"}, "ERROR_FROM_TARGET", False, None),
        (500, {"retry-after": "nan"}, "ERROR_FROM_TARGET", False, None),
    ],
)
def test_answers_of_endpoints(
    status: int, headers: dict[str, str], code: str, is_final: bool, wait: float | None
) -> None:
    refusal = refusal_of(status, headers)
    assert refusal is not None
    assert (refusal.code, refusal.is_final, refusal.retry_after_s) == (code, is_final, wait)


@pytest.mark.parametrize("status", [200, 202, 204])
def test_success_is_no_refusal(status: int) -> None:
    assert refusal_of(status, {}) is None


def test_tokens_are_found_or_not() -> None:
    assert token_of(b'{"access_token": "t", "expires_in": 60}', 1000.0) == ("t", 1060.0)
    assert token_of(b'{"access_token": "t", "expires_in": "60"}', 1000.0) == ("t", 1060.0)
    assert token_of(b'{"access_token": "t"}', 1000.0) == ("t", None)
    for body in (b"", b"[]", b"{}", b'{"access_token": ""}', b'{"access_token": 1}', b'{"access_token": "a\\r\\nb"}'):
        with pytest.raises(ValueError):
            token_of(body, 1000.0)


def test_a_whole_event_is_put_as_it_is() -> None:
    payload = json.dumps(WHOLE).encode()
    event = event_of_payload(payload, BUS, "2", 5.0)
    assert event is not None
    assert (event.payload, event.document, event.id, event.at) == (payload, WHOLE, "an-id", 1577836800.0)


def test_what_an_event_leaves_out_is_added() -> None:
    event = event_of_payload(b'{"source":"a","detail-type":"b","more":1}', BUS, "2", 5.0)
    assert event is not None
    added: dict[str, Any] = {**event.document}
    assert len(added.pop("id")) == 36
    assert added == {
        "version": "0",
        "detail-type": "b",
        "source": "a",
        "account": "2",
        "time": "1970-01-01T00:00:05Z",
        "region": "us-east-1",
        "resources": [],
        "detail": {},
    }
    assert json.loads(event.payload) == event.document


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"[]",
        b"{}",
        b'{"source":"a"}',
        b'{"source":"a","detail-type":"b","detail":[]}',
        b'{"source":1,"detail-type":"b"}',
        b'{"source":"a","detail-type":"b","time":"then"}',
    ],
)
def test_what_is_no_event_is_not_put(payload: bytes) -> None:
    assert event_of_payload(payload, BUS, "2", 5.0) is None


def test_a_replay_puts_its_name_before_the_resources_and_changes_nothing_else() -> None:
    exact = '"detail":{"n":1.10,"big":12345678901234567890123,"nested":{"resources":[1],"detail":{}}}}'
    head = json.dumps({name: one for name, one in WHOLE.items() if name != "detail"}, separators=(",", ":"))
    event = replayed(f"{head[:-1]},{exact}".encode(), "again")
    assert event.payload.decode() == f"{head[:-1]},{exact}".replace(
        '"resources":["arn"]', '"replay-name":"again","resources":["arn"]'
    )
    assert event.document["replay-name"] == "again"
    other_order = json.dumps({"detail": {"resources": []}, **WHOLE}).encode()
    assert json.loads(replayed(other_order, "again").payload)["replay-name"] == "again"


def test_a_deep_event_is_replayed_as_it_is() -> None:
    head = json.dumps({name: one for name, one in WHOLE.items() if name != "detail"}, separators=(",", ":"))
    deep = f'{head[:-1]},"detail":{{"a":{"[" * 900}{"]" * 900}}}}}'.encode()
    assert replayed(deep, "again").payload == deep.replace(b',"resources":', b',"replay-name":"again","resources":')


def test_an_event_abroad_has_another_id_and_is_otherwise_the_same() -> None:
    exact = b'"detail-type":"kind","detail":{"n":1.10,"id":"an-id"}}'
    for head in (b'{"version":"0","id":"an-id",', b'{"id":"an-id","version":"0",'):
        payload = head + exact
        event = abroad(Event("an-id", json.loads(payload), payload, 5.0))
        assert event.document == json.loads(event.payload)
        assert event.document == {**json.loads(payload), "id": event.id}
        assert event.id != "an-id"
    assert abroad(Event("i", {}, b'{"version":"0","id":"i",' + exact, 5.0)).payload.endswith(exact), "numbers too"


def test_arns_lead_back_to_names() -> None:
    assert bus_of_arn(BUS.arn) == BUS
    for rule in (RuleName(*BUS, "r"), RuleName("000000000000", "us-east-1", "default", "r")):
        assert rule_of_arn(rule.arn) == rule
    for arn in ("", "orders", "arn:aws:sqs:us-east-1:000000000000:q", "arn:aws:events:us-east-1:me:event-bus/a"):
        assert bus_of_arn(arn) is None
