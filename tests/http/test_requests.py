"""What the server takes, and what it refuses."""

import asyncio
import http.client

import pytest

from bulb.http.limits import HttpLimits
from bulb.http.message import Request, Response
from bulb.http.reader import Incoming, Refusal, RequestReader
from tests.http.serving import HOST, echo, run, serving, statuses, talk

CHUNKED = (
    b"POST /c HTTP/1.1\r\n"
    + HOST
    + b"Transfer-Encoding: chunked\r\n\r\n4\r\nabcd\r\n6;x=y\r\nefghij\r\n0\r\nHost: evil\r\n\r\n"
)
TWO = (
    b"POST /a?x=%20&y HTTP/1.1\r\n" + HOST + b"Content-Length: 3\r\n\r\nxyz"
    b"GET /b HTTP/1.1\r\n" + HOST + b"X-One: 1\r\nx-one: 2\r\n\r\n"
)


def test_pipelined_requests_are_answered_in_order() -> None:
    async def slow_first(request: Request) -> Response:
        if request.path == "/a":
            await asyncio.sleep(0.05)
        return await echo(request)

    async def test() -> None:
        async with serving(slow_first) as server:
            answer = await talk(server, TWO * 20)
            assert statuses(answer) == [200] * 40
            assert answer.index(b"POST /a?x=%20&y 3") < answer.index(b"GET /b? 0")

    async def one_at_a_time() -> None:
        running = 0

        async def alone(request: Request) -> Response:
            nonlocal running
            running += 1
            assert running == 1
            await asyncio.sleep(0.001)
            running -= 1
            return Response(200)

        async with serving(alone) as server:
            assert statuses(await talk(server, TWO * 30)) == [200] * 60

    run(test)
    run(one_at_a_time)


@pytest.mark.parametrize("message", [TWO, CHUNKED])
def test_bytes_may_arrive_split_anywhere(message: bytes) -> None:
    def read(*pieces: bytes) -> list[tuple[str, str, str, dict[str, str]]]:
        reader = RequestReader(HttpLimits(), ("", 0))
        for piece in pieces:
            reader.feed(piece)
        taken = list(reader.ready)
        assert all(isinstance(one, Incoming) for one in taken)
        return [(r.request.method, r.request.path, r.request.query, r.request.headers) for r in taken]  # type: ignore[union-attr]

    whole = read(message)
    assert whole
    for cut in range(1, len(message)):
        assert read(message[:cut], message[cut:]) == whole
    assert read(*(message[i : i + 1] for i in range(len(message)))) == whole


def test_repeated_headers_are_joined_and_trailers_are_not_headers() -> None:
    reader = RequestReader(HttpLimits(), ("", 0))
    reader.feed(TWO + CHUNKED)
    _, second, third = reader.ready
    assert isinstance(second, Incoming)
    assert second.request.headers["x-one"] == "1,2"
    assert isinstance(third, Incoming)
    assert third.request.headers["host"] == "localhost"


