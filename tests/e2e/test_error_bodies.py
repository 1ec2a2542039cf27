"""Bodies of errors, to the byte: clients tell families of errors apart by the case of their keys."""

import http.client
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, urlsplit

import pytest

from tests.support.bulb import Running
from tests.support.functions import create

ARN = "arn:aws:lambda:us-east-1:000000000000:function"
FUNCTIONS = "/2015-03-31/functions"
NOBODY = "00000000-0000-0000-0000-000000000000"
RETRIEVE = "Call the GetFunction/GetAlias API to retrieve the latest Revision Id"
PERMISSION = {"StatementId": "s", "Action": "lambda:InvokeFunction", "Principal": "*"}


@pytest.fixture(scope="module")
def connection(bulb: Running) -> Iterator[http.client.HTTPConnection]:
    aws = bulb.client("lambda")
    create(aws, "bodies", "def handler(event, context): pass")
    aws.publish_version(FunctionName="bodies")
    aws.create_alias(FunctionName="bodies", Name="live", FunctionVersion="1")
    create(aws, "bodies-stopped", "def handler(event, context): pass")
    aws.put_function_concurrency(FunctionName="bodies-stopped", ReservedConcurrentExecutions=0)
    where = urlsplit(bulb.url)
    connection = http.client.HTTPConnection(str(where.hostname), where.port, timeout=30)
    yield connection
    connection.close()


def user(message: str, key: str = "message") -> str:
    return json.dumps({"Type": "User", key: message}, separators=(",", ":"))


# What is asked; then the status, the error and the body it is answered with.
CASES: list[tuple[str, str, str, Any, int, str, str]] = [
    (
        "a bad value",
        "POST",
        f"{FUNCTIONS}/bodies/policy",
        {**PERMISSION, "Principal": "nobody"},
        400,
        "InvalidParameterValueException",
        user("The provided principal was invalid. Please check the principal and try again."),
    ),
    (
        "two versions of $LATEST",
        "POST",
        f"{FUNCTIONS}/bodies/aliases",
        {"Name": "a", "FunctionVersion": "$LATEST", "RoutingConfig": {"AdditionalVersionWeights": {"1": 0.5}}},
        400,
        "InvalidParameterValueException",
        '{"message":"$LATEST is not supported for an alias pointing to more than 1 version"}',
    ),
    (
        "a name in use",
        "POST",
        f"{FUNCTIONS}/bodies/aliases",
        {"Name": "live", "FunctionVersion": "1"},
        409,
        "ResourceConflictException",
        user(f"Alias already exists: {ARN}:bodies:live"),
    ),
    (
        "a stale revision",
        "PUT",
        f"{FUNCTIONS}/bodies/aliases/live",
        {"RevisionId": NOBODY},
        412,
        "PreconditionFailedException",
        user(f"The Revision Id provided does not match the latest Revision Id. {RETRIEVE}"),
    ),
    (
        "a throttle",
        "POST",
        f"{FUNCTIONS}/bodies-stopped/invocations",
        {},
        429,
        "TooManyRequestsException",
        '{"Type":"User","Reason":"ReservedFunctionConcurrentInvocationLimitExceeded","message":"Rate Exceeded."}',
    ),
    (
        "a payload of a byte too many",
        "POST",
        f"{FUNCTIONS}/bodies/invocations",
        b'"' + b"x" * 6_291_455 + b'"',
        413,
        "RequestTooLargeException",
        user("6291457 byte payload is too large for the RequestResponse invocation type (limit 6291456 bytes)"),
    ),
    (
        "nothing provisioned",
        "GET",
        "/2019-09-30/functions/bodies/provisioned-concurrency?Qualifier=1",
        None,
        404,
        "ProvisionedConcurrencyConfigNotFoundException",
        user("No Provisioned Concurrency Config found for this function"),
    ),
    (
        "no such function",
        "GET",
        f"{FUNCTIONS}/nobody",
        None,
        404,
        "ResourceNotFoundException",
        user(f"Function not found: {ARN}:nobody", "Message"),
    ),
    (
        "no such code signing config",
        "PUT",
        "/2020-06-30/functions/bodies/code-signing-config",
        {"CodeSigningConfigArn": "arn:aws:lambda:us-east-1:000000000000:code-signing-config:csc-0123456789abcdef0"},
        404,
        "CodeSigningConfigNotFoundException",
        user(
            "The code signing configuration cannot be found. Check that the provided configuration is not deleted: "
            "arn:aws:lambda:us-east-1:000000000000:code-signing-config:csc-0123456789abcdef0.",
            "Message",
        ),
    ),
    (
        "a value the model does not allow",
        "PUT",
        "/2017-10-31/functions/bodies/concurrency",
        {"ReservedConcurrentExecutions": -1},
        400,
        "ValidationException",
        "{\"message\":\"1 validation error detected: Value '-1' at 'reservedConcurrentExecutions' failed to satisfy "
        'constraint: Member must have value greater than or equal to 0"}',
    ),
    (
        "another account",
        "GET",
        f"{FUNCTIONS}/{quote(ARN.replace('000000000000', '111111111111'), safe='')}%3Abodies",
        None,
        403,
        "AccessDeniedException",
        '{"message":""}',
    ),
]


@pytest.mark.parametrize(
    ("method", "path", "asked", "status", "code", "body"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_each_family_has_its_keys(
    connection: http.client.HTTPConnection, method: str, path: str, asked: Any, status: int, code: str, body: str
) -> None:
    sent = asked if isinstance(asked, bytes | None) else json.dumps(asked).encode()
    connection.request(method, path, sent)
    answer = connection.getresponse()
    assert (answer.status, answer.read().decode()) == (status, body)
    assert answer.headers["x-amzn-errortype"].partition(":")[0] == code
    assert len(answer.headers["x-amzn-requestid"]) == 36
    assert (answer.headers["retry-after"] is not None) is (status == 429)


def test_a_payload_that_is_no_json(connection: http.client.HTTPConnection) -> None:
    connection.request("POST", f"{FUNCTIONS}/bodies/invocations", b"{")
    answer = connection.getresponse()
    assert (answer.status, answer.headers["x-amzn-errortype"]) == (400, "InvalidRequestContentException")
    document = json.loads(answer.read())
    assert list(document) == ["Type", "message"]
    assert document["message"].startswith("Could not parse request body into json: Could not parse payload into json: ")
    assert document["message"].endswith(
        "\n at [Source: REDACTED (`StreamReadFeature.INCLUDE_SOURCE_IN_LOCATION` disabled); line: 1, column: 2]"
    )
