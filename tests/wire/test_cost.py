"""The invoke path is hot: reading and writing one must stay far below what the rest of an invoke costs."""

import timeit

from bulb.http.message import BufferedBody, Request
from bulb.wire import protocols
from bulb.wire.target import identify

from .clients import CATALOG

ROUNDS = 2_000
# Measured: 13 microseconds in all. The bound leaves room for a busy machine, not for a walk over the model.
MOST_MICROSECONDS = 60


def test_an_invoke_costs_microseconds() -> None:
    scope = "AKID/20260101/eu-west-1/lambda/aws4_request"
    headers = {
        "host": "127.0.0.1:4566",
        "x-amz-log-type": "Tail",
        "authorization": f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=00",
    }
    path = "/2015-03-31/functions/hello/invocations"
    request = Request("POST", path, "Qualifier=live", headers, BufferedBody(b"{}"), ("127.0.0.1", 1))
    answer = {"StatusCode": 200, "Payload": b"null", "ExecutedVersion": "3", "LogResult": "bG9n"}
    service = CATALOG.service("lambda")

    def invoke() -> None:
        target = identify(request, CATALOG)
        protocols.parse(service, target.operation, request, b"{}")
        protocols.respond(service, target.operation, answer, "id", target.protocol)

    invoke()
    best = min(timeit.repeat(invoke, number=ROUNDS, repeat=5)) / ROUNDS * 1_000_000
    assert best < MOST_MICROSECONDS
