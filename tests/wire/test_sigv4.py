"""What botocore signs we accept; the same with anything changed we do not."""

import base64
import datetime as dt
import json
from unittest import mock

import boto3
import pytest
from botocore.auth import S3SigV4Auth, S3SigV4QueryAuth, SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from bulb.core.errors import AwsError
from bulb.http.message import BufferedBody, Request
from bulb.wire.sigv4 import parse_authorization, verify, verify_post_policy

from .clients import to_request

NOW = dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=dt.UTC)
UNIX = NOW.timestamp()
SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
KEYS = Credentials("AKIDEXAMPLE", SECRET, "a session token")
S3 = {"service": "s3", "auth": S3SigV4Auth, "presign": S3SigV4QueryAuth}
LAMBDA = {"service": "lambda", "auth": SigV4Auth, "presign": SigV4QueryAuth}

URLS = [
    "http://127.0.0.1:4566/bucket/a%20key/with%2Bplus/%E6%9D%B1?list-type=2&prefix=a%2Fb&acl",
    "http://127.0.0.1:4566/2015-03-31/functions/arn%3Aaws%3Alambda%3Ax/invocations?Qualifier=%24LATEST",
    "http://127.0.0.1:4566/",
    "http://127.0.0.1:4566/a//b/../c?b=2&a=1&a=0&empty=",
]


def signed(kind: dict, url: str, method: str = "PUT", body: bytes = b"hello", presigned: bool = False) -> Request:
    raw = AWSRequest(method=method, url=url, data=b"" if presigned else body, headers={"x-amz-meta-a": "two  spaces"})
    with mock.patch("botocore.auth.get_current_datetime", lambda: NOW):
        signer = kind["presign" if presigned else "auth"](KEYS, kind["service"], "eu-west-1")
        signer.add_auth(raw)
    return to_request(raw.prepare())


def check(request: Request, secret: str = SECRET, now: float = UNIX) -> None:
    authorization = parse_authorization(request)
    assert authorization is not None
    verify(authorization, request, secret, now)


@pytest.mark.parametrize("presigned", [False, True])
@pytest.mark.parametrize("url", URLS)
@pytest.mark.parametrize("kind", [S3, LAMBDA], ids=["s3", "lambda"])
def test_botocore_signatures_hold_and_changed_ones_do_not(kind: dict, url: str, presigned: bool) -> None:
    request = signed(kind, url, presigned=presigned)
    authorization = parse_authorization(request)
    assert authorization is not None
    assert (authorization.access_key, authorization.region) == ("AKIDEXAMPLE", "eu-west-1")
    assert authorization.session_token == "a session token"
    assert authorization.timestamp == UNIX
    check(request)
    changed = [
        lambda r: setattr(r, "method", "DELETE"),
        lambda r: setattr(r, "path", r.path + "x"),
        lambda r: setattr(r, "query", r.query + "&extra=1"),
        lambda r: r.headers.update(host="elsewhere"),
        lambda r: r.headers.update({"x-amz-meta-a": "other"}),
    ]
    for change in changed:
        request = signed(kind, url, presigned=presigned)
        change(request)
        with pytest.raises(AwsError) as refused:
            check(request)
        assert refused.value.status == 403
        expected = "SignatureDoesNotMatch" if kind is S3 else "InvalidSignatureException"
        assert refused.value.code == expected
    with pytest.raises(AwsError):
        check(signed(kind, url, presigned=presigned), secret="another")


def test_a_body_that_was_changed_is_refused_where_the_signature_covers_it() -> None:
    request = signed(LAMBDA, URLS[1])
    request.body = BufferedBody(b"changed")
    with pytest.raises(AwsError, match="InvalidSignatureException"):
        check(request)


def test_time() -> None:
    for kind, code, limit in ((S3, "RequestTimeTooSkewed", 900), (LAMBDA, "InvalidSignatureException", 300)):
        request = signed(kind, URLS[1])
        check(request, now=UNIX + limit - 1)
        for now in (UNIX + limit + 1, UNIX - limit - 1):
            with pytest.raises(AwsError, match=code):
                check(request, now=now)
    presigned = signed(S3, URLS[0], presigned=True)
    check(presigned, now=UNIX + 3599)
    with pytest.raises(AwsError, match="Request has expired"):
        check(presigned, now=UNIX + 3601)


def test_s3_wants_every_amz_header_signed() -> None:
    request = signed(S3, URLS[0])
    request.headers["x-amz-acl"] = "public-read"
    with pytest.raises(AwsError, match="not signed") as refused:
        check(request)
    assert refused.value.members["HeadersNotSigned"] == "x-amz-acl"


@pytest.mark.parametrize(
    "header",
    [
        "AWS4-HMAC-SHA256",
        "AWS4-HMAC-SHA256 Credential=a",
        "AWS4-HMAC-SHA256 Credential=a/b/c, SignedHeaders=host, Signature=00",
        "AWS4-HMAC-SHA256 Credential=a/20260101/r/s3/aws4_request, SignedHeaders=host, Signature=00",
        "AWS4-ECDSA-P256-SHA256 Credential=a",
        "AWS AKID:signature",
    ],
)
def test_malformed_headers_are_the_clients_fault(header: str) -> None:
    request = Request("GET", "/", "", {"authorization": header}, BufferedBody(b""), ("127.0.0.1", 1))
    with pytest.raises(AwsError) as refused:
        parse_authorization(request)
    assert 400 <= refused.value.status < 500


