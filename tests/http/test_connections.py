"""Connections: time limits, slow and vanishing clients, and the end of a server."""

import asyncio
import resource
import socket
import struct
from collections.abc import AsyncIterator

import pytest

from bulb.http.connection import HttpConnection
from bulb.http.limits import HttpLimits
from bulb.http.message import Request, Response, chunks
from tests.http.serving import HOST, alone, echo, run, serving, statuses, talk

GET = b"GET / HTTP/1.1\r\n" + HOST + b"\r\n"
MB = 1_048_576


def test_a_slow_reader_of_a_large_response_costs_no_memory() -> None:
    total = 200

    async def large(request: Request) -> Response:
        async def parts() -> AsyncIterator[bytes]:
            part = bytes(MB)
            for _ in range(total):
                yield part

        return Response(200, [], parts())

    async def test() -> None:
        async with serving(large) as server:
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port, limit=65_536)
            writer.write(GET)
            before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            await asyncio.sleep(0.1)
            size = 0
            while not (part := await reader.read(MB)).endswith(b"0\r\n\r\n"):
                size += len(part)
            writer.close()
            assert size > (total - 1) * MB
            assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20_000  # kB

    run(test)


def test_a_fast_sender_is_held_back_while_the_handler_is_busy() -> None:
    release = asyncio.Event()

    async def busy(request: Request) -> Response:
        await release.wait()
        return await echo(request)

    async def test() -> None:
        async with serving(busy) as server:
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            size = 64 * MB
            writer.write(b"PUT / HTTP/1.1\r\n" + HOST + b"Content-Length: %d\r\n\r\n" % size)
            sending = asyncio.create_task(_write_all(writer, size))
            await asyncio.sleep(0.2)
            assert not sending.done()
            release.set()
            assert (await reader.readuntil(b"%d" % size)).endswith(b"PUT /? %d" % size)
            await sending
            writer.close()

    run(test)


