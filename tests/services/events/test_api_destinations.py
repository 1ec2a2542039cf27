"""Connections, API destinations, and the requests that are made of events."""

import base64
import json
import socket
import time
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from bulb.delivery import http_client
from bulb.services.events import posting
from tests.services.events.endpoint import Answer, Endpoint
from tests.services.events.room import ACCOUNT, Room, refusal
from tests.support.waiting import until

KEY = {"ApiKeyAuthParameters": {"ApiKeyName": "x-key", "ApiKeyValue": "secret"}}
BASIC = {"BasicAuthParameters": {"Username": "ann", "Password": "pässword"}}


def connection(room: Room, kind: str = "API_KEY", parameters: dict[str, Any] | None = None) -> str:
    made = room.events.create_connection(
        Name=room.name("connection"), AuthorizationType=kind, AuthParameters=parameters or KEY
    )
    arn: str = made["ConnectionArn"]
    return arn


def destination(room: Room, url: str, connection_arn: str | None = None, method: str = "POST", **settings: Any) -> str:
    made = room.events.create_api_destination(
        Name=room.name("destination"),
        ConnectionArn=connection_arn or connection(room),
        InvocationEndpoint=url,
        HttpMethod=method,
        **settings,
    )
    arn: str = made["ApiDestinationArn"]
    return arn


def test_a_connection_is_made_shown_changed_and_deleted(room: Room) -> None:
    name = room.name("connection")
    extra = {
        "HeaderParameters": [{"Key": "x-open", "Value": "1"}, {"Key": "x-secret", "Value": "2", "IsValueSecret": True}]
    }
    made = room.events.create_connection(
        Name=name, AuthorizationType="BASIC", AuthParameters={**BASIC, "InvocationHttpParameters": extra}
    )
    assert made["ConnectionArn"].startswith(f"arn:aws:events:us-east-1:{ACCOUNT}:connection/{name}/")
    assert made["ConnectionState"] == "AUTHORIZED"
    told = room.events.describe_connection(Name=name)
    assert told["AuthParameters"] == {
        "BasicAuthParameters": {"Username": "ann"},
        "InvocationHttpParameters": {
            "HeaderParameters": [
                {"Key": "x-open", "Value": "1"},
                {"Key": "x-secret", "IsValueSecret": True},
            ]
        },
    }
    assert told["LastAuthorizedTime"]
    room.events.update_connection(
        Name=name, AuthParameters={"BasicAuthParameters": {"Username": "bob"}}, Description="for bob"
    )
    told = room.events.describe_connection(Name=name)
    assert (told["AuthParameters"]["BasicAuthParameters"], told["Description"]) == ({"Username": "bob"}, "for bob")
    room.events.update_connection(Name=name, AuthorizationType="API_KEY", AuthParameters=KEY)
    told = room.events.describe_connection(Name=name)
    assert told["AuthorizationType"] == "API_KEY"
    assert told["AuthParameters"]["ApiKeyAuthParameters"] == {"ApiKeyName": "x-key"}
    assert "BasicAuthParameters" not in told["AuthParameters"]
    listed = room.events.list_connections(NamePrefix=name)["Connections"]
    assert [(one["Name"], one["ConnectionState"]) for one in listed] == [(name, "AUTHORIZED")]
    assert room.events.deauthorize_connection(Name=name)["ConnectionState"] == "DEAUTHORIZED"
    message = refusal(
        "ValidationException",
        room.events.update_connection,
        Name=name,
        AuthParameters={"ApiKeyAuthParameters": {"ApiKeyName": "other"}},
    )
    assert "ApiKeyValue must be specified" in message
    assert room.events.delete_connection(Name=name)["ConnectionState"] == "DELETING"
    for call, verb in ((room.events.describe_connection, "describe"), (room.events.delete_connection, "delete")):
        assert refusal("ResourceNotFoundException", call, Name=name) == (
            f"Failed to {verb} the connection(s). Connection '{name}' does not exist."
        )


