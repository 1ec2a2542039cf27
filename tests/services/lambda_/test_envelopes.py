"""The keys of error bodies, which clients tell apart by case: one form a family of errors."""

import http.client
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest

from bulb.core.errors import AwsError
from bulb.http.message import BufferedBody, Request
from bulb.invoke.dispatcher import throttled
from bulb.wire import errors
from bulb.wire.catalog import Catalog
from tests.services.lambda_.room import ARN, Room, zipped

Answer = tuple[int, dict[str, str], Any]
FUNCTIONS = "/2015-03-31/functions"


def ask(room: Room, method: str, path: str, body: Any = None) -> Answer:
    """Status, headers by lower-case name, and the parsed body."""
    where = urlsplit(room.url)
    connection = http.client.HTTPConnection(where.hostname or "", where.port)
    try:
        sent = body if isinstance(body, bytes) else None if body is None else json.dumps(body).encode()
        connection.request(method, path, sent, {"Authorization": AUTHORIZATION, "X-Amz-Date": "20260101T000000Z"})
        response = connection.getresponse()
        return response.status, {k.lower(): v for k, v in response.getheaders()}, json.loads(response.read())
    finally:
        connection.close()


AUTHORIZATION = (
    "AWS4-HMAC-SHA256 Credential=000000000000/20260101/us-east-1/lambda/aws4_request, "
    "SignedHeaders=host;x-amz-date, Signature=" + "0" * 64
)
# What is asked, and the error, its status and the keys of its body.
CASES: list[tuple[str, Callable[[Room], Answer], str, int, set[str]]] = [
    (
        "a bad value",
        lambda room: ask(room, "POST", f"{FUNCTIONS}/f/versions", {"CodeSha256": "x"}),
        "InvalidParameterValueException",
        400,
        {"Type", "message"},
    ),
    (
        "two versions of $LATEST",
        lambda room: ask(
            room,
            "POST",
            f"{FUNCTIONS}/f/aliases",
            {"Name": "a", "FunctionVersion": "$LATEST", "RoutingConfig": {"AdditionalVersionWeights": {"1": 0.5}}},
        ),
        "InvalidParameterValueException",
        400,
        {"message"},
    ),
    (
        "a conflict",
        lambda room: ask(room, "POST", f"{FUNCTIONS}/f/aliases", {"Name": "live", "FunctionVersion": "1"}),
        "ResourceConflictException",
        409,
        {"Type", "message"},
    ),
    (
        "a stale revision",
        lambda room: ask(
            room, "PUT", f"{FUNCTIONS}/f/aliases/live", {"RevisionId": "0" * 8 + "-0000" * 3 + "-" + "0" * 12}
        ),
        "PreconditionFailedException",
        412,
        {"Type", "message"},
    ),
    (
        "a payload that is no JSON",
        lambda room: ask(room, "POST", f"{FUNCTIONS}/f/invocations", b"{"),
        "InvalidRequestContentException",
        400,
        {"Type", "message"},
    ),
    (
        "a payload that is too large",
        lambda room: ask(room, "POST", f"{FUNCTIONS}/f/invocations", b'"' + b"x" * 6_291_455 + b'"'),
        "RequestTooLargeException",
        413,
        {"Type", "message"},
    ),
    (
        "what is not there",
        lambda room: ask(room, "GET", f"{FUNCTIONS}/none"),
        "ResourceNotFoundException",
        404,
        {"Type", "Message"},
    ),
    (
        "a value the model does not allow",
        lambda room: ask(room, "POST", f"{FUNCTIONS}/f/aliases", {"Name": "7", "FunctionVersion": "1"}),
        "ValidationException",
        400,
        {"message"},
    ),
    (
        "another account",
        lambda room: ask(room, "GET", f"{FUNCTIONS}/{ARN.replace('000000000000', '111111111111')}:f"),
        "AccessDeniedException",
        403,
        {"message"},
    ),
]


@pytest.mark.parametrize(("asked", "code", "status", "keys"), [case[1:] for case in CASES], ids=[c[0] for c in CASES])
def test_the_keys_of_each_family(
    room: Room, asked: Callable[[Room], Answer], code: str, status: int, keys: set[str]
) -> None:
    room.create(Publish=True, Code={"ZipFile": zipped()})
    room.client().create_alias(FunctionName="f", Name="live", FunctionVersion="1")
    got, headers, body = asked(room)
    assert (got, headers["x-amzn-errortype"].split(":")[0]) == (status, code), body
    assert len(headers["x-amzn-requestid"]) == 36
    assert set(body) == keys
    assert body.get("Type", "User") == "User"


def test_a_throttled_call_says_when_to_come_back(room: Room) -> None:
    room.create()
    room.runner.error = throttled("ReservedFunctionConcurrentInvocationLimitExceeded")
    status, headers, body = ask(room, "POST", f"{FUNCTIONS}/f/invocations", b"{}")
    assert (status, headers["x-amzn-errortype"]) == (429, "TooManyRequestsException")
    assert int(headers["retry-after"]) > 0
    assert body == {
        "Type": "User",
        "message": "Rate Exceeded.",
        "Reason": "ReservedFunctionConcurrentInvocationLimitExceeded",
    }


SMALL = {
    "CodeStorageExceededException",
    "PolicyLengthExceededException",
    "ProvisionedConcurrencyConfigNotFoundException",
    "UnsupportedMediaTypeException",
}
LARGE = {
    "CodeSigningConfigNotFoundException",
    "EFSIOException",
    "ENILimitReachedException",
    "InvalidRuntimeException",
    "KMSAccessDeniedException",
    "PublicPolicyException",
    "RecursiveInvocationException",
    "ServiceException",
    "SnapStartException",
}


@pytest.mark.parametrize("code", sorted(SMALL | LARGE))
def test_the_keys_of_errors_that_are_hard_to_provoke(code: str) -> None:
    service = Catalog().service("lambda")
    request = Request("POST", "/", "", {}, BufferedBody(b""), ("127.0.0.1", 1))
    answer = errors.error(service, "Invoke", AwsError(code, "why"), "id", request)
    body = json.loads(answer.body)
    assert body == {
        "Type": "Service" if answer.status >= 500 else "User",
        "message" if code in SMALL else "Message": "why",
    }
