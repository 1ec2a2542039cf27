"""HTTP values. Names of headers are lower case, in both directions, and their values are latin-1 text.

Nothing here does I/O; the connection (server.py) fills a `Body` while a handler reads it.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Protocol

_NO_TRAILERS: Mapping[str, str] = MappingProxyType({})


class Body(Protocol):
    """A request body, read at most once."""

    @property
    def length(self) -> int | None:
        """Content-Length, or None when chunked."""

    @property
    def buffered(self) -> bytes | None:
        """The whole body when it arrived complete before the handler was called (small bodies always do), else None."""

    @property
    def trailers(self) -> Mapping[str, str]:
        """What came after a chunked body, by lower-case name. All there when the last chunk has been read."""

    def __aiter__(self) -> AsyncIterator[bytes]:
        """Chunks as they arrive. Raises ConnectionError when the client goes away before the end."""


@dataclass(frozen=True, slots=True)
class BufferedBody:
    """A body that is all there."""

    buffered: bytes

    @property
    def length(self) -> int | None:
        """Number of bytes."""
        return len(self.buffered)

    @property
    def trailers(self) -> Mapping[str, str]:
        """None: such a body did not come in chunks."""
        return _NO_TRAILERS

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """The one chunk."""
        if self.buffered:
            yield self.buffered


# Takes what to call when the client hangs up (at once, if it has); what is answered takes that back.
Leaving = Callable[[Callable[[], None]], Callable[[], None]]


@dataclass(slots=True)
class Request:
    """One request. `path` and `query` are as sent: still percent-encoded, query without the `?`.

    `headers` maps lower-case names to values; repeated ones are joined with `,` in order. `client` is (host, port).
    `leaving` has a function called when the client hangs up, and answers what takes that back: for handlers that wait
    on the client's behalf and should not wait for nobody. None where nobody could tell.
    """

    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: Body
    client: tuple[str, int]
    scheme: str = "http"
    leaving: Leaving | None = None

    def has_left(self) -> bool:
        """Whether the client has hung up, or has at least finished sending: nobody may read the response."""
        left = False

        def tell() -> None:
            nonlocal left
            left = True

        if self.leaving is not None:
            self.leaving(tell)()
        return left


ResponseBody = bytes | AsyncIterator[bytes]


@dataclass(slots=True)
class Response:
    """One response. An iterator body is sent chunk by chunk: chunked, or plain when `content-length` is in `headers`.

    For bytes the connection writes `content-length` itself (also for HEAD, where the body is not sent; a HEAD handler
    may set `content-length` in `headers` to promise another size).
    """

    status: int
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: ResponseBody = b""

    def header(self, name: str) -> str | None:
        """The first value of `name` (lower case)."""
        return next((value for key, value in self.headers if key == name), None)


Handler = Callable[[Request], Awaitable[Response]]


def chunks(parts: Iterable[bytes]) -> AsyncIterator[bytes]:
    """An async iterator over parts that are already there."""

    async def iterate() -> AsyncIterator[bytes]:
        for part in parts:
            yield part

    return iterate()
