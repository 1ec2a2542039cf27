"""HTTP/1.1 requests out of bytes, without I/O: feed it what arrived, take what is ready.

The grammar is llhttp's, in its strict mode. Added here are the rules a parser cannot know: how long a head may be, that
a request names one valid host, and which bodies are collected first (small ones) and which stream. A broken request
becomes a `Refusal` in its place in the queue, so the requests before it are still answered; nothing after it is read.
"""

import re
from collections import deque
from dataclasses import dataclass
from functools import lru_cache

import httptools

from bulb.http.body import StreamedBody
from bulb.http.limits import HttpLimits
from bulb.http.message import BufferedBody, Request

_HOST = re.compile(r"(?:\[[0-9A-Fa-f:.%]+\]|[A-Za-z0-9._~!$&'()*+;=%-]+)(?::\d{1,5})?")
_ABSOLUTE = re.compile(r"(?i)https?://([^/?#]*)([^#]*)")
_NO_BODY = BufferedBody(b"")


@dataclass(frozen=True, slots=True)
class Refusal:
    """A request that cannot be served as HTTP. The connection closes after it."""

    status: int
    reason: str


@dataclass(slots=True)
class Incoming:
    """A request to answer. `stream` is its body when that is still arriving."""

    request: Request
    keep_alive: bool
    http_1_0: bool
    stream: StreamedBody | None = None
    expects_continue: bool = False


