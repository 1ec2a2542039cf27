"""Who may call a function URL: signed requests, and the pages of other sites."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.auth import SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests.support.bulb import Running, running_bulb
from tests.support.functions import create
from tests.support.strict import Keys
from tests.support.urls import Page, call, public_url

ECHO = """
    def handler(event, context):
        return event
"""
CORS_ECHO = """
    def handler(event, context):
        return {"statusCode": 200, "headers": {"Access-Control-Allow-Origin": "https://function.example",
                "Access-Control-Allow-Methods": "TRACE", "X-Own": "1"}, "body": "ran"}
"""
ANYBODY = {"access_key": "000000000000", "secret_key": "whatever"}
STRANGER = {"access_key": "111122223333", "secret_key": "whatever"}
PAGE = "https://app.example"


@pytest.fixture(scope="module")
def aws(bulb: Running) -> Any:
    return bulb.client("lambda")


@pytest.fixture(scope="module")
def signed_url(aws: Any) -> str:
    create(aws, "url-iam", ECHO)
    url: str = aws.create_function_url_config(FunctionName="url-iam", AuthType="AWS_IAM")["FunctionUrl"]
    return url


def signed(
    bulb: Running,
    url: str,
    keys: Keys,
    target: str = "/",
    body: bytes = b"",
    service: str = "lambda",
    region: str = "us-east-1",
    **headers: str,
) -> Page:
    """A POST with a signature of botocore's own."""
    request = AWSRequest("POST", url.rstrip("/") + target, {"content-type": "text/plain"}, body)
    credentials = Credentials(keys["access_key"], keys["secret_key"], keys.get("session_token"))
    SigV4Auth(credentials, service, region).add_auth(request)
    sent = {name: str(value) for name, value in request.headers.items() if name.lower() != "content-length"}
    return call(bulb, url, target, "POST", body, **{**sent, **headers})


# AWS_IAM, where any signature is taken.


def test_a_signer_is_told_to_the_function(bulb: Running, signed_url: str) -> None:
    page = signed(bulb, signed_url, ANYBODY, "/x%20y?b=2&a=1", b"hello")
    assert page.status == 200, page.body
    event = json.loads(page.body)
    assert event["body"] == "hello"
    assert event["requestContext"]["accountId"] == "000000000000"
    assert event["requestContext"]["authorizer"] == {
        "iam": {
            "accessKey": "000000000000",
            "accountId": "000000000000",
            "callerId": "000000000000",
            "cognitoIdentity": None,
            "principalOrgId": None,
            "userArn": "arn:aws:iam::000000000000:root",
            "userId": "000000000000",
        }
    }


@pytest.mark.parametrize("authorization", [None, "Bearer token"])
def test_who_does_not_sign_is_forbidden(bulb: Running, signed_url: str, authorization: str | None) -> None:
    page = call(bulb, signed_url, **({"authorization": authorization} if authorization else {}))
    assert (page.status, page.header("x-amzn-errortype")) == (403, "AccessDeniedException")
    assert page.body.startswith(b'{"Message":"Forbidden. For troubleshooting')


def test_a_signature_nobody_can_read_is_refused(bulb: Running, signed_url: str) -> None:
    page = call(bulb, signed_url, authorization="AWS4-HMAC-SHA256 nonsense")
    assert (page.status, page.header("x-amzn-errortype")) == (400, "IncompleteSignature")


def test_another_account_needs_the_policys_word(bulb: Running, aws: Any, signed_url: str) -> None:
    assert signed(bulb, signed_url, STRANGER).status == 403
    for action in ("lambda:InvokeFunctionUrl", "lambda:InvokeFunction"):
        assert signed(bulb, signed_url, STRANGER).status == 403
        aws.add_permission(
            FunctionName="url-iam", StatementId=action[7:], Action=action, Principal=STRANGER["access_key"]
        )
    event = json.loads(signed(bulb, signed_url, STRANGER).body)
    assert event["requestContext"]["authorizer"]["iam"]["accountId"] == STRANGER["access_key"]


