"""A streamed response between a runtime and its caller: the session's half and the stream's, without a socket."""

import asyncio
import base64
import gc
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

import pytest
from tests.support.clock import MovableClock

from bulb.core.limits import STREAM_BURST_BYTES, STREAMED_RESPONSE_BYTES, SYNC_RESPONSE_BYTES
from bulb.environments.model import Event, Reply
from bulb.environments.runtime_api import RuntimeSession
from bulb.environments.streaming import Chunks, Pace, ResponseStream
from bulb.http.body import ClientGoneError
from bulb.http.message import Request, Response
from bulb.http.server import serve_tcp

MB = 1_048_576
STREAMING = {"lambda-runtime-function-response-mode": "streaming", "content-type": "text/plain"}


class Body:
    """A chunked body: its chunks, or the exception in place of the rest; and its trailers."""

    length = None
    buffered = None

    def __init__(self, parts: Sequence[bytes | Exception], trailers: dict[str, str] | None = None) -> None:
        self._parts = parts
        self.trailers = trailers or {}
        self.taken = 0

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for part in self._parts:
            if isinstance(part, Exception):
                raise part
            self.taken += 1
            yield part


def answer(body: Body, **headers: str) -> Request:
    named = STREAMING | {name.replace("_", "-"): value for name, value in headers.items()}
    return Request("POST", "/2018-06-01/runtime/invocation/id/response", "", named, body, ("127.0.0.1", 1))


async def given(session: RuntimeSession, stream: ResponseStream | None) -> "asyncio.Future[Reply]":
    """The session has handed an event to its runtime; what becomes of it."""
    work = session.give(Event("id", "arn", b"{}", "Root=1", None, stream), 1)
    await session.handle(Request("GET", "/2018-06-01/runtime/invocation/next", "", {}, Body([]), ("127.0.0.1", 1)))
    return work.done


def run(test: Callable[[RuntimeSession, ResponseStream], Awaitable[None]]) -> None:
    async def main() -> None:
        await test(RuntimeSession(asyncio.get_running_loop()), ResponseStream(MovableClock(), Pace(0)))

    asyncio.run(asyncio.wait_for(main(), 60))


def refusal(response: Response) -> tuple[int, str, str]:
    assert isinstance(response.body, bytes)
    document = json.loads(response.body)
    return response.status, document["errorType"], document["errorMessage"]


def test_a_response_is_passed_on_as_it_comes() -> None:
    async def test(session: RuntimeSession, stream: ResponseStream) -> None:
        done = await given(session, stream)
        response = await session.handle(answer(Body([b"a", b"", b"b"])))
        assert (response.status, response.body) == (202, b'{"status":"OK"}\n')
        assert await done == Reply(b"")
        assert stream.began.result() == "text/plain"
        stream.finish()
        assert [chunk async for chunk in Chunks(stream)] == [b"ab"]
        assert stream.size == 2
        assert stream.latency_ms is not None
        assert stream.duration_ms is not None

    run(test)


def test_the_mode_is_read_without_regard_to_case_and_an_unknown_one_fails_the_event() -> None:
    async def test(session: RuntimeSession, stream: ResponseStream) -> None:
        done = await given(session, stream)
        assert (
            await session.handle(answer(Body([b"a"]), lambda_runtime_function_response_mode="Streaming"))
        ).status == 202
        assert (await done).payload == b""
        done = await given(session, stream)
        refused = await session.handle(answer(Body([b"a"]), lambda_runtime_function_response_mode="eager"))
        assert refusal(refused) == (400, "InvalidFunctionResponseMode", "Invalid function response mode")
        assert (await done).error_type == "Runtime.InvalidResponseModeHeader"
        assert session.confused

    run(test)


def test_trailers_say_that_it_failed_on_the_way() -> None:
    async def test(session: RuntimeSession, stream: ResponseStream) -> None:
        document = b'{"errorType":"E","errorMessage":"m"}'
        trailers = {
            "lambda-runtime-function-error-type": "Function.Broke",
            "lambda-runtime-function-error-body": base64.b64encode(document).decode(),
        }
        for sink in (stream, None):
            done = await given(session, sink)
            assert (await session.handle(answer(Body([b"a"], trailers)))).status == 202
            assert await done == Reply(document, "error", "Function.Broke")
        done = await given(session, None)
        await session.handle(answer(Body([], {"lambda-runtime-function-error-type": "no form"})))
        assert await done == Reply(b"", "error", "Function.Unknown")

    run(test)


