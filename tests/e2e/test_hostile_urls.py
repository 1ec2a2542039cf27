"""Function URLs between two who mean harm: requests that are no HTTP, and functions whose answers are none."""

import re
import socket
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from tests.e2e.hostile import Neighbour, server
from tests.e2e.test_node import RUNTIME as NODE_RUNTIME
from tests.support.bulb import Running
from tests.support.functions import create
from tests.support.rawhttp import Message, Reply, send
from tests.support.urls import public_url

# Answers what the Python expression in the request's body is.
ANSWERS = """

def handler(event, context):
    if not event.get("body"):
        return {"statusCode": 200, "body": "fine"}
    return eval(event["body"])
"""
STREAMS = """
exports.handler = awslambda.streamifyResponse(async (event, stream) => {
    if (!event.body) { stream.end("fine"); return; }
    await eval("(async () => {" + event.body + "})()");
});
"""

HTTP = "stream = awslambda.HttpResponseStream.from(stream, "
INTEGRATION = "stream.setContentType('application/vnd.awslambda.http-integration-response'); "


@pytest.fixture(scope="module")
def bulb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with server(tmp_path_factory.mktemp("urls") / "data") as running:
        yield running


@pytest.fixture(scope="module")
def neighbour(bulb: Running) -> Neighbour:
    return Neighbour(bulb.client("lambda"))


class Site:
    """A function behind a URL, asked byte by byte."""

    def __init__(self, bulb: Running, url: str) -> None:
        self._bulb = bulb
        self.host = urlsplit(url).netloc
        self.path = f"/_url/{self.host.partition('.')[0]}"

    def ask(self, body: str | bytes = b"", method: str = "POST", target: str = "/", *more: tuple[str, str]) -> Message:
        content = body.encode() if isinstance(body, str) else body
        return Message(method, target, (("Host", self.host), ("Content-Type", "text/plain"), *more), content)

    def send(self, message: Message) -> Reply | None:
        return send(self._bulb.url, message)

    def reply(self, body: str) -> Reply:
        answer = self.send(self.ask(body))
        assert answer is not None
        return answer

    def assert_works(self) -> None:
        answer = self.reply("")
        assert (answer.status, answer.body) == (200, b"fine")


@pytest.fixture(scope="module")
def site(bulb: Running) -> Site:
    aws = bulb.client("lambda")
    create(aws, "answers", ANSWERS, Timeout=15)
    return Site(bulb, public_url(aws, "answers", Cors={"AllowOrigins": ["https://a.example"], "AllowMethods": ["*"]}))


@pytest.fixture(scope="module")
def stream(bulb: Running) -> Site:
    aws = bulb.client("lambda")
    create(aws, "streams", STREAMS, Runtime=NODE_RUNTIME, Timeout=15)
    return Site(bulb, public_url(aws, "streams", InvokeMode="RESPONSE_STREAM"))


