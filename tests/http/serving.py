"""A server and raw bytes, for the tests of this room."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from bulb.http.message import Handler, Request, Response
from bulb.http.server import HttpServer, serve_tcp

HOST = b"Host: localhost\r\n"


async def echo(request: Request) -> Response:
    """Say what came."""
    size = 0
    async for part in request.body:
        size += len(part)
    kind = "stream" if request.body.buffered is None else "buffered"
    return Response(200, [("x-kind", kind)], f"{request.method} {request.path}?{request.query} {size}".encode())


@asynccontextmanager
async def serving(handler: Handler = echo, **options: Any) -> AsyncIterator[HttpServer]:
    server = await serve_tcp(handler, **options)
    try:
        yield server
    finally:
        await server.close()


async def talk(server: HttpServer, *sent: bytes, end: bool = True) -> bytes:
    """Send the pieces, one write each, then read until the server closes (or, with `end`, has answered our end)."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    try:
        for piece in sent:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0)
        if end:
            writer.write_eof()
        return await asyncio.wait_for(reader.read(), 30)
    finally:
        writer.close()


def run(test: Callable[[], Awaitable[None]]) -> None:
    """Run an async test under a deadline."""

    async def bounded() -> None:
        await asyncio.wait_for(test(), 60)

    asyncio.run(bounded())


async def alone(server: HttpServer) -> None:
    """Every connection has been given up, soon."""
    async with asyncio.timeout(20):
        while server.connections:  # noqa: ASYNC110 - what is looked at is a plain value
            await asyncio.sleep(0.01)


def statuses(answer: bytes) -> list[int]:
    """The status codes of the responses in `answer`, interim ones too."""
    parts = answer.split(b"HTTP/1.1 ")
    return [int(part[:3]) for part in parts[1:]]
