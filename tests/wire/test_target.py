"""Requests that say less than botocore's do, and still mean one thing."""

import dataclasses

import pytest
from botocore.handlers import parse_get_bucket_location

from bulb.http.message import BufferedBody, Request
from bulb.wire import protocols
from bulb.wire.catalog import SERVICES
from bulb.wire.target import identify

from .clients import CATALOG, model

FORM = {"content-type": "application/x-www-form-urlencoded"}
MULTIPART = {"content-type": "multipart/form-data; boundary=x"}


def test_the_table_of_services_agrees_with_the_models() -> None:
    for name, facts in SERVICES.items():
        metadata = model(name).metadata
        spoken = list(metadata.get("protocols", [metadata["protocol"]]))
        assert facts.protocols[0] == spoken[0]
        assert set(spoken) <= set(facts.protocols)
        assert facts.target_prefix == metadata.get("targetPrefix")
        assert facts.api_version == metadata["apiVersion"]
        assert facts.endpoint_prefix == metadata["endpointPrefix"]
        assert facts.signing_name == metadata.get("signingName", metadata["endpointPrefix"])


CASES = [
    ("GET", "/", "", {}, b"", "s3", "ListBuckets"),
    ("GET", "/bucket", "", {}, b"", "s3", "ListObjects"),
    ("GET", "/bucket/", "list-type=2", {}, b"", "s3", "ListObjectsV2"),
    ("GET", "/bucket/key", "", {}, b"", "s3", "GetObject"),
    ("GET", "/bucket/a/b/", "x-id=GetObject", {}, b"", "s3", "GetObject"),
    ("GET", "/key", "", {"host": "bucket.s3.eu-west-1.amazonaws.com"}, b"", "s3", "GetObject"),
    ("GET", "/", "", {"host": "bucket.s3.localhost.localstack.cloud:4566"}, b"", "s3", "ListObjects"),
    ("PUT", "/key", "", {"host": "my.dotted.bucket.s3.amazonaws.com"}, b"", "s3", "PutObject"),
    ("PUT", "/key", "", {"host": "bucket.localhost:4566"}, b"", "s3", "PutObject"),
    ("PUT", "/b/k", "", {"x-amz-copy-source": "/a/b"}, b"", "s3", "CopyObject"),
    ("PUT", "/b/k", "partNumber=1&uploadId=u", {"x-amz-copy-source": "/a/b"}, b"", "s3", "UploadPartCopy"),
    ("PUT", "/b/k", "partNumber=1&uploadId=u", {}, b"", "s3", "UploadPart"),
    ("POST", "/b", "", MULTIPART, b"", "s3", "PostObject"),
    ("POST", "/", "", {**MULTIPART, "host": "b.s3.amazonaws.com"}, b"", "s3", "PostObject"),
    ("POST", "/b", "delete", {}, b"", "s3", "DeleteObjects"),
    ("POST", "/2015-03-31/functions/f/invocations", "", {}, b"{}", "lambda", "Invoke"),
    ("GET", "/2015-03-31/functions/", "", {}, b"", "lambda", "ListFunctions"),
    ("GET", "/2018-10-31/layers", "find=LayerVersion&Arn=a", {}, b"", "lambda", "GetLayerVersionByArn"),
    ("GET", "/2026-04-04/network-connectors", "", {}, b"", "lambda-core", "ListNetworkConnectors"),
    ("POST", "/", "", {"x-amz-target": "AmazonSQS.SendMessage"}, b"{}", "sqs", "SendMessage"),
    ("POST", "/", "", FORM, b"Action=SendMessage&Version=2012-11-05", "sqs", "SendMessage"),
    ("POST", "/000000000000/q", "", FORM, b"Action=SendMessage&QueueUrl=x", "sqs", "SendMessage"),
    ("GET", "/", "Action=GetCallerIdentity&Version=2011-06-15", {}, b"", "sts", "GetCallerIdentity"),
    ("POST", "/", "", {**FORM, "host": "sns.eu-west-1.amazonaws.com"}, b"Action=Publish", "sns", "Publish"),
    ("GET", "/v2/apis", "", {"host": "apigateway.eu-west-1.amazonaws.com"}, b"", "apigatewayv2", "GetApis"),
    ("GET", "/restapis", "", {"host": "apigateway.eu-west-1.amazonaws.com"}, b"", "apigateway", "GetRestApis"),
    ("GET", "/schedules", "", {"host": "scheduler.localhost"}, b"", "scheduler", "ListSchedules"),
]


