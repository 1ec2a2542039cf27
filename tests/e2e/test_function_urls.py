"""Function URLs: what a function sees of a request and what its answer becomes, with a plain HTTP client."""

import base64
import json
import re
import uuid
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.support.bulb import Running, running_bulb
from tests.support.functions import create
from tests.support.urls import Page, call, let_everybody_in, public_url

FORBIDDEN = (
    b'{"Message":"Forbidden. For troubleshooting Function URL authorization issues, '
    b'see: https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html"}'
)
ECHO = """
    def handler(event, context):
        return {"event": event, "arn": context.invoked_function_arn, "id": context.aws_request_id}
"""
# Answers with the body it was sent, taken for its whole answer.
MIRROR = """
    import json

    def handler(event, context):
        return json.loads(event["body"])
"""


@pytest.fixture(scope="module")
def aws(bulb: Running) -> Any:
    return bulb.client("lambda")


@pytest.fixture(scope="module")
def echo(aws: Any) -> str:
    create(aws, "url-echo", ECHO)
    return public_url(aws, "url-echo")


@pytest.fixture(scope="module")
def mirror(aws: Any) -> str:
    create(aws, "url-mirror", MIRROR)
    return public_url(aws, "url-mirror")


def seen(page: Page) -> dict[str, Any]:
    assert page.status == 200, page.body
    event: dict[str, Any] = json.loads(page.body)["event"]
    return event


def answered(bulb: Running, mirror: str, answer: Any, method: str = "POST") -> Page:
    return call(bulb, mirror, method=method, body=json.dumps(answer).encode(), content_type="application/json")


def code(error: pytest.ExceptionInfo[ClientError]) -> tuple[str, str]:
    return error.value.response["Error"]["Code"], error.value.response["Error"]["Message"]


# What the function sees.


def test_the_event_is_payload_format_2(bulb: Running, echo: str) -> None:
    page = call(
        bulb,
        echo,
        "/a%20b/%C3%A9?x=1&x=2&empty=&s=a+b%2C",
        "POST",
        b'{"k":"v"}',
        content_type="application/json",
        User_Agent="test/1",
        X_Mixed_Case="Yes",
        Cookie="c1=v1; c2=v2,with a comma",
    )
    event, host = seen(page), echo.split("/")[2]
    url_id = host.partition(".")[0]
    context = event["requestContext"]
    at = context.pop("timeEpoch")
    assert re.fullmatch(r"\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d \+0000", context.pop("time"))
    assert abs(at / 1000 - bulb.clock.now()) < 60
    request_id = context.pop("requestId")
    assert request_id == json.loads(page.body)["id"] == page.header("x-amzn-requestid")
    assert context == {
        "accountId": "anonymous",
        "apiId": url_id,
        "domainName": host.partition(":")[0],
        "domainPrefix": url_id,
        "http": {
            "method": "POST",
            "path": "/a b/\u00e9",
            "protocol": "HTTP/1.1",
            "sourceIp": "127.0.0.1",
            "userAgent": "test/1",
        },
        "routeKey": "$default",
        "stage": "$default",
    }
    del event["requestContext"]
    headers = event.pop("headers")
    assert headers.pop("x-amzn-trace-id") == page.header("x-amzn-trace-id")
    assert headers == {
        "host": host,
        "accept-encoding": "identity",
        "content-length": "9",
        "content-type": "application/json",
        "user-agent": "test/1",
        "x-mixed-case": "Yes",
        "x-forwarded-for": "127.0.0.1",
        "x-forwarded-port": host.partition(":")[2],
        "x-forwarded-proto": "http",
    }
    assert event == {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": "/a%20b/%C3%A9",
        "rawQueryString": "x=1&x=2&empty=&s=a+b%2C",
        "cookies": ["c1=v1", "c2=v2,with a comma"],
        "queryStringParameters": {"x": "1,2", "empty": "", "s": "a b,"},
        "body": '{"k":"v"}',
        "isBase64Encoded": False,
    }


def test_what_is_absent_is_omitted(bulb: Running, echo: str) -> None:
    event = seen(call(bulb, echo))
    assert {"cookies", "queryStringParameters", "body"}.isdisjoint(event)
    assert (event["rawPath"], event["rawQueryString"], event["isBase64Encoded"]) == ("/", "", False)
    assert "authorizer" not in event["requestContext"]