def test_what_a_connection_cannot_be_is_refused(room: Room) -> None:
    create, name = room.events.create_connection, room.name("connection")
    message = refusal("ValidationException", create, Name=name, AuthorizationType="BASIC", AuthParameters=KEY)
    assert message == "Parameter BasicAuthParameters is not valid. Reason: Missing required field(s)."
    refusal("ValidationException", create, Name=name, AuthorizationType="BASIC", AuthParameters={**KEY, **BASIC})
    private = {
        "ResourceParameters": {
            "ResourceConfigurationArn": "arn:aws:vpc-lattice:us-east-1:123456789012:resourceconfiguration/rcfg-"
            "0123456789abcdefg"
        }
    }
    good = {"Name": name, "AuthorizationType": "API_KEY", "AuthParameters": KEY}
    refusal("NotImplementedException", create, **good, InvocationConnectivityParameters=private)
    refusal("NotImplementedException", create, **good, KmsKeyIdentifier="alias/a")
    create(**good)
    assert refusal("ResourceAlreadyExistsException", create, **good) == f"Connection {name} already exists."


def test_an_api_destination_is_made_shown_changed_and_deleted(room: Room) -> None:
    arn = connection(room)
    name = room.name("destination")
    made = room.events.create_api_destination(
        Name=name, ConnectionArn=arn, InvocationEndpoint="https://example.com/a", HttpMethod="POST"
    )
    assert made["ApiDestinationState"] == "ACTIVE"
    told = room.events.describe_api_destination(Name=name)
    assert (told["InvocationRateLimitPerSecond"], told["HttpMethod"], told["ConnectionArn"]) == (300, "POST", arn)
    room.events.update_api_destination(Name=name, HttpMethod="PUT", InvocationRateLimitPerSecond=5)
    told = room.events.describe_api_destination(Name=name)
    assert (told["InvocationRateLimitPerSecond"], told["HttpMethod"]) == (5, "PUT")
    assert [one["Name"] for one in room.events.list_api_destinations(ConnectionArn=arn)["ApiDestinations"]] == [name]
    room.events.deauthorize_connection(Name=arn.split("/")[1])
    assert room.events.describe_api_destination(Name=name)["ApiDestinationState"] == "INACTIVE"
    room.events.delete_api_destination(Name=name)
    assert refusal("ResourceNotFoundException", room.events.describe_api_destination, Name=name) == (
        f"Failed to describe the api-destination(s). An api-destination '{name}' does not exist."
    )
    refusal(
        "ResourceNotFoundException",
        room.events.create_api_destination,
        Name=name,
        ConnectionArn=arn[:-4] + "0000",
        InvocationEndpoint="https://example.com",
        HttpMethod="POST",
    )
    message = refusal(
        "ValidationException",
        room.events.create_api_destination,
        Name=name,
        ConnectionArn=arn,
        InvocationEndpoint="ftp://example.com",
        HttpMethod="POST",
    )
    assert message == "Parameter InvocationEndpoint is not valid. Reason: Endpoint 'ftp://example.com' is not valid."


def test_eventbridge_needs_a_role_for_an_api_destination(room: Room) -> None:
    arn, (rule, _) = destination(room, "https://example.com"), room.rule("default")
    message = refusal("ValidationException", room.events.put_targets, Rule=rule, Targets=[{"Id": "1", "Arn": arn}])
    assert message == f"RoleArn is required for target {arn}."