@pytest.mark.parametrize(
    "query",
    [
        "X-Amz-Algorithm=AWS4-HMAC-SHA256",
        "X-Amz-Signature=00&X-Amz-Expires=x",
        "AWSAccessKeyId=a&Signature=b&Expires=x",
        "X-Amz-Signature=00" + "&a=1" * 20_000,
    ],
)
def test_malformed_presigned_queries_are_the_clients_fault(query: str) -> None:
    request = Request("GET", "/b/k", query, {}, BufferedBody(b""), ("127.0.0.1", 1))
    with pytest.raises(AwsError) as refused:
        parse_authorization(request)
    assert refused.value.status in (400, 403)


def test_no_signature_is_none() -> None:
    for headers in ({}, {"authorization": "Bearer abc"}, {"authorization": "Basic eDp5"}):
        request = Request("GET", "/", "", headers, BufferedBody(b""), ("127.0.0.1", 1))
        assert parse_authorization(request) is None


VERSIONS = [None, "s3v4", "s3"]  # None: what boto3 does when nobody asks, which is version 2.


def client(version: str | None, style: str = "path"):
    return boto3.client(
        "s3",
        endpoint_url="http://s3.localhost:4566",
        region_name="eu-west-1",
        aws_access_key_id="AKID",
        aws_secret_access_key=SECRET,
        config=boto3.session.Config(signature_version=version, s3={"addressing_style": style}),
    )


@pytest.mark.parametrize("style", ["path", "virtual"])
@pytest.mark.parametrize("version", VERSIONS)
def test_boto3_presigned_urls(version: str | None, style: str) -> None:
    params = {"Bucket": "bucket", "Key": "a b/ü+", "VersionId": "v1", "ResponseContentType": "text/plain; a=b"}
    url = client(version, style).generate_presigned_url("get_object", params, ExpiresIn=60)
    now = dt.datetime.now(dt.UTC).timestamp()

    def request(method: str = "GET", url: str = url) -> Request:
        host, _, rest = url.removeprefix("http://").partition("/")
        path, _, query = rest.partition("?")
        return Request(method, f"/{path}", query, {"host": host}, BufferedBody(b""), ("127.0.0.1", 1))

    check(request(), now=now)
    for changed, when in (
        (request("DELETE"), now),
        (request(url=url.replace("a%20b", "other")), now),
        (request(url=url.replace("versionId=v1", "versionId=v2")), now),
        (request(), now + 62),
    ):
        with pytest.raises(AwsError) as refused:
            check(changed, now=when)
        assert refused.value.status == 403


def signed_form(version: str | None, **more: str) -> dict[str, str]:
    s3 = client(version)
    post = s3.generate_presigned_post(
        "bucket",
        "up/${filename}",
        Fields={"acl": "private"},
        Conditions=[{"acl": "private"}, ["content-length-range", 1, 10], ["starts-with", "$x-amz-meta-a", "v"]],
        ExpiresIn=60,
    )
    return {**post["fields"], "bucket": "bucket", "key": "up/me.png", "x-amz-meta-a": "value", **more}


@pytest.mark.parametrize("version", VERSIONS)
def test_post_policy(version: str | None) -> None:
    def form(**more: str) -> dict[str, str]:
        return signed_form(version, **more)

    now = dt.datetime.now(dt.UTC).timestamp()
    policy = verify_post_policy(form(), SECRET, now)
    assert policy.access_key == "AKID"
    assert policy.length_range == (1, 10)
    policy.check_length(10)
    for size, code in ((11, "EntityTooLarge"), (0, "EntityTooSmall")):
        with pytest.raises(AwsError, match=code):
            policy.check_length(size)
    refusals = [
        (form(acl="public-read"), SECRET, now, "AccessDenied"),
        (form(**{"x-amz-meta-a": "other"}), SECRET, now, "AccessDenied"),
        (form(key="elsewhere"), SECRET, now, "AccessDenied"),
        (form(bucket="elsewhere"), SECRET, now, "AccessDenied"),
        (form(tagging="x"), SECRET, now, "Extra input fields"),
        (form(), SECRET, now + 61, "Policy expired"),
        (form(), "another", now, "SignatureDoesNotMatch"),
        (form(policy=base64.b64encode(b"{").decode()), None, now, "InvalidPolicyDocument"),
        (form(policy=base64.b64encode(json.dumps({"conditions": [1]}).encode()).decode()), None, now, "Invalid"),
        ({}, SECRET, now, "InvalidArgument"),
    ]
    for fields, secret, when, code in refusals:
        with pytest.raises(AwsError, match=code) as refused:
            verify_post_policy(fields, secret, when)
        assert 400 <= refused.value.status < 500
