"""Responses streamed by a program that speaks the Runtime API by itself, on the port inside its sandbox."""

import json
from typing import Any

import pytest

from tests.e2e.test_custom_runtimes import create, needs_python, packed
from tests.support.bulb import Running
from tests.support.functions import invoke
from tests.support.gates import ObjectGate
from tests.support.streams import stream

pytestmark = needs_python

BOOTSTRAP = r"""#!/usr/bin/python3
import base64, http.client, json, os, time, urllib.request
host = os.environ["AWS_LAMBDA_RUNTIME_API"]
path = "/2018-06-01/runtime/invocation/"


def begin(request_id, mode):
    api = http.client.HTTPConnection(host)
    api.putrequest("POST", path + request_id + "/response")
    api.putheader("Lambda-Runtime-Function-Response-Mode", mode)
    api.putheader("Content-Type", "text/event-stream")
    api.putheader("Transfer-Encoding", "chunked")
    api.putheader("Trailer", "Lambda-Runtime-Function-Error-Type, Lambda-Runtime-Function-Error-Body")
    api.endheaders()
    return api


def chunk(data):
    return b"%x\r\n%s\r\n" % (len(data), data)


while True:
    api = http.client.HTTPConnection(host)
    api.request("GET", path + "next")
    event = api.getresponse()
    request_id, action = event.headers["Lambda-Runtime-Aws-Request-Id"], json.loads(event.read())
    api = begin(request_id, "eager" if action == "mode" else "Streaming")
    if action != "mode":
        api.send(chunk(b"first "))
    if action == "truncated":
        api.close()
        continue
    while action.startswith("/"):
        try:
            urllib.request.urlopen(os.environ["AWS_ENDPOINT_URL"] + action, timeout=5).close()
            break
        except OSError:
            time.sleep(0.02)
    trailers = b""
    if action == "trailers":
        body = base64.b64encode(b'{"errorType":"Mine","errorMessage":"on the way"}')
        trailers = b"Lambda-Runtime-Function-Error-Type: Function.Mine\r\n"
        trailers += b"Lambda-Runtime-Function-Error-Body: %s\r\n" % body
    api.send(chunk(b"second") + b"0\r\n" + trailers + b"\r\n")
    answer = api.getresponse()
    print("answered", answer.status, answer.read().decode())
"""


@pytest.fixture(scope="module")
def aws(bulb: Running) -> Any:
    aws = bulb.client("lambda")
    create(aws, "custom-stream", packed(("bootstrap", BOOTSTRAP, 0o755)), Timeout=30)
    return aws


def test_it_is_passed_on_as_it_comes(bulb: Running, aws: Any) -> None:
    gate = ObjectGate(bulb)
    response = aws.invoke_with_response_stream(FunctionName="custom-stream", Payload=json.dumps(gate.path))
    assert response["ResponseStreamContentType"] == "text/event-stream"
    events = iter(response["EventStream"])
    assert next(events) == {"PayloadChunk": {"Payload": b"first "}}
    gate.open()
    assert list(events) == [{"PayloadChunk": {"Payload": b"second"}}, {"InvokeComplete": {}}]


def test_trailers_tell_of_an_error_on_the_way(aws: Any) -> None:
    streamed = stream(aws, "custom-stream", "trailers")
    assert streamed.payload == b"first second"
    assert streamed.error == {"errorType": "Mine", "errorMessage": "on the way"}
    error, response = invoke(aws, "custom-stream", "trailers")
    assert error == streamed.error
    assert response["FunctionError"] == "Unhandled"


def test_a_response_that_breaks_off_is_truncated(aws: Any) -> None:
    streamed = stream(aws, "custom-stream", "truncated")
    assert streamed.payload == b"first "
    assert streamed.error["errorType"] == "Runtime.TruncatedResponse"
    assert stream(aws, "custom-stream", "fine").payload == b"first second"


def test_an_unknown_mode_fails_the_event(aws: Any) -> None:
    streamed = stream(aws, "custom-stream", "mode")
    assert streamed.payload == b""
    assert streamed.error["errorType"] == "Runtime.InvalidResponseModeHeader"
    assert stream(aws, "custom-stream", "fine").payload == b"first second"
