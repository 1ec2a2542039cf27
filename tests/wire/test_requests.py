"""Every operation of every service: what botocore writes is recognised and read back to the same parameters."""

import pytest

from bulb.http.message import Request
from bulb.wire import protocols
from bulb.wire.target import identify

from .clients import CATALOG, SPOKEN, model, request_for
from .generated import Values

ROUNDS = 3
# The model has these twice, on one route; the current name is the one recognised.
TWINS = {
    "PutBucketLifecycle": "PutBucketLifecycleConfiguration",
    "GetBucketLifecycle": "GetBucketLifecycleConfiguration",
    "PutBucketNotification": "PutBucketNotificationConfiguration",
    "GetBucketNotification": "GetBucketNotificationConfiguration",
}
# Lambda's sister models have their tags on Lambda's own route: nothing in a request tells them apart.
SHARED_TAGS = {"ListTags", "TagResource", "UntagResource"}
# `Event` and `Events` are one element in this deprecated operation: one value cannot come back as two.
AMBIGUOUS = {"PutBucketNotification"}


def body_of(request: Request) -> bytes:
    return request.body.buffered or b""


@pytest.mark.parametrize(("service", "protocol"), SPOKEN)
def test_requests_survive_the_way(service: str, protocol: str) -> None:
    ours = CATALOG.service(service)
    client = model(service, protocol)
    wrong = []
    for name in client.operation_names:
        operation = client.operation_model(name)
        for number in range(ROUNDS):
            values = Values((service, name, number), xml=protocol in ("query", "rest-xml"))
            params = values.structure(operation.input_shape) if operation.input_shape is not None else {}
            request = request_for(service, operation, params, protocol)
            if name == "ListDirectoryBuckets":
                request.headers["authorization"] = request.headers["authorization"].replace("/s3/", "/s3express/")
            target = identify(request, CATALOG)
            expected = (service, TWINS.get(name, name), protocol)
            if target.service == "lambda" and name in SHARED_TAGS:
                expected = ("lambda", *expected[1:])
            if (target.service, target.operation, target.protocol) != expected:
                wrong.append((name, number, "recognised as", target, request.method, request.path, request.query))
                continue
            parsed = protocols.parse(ours, name, request, body_of(request))
            if "ContentLength" not in params:
                parsed.pop("ContentLength", None)  # The HTTP client always sends the header.
            if parsed != params and name not in AMBIGUOUS:
                differing = [key for key in {*params, *parsed} if params.get(key) != parsed.get(key)]
                wrong.append((name, number, differing, params, "read as", parsed, body_of(request)))
    assert not wrong, f"{len(wrong)} of {len(client.operation_names) * ROUNDS}; first: {wrong[0]}"
