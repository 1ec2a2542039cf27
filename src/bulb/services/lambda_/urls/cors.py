"""Which pages of other sites may call a URL, and what their browsers are told. Pure.

Where a URL has a `Cors` it speaks for the function: preflights never reach it, and what it says itself of
cross-origin access is replaced.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from bulb.http.message import Request, Response
from bulb.services.lambda_ import errors

Cors = Mapping[str, Any]

_METHODS = frozenset({"GET", "PUT", "HEAD", "POST", "PATCH", "DELETE", "*"})
_PREFIX = "access-control-"


def check(given: Cors | None) -> None:
    """Raises InvalidParameterValueException for a method that cannot be allowed; lengths are checked by the model."""
    for method in (given or {}).get("AllowMethods", ()):
        if method not in _METHODS:
            raise errors.invalid(
                f"Invalid value '{method}' in AllowMethods: use GET, PUT, HEAD, POST, PATCH, DELETE or *."
            )


def allows(cors: Cors | None, origin: str | None) -> bool:
    """May pages of this origin call?"""
    origins = (cors or {}).get("AllowOrigins", ())
    return origin is not None and ("*" in origins or origin in origins)


def preflight(cors: Cors | None, request: Request) -> Response | None:
    """The answer to a browser that asks before it calls; None where it does not, or the function has to answer."""
    headers = request.headers
    if cors is None or request.method != "OPTIONS" or "access-control-request-method" not in headers:
        return None
    origin = headers.get("origin")
    if origin is None:
        return None
    told = _common(cors, origin)
    if told:
        asked_headers = headers.get("access-control-request-headers")
        told += _listed("allow-methods", cors.get("AllowMethods"), headers["access-control-request-method"])
        told += _listed("allow-headers", cors.get("AllowHeaders"), asked_headers)
        if "MaxAge" in cors:
            told.append((f"{_PREFIX}max-age", str(cors["MaxAge"])))
    return Response(200, told)


def overlaid(cors: Cors | None, request: Request, headers: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """The headers of an answer, with the URL's own word on cross-origin access in place of the function's."""
    if cors is None:
        return list(headers)
    kept = [(name, value) for name, value in headers if not name.startswith(_PREFIX)]
    origin = request.headers.get("origin")
    return kept if origin is None else kept + _common(cors, origin)


def _common(cors: Cors, origin: str) -> list[tuple[str, str]]:
    """What preflights and answers both say; nothing to an origin that is not allowed."""
    if not allows(cors, origin):
        return []
    # The origin itself also where any may call: with credentials browsers take nothing else.
    said = [(f"{_PREFIX}allow-origin", origin), ("vary", "Origin")]
    if cors.get("AllowCredentials"):
        said.append((f"{_PREFIX}allow-credentials", "true"))
    return said + _listed("expose-headers", cors.get("ExposeHeaders"), None)


def _listed(name: str, allowed: list[str] | None, asked: str | None) -> list[tuple[str, str]]:
    """A list as a header. With a wildcard what was asked for is allowed by its name, as credentials require."""
    if not allowed:
        return []
    value = asked if asked is not None and "*" in allowed else ",".join(allowed)
    return [(f"{_PREFIX}{name}", value)]