def test_a_request_has_what_target_and_connection_add(room: Room, endpoint: Endpoint) -> None:
    added = {
        "HeaderParameters": [{"Key": "x-both", "Value": "connection"}],
        "QueryStringParameters": [{"Key": "q", "Value": "connection"}],
        "BodyParameters": [{"Key": "extra", "Value": "member", "IsValueSecret": True}],
    }
    arn = destination(
        room,
        f"{endpoint.url}/a/*/b/*?fixed=1",
        connection(room, "BASIC", {**BASIC, "InvocationHttpParameters": added}),
    )
    http = {
        "PathParameterValues": ["$.detail.id", "plain"],
        "HeaderParameters": {"x-both": "target", "x-detail": "$.detail.who"},
        "QueryStringParameters": {"q": "target", "n": "$.detail.n"},
    }
    bus = room.bus()
    room.rule(bus, {"Arn": arn, "HttpParameters": http, "InputPath": "$.detail"})
    room.put(bus, {"id": "x/y", "who": "Ann", "n": 5})
    asked = endpoint.wait_for(1)[0]
    assert (asked.method, asked.path) == ("POST", "/a/x%2Fy/b/plain?fixed=1&q=connection&n=5")
    assert asked.json == {"id": "x/y", "who": "Ann", "n": 5, "extra": "member"}
    credentials = base64.b64encode("ann:pässword".encode()).decode()
    expected = {
        "authorization": f"Basic {credentials}",
        "content-type": "application/json; charset=utf-8",
        "user-agent": "Amazon/EventBridge/ApiDestinations",
        "range": "bytes=0-1048575",
        "accept-encoding": "gzip,deflate",
        "connection": "close",
        "content-length": str(len(asked.body)),
        "x-both": "connection",
        "x-detail": "Ann",
    }
    assert {name: asked.headers.get(name) for name in expected} == expected


def test_headers_that_eventbridge_takes_out_are_not_sent(room: Room, endpoint: Endpoint) -> None:
    added = {
        "HeaderParameters": [
            {"Key": "user-agent", "Value": "mine"},
            {"Key": "Content-Length", "Value": "1"},
            {"Key": "content-type", "Value": "text/plain"},
        ]
    }
    key = {"ApiKeyAuthParameters": {"ApiKeyName": "Range", "ApiKeyValue": "bytes=1-"}}
    arn = destination(
        room, f"{endpoint.url}/hook", connection(room, "API_KEY", {**key, "InvocationHttpParameters": added})
    )
    taken_out = ("Transfer-Encoding", "Host", "Cache-Control", "Origin", "If-Match", "Date", "Accept-Encoding", "Via")
    bus = room.bus()
    headers = dict.fromkeys((*taken_out, "Accept", "Cookie"), "mine")
    room.rule(bus, {"Arn": arn, "HttpParameters": {"HeaderParameters": headers}})
    event_id = room.put(bus)
    asked = endpoint.wait_for(1)[0]
    assert asked.json["id"] == event_id
    assert dict(asked.headers.items()) == {
        "host": urlsplit(endpoint.url).netloc,
        "content-length": str(len(asked.body)),
        "connection": "close",
        "user-agent": "Amazon/EventBridge/ApiDestinations",
        "range": "bytes=0-1048575",
        "accept-encoding": "gzip,deflate",
        "content-type": "text/plain",
        "accept": "mine",
        "cookie": "mine",
    }


def test_an_authorization_endpoint_gets_no_framing_that_is_configured(room: Room, endpoint: Endpoint) -> None:
    endpoint.at["/token"] = [_token("first")]
    parameters = oauth(endpoint)
    parameters["OAuthParameters"]["OAuthHttpParameters"]["HeaderParameters"] = [
        {"Key": "Content-Length", "Value": "1"},
        {"Key": "Cache-Control", "Value": "no-store"},
    ]
    connection(room, "OAUTH_CLIENT_CREDENTIALS", parameters)
    asked = endpoint.wait_for(1, "/token")[0]
    assert asked.headers["content-length"] == str(len(asked.body))
    assert asked.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "PUT", "PATCH", "DELETE"])
def test_every_method_is_used_as_it_is_set(room: Room, endpoint: Endpoint, method: str) -> None:
    bus = room.bus()
    room.rule(bus, {"Arn": destination(room, f"{endpoint.url}/m", method=method)})
    event_id = room.put(bus)
    asked = endpoint.wait_for(1)[0]
    assert (asked.method, asked.headers["x-key"]) == (method, "secret")
    assert (json.loads(asked.body)["id"] == event_id) if method in ("PUT", "PATCH", "DELETE") else asked.body == b""


def oauth(endpoint: Endpoint, method: str = "POST") -> dict[str, Any]:
    return {
        "OAuthParameters": {
            "ClientParameters": {"ClientID": "me", "ClientSecret": "hush"},
            "AuthorizationEndpoint": f"{endpoint.url}/token",
            "HttpMethod": method,
            "OAuthHttpParameters": {"BodyParameters": [{"Key": "audience", "Value": "all"}]},
        }
    }


