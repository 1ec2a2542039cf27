"""Requests nobody should send: each is the client's fault, none is an accident of ours."""

import json
import random

import pytest

from bulb.core.errors import AwsError
from bulb.http.message import BufferedBody, Request
from bulb.wire import cbor, protocols
from bulb.wire.target import identify

from .clients import CATALOG, SPOKEN, model, request_for
from .generated import Values

DEEP = 100_000


def post(headers: dict[str, str], body: bytes, path: str = "/", query: str = "", method: str = "POST") -> Request:
    return Request(method, path, query, headers, BufferedBody(body), ("127.0.0.1", 1))


def refused(service: str, operation: str, request: Request) -> AwsError:
    with pytest.raises(AwsError) as caught:
        protocols.parse(CATALOG.service(service), operation, request, request.body.buffered or b"")
    assert 400 <= caught.value.status < 500
    response = protocols.error(CATALOG.service(service), operation, caught.value, "id", request)
    assert 400 <= response.status < 500
    return caught.value


JSON_BODIES = [
    b"{",
    b"[]",
    b'"text"',
    b"\xff\xfe",
    b'{"TableName": 1}',
    b'{"TableName": {"a": 1}}',
    b'{"Key": []}',
    b'{"ConsistentRead": "yes"}',
    b'{"Key": {"a": {"B": "not base64!"}}}',
    b'{"Key": ' + b"[" * DEEP + b"]" * DEEP + b"}",
    b'{"Key": {"a": ' + b'{"L": [' * 400 + b"]}" * 400 + b"}}",
    b'{"TableName": "\\ud800"}',
    b'{"TableName": NaN}',
]


@pytest.mark.parametrize("body", JSON_BODIES, ids=range(len(JSON_BODIES)))
def test_json(body: bytes) -> None:
    request = post({"x-amz-target": "DynamoDB_20120810.GetItem"}, body)
    assert refused("dynamodb", "GetItem", request).code == "SerializationException"


XML_BODIES = [
    b"<Delete>",
    b"not xml",
    b"\x00\x01",
    b"<a>text</a>",
    b'<!DOCTYPE a [<!ENTITY b "bbbb"><!ENTITY c "&b;&b;">]><Delete><Object><Key>&c;</Key></Object></Delete>',
    b'<!DOCTYPE a SYSTEM "file:///etc/passwd"><Delete></Delete>',
    '<!DOCTYPE a [<!ENTITY b "x">]><Delete/>'.encode("utf-16"),
    b"<Delete><Object><Key>&undefined;</Key></Object></Delete>",
    b"<Tagging><Object><Key>k</Key></Object></Tagging>",
    b"<Tagging/>",
]


@pytest.mark.parametrize("body", XML_BODIES, ids=range(len(XML_BODIES)))
def test_xml(body: bytes) -> None:
    request = post({"host": "127.0.0.1"}, body, "/bucket", "delete")
    assert refused("s3", "DeleteObjects", request).code == "MalformedXML"


def test_deep_xml_is_read_or_refused() -> None:
    body = b"<Delete>" + b"<a>" * DEEP + b"</a>" * DEEP + b"</Delete>"
    request = post({"host": "127.0.0.1"}, body, "/bucket", "delete")
    assert protocols.parse(CATALOG.service("s3"), "DeleteObjects", request, body)["Delete"] == {}


CBOR_BODIES = [
    b"\xa1",
    b"\x80",
    b"\xbf",
    b"\xbb\xff\xff\xff\xff\xff\xff\xff\xff",
    b"\x9b\xff\xff\xff\xff\xff\xff\xff\xff",
    b"\x5b\xff\xff\xff\xff\xff\xff\xff\xff",
    b"\x81" * DEEP,
    b"\xd8\x20" * DEEP,
    b"\xa1\x01\x02",
    b"\xa1\x61\xff\x01",
    b"\xa0\xa0",
    b"\xfc",
    cbor.dumps({"Namespace": 1}),
    cbor.dumps({"MetricData": {"a": 1}}),
]


@pytest.mark.parametrize("body", CBOR_BODIES, ids=range(len(CBOR_BODIES)))
def test_cbor(body: bytes) -> None:
    request = post({"smithy-protocol": "rpc-v2-cbor"}, body)
    assert refused("cloudwatch", "PutMetricData", request).code == "SerializationException"


