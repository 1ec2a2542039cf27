"""One request to a server that may do anything: it is answered, or refused in bounded time and space."""

import asyncio
import datetime
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from tests.support.clock import MovableClock

from bulb.delivery.http_courier import HttpCourier
from bulb.delivery.model import Refusal
from bulb.storage.outbox import Entry

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def serving(serve: Serve, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


def answering(*parts: bytes, then: float = 0.0) -> tuple[Serve, list[bytes]]:
    """Reads a request's head and says `parts`."""
    heads: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        for part in parts:
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(then)
        writer.close()

    return serve, heads


async def carried(port: int, scheme: str = "http", **request: Any) -> Refusal | None:
    about = {
        "method": "POST",
        "url": f"{scheme}://127.0.0.1:{port}/a%20b?q=1#never",
        "headers": {"x-one": "1"},
        "timeout_s": 20.0,
        **request,
    }
    entry = Entry(1, "arn:aws:sns:us-east-1:0:t:s", b"body", {"http": about}, 0.0, "d")
    return await HttpCourier(MovableClock()).carry(entry, 0.0)


def test_the_request() -> None:
    async def run() -> None:
        serve, heads = answering(b"HTTP/1.1 204 No Content\r\n\r\n")
        async with serving(serve) as port:
            assert await carried(port) is None
            lines = heads[0].decode().split("\r\n")
            assert lines[0] == "POST /a%20b?q=1 HTTP/1.1"
            assert f"host: 127.0.0.1:{port}" in lines and "content-length: 4" in lines and "x-one: 1" in lines

    asyncio.run(run())


@pytest.mark.parametrize(
    ("said", "code", "is_final"),
    [
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", None, None),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", None, None),
        (b"HTTP/1.0 500 Oh\r\n\r\n", "ERROR_FROM_TARGET", False),
        (b"HTTP/1.1 429 Slow\r\nretry-after: 7\r\n\r\n", "THROTTLING", False),
        (b"HTTP/1.1 307 Elsewhere\r\nlocation: http://127.0.0.1:1/\r\n\r\n", "SDK_CLIENT_ERROR", True),
        (b"220 mail.example ESMTP\r\n", "SDK_CLIENT_ERROR", False),
        (b"", "SDK_CLIENT_ERROR", False),
    ],
)
def test_answers(said: bytes, code: str | None, is_final: bool | None) -> None:
    async def run() -> None:
        async with serving(answering(said)[0]) as port:
            refusal = await carried(port)
            assert (refusal and (refusal.code, refusal.is_final)) == (code and (code, is_final))

    asyncio.run(run())


def test_a_head_without_end_is_not_read_to_the_end() -> None:
    async def run() -> None:
        sent = 0

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal sent
            writer.write(b"HTTP/1.1 200 OK\r\n")
            for _ in range(2_000):
                writer.write(b"x-more: " + b"y" * 10_000 + b"\r\n")
                try:
                    await writer.drain()
                except ConnectionError:
                    return
                sent += 10_000

        async with serving(serve) as port:
            refusal = await carried(port)
            assert refusal is not None and not refusal.is_final
            assert sent < 15_000_000

    asyncio.run(run())


def test_an_answer_that_drips_runs_into_the_timeout() -> None:
    async def run() -> None:
        serve, _ = answering(*[b"HTTP/1.1 200 OK\r\n"[n : n + 1] for n in range(17)], then=0.05)
        async with serving(serve) as port:
            refusal = await carried(port, timeout_s=0.2)
            assert refusal is not None and (refusal.code, refusal.is_final) == ("TIMEOUT", False)

    asyncio.run(run())


def test_a_certificate_that_nobody_vouches_for(tmp_path: Path) -> None:
    async def run() -> None:
        serve, heads = answering(b"HTTP/1.1 200 OK\r\n\r\n")
        async with serving(serve, _tls(tmp_path)) as port:
            refusal = await carried(port, "https")
            assert refusal is not None and refusal.code == "SDK_CLIENT_ERROR" and "CERTIFICATE" in refusal.message
            assert not heads

    asyncio.run(run())


def test_a_header_with_a_line_break_is_never_sent() -> None:
    async def run() -> None:
        serve, heads = answering(b"HTTP/1.1 200 OK\r\n\r\n")
        async with serving(serve) as port:
            refusal = await carried(port, headers={"x-one": "1\r\nx-two: 2"})
            assert refusal is not None and not heads

    asyncio.run(run())


def _tls(folder: Path) -> ssl.SSLContext:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "both.pem").write_bytes(private + certificate.public_bytes(pem))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "both.pem")
    return context