@pytest.mark.parametrize(
    ("content_type", "body", "is_base64"),
    [
        ("text/plain", b"hello", False),
        ("application/json; charset=utf-8", b"{}", False),
        ("application/x-www-form-urlencoded", b"a=b", False),
        ("application/xml", b"<a/>", False),
        ("application/javascript", b"1", False),
        ("multipart/form-data; boundary=x", b"--x--", True),
        ("application/octet-stream", b"\x00\xff", True),
        ("text/plain", b"\xff\xfe", True),
    ],
)
def test_bodies_are_base64_unless_they_are_text(
    bulb: Running, echo: str, content_type: str, body: bytes, is_base64: bool
) -> None:
    event = seen(call(bulb, echo, method="PUT", body=body, content_type=content_type))
    assert event["isBase64Encoded"] is is_base64
    assert event["body"] == (base64.b64encode(body).decode() if is_base64 else body.decode())


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_every_method_reaches_the_function(bulb: Running, echo: str, method: str) -> None:
    assert seen(call(bulb, echo, method=method))["requestContext"]["http"]["method"] == method


def test_the_path_form_is_the_same_url(bulb: Running, echo: str) -> None:
    url_id = echo.split("/")[2].partition(".")[0]
    event = seen(call(bulb, bulb.url, f"/_url/{url_id}/deep/er?q=1"))
    assert (event["rawPath"], event["rawQueryString"]) == ("/deep/er", "q=1")
    assert seen(call(bulb, bulb.url, f"/_url/{url_id}"))["rawPath"] == "/"


def test_the_name_on_aws_is_the_same_url(bulb: Running, echo: str) -> None:
    url_id = echo.split("/")[2].partition(".")[0]
    event = seen(call(bulb, f"https://{url_id}.lambda-url.us-east-1.on.aws/"))
    assert event["requestContext"]["domainName"] == f"{url_id}.lambda-url.us-east-1.on.aws"
    assert event["headers"]["x-forwarded-port"] == "80"


# What its answer becomes.


@pytest.mark.parametrize(
    ("answer", "body"),
    [
        ("hello world!", b"hello world!"),
        ({"a": [1, True, None]}, b'{"a":[1,true,null]}'),
        ([1, "x"], b'[1,"x"]'),
        (42, b"42"),
        (True, b"true"),
        (None, b"null"),
        ({"body": "no status"}, b'{"body":"no status"}'),
    ],
)
def test_an_answer_without_a_status_is_the_body(bulb: Running, mirror: str, answer: Any, body: bytes) -> None:
    page = answered(bulb, mirror, answer)
    assert (page.status, page.header("content-type"), page.body) == (200, "application/json", body)


def test_an_answer_with_a_status_says_what_the_response_is(bulb: Running, mirror: str) -> None:
    page = answered(
        bulb,
        mirror,
        {
            "statusCode": 201,
            "headers": {"Content-Type": "text/html", "X-Number": 7, "X-Yes": True, "Content-Length": "9999"},
            "cookies": ["a=1; Path=/", "b=2"],
            "body": "<p>h\u00e9</p>",
        },
    )
    assert (page.status, page.body) == (201, "<p>h\u00e9</p>".encode())
    assert page.header("content-type") == "text/html"
    assert (page.header("x-number"), page.header("x-yes")) == ("7", "true")
    assert [value for name, value in page.headers if name == "set-cookie"] == ["a=1; Path=/", "b=2"]


def test_a_base64_body_is_sent_as_bytes(bulb: Running, mirror: str) -> None:
    raw = bytes(range(256))
    answer = {"statusCode": 200, "body": base64.b64encode(raw).decode(), "isBase64Encoded": True}
    assert answered(bulb, mirror, answer).body == raw


@pytest.mark.parametrize(
    "answer",
    [
        {"statusCode": "nonsense"},
        {"statusCode": 99},
        {"statusCode": 200, "headers": ["x"]},
        {"statusCode": 200, "headers": {"x": {"y": 1}}},
        {"statusCode": 200, "headers": {"bad name": "x"}},
        {"statusCode": 200, "headers": {"x": "a\r\nset-cookie: b"}},
        {"statusCode": 200, "cookies": "a=b"},
        {"statusCode": 200, "body": "not base64!", "isBase64Encoded": True},
    ],
)
def test_an_answer_that_is_no_response_is_502(bulb: Running, mirror: str, answer: Any) -> None:
    page = answered(bulb, mirror, answer)
    assert (page.status, page.header("content-type")) == (502, "text/plain")
    assert page.body == b"Internal Server Error"


