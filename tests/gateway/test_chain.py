"""Real clients through the whole chain to toy services."""

import http.client
import io
import json
import logging
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit
from urllib.request import Request as UrlRequest
from urllib.request import urlopen

import pytest
from botocore.exceptions import ClientError

from bulb.core.calls import Call
from bulb.core.errors import AwsError
from bulb.gateway.access_log import AccessLog
from bulb.http.message import Request, Response
from tests.gateway.toys import toys
from tests.support.gateway import client, running_gateway


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    return toys()


@pytest.fixture(scope="module")
def url(services: dict[str, Any]) -> Iterator[str]:
    async def hello(request: Request) -> Response:
        return Response(200, [], f"hello {request.path}".encode())

    with running_gateway(services, routes={"/_bulb/hello": hello, "/_bulb/below/": hello}) as address:
        yield address


def test_lambda_over_rest_json(url: str, services: dict[str, Any]) -> None:
    functions = client("lambda", url)
    assert functions.list_functions()["Functions"] == [{"FunctionName": "one"}]
    answer = functions.invoke(FunctionName="one", Payload=b'{"a": 1}')
    assert answer["Payload"].read() == b'{"a": 1}'
    assert answer["ExecutedVersion"] == "$LATEST"
    call = services["lambda"].calls[-1]
    assert (call.service, call.operation, call.account, call.region) == (
        "lambda",
        "Invoke",
        "000000000000",
        "us-east-1",
    )
    assert call.base_url == url
    assert call.request_id == answer["ResponseMetadata"]["RequestId"]


def test_a_body_that_arrives_in_many_reads_is_whole(url: str) -> None:
    answer = client("lambda", url).create_function(
        FunctionName="big", Role="arn:aws:iam::000000000000:role/r", Code={"ZipFile": bytes(3_000_000)}
    )
    assert answer["CodeSize"] == 3_000_000


def test_the_trace_header_reaches_the_call(url: str, services: dict[str, Any]) -> None:
    header = "Root=1-67891233-abcdef012345678912345678;Sampled=1"
    target = UrlRequest(f"{url}/2015-03-31/functions/one/invocations", b"{}", {"X-Amzn-Trace-Id": header})
    with urlopen(target) as answer:
        assert answer.status == 200
    assert services["lambda"].calls[-1].trace_header == header


def test_sqs_over_json_and_query(url: str) -> None:
    queues = client("sqs", url)
    expected = f"{url}/000000000000/q"
    assert queues.list_queues()["QueueUrls"] == [expected]
    with pytest.raises(queues.exceptions.QueueDoesNotExist):
        queues.get_queue_url(QueueName="gone")
    with urlopen(f"{url}/?Action=ListQueues&Version=2012-11-05") as answer:
        text = answer.read()
        assert text.startswith(b"<ListQueuesResponse")
        assert f">{expected}<".encode() in text


def test_s3_streams_both_ways(url: str, services: dict[str, Any]) -> None:
    buckets = client("s3", url, s3={"addressing_style": "path"})
    put = buckets.put_object(Bucket="bucket", Key="a/b c.txt", Body=io.BytesIO(b"y" * 3_000_000))
    assert put["VersionId"] == "3000000"
    assert services["s3"].calls[-1].params["Key"] == "a/b c.txt"
    got = buckets.get_object(Bucket="bucket", Key="k")
    assert got["Metadata"] == {"who": "bulb"}
    assert len(got["Body"].read()) == got["ContentLength"] == 5 * 1_048_576
    with pytest.raises(ClientError) as missing:
        buckets.head_object(Bucket="bucket", Key="k")
    assert missing.value.response["ResponseMetadata"]["HTTPStatusCode"] == 404
    buckets.put_bucket_tagging(Bucket="bucket", Tagging={"TagSet": [{"Key": "a", "Value": "b"}]})
    assert services["s3"].calls[-1].params["Tagging"] == {"TagSet": [{"Key": "a", "Value": "b"}]}


def test_s3_bucket_in_the_host_name(url: str, services: dict[str, Any]) -> None:
    place = urlsplit(url)
    for host in (f"photos.s3.localhost.localstack.cloud:{place.port}", "photos.s3.us-west-2.amazonaws.com"):
        connection = http.client.HTTPConnection(str(place.hostname), place.port, timeout=30)
        connection.request("GET", "/?list-type=2", headers={"Host": host})
        answer = connection.getresponse()
        assert (answer.status, b"<Name>photos</Name>" in answer.read()) == (200, True)
        connection.close()