async def _write_all(writer: asyncio.StreamWriter, size: int) -> None:
    for _ in range(size // MB):
        writer.write(bytes(MB))
        await writer.drain()


def test_a_client_that_leaves_does_not_stop_its_request() -> None:
    finished = asyncio.Event()

    async def slow(request: Request) -> Response:
        await asyncio.sleep(0.1)
        finished.set()
        return Response(200)

    async def test() -> None:
        async with serving(slow) as server:
            _, writer = await asyncio.open_connection("127.0.0.1", server.port)
            writer.write(GET)
            await asyncio.sleep(0.02)
            writer.transport.abort()
            await asyncio.wait_for(finished.wait(), 20)

    run(test)


def test_a_client_that_leaves_in_its_body_is_a_connection_error_to_the_handler() -> None:
    errors: asyncio.Queue[Exception] = asyncio.Queue()

    async def reading(request: Request) -> Response:
        try:
            return await echo(request)
        except ConnectionError as error:
            errors.put_nowait(error)
            raise

    async def test() -> None:
        async with serving(reading) as server:
            _, writer = await asyncio.open_connection("127.0.0.1", server.port)
            writer.write(b"PUT / HTTP/1.1\r\n" + HOST + b"Content-Length: 5000000\r\n\r\nabc")
            await asyncio.sleep(0.02)
            writer.transport.abort()
            await asyncio.wait_for(errors.get(), 20)

    run(test)


def test_a_stream_nobody_reads_any_more_is_closed_even_while_it_waits() -> None:
    closed = asyncio.Event()

    async def endless(request: Request) -> Response:
        async def parts() -> AsyncIterator[bytes]:
            try:
                yield b"first"
                await asyncio.Event().wait()
            finally:
                closed.set()

        return Response(200, [], parts())

    async def test() -> None:
        async with serving(endless, limits=HttpLimits(linger_timeout=0.1), sweep_interval=0.02) as server:
            for reset in (True, False):
                closed.clear()
                reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
                if reset:
                    linger = struct.pack("ii", 1, 0)
                    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                writer.write(GET)
                await reader.readuntil(b"first")
                writer.transport.abort()
                await asyncio.wait_for(closed.wait(), 20)

    run(test)


@pytest.mark.parametrize(
    ("sent", "answer"),
    [
        (b"", []),
        (b"GET / HTTP/1.1\r\nHo", [408]),
        (b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 9\r\n\r\nabc", [408]),
        (b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 2000000\r\n\r\nabc", [408]),
    ],
)
def test_a_client_that_keeps_us_waiting_is_dropped(sent: bytes, answer: list[int]) -> None:
    limits = HttpLimits(
        head_timeout=0.1,
        buffered_body_timeout=0.1,
        stall_timeout=0.1,
        idle_timeout=30.0 if sent else 0.1,  # what is sent may come later than we mean it to
        linger_timeout=0.1,
    )

    async def test() -> None:
        async with serving(limits=limits, sweep_interval=0.02) as server:
            assert statuses(await talk(server, sent, end=False)) == answer
            await alone(server)

    run(test)


def test_dripped_headers_do_not_hold_a_connection() -> None:
    limits = HttpLimits(head_timeout=0.2, linger_timeout=0.1)

    async def test() -> None:
        async with serving(limits=limits, sweep_interval=0.02) as server:
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            for byte in GET[:-2] * 3:
                writer.write(bytes([byte]))
                await asyncio.sleep(0.02)
                if reader.at_eof() or writer.is_closing() or reader._buffer:  # type: ignore[attr-defined]
                    break
            assert statuses(await asyncio.wait_for(reader.read(), 20)) == [408]
            writer.close()

    run(test)


def test_connections_over_the_cap_are_turned_away() -> None:
    async def test() -> None:
        async with serving(limits=HttpLimits(connections=1)) as server:
            _, writer = await asyncio.open_connection("127.0.0.1", server.port)
            await asyncio.sleep(0.05)
            assert statuses(await talk(server, end=False)) == [503]
            writer.close()
            await alone(server)
            assert statuses(await talk(server, GET)) == [200]

    run(test)


def test_draining_finishes_requests_and_closes_idle_connections() -> None:
    async def slow(request: Request) -> Response:
        await asyncio.sleep(0.1)
        return await echo(request)

    async def test() -> None:
        async with serving(slow) as server:
            idle, _ = await asyncio.open_connection("127.0.0.1", server.port)
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            writer.write(GET)
            await asyncio.sleep(0.03)
            assert await server.drain(20)
            answer = await reader.read()
            assert statuses(answer) == [200]
            assert b"connection: close" in answer
            assert await idle.read() == b""
            with pytest.raises(ConnectionError):
                await asyncio.open_connection("127.0.0.1", server.port)

    run(test)


def test_a_drain_that_takes_too_long_says_so() -> None:
    async def stuck(request: Request) -> Response:
        await asyncio.Event().wait()
        return Response(200)

    async def test() -> None:
        async with serving(stuck) as server:
            _, writer = await asyncio.open_connection("127.0.0.1", server.port)
            writer.write(GET)
            await asyncio.sleep(0.03)
            assert not await server.drain(0.05)

    run(test)


def test_one_end_of_a_socketpair_is_served_without_a_listener() -> None:
    async def test() -> None:
        ours, theirs = socket.socketpair()
        await asyncio.get_running_loop().create_connection(lambda: HttpConnection(echo), sock=ours)
        reader, writer = await asyncio.open_connection(sock=theirs)
        body = b"POST /r HTTP/1.1\r\n" + HOST + b"Content-Length: 2\r\n\r\nok"
        writer.write(body + GET)  # A response and the next poll in one write, as a runtime sends them.
        answer = await reader.readuntil(b"GET /? 0")
        assert statuses(answer) == [200, 200]
        writer.close()

    run(test)


def test_unsafe_headers_never_leave() -> None:
    async def injecting(request: Request) -> Response:
        name, value = request.headers["x-name"], bytes.fromhex(request.headers["x-value"]).decode("latin-1")
        return Response(200, [(name, value)], b"body")

    async def test() -> None:
        async with serving(injecting) as server:
            for name, value in [
                (b"x-a", b"a\r\nset-cookie: b"),
                (b"x-a", b"a\nb"),
                (b"x-a", b"a\0"),
                (b"bad:name", b"a"),
            ]:
                head = b"GET / HTTP/1.1\r\n" + HOST + b"x-name: " + name + b"\r\nx-value: " + value.hex().encode()
                answer = await talk(server, head + b"\r\n\r\n", end=False)
                assert statuses(answer) == [500]
                assert b"set-cookie" not in answer

    run(test)


def test_how_responses_are_framed() -> None:
    async def framed(request: Request) -> Response:
        match request.path:
            case "/chunks":
                return Response(200, [], chunks([b"ab", b"", b"cde"]))
            case "/plain":
                return Response(200, [("content-length", "5")], chunks([b"ab", b"cde"]))
            case "/short":
                return Response(200, [("content-length", "9")], chunks([b"ab"]))
            case "/promise":
                return Response(200, [("content-length", "123")])
            case "/empty":
                return Response(204)
            case "/same":
                return Response(304, [("etag", '"x"')])
        raise RuntimeError("broken")

    async def test() -> None:
        async with serving(framed) as server:

            async def ask(line: bytes, version: bytes = b"1.1") -> bytes:
                return await talk(server, line + b" HTTP/" + version + b"\r\n" + HOST + b"\r\n")

            assert (await ask(b"GET /chunks")).endswith(b"\r\n\r\n2\r\nab\r\n3\r\ncde\r\n0\r\n\r\n")
            assert (await ask(b"GET /chunks", b"1.0")).endswith(b"\r\n\r\nabcde")
            assert (await ask(b"GET /plain")).endswith(b"content-length: 5\r\n\r\nabcde")
            assert b"content-length: 123\r\n" in await ask(b"HEAD /promise")
            assert (await ask(b"GET /promise")).endswith(b"content-length: 0\r\n\r\n")
            for line in (b"GET /empty", b"GET /same"):
                assert b"content-length" not in await ask(line)
            assert statuses(await ask(b"GET /error")) == [500]
            # Cut short, so the client cannot take the part for the whole; and nothing is sent after it.
            assert (await talk(server, b"GET /short HTTP/1.1\r\n" + HOST + b"\r\n" + GET)).endswith(b"9\r\n\r\nab")

    run(test)
