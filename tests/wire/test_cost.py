"""The invoke path is hot: reading and writing one must stay far below what the rest of an invoke costs.

Counted in calls, not in time: those are the same on every machine.
"""

import sys
from types import FrameType
from typing import Any

from bulb.http.message import BufferedBody, Request
from bulb.wire import protocols
from bulb.wire.target import identify

from .clients import CATALOG

# Counted: 136, which take 13 microseconds. The bound leaves room for a check more, not for a walk over the model.
MOST_CALLS = 200


def test_an_invoke_costs_few_calls() -> None:
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
    calls = 0

    def count(frame: FrameType, event: str, arg: Any) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        invoke()
    finally:
        sys.setprofile(None)
    assert calls < MOST_CALLS
