"""Response heads as bytes. A header that would break out of its line is refused here, whoever made it."""

import re
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus

from bulb.http.message import Response

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
# Written by the connection alone: a handler cannot know how its response is framed.
_OWN = frozenset({"connection", "transfer-encoding", "date", "keep-alive"})
_LENGTH = "content-length: "
_BRIEF_BYTES = 256
CLOSE = "connection: close\r\n"
KEEP_1_0 = "connection: keep-alive\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


_BODILESS = frozenset({HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED})


def has_body(method: str, status: int) -> bool:
    """Whether a response of this status to this method carries a body at all (RFC 9112, 6.3)."""
    return method != "HEAD" and status >= HTTPStatus.OK and status not in _BODILESS


def encode_head(response: Response, framing: str, connection: str, unix_seconds: int) -> bytes:
    """The status line and headers, ending in the empty line.

    `framing` and `connection` are whole header lines with their line ends, or empty. Raises ValueError for a header
    with control characters (or outside latin-1), which would let its value write headers of its own.
    """
    lines = [_status_line(response.status), _date_line(unix_seconds), framing, connection]
    for given, value in response.headers:
        start = _start_of_line(given)
        if not start or (framing and start == _LENGTH):
            continue
        # The first question is a tenth of the second's price, and answers nearly always.
        if not value.isprintable() and _CONTROL.search(value) is not None:
            raise ValueError(f"Header {given!r} is not safe to send")
        lines.append(f"{start}{value}\r\n")
    lines.append("\r\n")
    return "".join(lines).encode("latin-1")


def is_brief(response: Response) -> bool:
    """A success with a small body that is all there."""
    return HTTPStatus.OK <= response.status < HTTPStatus.MULTIPLE_CHOICES and (
        isinstance(response.body, bytes) and len(response.body) <= _BRIEF_BYTES
    )


@lru_cache(maxsize=1024)
def _start_of_line(given: str) -> str:
    """The header's name in lower case and what follows it; empty for one that is the connection's to write."""
    name = given.lower()
    if name in _OWN:
        return ""
    if _NAME.fullmatch(name) is None:
        raise ValueError(f"Header {name!r} is not safe to send")
    return f"{name}: "


@lru_cache(maxsize=128)
def _status_line(status: int) -> str:
    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:
        phrase = "Unknown"
    return f"HTTP/1.1 {status} {phrase}\r\n"


@lru_cache(maxsize=4)
def _date_line(unix_seconds: int) -> str:
    return f"date: {formatdate(unix_seconds, usegmt=True)}\r\n"
