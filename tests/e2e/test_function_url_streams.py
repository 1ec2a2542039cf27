"""Function URLs whose answers leave while the function makes them."""

import http.client
import json
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.support.bulb import Running
from tests.support.functions import create
from tests.support.gates import ObjectGate
from tests.support.nodejs import runtime
from tests.support.urls import call, public_url

NODE = runtime()
HANDLERS = """
const pause = () => new Promise((done) => setTimeout(done, 300));
const all = {
  async '/gated'(event, out) {
    out = awslambda.HttpResponseStream.from(out, {
      statusCode: 201, headers: { 'Content-Type': 'text/plain', 'X-A': '1' }, cookies: ['c=d', 'e=f'],
    });
    out.write('one ');
    const gate = process.env.AWS_ENDPOINT_URL + event.rawQueryString;
    while (!await fetch(gate).then((answer) => answer.ok, () => false)) await pause();
    out.end('two');
  },
  async '/words'(event, out) {
    out = awslambda.HttpResponseStream.from(out, {
      statusCode: 201, headers: { 'Content-Type': 'text/plain', 'X-A': '1' }, cookies: ['c=d', 'e=f'],
    });
    out.write('one ');
    await pause();
    out.end('two ' + Date.now());
  },
  async '/plain'(event, out) { out.setContentType('text/css'); out.write('a'); out.end('b'); },
  async '/empty'(event, out) { out.end(); },
  async '/early'(event, out) { throw new TypeError('too early'); },
  async '/late'(event, out) {
    out = awslambda.HttpResponseStream.from(out, { statusCode: 200 });
    out.write('begun');
    await pause();
    throw new RangeError('too late');
  },
  async '/bad'(event, out) {
    out = awslambda.HttpResponseStream.from(out, { statusCode: 42 });
    out.end('x');
  },
};
exports.handler = awslambda.streamifyResponse((event, out) => all[event.rawPath](event, out));
"""
BUFFERED = """
    def handler(event, context):
        return {"statusCode": 202, "headers": {"x-a": "1"}, "body": "whole"}
"""


@pytest.fixture(scope="module")
def aws(bulb: Running) -> Any:
    return bulb.client("lambda")


@pytest.fixture(scope="module")
def streams(aws: Any) -> str:
    if NODE is None:
        pytest.skip("no Node.js 20, 22 or 24 on this machine")
    create(aws, "url-streams", HANDLERS, Runtime=NODE, Timeout=30)
    return public_url(aws, "url-streams", InvokeMode="RESPONSE_STREAM")


def test_bytes_come_as_they_are_written(bulb: Running, streams: str) -> None:
    gate = ObjectGate(bulb)
    server = urlsplit(bulb.url)
    connection = http.client.HTTPConnection(str(server.hostname), server.port, timeout=30)
    connection.request("GET", f"/gated?{gate.path}", headers={"Host": urlsplit(streams).netloc})
    answer = connection.getresponse()
    assert answer.read1() == b"one ", "it is here before the second is written"
    gate.open()
    assert answer.read() == b"two"
    connection.close()
    assert (answer.status, answer.getheader("content-type"), answer.getheader("x-a")) == (201, "text/plain", "1")
    assert answer.getheader("transfer-encoding") == "chunked"
    assert answer.headers.get_all("set-cookie") == ["c=d", "e=f"]


def test_a_stream_without_metadata_is_all_body(bulb: Running, streams: str) -> None:
    page = call(bulb, streams, "/plain")
    assert (page.status, page.header("content-type"), page.body) == (200, "text/css", b"ab")
    assert call(bulb, streams, "/empty").body == b""
    head = call(bulb, streams, "/plain", "HEAD")
    assert (head.status, head.body) == (200, b"")


@pytest.mark.parametrize("path", ["/early", "/bad"])
def test_a_failure_before_the_first_byte_is_502(bulb: Running, streams: str, path: str) -> None:
    page = call(bulb, streams, path)
    assert (page.status, page.body) == (502, b"Internal Server Error")


def test_a_failure_in_the_middle_breaks_the_connection_off(bulb: Running, streams: str) -> None:
    with pytest.raises(http.client.IncompleteRead) as broken:
        call(bulb, streams, "/late")
    assert broken.value.partial == b"begun"


def test_a_function_that_does_not_stream_is_all_body(bulb: Running, aws: Any) -> None:
    create(aws, "url-whole", BUFFERED)
    url = public_url(aws, "url-whole", InvokeMode="RESPONSE_STREAM")
    page = call(bulb, url)
    assert (page.status, page.header("content-type")) == (200, "application/json")
    assert json.loads(page.body) == {"statusCode": 202, "headers": {"x-a": "1"}, "body": "whole"}


def test_a_buffered_url_collects_a_stream(bulb: Running, aws: Any, streams: str) -> None:
    aws.update_function_url_config(FunctionName="url-streams", InvokeMode="BUFFERED")
    try:
        page = call(bulb, streams, "/words")
        assert (page.status, page.body[:8], page.header("content-length")) == (201, b"one two ", "21")
        assert [value for name, value in page.headers if name == "set-cookie"] == ["c=d", "e=f"]
        assert call(bulb, streams, "/plain").body == b"ab"
        assert call(bulb, streams, "/late").status == 502
    finally:
        aws.update_function_url_config(FunctionName="url-streams", InvokeMode="RESPONSE_STREAM")
