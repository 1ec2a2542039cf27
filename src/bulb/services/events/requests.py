"""The HTTP requests of API destinations and of OAuth connections, from what is configured. Pure.

What a connection adds (headers, query, body) goes over what a target adds. A `*` in an endpoint stands for the next of
the target's path values. Values that are JSON paths are taken from the event itself, not from what became of it.
"""

import base64
import math
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import quote, urlencode, urlsplit, urlunsplit

import orjson

from bulb.delivery.model import Refusal
from bulb.services.events.envelope import dumps
from bulb.services.events.model import ApiDestination, Connection
from bulb.services.events.paths import MISSING, parse_path

COURIER, REFUSING = "events-api", "events-refusing"
_HEADERS = {
    "User-Agent": "Amazon/EventBridge/ApiDestinations",
    "Range": "bytes=0-1048575",
    "Accept-Encoding": "gzip,deflate",
}
_TYPE = {"Content-Type": "application/json; charset=utf-8"}
# What says where a message ends and who passes it on is the sender's own.
_FRAMING = frozenset(
    {"connection", "content-length", "expect", "host", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"}
)
# EventBridge takes these out of requests. Source: its page of API destinations.
_TAKEN_OUT = _FRAMING | {
    *("a-im", "accept-charset", "accept-datetime", "accept-encoding", "cache-control", "content-encoding"),
    *("content-md5", "date", "forwarded", "from", "http2-settings", "if-match", "if-modified-since", "if-none-match"),
    *("if-range", "if-unmodified-since", "max-forwards", "origin", "pragma", "proxy-authorization", "range"),
    *("referer", "user-agent", "via", "warning"),
}
_FORM = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8", "User-Agent": _HEADERS["User-Agent"]}
_WITHOUT_BODY = frozenset({"GET", "HEAD", "OPTIONS"})
# What may go away by itself; everything else below 500 is final. Source: EventBridge's page of API destinations.
_TRY_AGAIN = frozenset({401, 407, 409, 429})
_CODES = {401: "NO_PERMISSIONS", 403: "NO_PERMISSIONS", 407: "NO_PERMISSIONS", 408: "TIMEOUT", 429: "THROTTLING"}
Pairs = Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """A request to somebody else's server."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes


def resolved(parameters: Mapping[str, Any], event: Mapping[str, Any]) -> dict[str, Any]:
    """A target's HttpParameters with the values of this event."""
    return {
        "path": [_value(one, event) for one in parameters.get("PathParameterValues") or ()],
        "headers": {key: _value(one, event) for key, one in (parameters.get("HeaderParameters") or {}).items()},
        "query": {key: _value(one, event) for key, one in (parameters.get("QueryStringParameters") or {}).items()},
    }


def invocation(
    destination: ApiDestination, connection: Connection, http: Mapping[str, Any], payload: bytes
) -> HttpRequest:
    """The request that hands a payload to an API destination."""
    added = connection.parameters.get("InvocationHttpParameters") or {}
    given = (_TYPE, http.get("headers") or {}, _pairs(added, "HeaderParameters"), _authorization(connection))
    headers = {**_HEADERS, **_merged(*given, without=_TAKEN_OUT)}
    query = {**(http.get("query") or {}), **_pairs(added, "QueryStringParameters")}
    url = _with_query(_filled(destination.endpoint, http.get("path") or ()), query)
    body = b"" if destination.method in _WITHOUT_BODY else _with_members(payload, _pairs(added, "BodyParameters"))
    return HttpRequest(destination.method, url, {name: _plain(value) for name, value in headers.items()}, body)


def token_request(connection: Connection) -> HttpRequest:
    """The request that asks for an access token, with a client's credentials (RFC 6749, 4.4)."""
    oauth = connection.parameters["OAuthParameters"]
    client, added = oauth["ClientParameters"], oauth.get("OAuthHttpParameters") or {}
    form = {
        "grant_type": "client_credentials",
        "client_id": client["ClientID"],
        "client_secret": client["ClientSecret"],
        **_pairs(added, "BodyParameters"),
    }
    query = _pairs(added, "QueryStringParameters")
    headers = _merged(_FORM, _pairs(added, "HeaderParameters"), without=_FRAMING)
    method: str = oauth["HttpMethod"]
    if method in _WITHOUT_BODY:
        return HttpRequest(method, _with_query(oauth["AuthorizationEndpoint"], {**query, **form}), headers, b"")
    return HttpRequest(method, _with_query(oauth["AuthorizationEndpoint"], query), headers, urlencode(form).encode())


def token_of(body: bytes, now: float) -> tuple[str, float | None]:
    """The access token in an answer, and until when it is good. Raises ValueError where there is none."""
    document = orjson.loads(body)
    token = document.get("access_token") if isinstance(document, dict) else None
    if not isinstance(token, str) or not token or not token.isprintable() or not token.isascii():
        raise ValueError("The answer has no access_token.")
    lasts = document.get("expires_in")
    try:
        return token, now + float(lasts) if lasts is not None else None
    except (TypeError, ValueError):
        return token, None


def refusal_of(status: int, headers: Mapping[str, str]) -> Refusal | None:
    """What an endpoint's answer means; names of headers are in lower case."""
    if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        return None
    message = f"The endpoint of the API destination answered with status {status}."
    wait = _wait_of(headers.get("retry-after"))
    is_final = not (status in _TRY_AGAIN or status >= HTTPStatus.INTERNAL_SERVER_ERROR) or (wait or 0.0) < 0
    return Refusal(_CODES.get(status) or _code(status), message, is_final, None if is_final else wait)


def _code(status: int) -> str:
    return "ERROR_FROM_TARGET" if status >= HTTPStatus.INTERNAL_SERVER_ERROR else "SDK_CLIENT_ERROR"


def _wait_of(given: str | None) -> float | None:
    """The seconds of a Retry-After header; a date is not looked at."""
    try:
        seconds = float(given) if given is not None else None
    except ValueError:
        return None
    return seconds if seconds is not None and math.isfinite(seconds) else None


def _authorization(connection: Connection) -> dict[str, str]:
    parameters = connection.parameters
    if connection.kind == "BASIC":
        basic = parameters["BasicAuthParameters"]
        credentials = base64.b64encode(f"{basic['Username']}:{basic['Password']}".encode()).decode()
        return {"Authorization": f"Basic {credentials}"}
    if connection.kind == "API_KEY":
        key = parameters["ApiKeyAuthParameters"]
        return {key["ApiKeyName"]: key["ApiKeyValue"]}
    return {"Authorization": f"Bearer {connection.token}"}


def _merged(*groups: Mapping[str, str], without: Set[str]) -> dict[str, str]:
    """Headers, those of later groups over those of earlier ones, whatever their case, and none of some names."""
    headers: dict[str, tuple[str, str]] = {}
    for group in groups:
        headers |= {name.lower(): (name, value) for name, value in group.items()}
    return dict(header for name, header in headers.items() if name not in without)


def _plain(value: str) -> str:
    """A header's value as one can be sent: what came of an event may have any characters."""
    return "".join(letter if " " <= letter <= "~" else "?" for letter in value)


def _pairs(parameters: Mapping[str, Any], member: str) -> dict[str, str]:
    given: Pairs = parameters.get(member) or ()
    return {one["Key"]: one.get("Value", "") for one in given if "Key" in one}


def _filled(endpoint: str, values: Sequence[str]) -> str:
    for value in values:
        endpoint = endpoint.replace("*", quote(value, safe=""), 1)
    return endpoint


def _with_query(url: str, query: Mapping[str, str]) -> str:
    if not query:
        return url
    parts = urlsplit(url)
    return urlunsplit(parts._replace(query="&".join(filter(None, (parts.query, urlencode(query, quote_via=quote))))))


def _with_members(payload: bytes, members: Mapping[str, str]) -> bytes:
    """The body with further members, where it is an object."""
    if not members:
        return payload
    document = orjson.loads(payload)
    return dumps({**document, **members}) if isinstance(document, dict) else payload


def _value(given: str, event: Mapping[str, Any]) -> str:
    """The value of a path into the event; what is no path stands for itself."""
    if not given.startswith("$."):
        return given
    try:
        found = parse_path(given).find(event)
    except ValueError:
        return given
    if found is MISSING:
        return ""
    try:
        return found if isinstance(found, str) else dumps(found).decode()
    except RecursionError:
        return ""
