"""One HTTP request to somebody else's server, and the answer's head with as much of its body as is asked for.

Every request has a connection of its own, on the event loop: a slow server occupies no thread. Redirects are not
followed. A body that is wanted ends where the message or the connection ends; more than `keep` bytes are not read.
"""

import asyncio
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any
from urllib.parse import urlsplit

import httptools

_READ_BYTES = 65_536
_HEAD_BYTES = 262_144
_CONTINUES = 200
_CONTROLS = "\r\n\x00"


@dataclass(slots=True)
class Answer:
    """What came back. Names of headers are in lower case."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


async def send(
    method: str, url: str, headers: Mapping[str, str], body: bytes, timeout_s: float, *, keep: int = 0
) -> Answer:
    """Make a request. Raises TimeoutError, and OSError with the reason where no answer can be had."""
    try:
        async with asyncio.timeout(timeout_s):
            return await _ask(method, url, headers, body, keep)
    except TimeoutError:
        raise
    except ssl.SSLError as error:
        raise OSError(f"no secure connection: {error.reason or error}") from error
    except (EOFError, ValueError, httptools.HttpParserError) as error:
        raise OSError(str(error) or type(error).__name__) from error


async def _ask(method: str, url: str, headers: Mapping[str, str], body: bytes, keep: int) -> Answer:
    parts = urlsplit(url)
    host = parts.hostname
    if host is None or parts.scheme not in ("http", "https"):
        raise ValueError(f"{url} is no URL of HTTP")
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    own = {"host": parts.netloc.rpartition("@")[2], "content-length": str(len(body)), "connection": "close"}
    sent = own | {name.lower(): value for name, value in headers.items()}
    lines = [f"{method} {target} HTTP/1.1", *[f"{name}: {value}" for name, value in sent.items()]]
    if any(one in line for line in lines for one in _CONTROLS):
        raise ValueError("a header has a line break in it")
    head = ("\r\n".join(lines) + "\r\n\r\n").encode("utf-8")
    context = await asyncio.to_thread(_tls) if parts.scheme == "https" else None
    port = parts.port or (443 if context is not None else 80)
    reader, writer = await asyncio.open_connection(host, port, ssl=context, server_hostname=host if context else None)
    try:
        writer.write(head + body)
        return await _answer(reader, keep)
    finally:
        writer.transport.abort()  # a connection is for one request; whatever else it says is not listened to


async def _answer(reader: asyncio.StreamReader, keep: int) -> Answer:
    listener = _Listener(keep)
    parser = listener.parser = httptools.HttpResponseParser(listener)
    left = _HEAD_BYTES + keep
    while not listener.is_complete and left > 0:
        data = await reader.read(_READ_BYTES)
        if not data:
            break
        left -= len(data)
        parser.feed_data(data)
    if not listener.answer.status:
        raise EOFError("it closed the connection without an answer")
    return listener.answer


class _Listener:
    """What httptools calls. Interim answers (1xx) are passed over."""

    def __init__(self, keep: int) -> None:
        self.parser: Any = None
        self.answer = Answer()
        self.is_complete = False
        self._keep = keep
        self._headers: dict[str, str] = {}

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        status = self.parser.get_status_code()
        if status >= _CONTINUES:
            self.answer.status, self.answer.headers = status, self._headers
            self.is_complete = self._keep == 0
        self._headers = {}

    def on_body(self, body: bytes) -> None:
        self.answer.body = (self.answer.body + body)[: self._keep]
        self.is_complete |= len(self.answer.body) >= self._keep

    def on_message_complete(self) -> None:
        self.is_complete |= self.answer.status >= _CONTINUES


@cache
def _tls() -> ssl.SSLContext:
    """Made when it is first needed, in a thread: it reads all certificates of the machine."""
    return ssl.create_default_context()
