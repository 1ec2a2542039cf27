"""Receipts that travel with the next answer, for peers that ask for both at once."""

import asyncio
import socket

from bulb.http.connection import HttpConnection
from bulb.http.message import Request, Response


async def _exchange(
    join: bool, sent: bytes, *, statuses: dict[str, int] | None = None, patience_s: float = 20
) -> tuple[bytes, bytes]:
    """What arrives before, for which there is so much patience, and after the handler of /wait is let go."""
    loop = asyncio.get_running_loop()
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    go = asyncio.Event()

    async def handler(request: Request) -> Response:
        if request.path == "/wait":
            await go.wait()
        return Response((statuses or {}).get(request.path, 202), [], request.path.encode())

    transport, _ = await loop.connect_accepted_socket(lambda: HttpConnection(handler, join_answers=join), ours)
    await loop.sock_sendall(theirs, sent)
    try:
        before = await asyncio.wait_for(loop.sock_recv(theirs, 65536), patience_s)
    except TimeoutError:
        before = b""
    go.set()
    after = b""
    while b"/wait" not in after:
        after += await asyncio.wait_for(loop.sock_recv(theirs, 65536), 20)
    transport.abort()
    theirs.close()
    return before, after


def request(path: str) -> bytes:
    return f"POST {path} HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n".encode()


def test_a_brief_success_waits_for_the_answer_that_was_asked_for_with_it() -> None:
    before, after = asyncio.run(_exchange(True, request("/first") + request("/wait"), patience_s=0.2))
    assert before == b""
    assert after.index(b"/first") < after.index(b"/wait")
    assert after.count(b"HTTP/1.1 202") == 2


def test_others_get_their_answers_at_once() -> None:
    before, _ = asyncio.run(_exchange(False, request("/first") + request("/wait")))
    assert before.endswith(b"/first")


def test_a_refusal_is_never_held_back() -> None:
    before, _ = asyncio.run(_exchange(True, request("/first") + request("/wait"), statuses={"/first": 413}))
    assert before.startswith(b"HTTP/1.1 413")