def test_a_response_that_failed_before_its_first_byte_never_began() -> None:
    async def test(session: RuntimeSession, stream: ResponseStream) -> None:
        done = await given(session, stream)
        await session.handle(answer(Body([], {"lambda-runtime-function-error-type": "Function.Broke"})))
        assert (await done).failed
        assert not stream.began.done()

    run(test)


def test_a_response_that_breaks_off_is_truncated() -> None:
    async def test(session: RuntimeSession, stream: ResponseStream) -> None:
        done = await given(session, stream)
        with pytest.raises(ClientGoneError):
            await session.handle(answer(Body([b"a", ClientGoneError("gone")])))
        reply = await done
        assert reply.error_type == "Runtime.TruncatedResponse"
        assert json.loads(reply.payload)["errorType"] == "Runtime.TruncatedResponse"
        assert session.confused
        assert stream.size == 1

    run(test)


def test_when_the_process_ends_with_its_response_its_end_is_what_is_told() -> None:
    async def test(session: RuntimeSession, stream: ResponseStream) -> None:
        done = await given(session, stream)
        exited = Reply(b"exited", "error", "Runtime.ExitError")
        asyncio.get_running_loop().call_later(0.01, done.set_result, exited)
        with pytest.raises(ClientGoneError):
            await session.handle(answer(Body([b"a", ClientGoneError("gone")])))
        assert await done == exited

    run(test)


def test_a_second_response_while_the_first_streams_is_refused() -> None:
    async def test(session: RuntimeSession, stream: ResponseStream) -> None:
        done = await given(session, stream)
        first = asyncio.ensure_future(session.handle(answer(Body([bytes(MB), b"b"]))))
        await asyncio.wait((stream.began,))
        assert refusal(await session.handle(answer(Body([b"x"]))))[:2] == (403, "InvalidStateTransition")
        chunks = Chunks(stream)
        assert [len(await anext(chunks)), await anext(chunks)] == [MB, b"b"]
        assert (await first).status == 202
        assert await done == Reply(b"")

    run(test)


def test_the_runtime_waits_while_its_caller_is_behind() -> None:
    async def test(session: RuntimeSession, stream: ResponseStream) -> None:
        done = await given(session, stream)
        body = Body([bytes(65_536)] * 64)
        sending = asyncio.ensure_future(session.handle(answer(body)))
        chunks, got = Chunks(stream), 0
        while got < 64 * 65_536:
            for _ in range(20):
                await asyncio.sleep(0)
            assert body.taken <= got // 65_536 + 5
            got += len(await anext(chunks))
        assert (await sending).status == 202
        assert done.done()

    run(test)


@pytest.mark.parametrize("leave", ["close", "drop"])
def test_a_caller_that_leaves_holds_nobody_up(leave: str) -> None:
    async def test(session: RuntimeSession, stream: ResponseStream) -> None:
        await given(session, stream)
        sending = asyncio.ensure_future(session.handle(answer(Body([bytes(MB)] * 8))))
        chunks = Chunks(stream)
        await anext(chunks)
        if leave == "close":
            await chunks.aclose()
        else:
            del chunks
            gc.collect()
        assert (await sending).status == 202
        assert stream.size == 8 * MB

    run(test)