def test_a_function_that_fails_is_502(bulb: Running, mirror: str) -> None:
    page = call(bulb, mirror, method="POST", body=b"not json", content_type="text/plain")
    assert (page.status, page.body) == (502, b"Internal Server Error")


def test_head_has_the_headers_and_no_body(bulb: Running, echo: str) -> None:
    page = call(bulb, echo, method="HEAD")
    assert (page.status, page.body) == (200, b"")
    assert int(page.header("content-length") or 0) > 100


def test_large_bodies_pass_both_ways(bulb: Running, mirror: str) -> None:
    text = "x" * 5_000_000
    page = answered(bulb, mirror, {"statusCode": 200, "body": text})
    assert (page.status, len(page.body)) == (200, 5_000_000)


def test_more_than_6_mb_is_413(bulb: Running, mirror: str) -> None:
    page = call(bulb, mirror, method="POST", body=b"x" * 6_291_457, content_type="text/plain")
    assert (page.status, page.header("x-amzn-errortype")) == (413, "RequestEntityTooLargeException")


# Who may call.


def test_two_permissions_are_needed(bulb: Running, aws: Any) -> None:
    create(aws, "url-guarded", ECHO)
    url = aws.create_function_url_config(FunctionName="url-guarded", AuthType="NONE")["FunctionUrl"]

    def outcome() -> tuple[int, bytes | None]:
        page = call(bulb, url)
        return page.status, page.body if page.status != 200 else None

    page = call(bulb, url)
    assert (page.status, page.header("content-type"), page.body) == (403, "application/json", FORBIDDEN)
    assert page.header("x-amzn-errortype") == "AccessDeniedException"
    aws.add_permission(
        FunctionName="url-guarded",
        StatementId="one",
        Action="lambda:InvokeFunctionUrl",
        Principal="*",
        FunctionUrlAuthType="NONE",
    )
    assert outcome() == (403, FORBIDDEN)
    aws.add_permission(
        FunctionName="url-guarded",
        StatementId="two",
        Action="lambda:InvokeFunction",
        Principal="*",
        InvokedViaFunctionUrl=True,
    )
    assert outcome() == (200, None)
    aws.remove_permission(FunctionName="url-guarded", StatementId="one")
    assert outcome() == (403, FORBIDDEN)


def test_an_explicit_deny_wins(bulb: Running, aws: Any) -> None:
    arn = create(aws, "url-denied", ECHO)
    url = public_url(aws, "url-denied")
    assert call(bulb, url).status == 200
    allow = {"Effect": "Allow", "Principal": "*", "Action": "lambda:Invoke*", "Resource": arn}
    deny = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "lambda:InvokeFunction",
        "Resource": arn,
        "Condition": {"StringLike": {"aws:UserAgent": "bad*"}},
    }
    document = json.dumps({"Version": "2012-10-17", "Statement": [allow, deny]})
    aws.put_resource_policy(ResourceArn=arn, Policy=document)
    assert call(bulb, url, User_Agent="good").status == 200
    assert call(bulb, url, User_Agent="bad/1").status == 403


def test_nobody_learns_which_urls_exist(bulb: Running, echo: str) -> None:
    unknown = f"http://{'a' * 32}.lambda-url.us-east-1.localhost/"
    assert (call(bulb, unknown).status, call(bulb, unknown).body) == (403, FORBIDDEN)
    assert call(bulb, bulb.url, "/_url/nonsense/x").body == FORBIDDEN


def test_a_host_that_is_not_ours_is_refused(bulb: Running, echo: str) -> None:
    url_id = echo.split("/")[2].partition(".")[0]
    page = call(bulb, f"http://{url_id}.lambda-url.us-east-1.evil.example/")
    assert page.status == 403
    assert page.body != FORBIDDEN


# Aliases and the life of a URL.