def test_trailers_come_with_their_body() -> None:
    reader = RequestReader(HttpLimits(), ("", 0))
    reader.feed(b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n")
    (incoming,) = reader.ready
    assert isinstance(incoming, Incoming)
    assert incoming.request.body.trailers == {}
    reader.feed(b"0\r\nX-One: 1\r\nx-one: 2\r\nHost: elsewhere\r\n\r\nGET /n HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert incoming.request.body.trailers == {"x-one": "1,2", "host": "elsewhere"}
    assert "x-one" not in incoming.request.headers
    following = reader.ready[1]
    assert isinstance(following, Incoming)
    assert following.request.headers == {"host": "localhost"}
    assert following.request.body.trailers == {}


def test_small_bodies_are_buffered_and_large_or_chunked_ones_stream() -> None:
    async def test() -> None:
        async with serving() as server:
            assert b"x-kind: buffered" in await talk(server, TWO)
            chunked = await talk(server, CHUNKED)
            assert b"x-kind: stream" in chunked
            assert chunked.endswith(b"POST /c? 10")
            size = 3_000_000
            head = b"PUT /big HTTP/1.1\r\n" + HOST + b"Content-Length: %d\r\n\r\n" % size
            big = await talk(server, head, b"z" * size)
            assert b"x-kind: stream" in big
            assert big.endswith(b"PUT /big? 3000000")

    run(test)


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"NONSENSE\r\n\r\n", 400),
        (b"GET / HTTP/9.9\r\n" + HOST + b"\r\n", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a/../b\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n" + HOST + b"X-A: a\0b\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n" + HOST + b" folded: x\r\n\r\n", 400),
        (b"GET relative HTTP/1.1\r\n" + HOST + b"\r\n", 400),
        (b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", 400),
        (b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: -3\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 99999999999999999999999\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked, gzip\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 400),
        (b"POST / HTTP/1.0\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n", 400),
        (b"CONNECT host:443 HTTP/1.1\r\nHost: host:443\r\n\r\n", 405),
        (b"POST / HTTP/1.1\r\n" + HOST + b"Expect: miracles\r\nContent-Length: 1\r\n\r\nx", 417),
        (b"GET /" + b"a" * 1_100_000 + b" HTTP/1.1\r\n" + HOST + b"\r\n", 431),
        (b"GET / HTTP/1.1\r\n" + HOST + b"X: " + b"a" * 1_300_000 + b"\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\n" + HOST + b"a: b\r\n" * 1_001 + b"\r\n", 431),
        (b"\r\n" * 700_000, 431),
    ],
)
def test_what_is_not_servable_is_refused_and_the_connection_closed(request_bytes: bytes, status: int) -> None:
    async def test() -> None:
        async with serving() as server:
            answer = await talk(server, request_bytes, end=False)
            assert statuses(answer) == [status]
            assert b"connection: close" in answer

    run(test)


def test_requests_before_a_broken_one_are_answered() -> None:
    async def test() -> None:
        async with serving() as server:
            assert statuses(await talk(server, TWO + b"BAD\r\n\r\n" + TWO, end=False)) == [200, 200, 400]

    run(test)


def test_broken_chunks_reach_the_handler_as_a_connection_error() -> None:
    seen: list[Exception] = []

    async def reading(request: Request) -> Response:
        try:
            return await echo(request)
        except ConnectionError as error:
            seen.append(error)
            raise

    async def test() -> None:
        async with serving(reading) as server:
            head = b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"
            assert statuses(await talk(server, head, b"zz\r\n", end=False)) == [400]
            assert len(seen) == 1

    run(test)


def test_endless_trailers_are_refused() -> None:
    reader = RequestReader(HttpLimits(), ("", 0))
    reader.feed(b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n0\r\nX: ")
    for _ in range(20):
        reader.feed(b"a" * 65_536)
    assert isinstance(reader.ready[-1], Refusal)
    assert reader.ready[-1].status == 431


def test_continue_is_sent_when_the_handler_reads_and_not_before() -> None:
    async def picky(request: Request) -> Response:
        return Response(403) if request.path == "/no" else await echo(request)

    async def test() -> None:
        async with serving(picky) as server:
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            head = b" HTTP/1.1\r\n" + HOST + b"Expect: 100-continue\r\nContent-Length: 2000000\r\n\r\n"
            writer.write(b"PUT /yes" + head)
            assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
            writer.write(b"x" * 2_000_000)
            assert (await reader.readuntil(b"PUT /yes? 2000000")).startswith(b"HTTP/1.1 200")
            writer.write(b"PUT /no" + head)
            refused = await asyncio.wait_for(reader.read(), 20)
            assert statuses(refused) == [403]
            assert b"connection: close" in refused
            writer.close()
            small = b"PUT /s HTTP/1.1\r\n" + HOST + b"Expect: 100-continue\r\nContent-Length: 2\r\n\r\n"
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            writer.write(small)
            assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
            writer.write(b"ok")
            assert (await reader.readuntil(b"PUT /s? 2")).startswith(b"HTTP/1.1 200")
            writer.close()

    run(test)


def test_absolute_targets_old_versions_and_upgrades() -> None:
    async def test() -> None:
        async with serving() as server:
            absolute = await talk(server, b"GET http://other:1/p?q HTTP/1.1\r\nHost: x\r\n\r\n")
            assert absolute.endswith(b"GET /p?q 0")
            old = await talk(server, b"GET /old HTTP/1.0\r\n\r\n", end=False)
            assert old.endswith(b"GET /old? 0")
            upgrade = b"GET /u HTTP/1.1\r\n" + HOST + b"Connection: Upgrade\r\nUpgrade: h2c\r\n\r\n"
            assert statuses(await talk(server, upgrade + TWO)) == [200, 200, 200]

    run(test)


def test_the_standard_library_as_client() -> None:
    def speak(port: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        for _ in range(3):
            connection.request(
                "POST", "/x", body=iter([b"ab", b"cd"]), encode_chunked=True, headers={"Transfer-Encoding": "chunked"}
            )
            assert connection.getresponse().read() == b"POST /x? 4"
            connection.request("HEAD", "/h")
            response = connection.getresponse()
            assert (response.status, response.headers["content-length"], response.read()) == (200, "10", b"")
        connection.close()

    async def test() -> None:
        async with serving() as server:
            await asyncio.to_thread(speak, server.port)

    run(test)
