"""A lean keep-alive HTTP client, so that what is measured is the server and not an SDK's own milliseconds."""

import asyncio
import time
from collections.abc import Awaitable, Callable

_CREDENTIAL = (
    "AWS4-HMAC-SHA256 Credential=000000000000/20260101/us-east-1/lambda/aws4_request, "
    "SignedHeaders=host;x-amz-date, Signature=" + "0" * 64
)


def invoke_request(function: str, payload: bytes = b"{}", kind: str = "RequestResponse") -> bytes:
    """The bytes of one Invoke."""
    return (
        f"POST /2015-03-31/functions/{function}/invocations HTTP/1.1\r\nhost: 127.0.0.1\r\n"
        f"authorization: {_CREDENTIAL}\r\nx-amz-date: 20260101T000000Z\r\nx-amz-invocation-type: {kind}\r\n"
        f"content-length: {len(payload)}\r\n\r\n"
    ).encode() + payload


class Connection:
    """One keep-alive connection; one request at a time."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def open(cls, port: int) -> "Connection":
        """Connect to the server on loopback."""
        return cls(*await asyncio.open_connection("127.0.0.1", port))

    async def send(self, request: bytes) -> tuple[int, bytes]:
        """Status and body of the answer."""
        self._writer.write(request)
        head = await self._reader.readuntil(b"\r\n\r\n")
        status = int(head[9:12])
        lower = head.lower()
        at = lower.find(b"content-length:")
        length = int(lower[at + 15 : lower.find(b"\r\n", at)]) if at >= 0 else 0
        return status, await self._reader.readexactly(length) if length else b""

    async def close(self) -> None:
        """Hang up."""
        self._writer.close()
        await self._writer.wait_closed()


async def rate(port: int, request: bytes, connections: int, seconds: float, expect: int) -> float:
    """Answers per second with `connections` clients asking back to back. Raises when an answer is not `expect`."""
    clients = [await Connection.open(port) for _ in range(connections)]
    count = 0
    end = time.perf_counter() + seconds

    async def ask(client: Connection) -> None:
        nonlocal count
        while time.perf_counter() < end:
            status, body = await client.send(request)
            if status != expect:
                raise RuntimeError(f"{status} {body[:300]!r}")
            count += 1

    began = time.perf_counter()
    await asyncio.gather(*(ask(client) for client in clients))
    elapsed = time.perf_counter() - began
    for client in clients:
        await client.close()
    return count / elapsed


async def timed(act: Callable[[], Awaitable[object]], times: int, pause: float = 0.0) -> list[float]:
    """Milliseconds of each of `times` awaited calls."""
    durations = []
    for _ in range(times):
        if pause:
            await asyncio.sleep(pause)
        began = time.perf_counter()
        await act()
        durations.append((time.perf_counter() - began) * 1000)
    return durations


def percentile(values: list[float], share: float) -> float:
    """The value below which `share` of the values lie."""
    ordered = sorted(values)
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)]