def test_an_alias_has_a_url_and_a_policy_of_its_own(bulb: Running, aws: Any) -> None:
    arn = create(aws, "url-alias", ECHO)
    version = aws.publish_version(FunctionName="url-alias")["Version"]
    aws.create_alias(FunctionName="url-alias", Name="live", FunctionVersion=version)
    let_everybody_in(aws, "url-alias")
    url = aws.create_function_url_config(FunctionName="url-alias", Qualifier="live", AuthType="NONE")
    assert url["FunctionArn"] == f"{arn}:live"
    assert call(bulb, url["FunctionUrl"]).status == 403
    let_everybody_in(aws, "url-alias", Qualifier="live")
    page = call(bulb, url["FunctionUrl"])
    assert json.loads(page.body)["arn"] == f"{arn}:live"
    aws.delete_alias(FunctionName="url-alias", Name="live")
    page = call(bulb, url["FunctionUrl"])
    assert (page.status, page.body) == (403, FORBIDDEN)


def test_a_deleted_url_is_forbidden_and_leaves_the_policy(bulb: Running, aws: Any) -> None:
    create(aws, "url-deleted", ECHO)
    url = public_url(aws, "url-deleted")
    assert call(bulb, url).status == 200
    aws.delete_function_url_config(FunctionName="url-deleted")
    assert call(bulb, url).body == FORBIDDEN
    assert len(json.loads(aws.get_policy(FunctionName="url-deleted")["Policy"])["Statement"]) == 2
    again = aws.create_function_url_config(FunctionName="url-deleted", AuthType="NONE")["FunctionUrl"]
    assert again != url
    assert call(bulb, again).status == 200
    aws.delete_function(FunctionName="url-deleted")
    assert call(bulb, again).body == FORBIDDEN


def test_an_update_of_the_function_is_seen_at_its_url(bulb: Running, aws: Any) -> None:
    create(aws, "url-updated", "def handler(event, context): return context.memory_limit_in_mb")
    url = public_url(aws, "url-updated")
    assert call(bulb, url).body == b"128"
    aws.update_function_configuration(FunctionName="url-updated", MemorySize=256)
    aws.get_waiter("function_updated_v2").wait(FunctionName="url-updated", WaiterConfig={"Delay": 0.05})
    assert call(bulb, url).body == b"256"


def test_no_room_is_429(bulb: Running, aws: Any) -> None:
    create(aws, "url-reserved", ECHO)
    url = public_url(aws, "url-reserved")
    aws.put_function_concurrency(FunctionName="url-reserved", ReservedConcurrentExecutions=0)
    page = call(bulb, url)
    assert (page.status, page.header("x-amzn-errortype")) == (429, "TooManyRequestsException")


def test_a_function_that_runs_out_of_time_is_502(bulb: Running, aws: Any) -> None:
    create(aws, "url-slow", "import time\ndef handler(event, context): time.sleep(30)", Timeout=1)
    page = call(bulb, public_url(aws, "url-slow"))
    assert (page.status, page.body) == (502, b"Internal Server Error")


# The configurations.


def test_configurations_show_what_aws_shows(bulb: Running, aws: Any) -> None:
    name = f"url-config-{uuid.uuid4().hex[:8]}"
    arn = create(aws, name, ECHO)
    made = aws.create_function_url_config(FunctionName=name, AuthType="NONE")
    made.pop("ResponseMetadata")
    assert set(made) == {"FunctionUrl", "FunctionArn", "AuthType", "CreationTime"}
    port = bulb.url.rpartition(":")[2]
    assert re.fullmatch(rf"http://[a-z0-9]{{32}}\.lambda-url\.us-east-1\.localhost:{port}/", made["FunctionUrl"])
    assert made["FunctionArn"] == arn
    got = aws.get_function_url_config(FunctionName=name)
    assert (got["InvokeMode"], got["CreationTime"]) == ("BUFFERED", made["CreationTime"])
    assert "LastModifiedTime" in got
    cors = {"AllowOrigins": ["https://a.example"], "MaxAge": 5}
    updated = aws.update_function_url_config(FunctionName=name, AuthType="AWS_IAM", Cors=cors)
    assert (updated["AuthType"], updated["Cors"], updated["FunctionUrl"]) == ("AWS_IAM", cors, made["FunctionUrl"])
    assert "InvokeMode" not in updated
    assert aws.update_function_url_config(FunctionName=name, InvokeMode="RESPONSE_STREAM")["Cors"] == cors
    assert aws.get_function_url_config(FunctionName=name)["InvokeMode"] == "RESPONSE_STREAM"
    aws.update_function_url_config(FunctionName=name, Cors={})
    assert "Cors" not in aws.get_function_url_config(FunctionName=name)