FORMS = [
    b"Tags.member.x.Key=a",
    b"Tags.member.1.Key=a&" + b".".join([b"a"] * 200) + b"=1",
    b"&".join(b"a%d=1" % number for number in range(20_001)),
    b"Tags.member.99999999999999999999.Key=a",
    b"\xff\xff",
    b"Path.deeper=1",
    b"MaxSessionDuration=abc",
    b"MaxSessionDuration=" + b"9" * 5000,
]


@pytest.mark.parametrize("body", FORMS, ids=range(len(FORMS)))
def test_query(body: bytes) -> None:
    request = post({"content-type": "application/x-www-form-urlencoded"}, body)
    assert refused("iam", "CreateRole", request).code == "MalformedInput"


def test_paths_and_queries_that_are_not_utf8() -> None:
    assert refused("s3", "GetObject", post({}, b"", "/bucket/%ff", "", "GET")).code == "InvalidURI"
    assert refused("s3", "ListObjects", post({}, b"", "/bucket", "prefix=%ff", "GET")).code == "InvalidArgument"


@pytest.mark.parametrize("number", [2**63, -(2**64), 10**30, 10**300])
def test_integers_no_database_holds(number: int) -> None:
    path = f"/2018-10-31/layers/a/versions/{number}"
    assert refused("lambda", "GetLayerVersion", post({}, b"", path, method="GET")).code == "SerializationException"
    body = b'{"Timeout": %d}' % number
    path = "/2015-03-31/functions/f/configuration"
    request = post({}, body, path, method="PUT")
    assert refused("lambda", "UpdateFunctionConfiguration", request).code == "SerializationException"


def test_rest_members_of_the_wrong_type() -> None:
    listing = post({"host": "h"}, b"", "/bucket", "list-type=2&max-keys=many", "GET")
    assert refused("s3", "ListObjectsV2", listing).code == "InvalidArgument"
    functions = post({}, b"", "/2015-03-31/functions", "MaxItems=x", "GET")
    assert refused("lambda", "ListFunctions", functions).code == "SerializationException"


@pytest.mark.parametrize(("service", "protocol"), SPOKEN)
def test_damaged_requests_of_every_operation(service: str, protocol: str) -> None:
    """Cut short or with a byte changed, a request is read (to something) or refused, never an exception of ours."""
    chance = random.Random(service)
    client = model(service)
    for name in client.operation_names:
        operation = client.operation_model(name)
        if operation.input_shape is None:
            continue
        params = Values((service, name), xml=protocol in ("query", "rest-xml")).structure(operation.input_shape)
        request = request_for(service, operation, params, protocol)
        body = request.body.buffered or b""
        for _ in range(4):
            cut = body[: chance.randint(0, len(body))]
            flipped = bytearray(body)
            if flipped:
                flipped[chance.randrange(len(flipped))] = chance.randrange(256)
            for damaged in (cut, bytes(flipped)):
                try:
                    protocols.parse(CATALOG.service(service), name, request, damaged)
                except AwsError as error:
                    assert 400 <= error.status < 500


@pytest.mark.parametrize(
    "request_",
    [
        post({"x-amz-target": "Nonsense.Operation"}, b""),
        post({"x-amz-target": "DynamoDB_20120810.Nonsense"}, b""),
        post({"x-amz-target": ""}, b""),
        post({"authorization": "AWS4-HMAC-SHA256 Credential=a/20260101/r/ec2/aws4_request"}, b""),
        post({"content-type": "application/x-www-form-urlencoded"}, b"Action=Nope&Version=2010-05-08"),
        post({"smithy-protocol": "rpc-v2-cbor"}, b"", "/service/A/operation/B"),
        post({}, b"", "/2015-03-31/nonsense"),
        post({}, b"", "/bucket", "", "PATCH"),
    ],
    ids=range(8),
)
def test_unknown_targets(request_: Request) -> None:
    with pytest.raises(AwsError) as caught:
        identify(request_, CATALOG)
    service = getattr(caught.value, "service", None)
    known = CATALOG.service(service) if service else None
    response = protocols.error(known, None, caught.value, "id", request_)
    assert 400 <= response.status < 500 or response.status == 501
    assert response.body


def test_numbers_json_cannot_hold_still_leave() -> None:
    answer = {"Attributes": {"a": {"N": "1"}}, "ConsumedCapacity": {"CapacityUnits": float("nan")}}
    response = protocols.respond(CATALOG.service("dynamodb"), "PutItem", answer, "id")
    assert json.loads(response.body)["ConsumedCapacity"] == {"CapacityUnits": "NaN"}