def test_an_oauth_connection_gets_a_token_and_a_new_one_when_it_is_refused(room: Room, endpoint: Endpoint) -> None:
    endpoint.at["/token"] = [_token("first"), _token("second"), _token("third")]
    endpoint.at["/hook"] = [Answer(200), Answer(401), Answer(200), Answer(407), Answer(200)]
    arn = connection(room, "OAUTH_CLIENT_CREDENTIALS", oauth(endpoint))
    name = arn.split("/")[1]
    until(lambda: room.events.describe_connection(Name=name)["ConnectionState"] == "AUTHORIZED", "the authorization")
    asked = endpoint.wait_for(1, "/token")[0]
    form = {key: value[0] for key, value in parse_qs(asked.body.decode()).items()}
    assert form == {"grant_type": "client_credentials", "client_id": "me", "client_secret": "hush", "audience": "all"}
    shown = room.events.describe_connection(Name=name)["AuthParameters"]["OAuthParameters"]
    assert shown["ClientParameters"] == {"ClientID": "me"}
    bus = room.bus()
    room.rule(bus, {"Arn": destination(room, f"{endpoint.url}/hook", arn)})
    room.put(bus)
    endpoint.wait_for(1, "/hook")
    room.put(bus)
    tokens = [one.headers["authorization"] for one in endpoint.wait_for(3, "/hook")]
    assert tokens == ["Bearer first", "Bearer first", "Bearer second"]
    room.put(bus)
    again = endpoint.wait_for(5, "/hook")
    assert [one.headers["authorization"] for one in again[3:]] == ["Bearer second", "Bearer third"]


def test_a_token_is_renewed_before_it_runs_out(room: Room, endpoint: Endpoint) -> None:
    endpoint.at["/token"] = [_token("first", 300), _token("second", 300)]
    arn = connection(room, "OAUTH_CLIENT_CREDENTIALS", oauth(endpoint, "GET"))
    bus = room.bus()
    room.rule(bus, {"Arn": destination(room, f"{endpoint.url}/hook", arn)})
    name = arn.split("/")[1]
    until(lambda: room.events.describe_connection(Name=name)["ConnectionState"] == "AUTHORIZED", "the authorization")
    room.put(bus)
    assert endpoint.wait_for(1, "/hook")[0].headers["authorization"] == "Bearer first"
    room.clock.advance(250)
    room.put(bus)
    assert endpoint.wait_for(2, "/hook")[1].headers["authorization"] == "Bearer second"
    asked = endpoint.wait_for(2, "/token")[0]
    assert (asked.method, asked.body) == ("GET", b"")
    assert "client_id=me" in asked.path


def test_a_client_that_is_not_known_is_told_so(room: Room, endpoint: Endpoint) -> None:
    endpoint.at["/token"] = [Answer(403)]
    arn = connection(room, "OAUTH_CLIENT_CREDENTIALS", oauth(endpoint))
    name = arn.split("/")[1]

    def look() -> dict[str, Any] | None:
        room.clock.advance(2.1)
        told: dict[str, Any] = room.events.describe_connection(Name=name)
        return told if told["ConnectionState"] == "DEAUTHORIZED" else None

    told = until(look, "the refusal", every=0.1)
    assert told["StateReason"] == "Authorization failed: the authorization endpoint answered with status 403"
    bus, (url, dead_arn) = room.bus(), room.queue()
    room.rule(bus, {"Arn": destination(room, f"{endpoint.url}/hook", arn), "DeadLetterConfig": {"Arn": dead_arn}})
    room.put(bus)
    assert room.message(url)["MessageAttributes"]["ERROR_CODE"]["StringValue"] == "NO_PERMISSIONS"
    assert not [one for one in endpoint.asked if one.path == "/hook"]