def test_a_page_of_another_site_cannot_sign_for_its_reader(bulb: Running, aws: Any, signed_url: str) -> None:
    """A presigned link needs no preflight, and where any signature is taken any page could make one."""
    request = AWSRequest("GET", signed_url)
    SigV4QueryAuth(Credentials("000000000000", "x"), "lambda", "us-east-1").add_auth(request)
    target = "/?" + str(request.url).partition("?")[2]
    assert call(bulb, signed_url, target).status == 200
    assert call(bulb, signed_url, target, origin=PAGE).status == 403
    assert call(bulb, signed_url, target, sec_fetch_site="cross-site").status == 403
    aws.update_function_url_config(FunctionName="url-iam", Cors={"AllowOrigins": [PAGE]})
    assert call(bulb, signed_url, target, origin=PAGE).status == 200
    assert call(bulb, signed_url, target, origin="https://other.example").status == 403
    aws.update_function_url_config(FunctionName="url-iam", Cors={})


# AWS_IAM, where signatures are verified.


@pytest.fixture(scope="module")
def strict_url(strict: Running, root: Keys) -> str:
    aws = strict.client("lambda", **root)
    create(aws, "url-strict", ECHO)
    url: str = aws.create_function_url_config(FunctionName="url-strict", AuthType="AWS_IAM")["FunctionUrl"]
    return url


def test_a_right_signature_is_let_in(strict: Running, root: Keys, strict_url: str) -> None:
    page = signed(strict, strict_url, root, "/a%20b?x=1", b"body")
    assert page.status == 200, page.body
    assert json.loads(page.body)["requestContext"]["authorizer"]["iam"]["accessKey"] == root["access_key"]


def test_the_path_form_is_signed_as_it_is_sent(strict: Running, root: Keys, strict_url: str) -> None:
    url_id = strict_url.split("/")[2].partition(".")[0]
    page = signed(strict, strict.url, root, f"/_url/{url_id}/x")
    assert page.status == 200, page.body


def test_wrong_signatures_are_refused(strict: Running, root: Keys, strict_url: str) -> None:
    wrong = {
        "secret": signed(strict, strict_url, {**root, "secret_key": "wrong"}),
        "service": signed(strict, strict_url, root, service="s3"),
        "region": signed(strict, strict_url, root, region="eu-west-1"),
        "dots": signed(strict, strict_url, root, "/a/../b"),
        "host": signed(strict, strict_url, root, Host=strict_url.split("/")[2].replace("us-east-1", "eu-west-1")),
    }
    outcomes = {name: (page.status, page.header("x-amzn-errortype")) for name, page in wrong.items()}
    assert outcomes == dict.fromkeys(wrong, (403, "InvalidSignatureException"))
    unknown = signed(strict, strict_url, {"access_key": "AKIAXXXXXXXXXXXXXXXX", "secret_key": "x"})
    assert (unknown.status, unknown.header("x-amzn-errortype")) == (403, "UnrecognizedClientException")
    assert call(strict, strict_url).status == 403


def test_a_public_url_asks_nobody_for_credentials(strict: Running, root: Keys) -> None:
    aws = strict.client("lambda", **root)
    create(aws, "url-public", ECHO)
    page = call(strict, public_url(aws, "url-public"), authorization="Bearer mine")
    assert page.status == 200
    assert json.loads(page.body)["headers"]["authorization"] == "Bearer mine"


# Pages of other sites.


@pytest.fixture(scope="module")
def cors_url(aws: Any) -> str:
    create(aws, "url-cors", CORS_ECHO)
    return public_url(
        aws,
        "url-cors",
        Cors={
            "AllowOrigins": [PAGE, "http://localhost:3000"],
            "AllowMethods": ["GET", "POST"],
            "AllowHeaders": ["content-type", "x-token"],
            "ExposeHeaders": ["x-own"],
            "AllowCredentials": True,
            "MaxAge": 300,
        },
    )


def said(page: Page) -> dict[str, str]:
    """What a response says of cross-origin access."""
    found = [(name, value) for name, value in page.headers if name.startswith("access-control-")]
    assert len(dict(found)) == len(found)
    return {name.removeprefix("access-control-"): value for name, value in found}


def asked(bulb: Running, url: str, origin: str, method: str = "POST") -> Page:
    return call(
        bulb,
        url,
        method="OPTIONS",
        origin=origin,
        access_control_request_method=method,
        access_control_request_headers="x-token",
    )


