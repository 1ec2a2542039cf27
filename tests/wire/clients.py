"""Requests as botocore's own serializers write them, and answers as its parsers read them."""

from functools import lru_cache
from typing import Any

from botocore.awsrequest import HeadersDict, create_request_object, prepare_request_dict
from botocore.loaders import Loader
from botocore.model import OperationModel, ServiceModel
from botocore.parsers import create_parser
from botocore.serialize import create_serializer

from bulb.http.message import BufferedBody, Request, Response
from bulb.wire import sqs_query
from bulb.wire.catalog import SERVICES, Catalog

CATALOG = Catalog()
NAMES = [name for name in SERVICES if not name.startswith("lambda-")]
SPOKEN = [(name, protocol) for name in SERVICES for protocol in SERVICES[name].protocols]


@lru_cache
def model(name: str, protocol: str = "") -> ServiceModel:
    """What botocore knows of a service; of SQS in its query days, what it knew then."""
    document = Loader().load_service_model(name, "service-2")
    if (name, protocol) == ("sqs", "query"):
        document = {**document, "shapes": sqs_query.named(document["shapes"])}
    return ServiceModel(document, name)


def request_for(service: str, operation: OperationModel, params: dict[str, Any], protocol: str) -> Request:
    serializer = create_serializer(protocol, include_validation=False)
    prepared = serializer.serialize_to_request(params, operation)
    prepare_request_dict(prepared, endpoint_url="http://127.0.0.1:4566", context={})
    raw = create_request_object(prepared).prepare()
    signing = SERVICES[service].signing_name
    scope = f"AKIDEXAMPLE/20260101/eu-west-1/{signing}/aws4_request"
    return to_request(raw, {"authorization": f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=00"})


def to_request(raw: Any, more_headers: dict[str, str] | None = None, body: bytes | None = None) -> Request:
    """A prepared request of botocore's as our front door would hand it on."""
    path, _, query = raw.url.split("://", 1)[1].partition("/")[2].partition("?")
    host = raw.url.split("://", 1)[1].partition("/")[0]
    headers = {"host": host}
    for name, value in raw.headers.items():
        headers[name.lower()] = value.decode("latin-1") if isinstance(value, bytes) else str(value)
    headers.update(more_headers or {})
    content = raw.body if body is None else body
    content = content.encode() if isinstance(content, str) else bytes(content or b"")
    return Request(raw.method, f"/{path}", query, headers, BufferedBody(content), ("127.0.0.1", 1))


def read(response: Response, shape: Any, protocol: str) -> dict[str, Any]:
    """What a client makes of a response."""
    assert isinstance(response.body, bytes)
    document = {
        "body": response.body,
        "headers": HeadersDict(response.headers),
        "status_code": response.status,
        "context": {"operation_name": "x"},
    }
    return create_parser(protocol).parse(document, shape)