def test_a_destination_gets_no_more_than_its_rate(room: Room, endpoint: Endpoint) -> None:
    """Of ten events at once nine wait; another destination, which gets them too, shows that they came."""
    bus, arn = room.bus(), connection(room)
    limited = destination(room, f"{endpoint.url}/limited", arn, InvocationRateLimitPerSecond=1)
    room.rule(bus, {"Arn": limited}, {"Arn": destination(room, f"{endpoint.url}/free", arn)})
    began = time.monotonic()
    entry = {"Source": "app", "DetailType": "kind", "Detail": "{}", "EventBusName": bus}
    room.events.put_events(Entries=[entry] * 10)
    endpoint.wait_for(10, "/free")
    other = room.bus()
    room.rule(other, {"Arn": destination(room, f"{endpoint.url}/last", arn)})
    room.put(other)
    endpoint.wait_for(1, "/last")
    came = len(endpoint.wait_for(1, "/limited"))
    assert came <= 1 + (time.monotonic() - began)
    room.clock.advance(10.0)
    assert len(endpoint.wait_for(10, "/limited")) == 10


def test_a_destination_that_is_deleted_takes_nothing(room: Room, endpoint: Endpoint) -> None:
    arn = destination(room, f"{endpoint.url}/hook")
    bus, (url, dead_arn) = room.bus(), room.queue()
    room.rule(bus, {"Arn": arn, "DeadLetterConfig": {"Arn": dead_arn}})
    room.events.delete_api_destination(Name=arn.split("/")[1])
    room.put(bus)
    assert room.message(url)["MessageAttributes"]["ERROR_CODE"]["StringValue"] == "NO_RESOURCE"


def test_an_endpoint_that_does_not_answer_is_tried_again(room: Room, endpoint: Endpoint) -> None:
    dead = destination(room, "http://127.0.0.1:1/hook")
    bus = room.bus()
    room.rule(bus, {"Arn": dead})
    room.put(bus)
    found = until(
        lambda: [one for one in list(room.bulb.facts) if getattr(one, "destination_arn", "") == dead], "the attempt"
    )
    assert (found[0].outcome, found[0].code) == ("retrying", "CONNECTION_FAILURE")  # type: ignore[union-attr] # a Delivered


@pytest.mark.parametrize(("error", "outcome"), [("EAI_NONAME", "dropped"), ("EAI_AGAIN", "retrying")])
def test_a_name_that_nobody_has_is_final(room: Room, monkeypatch: pytest.MonkeyPatch, error: str, outcome: str) -> None:
    async def unknown(*_: Any, **__: Any) -> None:
        raise socket.gaierror(getattr(socket, error), "no such name")

    monkeypatch.setattr(http_client, "send", unknown)
    nowhere, bus = destination(room, "http://nowhere.example/hook"), room.bus()
    room.rule(bus, {"Arn": nowhere})
    room.put(bus)
    found = until(
        lambda: [one for one in list(room.bulb.facts) if getattr(one, "destination_arn", "") == nowhere], "the attempt"
    )
    assert (found[0].outcome, found[0].code) == (outcome, "CONNECTION_FAILURE")  # type: ignore[union-attr] # a Delivered


def test_an_endpoint_that_is_slow_is_tried_again(
    room: Room, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert posting.TIMEOUT_S == 5.0
    monkeypatch.setattr(posting, "TIMEOUT_S", 0.3)
    endpoint.answers = [Answer(after_s=60.0), Answer()]
    slow = destination(room, f"{endpoint.url}/hook")
    bus = room.bus()
    room.rule(bus, {"Arn": slow})
    event_id = room.put(bus)
    found = until(
        lambda: [one for one in list(room.bulb.facts) if getattr(one, "destination_arn", "") == slow], "the attempt"
    )
    assert (found[0].outcome, found[0].code) == ("retrying", "TIMEOUT")  # type: ignore[union-attr] # a Delivered
    monkeypatch.undo()
    room.clock.advance(1.1)
    assert endpoint.wait_for(2)[1].json["id"] == event_id


def _token(text: str, lasts: int = 3600) -> Answer:
    return Answer(200, {}, json.dumps({"access_token": text, "expires_in": lasts}).encode())
