"""From a function's answer to an HTTP response. Pure.

An answer with a `statusCode` says itself what the response is; any other is the body of a 200, also one that is no
JSON, which only streams and runtimes of one's own can make. One that cannot be made
into HTTP is the function's mistake: 502, as for a function that failed.
"""

import base64
import binascii
import json
import re
from dataclasses import dataclass
from typing import Any

import orjson

from bulb.http.message import Response

TYPE = "content-type"
JSON = "application/json"
BYTES = "application/octet-stream"
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
# The connection's own; what a function says of them is dropped.
_FRAMING = frozenset({"connection", "content-length", "date", "keep-alive", "transfer-encoding", "upgrade"})
_FORBIDDEN = (
    b'{"Message":"Forbidden. For troubleshooting Function URL authorization issues, '
    b'see: https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html"}'
)


class MalformedAnswerError(ValueError):
    """The answer cannot be made into HTTP."""


@dataclass(frozen=True, slots=True)
class Head:
    """Status and headers of a response; the names are in lower case."""

    status: int
    headers: list[tuple[str, str]]


def response(payload: bytes) -> Response:
    """The response a function's answer stands for. Raises MalformedAnswerError."""
    try:
        answer = _parsed(payload)
    except ValueError:
        return Response(200, [(TYPE, BYTES)], payload)
    if not isinstance(answer, dict) or "statusCode" not in answer:
        body = answer.encode(errors="replace") if isinstance(answer, str) else _compact(answer)
        return Response(200, [(TYPE, JSON)], body)
    cookies = answer.get("cookies")
    made = head(_status(answer["statusCode"]), _pairs(answer.get("headers")), cookies if cookies is not None else [])
    return Response(made.status, made.headers, _body(answer))


def head(status: int, pairs: list[tuple[str, str]], cookies: Any) -> Head:
    """A head that can be sent, with a content type in any case. Raises MalformedAnswerError."""
    if not isinstance(cookies, list | tuple) or not all(isinstance(cookie, str) for cookie in cookies):
        raise MalformedAnswerError("cookies are not a list of strings")
    given = [(name.lower(), value) for name, value in pairs] + [("set-cookie", cookie) for cookie in cookies]
    headers = [(_checked_name(name), _checked_value(value)) for name, value in given if name not in _FRAMING]
    if not any(name == TYPE for name, _ in headers):
        headers.insert(0, (TYPE, JSON))
    if not 200 <= status <= 599:  # noqa: PLR2004 - what an answer can be in HTTP
        raise MalformedAnswerError(f"{status} is not the status of an answer")
    return Head(status, headers)


def failed() -> Response:
    """The function failed, ran out of time, or answered what is no response."""
    return Response(502, [(TYPE, "text/plain")], b"Internal Server Error")


def forbidden() -> Response:
    """There is no such URL, or the caller may not call it: nobody is told which."""
    return Response(403, [(TYPE, JSON), ("x-amzn-errortype", "AccessDeniedException")], _FORBIDDEN)


def refusal(status: int, code: str, message: str, headers: dict[str, str]) -> Response:
    """Any other refusal, with AWS's name for it."""
    named = [(TYPE, JSON), ("x-amzn-errortype", code), *headers.items()]
    return Response(status, named, orjson.dumps({"Message": message}))


def _parsed(payload: bytes) -> Any:
    if not payload:
        return None
    try:
        return orjson.loads(payload)
    except orjson.JSONDecodeError:
        pass
    try:
        return json.loads(payload)  # NaN and lone surrogates, which runtimes let through
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _compact(value: Any) -> bytes:
    try:
        return orjson.dumps(value)
    except (TypeError, ValueError):
        pass
    try:
        return json.dumps(value, separators=(",", ":")).encode()
    except RecursionError:
        raise MalformedAnswerError("nested too deeply") from None


def _status(given: Any) -> int:
    if isinstance(given, str) and given.isascii() and given.isdecimal():
        given = int(given[:4])
    if type(given) is not int:
        raise MalformedAnswerError("statusCode is not a number")
    return given


def _pairs(given: Any) -> list[tuple[str, str]]:
    if not isinstance(given, dict | None):
        raise MalformedAnswerError("headers are not an object")
    return [(name, _text(value)) for name, value in (given or {}).items()]


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool | int | float):
        return json.dumps(value)
    raise MalformedAnswerError("a header is neither text nor a number")


def _body(answer: dict[str, Any]) -> bytes:
    body = answer.get("body")
    if body is None:
        return b""
    if not isinstance(body, str):
        return _compact(body)
    if not answer.get("isBase64Encoded"):
        return body.encode(errors="replace")
    try:
        return base64.b64decode(body, validate=True)
    except (binascii.Error, ValueError):
        raise MalformedAnswerError("body is not base64") from None


def _checked_name(name: str) -> str:
    if _NAME.fullmatch(name) is None:
        raise MalformedAnswerError(f"{name!r} is not the name of a header")
    return name


def _checked_value(value: str) -> str:
    """As the connection takes it: no control characters, and other letters as their UTF-8 bytes."""
    if _CONTROL.search(value) is not None:
        raise MalformedAnswerError("a header has control characters")
    return value if value.isascii() else value.encode(errors="replace").decode("latin-1")
