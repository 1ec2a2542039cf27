"""The head of a streamed HTTP response as functions send it: JSON, eight NUL bytes, then the body.

Pure and incremental: feed it chunks as they come. Only responses of the content type below begin like this; others are
all body. Source: what `awslambda.HttpResponseStream.from` of the Node.js runtime writes.
"""

from dataclasses import dataclass, field
from typing import Any

import orjson

CONTENT_TYPE = "application/vnd.awslambda.http-integration-response"
_DELIMITER = bytes(8)
# What API Gateway documents for it.
MAX_BYTES = 16_384


class PreludeError(ValueError):
    """The response does not begin as it must; the text says how."""


@dataclass(frozen=True, slots=True)
class Prelude:
    """Status, headers in order and cookies, as the function gave them. A list of values is one header each."""

    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    cookies: tuple[str, ...] = ()


@dataclass(slots=True)
class PreludeReader:
    """Finds the prelude at the start of a response. `rest` is what of the fed bytes is body already."""

    rest: bytes = b""
    _seen: bytearray = field(default_factory=bytearray)

    def feed(self, data: bytes) -> Prelude | None:
        """The prelude once it is complete; None means: feed me more. Not to be fed after that. Raises PreludeError."""
        searched = max(len(self._seen) - len(_DELIMITER) + 1, 0)
        self._seen += data
        end = self._seen.find(_DELIMITER, searched)
        if end > MAX_BYTES or (end < 0 and len(self._seen) > MAX_BYTES + len(_DELIMITER)):
            raise PreludeError(f"the metadata does not end within {MAX_BYTES} bytes")
        if end < 0:
            return None
        self.rest = bytes(self._seen[end + len(_DELIMITER) :])
        return parse(bytes(self._seen[:end]))


def parse(document: bytes) -> Prelude:
    """A prelude's JSON. Raises PreludeError."""
    try:
        given = orjson.loads(document)
    except orjson.JSONDecodeError as error:
        raise PreludeError(f"the metadata is not JSON: {error}") from None
    if not isinstance(given, dict):
        raise PreludeError("the metadata is not an object")
    return Prelude(_status(given.get("statusCode")), _headers(given.get("headers")), _cookies(given.get("cookies")))


def _status(given: Any) -> int:
    if given is None:
        return 200
    if isinstance(given, str) and given.isascii() and given.isdecimal():
        given = int(given)
    if type(given) is not int or not 100 <= given <= 599:  # noqa: PLR2004 - HTTP's own bounds
        raise PreludeError(f"{given!r} is not a status code")
    return given


def _headers(given: Any) -> tuple[tuple[str, str], ...]:
    if not isinstance(given, dict | None):
        raise PreludeError("headers are not an object")
    pairs: list[tuple[str, str]] = []
    for name, value in (given or {}).items():
        pairs.extend((name, _text(one)) for one in (value if isinstance(value, list) else [value]))
    return tuple(pairs)


def _cookies(given: Any) -> tuple[str, ...]:
    if not isinstance(given, list | None):
        raise PreludeError("cookies are not a list")
    return tuple(_text(cookie) for cookie in given or ())


def _text(value: Any) -> str:
    return value if isinstance(value, str) else orjson.dumps(value).decode()