class _RefusedError(Exception):
    """Leaves the parser's callbacks."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.refusal = Refusal(status, reason)


class RequestReader:
    """One connection's requests in order. `ready` is the queue; whoever serves it pops from the left."""

    def __init__(self, limits: HttpLimits, client: tuple[str, int], scheme: str = "http") -> None:
        self.ready: deque[Incoming | Refusal] = deque()
        self.begun = 0
        self.mid_message = False
        self.in_head = True
        self.broken = False
        self.wants_continue = False
        self._limits = limits
        self._client = client
        self._scheme = scheme
        self._parser = httptools.HttpRequestParser(self)
        self._refused: _RefusedError | None = None
        self._good_host = ""
        self._target = b""
        self._headers: dict[str, str] = {}
        self._header_count = 0
        self._head_size = 0
        self._unparsed = 0
        self._incoming: Incoming | None = None
        self._parts: list[bytes] = []

    @property
    def stream(self) -> StreamedBody | None:
        """The streamed body that is arriving now."""
        return self._incoming.stream if self._incoming is not None else None

    def feed(self, data: bytes) -> None:
        """Take bytes. What they complete is appended to `ready`."""
        while data and not self.broken:
            # What piles up without completing a head or bringing body: half a head, trailers, chunk extensions.
            self._unparsed += len(data)
            data = self._parse(data)
            if self._unparsed > self._limits.head_bytes:
                self.refuse(431, "Request headers are too large")

    def end(self, reason: str) -> None:
        """The client will send no more."""
        self.broken = True
        if (stream := self.stream) is not None:
            stream.fail(reason)

    def refuse(self, status: int, reason: str) -> None:
        """Give up on what is arriving and answer it with an error."""
        if not self.broken:
            self.end(reason)
            self.ready.append(Refusal(status, reason))

    def _parse(self, data: bytes) -> bytes:
        """Feed the parser; returns what is left after a request that asked for an upgrade."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            # An Upgrade may be ignored (RFC 9110, 7.8): the request has been served as plain HTTP/1.1 already.
            self._parser = httptools.HttpRequestParser(self)
            return data[upgrade.args[0] :]
        except httptools.HttpParserError as error:
            refusal = self._refused.refusal if self._refused is not None else Refusal(400, f"Bad request: {error}")
            self.refuse(refusal.status, refusal.reason)
        return b""

    # The parser's callbacks, in the order it makes them.

    def on_message_begin(self) -> None:
        """A request starts."""
        self.begun += 1
        self.mid_message = True
        self._target = b""
        self._headers = {}
        self._header_count = 0
        self._head_size = 0

    def on_url(self, part: bytes) -> None:
        """Some of the target, in order."""
        self._target += part

    def on_header(self, raw_name: bytes, raw_value: bytes) -> None:
        """One header, or a trailer after a chunked body: those are kept apart, they must not pass for headers."""
        name = _header_name(raw_name)
        value = raw_value.decode("latin-1")
        headers = self._headers
        if not self.in_head:
            headers = self.stream.trailers if self.stream is not None else {}
        self._header_count += 1
        self._head_size += len(raw_name) + len(raw_value)
        if self._header_count > self._limits.header_count:
            self._fail(431, "Too many request headers")
        headers[name] = f"{headers[name]},{value}" if name in headers else value

    def on_headers_complete(self) -> None:
        """The head is whole: refuse it, or make the request."""
        self.in_head = False
        self._unparsed = 0
        if self._head_size + len(self._target) > self._limits.head_bytes:
            self._fail(431, "Request headers are too large")
        parser, headers = self._parser, self._headers
        method = parser.get_method().decode("latin-1")
        if method == "CONNECT":
            self._fail(405, "CONNECT is not served here")
        path, query = self._split_target()
        http_1_0 = parser.get_http_version() == "1.0"
        self._check_host(http_1_0)
        length = int(headers["content-length"]) if "content-length" in headers else None
        chunked = "transfer-encoding" in headers
        if chunked and http_1_0:
            self._fail(400, "Transfer-Encoding in an HTTP/1.0 request")
        request = Request(method, path, query, headers, _NO_BODY, self._client, self._scheme)
        self._incoming = Incoming(request, parser.should_keep_alive(), http_1_0)
        if length or chunked:
            self._expect_body(self._incoming, length)

    def on_body(self, data: bytes) -> None:
        """Some of the body, chunk framing removed."""
        self._unparsed = 0
        stream = self.stream
        if stream is not None:
            stream.put(data)
        else:
            self._parts.append(data)

    def on_message_complete(self) -> None:
        """The request is whole."""
        incoming = self._incoming
        if incoming is None:
            return
        if incoming.stream is not None:
            incoming.stream.finish()
        else:
            if self._parts:
                incoming.request.body = BufferedBody(b"".join(self._parts))
                self._parts = []
            self.ready.append(incoming)
        self._incoming = None
        self.mid_message = False
        self.in_head = True
        self.wants_continue = False

    def _expect_body(self, incoming: Incoming, length: int | None) -> None:
        """Decide whether the body is collected or streams. A streaming request is ready with its headers."""
        expectation = incoming.request.headers.get("expect")
        if expectation is not None and expectation.lower() != "100-continue":
            self._fail(417, "Unknown expectation")
        expects = expectation is not None and not incoming.http_1_0
        if length is not None and length <= self._limits.buffered_body_bytes:
            self.wants_continue = expects
            return
        incoming.expects_continue = expects
        incoming.stream = incoming.request.body = StreamedBody(length)
        self.ready.append(incoming)

    def _split_target(self) -> tuple[str, str]:
        target = self._target.decode("latin-1")
        if not target.startswith("/"):
            if absolute := _ABSOLUTE.fullmatch(target):
                # The target's own authority wins over the Host header (RFC 9112, 3.2.2).
                self._headers["host"], target = absolute[1], absolute[2]
                if not target.startswith("/"):
                    target = f"/{target}"
            elif target != "*":
                self._fail(400, "Bad request target")
        path, _, query = target.partition("?")
        return path, query

    def _check_host(self, http_1_0: bool) -> None:
        host = self._headers.get("host")
        if host is None:
            if not http_1_0:
                self._fail(400, "Missing Host header")
        elif host != self._good_host:
            if _HOST.fullmatch(host) is None:
                self._fail(400, "Bad Host header")
            self._good_host = host

    def _fail(self, status: int, reason: str) -> None:
        self._refused = _RefusedError(status, reason)
        raise self._refused


@lru_cache(maxsize=1024)
def _header_name(raw: bytes) -> str:
    """Lower-case text; the same few names come with every request."""
    return raw.decode("latin-1").lower()