@pytest.fixture(autouse=True)
def everybody_else_is_fine(site: Site, neighbour: Neighbour, caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    yield
    site.assert_works()
    neighbour.assert_undisturbed()
    assert not [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]


@pytest.mark.parametrize(
    "answer",
    [
        "{'statusCode': 200, 'headers': {'x-a': 'b\\r\\nset-cookie: stolen=1'}}",
        "{'statusCode': 200, 'headers': {'x-a': 'b\\nset-cookie: stolen=1'}}",
        "{'statusCode': 200, 'headers': {'x-a\\r\\nset-cookie': 'stolen=1'}}",
        "{'statusCode': 200, 'headers': {'x-a: b\\r\\n\\r\\n': 'stolen=1'}}",
        "{'statusCode': 200, 'headers': {'': 'stolen=1'}}",
        "{'statusCode': 200, 'headers': {'x a': 'stolen=1'}}",
        "{'statusCode': 200, 'headers': {'x-a': 'stolen=1\\0'}}",
        "{'statusCode': 200, 'cookies': ['a=b\\r\\nset-cookie: stolen=1']}",
        "{'statusCode': 200, 'cookies': ['a=b\\r\\n\\r\\n<script>stolen=1</script>']}",
        "{'statusCode': 200, 'headers': {'content-type': 'text/html\\r\\nset-cookie: stolen=1'}}",
        "{'statusCode': 200, 'headers': {'x-a': ['stolen=1']}}",
        "{'statusCode': 200, 'headers': ['x-a', 'stolen=1']}",
        "{'statusCode': 200, 'cookies': 'stolen=1'}",
        "{'statusCode': 200, 'cookies': [1]}",
        *[
            f"{{'statusCode': {status!r}}}"
            for status in (99, 100, 101, 600, 1000, -200, 0, 10**30, 2.5, "abc", "", None)
        ],
        "{'statusCode': True}",
        "{'statusCode': [200]}",
        "{'statusCode': '٢٠٠'}",
        "{'statusCode': 200, 'isBase64Encoded': True, 'body': 'no base64!'}",
        "{'statusCode': 200, 'isBase64Encoded': True, 'body': 'é'}",
        "{'statusCode': 200, 'headers': {'x-a': 10**30}, 'body': float('nan')}",
    ],
)
def test_an_answer_that_is_no_http_is_the_functions_mistake(site: Site, answer: str) -> None:
    reply = site.reply(answer)
    stated = {name for name in reply.headers if name not in ("date", "server", "x-amzn-trace-id", "x-amzn-requestid")}
    if "10**30" in answer or "nan" in answer:  # Not everything that is no JSON is refused, but it is always an answer.
        assert reply.status in (200, 502)
        return
    assert (reply.status, reply.body) == (502, b"Internal Server Error"), answer
    assert stated <= {"content-type", "content-length", "vary", "connection"}, stated
    assert b"stolen" not in str(reply).encode()


@pytest.mark.parametrize(
    ("answer", "status", "body"),
    [
        ("{'statusCode': '404', 'body': 'é'}", 404, "é".encode()),
        ("{'statusCode': 204, 'body': 'not for a 204'}", 204, b""),
        ("{'statusCode': 304, 'body': 'not for a 304'}", 304, b""),
        ("{'statusCode': 200, 'body': {'a': [1]}}", 200, b'{"a":[1]}'),
        (
            "{'statusCode': 200, 'headers': {'content-length': '5', 'transfer-encoding': 'chunked'}, 'body': 'x'}",
            200,
            b"x",
        ),
        ("{'statusCode': 200, 'headers': {'connection': 'close', 'upgrade': 'h2c'}, 'body': 'x'}", 200, b"x"),
        ("{'statusCode': 200, 'headers': {'date': 'x', 'x-amzn-requestid': 'forged'}, 'body': 'x'}", 200, b"x"),
        ("'\\ud800'", 200, None),
        ("{'statusCode': 200, 'body': '\\ud800'}", 200, b"?"),
        ("{'statusCode': 200, 'headers': {'x-a': '\\ud800'}, 'body': 'x'}", 200, b"x"),
        ("__import__('functools').reduce(lambda inner, _: [inner], range(300), 1)", 200, None),
        ("{'statusCode': 200, 'body': __import__('functools').reduce(lambda i, _: [i], range(980), 1)}", None, None),
        ("float('inf')", 200, None),
        ("None", 200, b"null"),
    ],
)
def test_a_strange_answer_is_still_one_answer(site: Site, answer: str, status: int | None, body: bytes | None) -> None:
    reply = site.reply(answer)
    assert status is None or reply.status == status
    assert body is None or reply.body == body
    assert reply.status < 500 or reply.status == 502
    assert "forged" not in reply.headers.get("x-amzn-requestid", "")


def test_ten_thousand_headers_and_cookies(bulb: Running, site: Site) -> None:
    many = "{'statusCode': 200, 'headers': {f'x-{n}': 'v' * 50 for n in range(10_000)}, 'cookies': ['c=1'] * 10_000}"
    head = raw(bulb, site.ask(many).with_header("Connection", "close").encode()).partition(b"\r\n\r\n")[0]
    assert head.count(b"set-cookie: c=1") == 10_000
    assert head.count(b"\r\nx-") >= 10_000


def raw(bulb: Running, sent: bytes, seconds: float = 10) -> bytes:
    """All that comes back until the server hangs up."""
    place = urlsplit(bulb.url)
    with socket.create_connection((str(place.hostname), place.port), seconds) as connection:
        connection.sendall(sent)
        received = bytearray()
        while part := connection.recv(1 << 16):
            received += part
    return bytes(received)


def test_requests_that_are_no_http(bulb: Running, site: Site) -> None:
    host = f"Host: {site.host}\r\n"
    for sent, wanted in [
        (f"GET / HTTP/1.1\r\n{host}Host: other\r\n\r\n", b"400"),
        (f"GET / HTTP/1.1\r\n{host}Content-Length: -1\r\n\r\n", b"400"),
        (f"GET / HTTP/1.1\r\n{host}Content-Length: 1\r\nContent-Length: 2\r\n\r\nab", b"400"),
        (f"POST / HTTP/1.1\r\n{host}Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n", b"400"),
        (f"POST / HTTP/1.1\r\n{host}Transfer-Encoding: chunked\r\n\r\nZZ\r\nabc\r\n0\r\n\r\n", b"400"),
        (f"POST / HTTP/1.1\r\n{host}Transfer-Encoding: chunked\r\n\r\n{'f' * 17}\r\n", b"400"),
        (f"POST / HTTP/1.1\r\n{host}Transfer-Encoding: gzip\r\n\r\n", b"4|501"),
        (f"GET / HTTP/9.9\r\n{host}\r\n", b"400|505"),
        (f"G@T / HTTP/1.1\r\n{host}\r\n", b"400"),
        (f"GET / HTTP/1.1\r\n{host}x-a: b\rc\r\n\r\n", b"400"),
        (f"GET / HTTP/1.1\r\n{host}x-a : b\r\n\r\n", b"400"),
        (f"GET / HTTP/1.1\r\n{host}" + "x" * 2_000_000 + ": 1\r\n\r\n", b"4"),
        (f"GET /{'a' * 2_000_000} HTTP/1.1\r\n{host}\r\n", b"4"),
        (f"GET / HTTP/1.1\r\n{host}" + "".join(f"x-{n}: 1\r\n" for n in range(5_000)) + "\r\n", b"4"),
    ]:
        try:
            received = raw(bulb, sent.encode("latin-1"))
        except ConnectionError:
            continue  # It hung up in the middle of what was sent.
        assert re.match(rb"HTTP/1\.1 (%s)" % wanted, received), (sent[:200], received[:300])
        assert received.count(b"HTTP/1.1 ") == 1, (sent[:200], received[:600])
        assert b"fine" not in received


@pytest.mark.parametrize("form", ["host", "path"])
def test_strange_but_lawful_requests_are_answered(site: Site, form: str) -> None:
    prefix = "" if form == "host" else site.path
    message = site.ask()
    if form == "path":
        message = message.with_header("Host", "127.0.0.1:4566")
    for method, target in [
        ("GET", "/%"), ("GET", "/%zz/%"), ("GET", "/%ff%fe"), ("GET", "/%00"), ("GET", "//"), ("GET", "/../../etc"),
        ("GET", "/?%"), ("GET", "/?&&==&=&a"), ("GET", "/?a=%ff&a=%c3"), ("GET", "/?" + "a=1&" * 4_000),
        ("PROPFIND", "/"), ("X", "/"), ("PATCH", "/"), ("TRACE", "/"), ("DELETE", "/a;b=c"), ("GET", "/é"),
    ]:  # fmt: skip
        reply = site.send(Message(method, prefix + target, message.headers))
        assert reply is not None, (method, target)
        assert (reply.status, reply.body) == (200, b"fine") or 400 <= reply.status < 500, (method, target, reply)
    cookies = [";;;", "=", "a=b; a=b; =; \xff", "c" * 4_000, "a=\t"]
    origins = ["null", "https://a.example", "https://a.example.evil", "HTTPS://A.EXAMPLE", "\xff", "a, b"]
    for name, values in {"Cookie": cookies, "Origin": origins, "X-Amzn-Trace-Id": ["Root=1", ";;;", "=", "x" * 3_000],
                         "Content-Type": ["\xff", ";", "text/plain; charset=nonsense"]}.items():  # fmt: skip
        for value in values:
            reply = site.send(Message("GET", prefix + "/", message.headers).with_header(name, value))
            assert reply is not None
            assert reply.status in (200, 403), (name, value, reply)
            assert reply.headers.get("access-control-allow-origin") in (None, "https://a.example")


def test_a_preflight_never_runs_the_function(site: Site) -> None:
    for method, headers in [("GET", "x-a"), ("\xff", ""), ("GET,PUT", ","), ("", "x" * 5_000)]:
        message = site.ask(
            b"1 / 0", "OPTIONS", "/", ("Origin", "https://a.example"), ("Access-Control-Request-Method", method),
            ("Access-Control-Request-Headers", headers),
        )  # fmt: skip
        reply = site.send(message)
        assert reply is not None
        assert reply.status < 500


@pytest.mark.parametrize(
    ("attack", "statuses"),
    [
        (HTTP + "{statusCode: 99}); stream.end('x')", {502}),
        (HTTP + "{statusCode: 'abc'}); stream.end('x')", {502}),
        (HTTP + "{headers: {'a\\r\\nb': 'stolen=1'}}); stream.end('x')", {502}),
        (HTTP + "{cookies: ['a\\r\\nb: stolen=1']}); stream.end('x')", {502}),
        ("stream.setContentType('text/html\\r\\nset-cookie: stolen=1'); stream.write('x'); stream.end()", {200, 502}),
        ("stream.setContentType('\\u20ac'); stream.write('x'); stream.end()", {200, 502}),
        (INTEGRATION + "stream.end('{')", {502}),
        (INTEGRATION + "stream.end(Buffer.alloc(9))", {502}),
        (INTEGRATION + "stream.end(Buffer.alloc(3_000_000, 'x'))", {502}),
        ("throw new Error('before the first byte')", {502}),
        ("process.exit(3)", {502}),
    ],
)  # fmt: skip
def test_a_stream_that_is_no_http(stream: Site, attack: str, statuses: set[int]) -> None:
    reply = stream.reply(attack)
    assert reply.status in statuses, reply
    assert "set-cookie" not in reply.headers
    assert "b" not in reply.headers
    stream.assert_works()


def test_a_stream_that_breaks_off_is_not_taken_for_a_whole(bulb: Running, stream: Site) -> None:
    for attack in ("process.exit(3)", "throw new Error('later')"):
        message = stream.ask(f"stream.write('begun'); await new Promise(r => setTimeout(r, 50)); {attack}")
        received = raw(bulb, message.encode())
        assert b"begun" in received
        assert not received.endswith(b"0\r\n\r\n"), attack
        stream.assert_works()


def test_a_caller_who_reads_nothing_holds_no_memory(bulb: Running, stream: Site) -> None:
    """A function that ignores back-pressure and a caller who does not read: the function is stopped by its time."""
    place = urlsplit(bulb.url)
    flood = "const block = Buffer.alloc(1 << 20); for (let n = 0; n < 18; n++) stream.write(block); stream.end();"
    with socket.create_connection((str(place.hostname), place.port), 10) as connection:
        connection.sendall(stream.ask(flood).encode())
        began = time.monotonic()
        stream.assert_works()
        assert time.monotonic() - began < 14
