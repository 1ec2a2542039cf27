"""Requests no client sends: refused in their protocol's shape, never a failure of ours."""

import http.client
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.gateway.toys import toys
from tests.support.gateway import running_gateway

_SCOPE = "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/{}/aws4_request, SignedHeaders=host, Signature=0"
INVOKE = "/2015-03-31/functions/one/invocations"


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with running_gateway(toys()) as address:
        yield address


def signed(service: str, **headers: str) -> dict[str, str]:
    return {"Authorization": _SCOPE.format(service)} | {
        name.replace("_", "-"): value for name, value in headers.items()
    }


def target(name: str) -> dict[str, str]:
    return signed("sqs", X_Amz_Target=name, Content_Type="application/x-amz-json-1.0")


FORM = signed("sts", Content_Type="application/x-www-form-urlencoded")
CASES: list[tuple[str, str, dict[str, str], bytes]] = [
    ("POST", "/2015-03-31/functions", signed("lambda"), b"{"),
    ("POST", "/2015-03-31/functions", signed("lambda"), b"[]"),
    ("POST", "/2015-03-31/functions", signed("lambda"), b"\xff\xfe"),
    ("POST", "/2015-03-31/functions", signed("lambda"), b'{"FunctionName": {"a": 1}}'),
    ("POST", "/2015-03-31/functions", signed("lambda"), b'{"Code": {"ZipFile": "not base64!"}}'),
    ("POST", "/2015-03-31/functions", signed("lambda"), b"{}"),
    ("POST", "/2015-03-31/functions", signed("lambda"), b'{"a":' * 50_000),
    ("POST", "/2015-03-31/functions/%zz%00/invocations", signed("lambda"), b"{}"),
    ("POST", f"/2015-03-31/functions/{'a' * 5_000}/invocations", signed("lambda"), b"{}"),
    ("GET", "/2015-03-31/functions?MaxItems=many", signed("lambda"), b""),
    ("GET", "/2015-03-31/functions?MaxItems=0", signed("lambda"), b""),
    ("PATCH", "/2015-03-31/functions", signed("lambda"), b""),
    ("GET", "/2015-03-31/nothing", signed("lambda"), b""),
    ("POST", INVOKE, {"Authorization": "AWS4-HMAC-SHA256 nonsense"}, b"{}"),
    ("POST", INVOKE, {"Authorization": "AWS4-HMAC-SHA256 Credential=a/b, SignedHeaders=, Signature="}, b"{}"),
    ("POST", INVOKE, signed("unheard-of"), b"{}"),
    ("POST", "/", target("AmazonSQS.Nothing"), b"{}"),
    ("POST", "/", target("Nothing"), b"{}"),
    ("POST", "/", target("AmazonSQS."), b"{}"),
    ("POST", "/", target("AmazonSQS.GetQueueUrl"), b"{}"),
    ("POST", "/", target("AmazonSQS.GetQueueUrl"), b'{"QueueName": 5}'),
    ("POST", "/", target("AmazonSQS.GetQueueUrl"), b'{"QueueName": "a"'),
    ("POST", "/", target("AmazonSQS.GetQueueUrl"), b'"text"'),
    ("POST", "/", FORM, b"Action=Nothing&Version=2011-06-15"),
    ("POST", "/", FORM, b"Version=2011-06-15"),
    ("POST", "/", FORM, b"\xff\x00&&&==&Action"),
    ("POST", "/", FORM | {"Content-Encoding": "gzip"}, b"not gzip"),
    ("POST", "/service/GraniteServiceVersion20100801/operation/PutMetricData",
     signed("monitoring", Smithy_Protocol="rpc-v2-cbor", Content_Type="application/cbor"), b"\xbf\x61"),
    ("POST", "/service/GraniteServiceVersion20100801/operation/Nothing",
     signed("monitoring", Smithy_Protocol="rpc-v2-cbor", Content_Type="application/cbor"), b"\xa0"),
    ("PUT", "/bucket?tagging", signed("s3"), b"<Tagging><TagSet>"),
    ("PUT", "/bucket?tagging", signed("s3"), b"<!DOCTYPE a [<!ENTITY b 'c'>]><Tagging>&b;</Tagging>"),
    ("PUT", "/bucket/key", signed("s3", X_Amz_Content_SHA256="0" * 64), b"abc"),
    ("PUT", "/bucket/key", signed("s3", Content_MD5="AAAAAAAAAAAAAAAAAAAAAA=="), b"abc"),
    ("PUT", "/bucket/key", signed("s3", X_Amz_Content_SHA256="STREAMING-UNSIGNED-PAYLOAD-TRAILER",
     Content_Encoding="aws-chunked"), b"zz\r\n"),
    ("GET", "/bucket?list-type=2&max-keys=lots", signed("s3"), b""),
    ("GET", "/bucket/key?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=a", {}, b""),
    ("DELETE", "/bucket/key?X-Amz-Expires=soon&X-Amz-Algorithm=AWS4-HMAC-SHA256", {}, b""),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[0]} {case[1][:60]} {case[3][:20]!r}")
def test_malformed_requests_are_refused_in_shape(url: str, case: tuple[str, str, dict[str, str], bytes]) -> None:
    method, path, headers, body = case
    status, answer_headers, answer = ask(url, method, path, headers, body)
    assert 400 <= status < 500 or (status == 501 and b"support" in answer), (status, answer)
    assert "x-amzn-requestid" in answer_headers or "x-amz-request-id" in answer_headers
    if answer_headers.get("content-type", "").startswith("application/json"):
        assert "x-amzn-errortype" in answer_headers
        assert any(name.lower() == "message" for name in json.loads(answer))
    elif answer_headers.get("content-type", "").startswith("application/x-amz-json"):
        assert "__type" in json.loads(answer)
    elif answer_headers.get("content-type", "").endswith("xml"):
        assert b"<Code>" in answer


def ask(url: str, method: str, path: str, headers: dict[str, str], body: bytes) -> tuple[int, dict[str, Any], bytes]:
    place = urlsplit(url)
    connection = http.client.HTTPConnection(str(place.hostname), place.port, timeout=30)
    try:
        connection.request(method, path, body=body or None, headers=headers)
        response = connection.getresponse()
        answer = response.read()
        return response.status, {name.lower(): value for name, value in response.headers.items()}, answer
    finally:
        connection.close()