@pytest.mark.parametrize(("method", "path", "query", "headers", "body", "service", "operation"), CASES)
def test_recognised(method, path, query, headers, body, service, operation) -> None:
    request = Request(method, path, query, {"host": "127.0.0.1:4566", **headers}, BufferedBody(body), ("h", 1))
    target = identify(request, CATALOG)
    assert (target.service, target.operation) == (service, operation)


def test_a_bucket_in_the_host_is_the_bucket_parameter() -> None:
    headers = {"host": "bucket.s3.eu-west-1.amazonaws.com"}
    request = Request("GET", "/a%20b/c", "", headers, BufferedBody(b""), ("h", 1))
    assert identify(request, CATALOG).s3_bucket_in_host
    assert protocols.parse(CATALOG.service("s3"), "GetObject", request, b"") == {"Bucket": "bucket", "Key": "a b/c"}


def test_a_queue_is_named_by_the_path_of_a_query_request() -> None:
    request = Request("POST", "/000000000000/q", "", {**FORM, "host": "h:1"}, BufferedBody(b""), ("h", 1))
    params = protocols.parse(CATALOG.service("sqs"), "SendMessage", request, b"Action=SendMessage&MessageBody=hi")
    assert params == {"MessageBody": "hi", "QueueUrl": "http://h:1/000000000000/q"}


def test_headers_of_a_presigned_url_in_its_query() -> None:
    request = Request("PUT", "/b/k", "x-amz-acl=private&x-amz-meta-a=b", {}, BufferedBody(b""), ("h", 1))
    params = protocols.parse(CATALOG.service("s3"), "PutObject", request, b"")
    assert (params["ACL"], params["Metadata"]) == ("private", {"a": "b"})


@pytest.mark.parametrize("location", ["eu-west-1", None])
def test_bucket_location(location: str | None) -> None:
    response = protocols.respond(CATALOG.service("s3"), "GetBucketLocation", {"LocationConstraint": location}, "id")
    parsed: dict = {}
    parse_get_bucket_location(parsed, FakeHttp(response.body))
    assert parsed["LocationConstraint"] == location


@dataclasses.dataclass
class FakeHttp:
    content: bytes
    raw: bytes = b""  # Only asked whether there is any.


def test_an_answer_the_model_does_not_have_is_a_mistake() -> None:
    for service, operation in (("lambda", "Invoke"), ("sqs", "SendMessage"), ("s3", "ListBuckets"), ("iam", "GetRole")):
        with pytest.raises(KeyError):
            protocols.respond(CATALOG.service(service), operation, {"Nonsense": 1}, "id")


def test_s3_errors_without_a_body() -> None:
    from bulb.core.errors import AwsError

    error = AwsError("NoSuchKey", "gone", status=404)
    request = Request("HEAD", "/b/k", "", {}, BufferedBody(b""), ("h", 1))
    response = protocols.error(CATALOG.service("s3"), "HeadObject", error, "id", request)
    assert (response.status, response.body) == (404, b"")


def test_query_compatible_errors_carry_the_old_code() -> None:
    from bulb.core.errors import AwsError

    request = Request("POST", "/", "", {"x-amz-target": "AmazonSQS.SendMessage"}, BufferedBody(b""), ("h", 1))
    error = AwsError("QueueDoesNotExist", "The specified queue does not exist.")
    response = protocols.error(CATALOG.service("sqs"), "SendMessage", error, "id", request)
    assert response.header("x-amzn-query-error") == "AWS.SimpleQueueService.NonExistentQueue;Sender"


def test_headers_of_lambda_errors() -> None:
    from bulb.core.errors import AwsError

    request = Request("POST", "/", "", {}, BufferedBody(b""), ("h", 1))
    error = AwsError("TooManyRequestsException", "Rate exceeded", members={"retryAfterSeconds": "1", "Reason": "R"})
    response = protocols.error(CATALOG.service("lambda"), "Invoke", error, "id", request)
    assert response.status == 429
    assert response.header("retry-after") == "1"
    assert response.header("x-amzn-errortype") == "TooManyRequestsException"
    assert response.body == b'{"Type":"User","Reason":"R","message":"Rate exceeded"}'