@pytest.mark.parametrize(("streamed", "limit"), [(True, STREAMED_RESPONSE_BYTES), (False, SYNC_RESPONSE_BYTES)])
def test_a_response_is_cut_at_its_limit(streamed: bool, limit: int) -> None:
    async def test(session: RuntimeSession, stream: ResponseStream) -> None:
        done = await given(session, stream if streamed else None)
        stream.abandon()
        part = bytes(4 * MB)
        body = Body([part] * (limit // len(part) + 3))
        refused = await session.handle(answer(body))
        text = f"Exceeded maximum allowed payload size ({limit} bytes)."
        assert refusal(refused) == (413, "RequestEntityTooLarge", text)
        assert (await done).error_type == "Function.ResponseSizeTooLarge"
        if streamed:
            assert stream.size == limit
        assert session.confused

    run(test)


def test_whoever_wants_the_whole_gets_it_whole() -> None:
    async def test(session: RuntimeSession, stream: ResponseStream) -> None:
        done = await given(session, None)
        await session.handle(answer(Body([b"a", b"b"])))
        assert await done == Reply(b"ab")

    run(test)


def test_a_pace_lets_the_burst_go_and_then_so_much_a_second() -> None:
    pace = Pace(2 * MB)
    assert pace.take(STREAM_BURST_BYTES, 100.0) == 0
    assert pace.take(MB, 100.0) == pytest.approx(0.5)
    assert pace.take(MB, 100.5) == pytest.approx(0.5)
    assert pace.take(MB, 101.5) == 0  # half a second was not used
    assert pace.take(MB, 90.0) == pytest.approx(0.5)  # a clock set back gives nothing
    assert pace.take(STREAM_BURST_BYTES, 1000.0) == 0
    assert pace.take(2 * MB, 1000.0) == pytest.approx(1.0)
    assert Pace(0).take(10**12, 1.0) == 0


def test_what_is_over_the_burst_waits_for_its_time() -> None:
    async def main() -> None:
        clock = MovableClock()
        stream = ResponseStream(clock, Pace(2 * MB))
        for _ in range(6):
            await asyncio.gather(stream.put(bytes(MB)), stream.take())
        late = asyncio.ensure_future(stream.put(bytes(20 * MB)))
        await asyncio.sleep(0.02)
        assert stream.size == 6 * MB
        clock.advance(10)
        await stream.take()
        await late
        assert stream.size == 26 * MB

    asyncio.run(asyncio.wait_for(main(), 60))


def test_an_invocation_that_is_over_lets_go_of_a_runtime_that_waits() -> None:
    async def main() -> None:
        stream = ResponseStream(MovableClock(), Pace(0))
        waiting = asyncio.ensure_future(stream.put(bytes(MB)))
        await asyncio.sleep(0)
        assert not waiting.done()
        stream.finish()
        await waiting
        assert [len(chunk) async for chunk in Chunks(stream)] == [MB]  # what came is still for the caller

    asyncio.run(asyncio.wait_for(main(), 60))


HEAD = (
    b"POST /2018-06-01/runtime/invocation/id/response HTTP/1.1\r\nHost: r\r\nTransfer-Encoding: chunked\r\n"
    b"Lambda-Runtime-Function-Response-Mode: streaming\r\nContent-Type: text/plain\r\n"
    b"Trailer: Lambda-Runtime-Function-Error-Type, Lambda-Runtime-Function-Error-Body\r\n\r\n"
)
NEXT = b"GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: r\r\n\r\n"


async def by_socket(
    test: Callable[
        [asyncio.StreamReader, asyncio.StreamWriter, ResponseStream, "asyncio.Future[Reply]"], Awaitable[None]
    ],
) -> None:
    """A runtime on a socket, with an event in hand."""
    loop = asyncio.get_running_loop()
    session, stream = RuntimeSession(loop), ResponseStream(MovableClock(), Pace(0))
    work = session.give(Event("id", "arn", b"{}", "Root=1", None, stream), 1)
    server = await serve_tcp(session.handle)
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(NEXT)
        assert b"200 OK" in await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(2)
        await test(reader, writer, stream, work.done)
        writer.close()
    finally:
        await server.close()


def test_by_socket_the_first_chunk_arrives_while_the_second_is_not_sent() -> None:
    async def test(
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        stream: ResponseStream,
        done: "asyncio.Future[Reply]",
    ) -> None:
        chunks = Chunks(stream)
        writer.write(HEAD + b"3\r\none\r\n")
        assert await anext(chunks) == b"one"
        assert stream.began.result() == "text/plain"
        document = b'{"errorType":"Error","errorMessage":"late"}'
        body = b"Lambda-Runtime-Function-Error-Body: " + base64.b64encode(document)
        writer.write(b"3\r\ntwo\r\n0\r\nLambda-Runtime-Function-Error-Type: Error\r\n" + body + b"\r\n\r\n")
        assert await anext(chunks) == b"two"
        assert await done == Reply(document, "error", "Function.Unknown")
        assert b"202 Accepted" in await reader.readuntil(b"\r\n\r\n")

    asyncio.run(asyncio.wait_for(by_socket(test), 60))


@pytest.mark.parametrize("how", ["leaves", "breaks the framing"])
def test_by_socket_a_response_without_an_end_is_truncated(how: str) -> None:
    async def test(
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        stream: ResponseStream,
        done: "asyncio.Future[Reply]",
    ) -> None:
        writer.write(HEAD + b"3\r\none\r\n")
        assert await anext(Chunks(stream)) == b"one"
        if how == "leaves":
            writer.close()
        else:
            writer.write(b"zz\r\n")
        assert (await done).error_type == "Runtime.TruncatedResponse"

    asyncio.run(asyncio.wait_for(by_socket(test), 60))