def test_a_function_has_one_url_and_each_alias_one(aws: Any) -> None:
    arn = create(aws, "url-many", ECHO)
    version = aws.publish_version(FunctionName="url-many")["Version"]
    for alias in ("a", "b"):
        aws.create_alias(FunctionName="url-many", Name=alias, FunctionVersion=version)
        aws.create_function_url_config(FunctionName="url-many", Qualifier=alias, AuthType="NONE")
    aws.create_function_url_config(FunctionName="url-many", AuthType="NONE", InvokeMode="BUFFERED")
    with pytest.raises(ClientError) as error:
        aws.create_function_url_config(FunctionName="url-many", AuthType="NONE")
    assert code(error) == (
        "ResourceConflictException",
        f"Failed to create function url config for [functionArn = {arn}]. "
        "Error message:  FunctionUrlConfig exists for this Lambda function",
    )
    pages = list(
        aws.get_paginator("list_function_url_configs").paginate(
            FunctionName="url-many", PaginationConfig={"PageSize": 2}
        )
    )
    assert [[url["FunctionArn"] for url in page["FunctionUrlConfigs"]] for page in pages] == [
        [arn, f"{arn}:a"],
        [f"{arn}:b"],
    ]
    aws.update_function_url_config(FunctionName="url-many", Qualifier="a", AuthType="AWS_IAM")

    def auth(**qualified: str) -> str:
        shown = aws.get_function_url_config(FunctionName="url-many", **qualified)
        assert shown["FunctionArn"] == ":".join([arn, *qualified.values()])
        kind: str = shown["AuthType"]
        return kind

    assert (auth(), auth(Qualifier="a"), auth(Qualifier="b")) == ("NONE", "AWS_IAM", "NONE")
    aws.delete_function_url_config(FunctionName="url-many", Qualifier="a")
    with pytest.raises(aws.exceptions.ResourceNotFoundException):
        auth(Qualifier="a")
    assert (auth(), auth(Qualifier="b")) == ("NONE", "NONE")


@pytest.mark.parametrize(
    ("operation", "name", "message"),
    [
        ("get_function_url_config", "url-none", "The resource you requested does not exist."),
        ("delete_function_url_config", "url-none", "The resource you requested does not exist."),
        ("update_function_url_config", "url-none", "Function does not exist"),
        ("list_function_url_configs", "url-none", "Function does not exist"),
        ("create_function_url_config", "url-none", "Function does not exist"),
        ("get_function_url_config", "url-bare", "The resource you requested does not exist."),
        ("update_function_url_config", "url-bare", "The resource you requested does not exist."),
        ("delete_function_url_config", "url-bare", "The resource you requested does not exist."),
        ("create_function_url_config", "url-bare:gone", "Function does not exist"),
        ("update_function_url_config", "url-bare:gone", "Function does not exist"),
    ],
)
def test_what_is_missing_has_the_words_of_aws(aws: Any, operation: str, name: str, message: str) -> None:
    if name.startswith("url-bare"):
        try:
            create(aws, "url-bare", ECHO)
        except ClientError as error:
            assert error.response["Error"]["Code"] == "ResourceConflictException"
    more = {"AuthType": "NONE"} if operation.startswith("create") else {}
    with pytest.raises(ClientError) as refused:
        getattr(aws, operation)(FunctionName=name, **more)
    assert code(refused) == ("ResourceNotFoundException", message)


@pytest.mark.parametrize("qualifier", ["$LATEST", "1"])
def test_versions_have_no_urls(aws: Any, qualifier: str) -> None:
    with pytest.raises(ClientError) as error:
        aws.create_function_url_config(FunctionName="url-x", Qualifier=qualifier, AuthType="NONE")
    assert code(error)[0] == "ValidationException"
    assert r"((?!^\d+$)^[0-9a-zA-Z-_]+$)" in code(error)[1]


def test_a_url_outlives_the_server(tmp_path: Path) -> None:
    with running_bulb(tmp_path / "data", stock=0) as first:
        aws = first.client("lambda")
        create(aws, "url-kept", ECHO)
        url = public_url(aws, "url-kept")
    with running_bulb(tmp_path / "data", stock=0) as second:
        assert call(second, url).status == 200
        kept = second.client("lambda").get_function_url_config(FunctionName="url-kept")["FunctionUrl"]
        assert kept.partition(".")[0] == url.partition(".")[0]