def test_a_refused_upload_is_answered_before_it_is_read(url: str) -> None:
    buckets = client("s3", url, s3={"addressing_style": "path"})
    with pytest.raises(ClientError) as refused:
        buckets.put_object(Bucket="bucket", Key="refused", Body=io.BytesIO(bytes(5_000_000)))
    assert refused.value.response["Error"]["Code"] == "AccessDenied"


def test_compressed_metrics(url: str, services: dict[str, Any]) -> None:
    data = [
        {"MetricName": f"m{i}", "Value": float(i), "Timestamp": datetime(2026, 1, 1, tzinfo=UTC)} for i in range(900)
    ]
    client("cloudwatch", url).put_metric_data(Namespace="n", MetricData=data)
    assert services["cloudwatch"].data == data


def test_a_services_error_is_its_clients_exception(url: str) -> None:
    functions = client("lambda", url)
    with pytest.raises(functions.exceptions.ResourceNotFoundException, match="Function not found: x"):
        functions.get_function(FunctionName="x")


def test_an_unexpected_error_is_a_500_with_a_request_id_and_no_secrets(url: str, caplog: Any) -> None:
    functions = client("lambda", url)
    with caplog.at_level(logging.ERROR), pytest.raises(functions.exceptions.ServiceException) as failed:
        functions.delete_function(FunctionName="x")
    response = failed.value.response
    assert response["ResponseMetadata"]["HTTPStatusCode"] == 500
    assert "secret" not in json.dumps(response, default=str)
    assert response["ResponseMetadata"]["RequestId"] in caplog.text


@pytest.mark.parametrize("mode", ["legacy", "standard", "adaptive"])
@pytest.mark.parametrize(
    ("service", "call", "arguments", "named"),
    [
        ("lambda", "get_account_settings", {}, "GetAccountSettings"),
        ("s3", "list_buckets", {}, "ListBuckets"),
        ("sqs", "purge_queue", {"QueueUrl": "http://q"}, "PurgeQueue"),
        ("sts", "get_session_token", {}, "GetSessionToken"),
        ("dynamodb", "list_tables", {}, "dynamodb"),
        # Of these Bulb knows no more than that it lacks them: JSON, CBOR, queries, REST in JSON and in XML.
        ("ssm", "list_documents", {}, "ListDocuments"),
        ("codebuild", "list_builds", {}, "ListBuilds"),
        ("cloudformation", "list_stacks", {}, "cloudformation"),
        ("xray", "get_groups", {}, "xray"),
        ("route53", "list_hosted_zones", {}, "route53"),
    ],
)
def test_what_bulb_does_not_have_is_named_and_not_tried_again(
    mode: str, service: str, call: str, arguments: dict[str, str], named: str
) -> None:
    lines = io.StringIO()
    with AccessLog(logging.StreamHandler(lines)) as log, running_gateway(toys(), access_log=log) as url:
        asking = client(service, url, retries={"total_max_attempts": 3, "mode": mode})
        with pytest.raises(ClientError) as refused:
            getattr(asking, call)(**arguments)
    error = refused.value.response
    assert error["ResponseMetadata"]["HTTPStatusCode"] == 501
    assert error["Error"]["Code"].startswith("NotImplemented")
    assert named in error["Error"]["Message"]
    assert service in error["Error"]["Message"]
    assert len(lines.getvalue().splitlines()) == 1


def test_plain_routes(url: str) -> None:
    for path in ("/_localstack/health", "/_bulb/health"):
        with urlopen(url + path) as answer:
            assert json.load(answer)["services"]["lambda"] == "running"
    for path in ("/_bulb/hello", "/_bulb/below/", "/_bulb/below/a/b"):
        with urlopen(url + path) as answer:
            assert answer.read() == f"hello {path}".encode()
    place = urlsplit(url)
    connection = http.client.HTTPConnection(str(place.hostname), place.port, timeout=30)
    connection.request("GET", "/_bulb/nothing")
    assert connection.getresponse().status == 404
    connection.close()


def test_routes_cannot_hide_a_bucket() -> None:
    async def hello(request: Request) -> Response:
        return Response(200)

    with pytest.raises(ValueError, match="/_"), running_gateway({}, routes={"/bucket": hello}):
        pass


def test_an_authorizer_is_asked_with_the_parsed_call() -> None:
    class NobodyLists:
        async def authorize(self, call: Call) -> None:
            if call.operation == "ListFunctions":
                raise AwsError("AccessDeniedException", f"{call.caller.arn} may not", status=403)

    with running_gateway(toys(), authorizer=NobodyLists()) as url:
        functions = client("lambda", url)
        with pytest.raises(ClientError, match="may not"):
            functions.list_functions()
        functions.invoke(FunctionName="one")