def test_a_preflight_is_answered_without_the_function(bulb: Running, cors_url: str) -> None:
    page = asked(bulb, cors_url, PAGE)
    assert (page.status, page.body, page.header("vary")) == (200, b"", "Origin")
    assert said(page) == {
        "allow-origin": PAGE,
        "allow-credentials": "true",
        "allow-methods": "GET,POST",
        "allow-headers": "content-type,x-token",
        "expose-headers": "x-own",
        "max-age": "300",
    }
    assert said(asked(bulb, cors_url, "https://evil.example")) == {}


def test_the_urls_word_replaces_the_functions(bulb: Running, cors_url: str) -> None:
    page = call(bulb, cors_url, origin=PAGE)
    assert (page.body, page.header("x-own")) == (b"ran", "1")
    assert said(page) == {"allow-origin": PAGE, "allow-credentials": "true", "expose-headers": "x-own"}
    assert said(call(bulb, cors_url, origin="https://evil.example")) == {}
    assert said(call(bulb, cors_url)) == {}


def test_without_cors_the_function_speaks_for_itself(bulb: Running, aws: Any) -> None:
    create(aws, "url-own-cors", CORS_ECHO)
    url = public_url(aws, "url-own-cors")
    expected = {"allow-origin": "https://function.example", "allow-methods": "TRACE"}
    page = asked(bulb, url, PAGE)
    assert (page.body, said(page)) == (b"ran", expected)
    assert said(call(bulb, url, origin=PAGE)) == expected


def test_a_wildcard_allows_what_is_asked_for(bulb: Running, aws: Any) -> None:
    create(aws, "url-wild-cors", CORS_ECHO)
    wild = {"AllowOrigins": ["*"], "AllowMethods": ["*"], "AllowHeaders": ["*"]}
    url = public_url(aws, "url-wild-cors", Cors=wild)
    assert said(asked(bulb, url, "https://any.example", "PATCH")) == {
        "allow-origin": "https://any.example",
        "allow-methods": "PATCH",
        "allow-headers": "x-token",
    }


def test_a_forbidden_answer_can_be_read_by_the_page(bulb: Running, aws: Any) -> None:
    create(aws, "url-closed-cors", ECHO)
    url = aws.create_function_url_config(
        FunctionName="url-closed-cors", AuthType="NONE", Cors={"AllowOrigins": [PAGE]}
    )["FunctionUrl"]
    page = call(bulb, url, origin=PAGE)
    assert (page.status, said(page)) == (403, {"allow-origin": PAGE})


# An operator's choices.


@pytest.fixture(scope="module")
def proxied(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    data: Path = tmp_path_factory.mktemp("proxied") / "data"
    with running_bulb(data, url_domain="fn.example.com", url_permissions="one", stock=0) as bulb:
        yield bulb


def test_below_a_domain_of_the_operators(proxied: Running) -> None:
    aws = proxied.client("lambda")
    create(aws, "url-proxied", ECHO)
    url = aws.create_function_url_config(FunctionName="url-proxied", AuthType="NONE")["FunctionUrl"]
    assert url.startswith("https://")
    assert url.endswith(".lambda-url.us-east-1.fn.example.com/")
    assert call(proxied, url).status == 403
    aws.add_permission(
        FunctionName="url-proxied",
        StatementId="old",
        Action="lambda:InvokeFunctionUrl",
        Principal="*",
        FunctionUrlAuthType="NONE",
    )
    event = json.loads(call(proxied, url, x_forwarded_for="10.9.9.9, 203.0.113.7", x_forwarded_proto="https").body)
    assert event["requestContext"]["http"]["sourceIp"] == "203.0.113.7"
    assert event["headers"]["x-forwarded-port"] == "443"
    assert event["headers"]["x-forwarded-proto"] == "https"
    url_id = url.split("/")[2].partition(".")[0]
    direct = f"http://{url_id}.lambda-url.us-east-1.localhost/"
    event = json.loads(call(proxied, direct, x_forwarded_for="203.0.113.7").body)
    assert event["requestContext"]["http"]["sourceIp"] == "127.0.0.1"
    assert event["headers"]["x-forwarded-for"] == "127.0.0.1"
