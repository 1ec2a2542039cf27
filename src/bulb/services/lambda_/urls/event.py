"""From an HTTP request to the event a function sees: payload format 2.0. Pure."""

import base64
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, unquote

import orjson

from bulb.core.calls import Caller
from bulb.http.message import Request
from bulb.services.lambda_.urls.model import FunctionUrl

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_TEXTS = frozenset(
    {
        "application/json",
        "application/xml",
        "application/javascript",
        "application/ecmascript",
        "application/x-www-form-urlencoded",
    }
)
_PORTS = {"http": "80", "https": "443"}


@dataclass(frozen=True, slots=True)
class Arrival:
    """How a request came: what of it is not in its own head."""

    request_id: str
    now: float
    trace_header: str
    source_ip: str
    proto: str
    port: str
    forwarded_for: str


def arrival(request: Request, request_id: str, now: float, trace_header: str, behind_proxy: bool) -> Arrival:
    """`behind_proxy`: the operator's own proxy sent it, so its word on the client is taken."""
    headers, peer = request.headers, request.client[0] or "127.0.0.1"
    host = headers.get("host", "")
    _, _, port = host.rpartition("]")[2].partition(":")
    if not behind_proxy:
        return Arrival(request_id, now, trace_header, peer, request.scheme, port or _PORTS[request.scheme], peer)
    proto = headers.get("x-forwarded-proto", "https")
    forwarded = headers.get("x-forwarded-for", peer)
    source = forwarded.rpartition(",")[2].strip()
    return Arrival(
        request_id,
        now,
        trace_header,
        source,
        proto,
        headers.get("x-forwarded-port", _PORTS.get(proto, "443")),
        forwarded,
    )


def event(url: FunctionUrl, request: Request, path: str, body: bytes, came: Arrival, caller: Caller | None) -> bytes:
    """The event as JSON. `path` is below the URL; `caller` is None where nobody has to sign."""
    headers = {
        **request.headers,
        "x-forwarded-for": came.forwarded_for,
        "x-forwarded-port": came.port,
        "x-forwarded-proto": came.proto,
        "x-amzn-trace-id": came.trace_header,
    }
    cookies = headers.pop("cookie", None)
    made: dict[str, Any] = {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": request.query,
    }
    if cookies is not None:
        made["cookies"] = [one for cookie in cookies.split(";") if (one := cookie.strip())]
    made["headers"] = headers
    if request.query:
        made["queryStringParameters"] = _parameters(request.query)
    made["requestContext"] = _context(url, request, path, came, caller)
    made["isBase64Encoded"] = False
    if body:
        made["body"], made["isBase64Encoded"] = _body(body, headers.get("content-type", ""))
    return orjson.dumps(made)


def _context(url: FunctionUrl, request: Request, path: str, came: Arrival, caller: Caller | None) -> dict[str, Any]:
    made: dict[str, Any] = {
        "accountId": "anonymous" if caller is None else caller.account,
        "apiId": url.url_id,
    }
    if caller is not None:
        made["authorizer"] = {"iam": _signer(caller)}
    made |= {
        "domainName": _domain(request),
        "domainPrefix": url.url_id,
        "http": {
            "method": request.method,
            "path": unquote(path),
            "protocol": "HTTP/1.1",
            "sourceIp": came.source_ip,
            "userAgent": request.headers.get("user-agent", ""),
        },
        "requestId": came.request_id,
        "routeKey": "$default",
        "stage": "$default",
        "time": _time(came.now),
        "timeEpoch": int(came.now * 1000),
    }
    return made


def _signer(caller: Caller) -> dict[str, Any]:
    return {
        "accessKey": caller.access_key,
        "accountId": caller.account,
        "callerId": caller.user_id,
        "cognitoIdentity": None,
        "principalOrgId": None,
        "userArn": caller.arn,
        "userId": caller.user_id,
    }


def _domain(request: Request) -> str:
    host = request.headers.get("host", "localhost")
    return host if host.startswith("[") else host.partition(":")[0]


def _parameters(query: str) -> dict[str, str]:
    """Decoded; values of the same name are joined with commas."""
    found: dict[str, str] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        found[name] = f"{found[name]},{value}" if name in found else value
    return found


def _body(body: bytes, content_type: str) -> tuple[str, bool]:
    """As text where the content type says that it is text and it is, else in base64."""
    if _is_text(content_type):
        try:
            return body.decode(), False
        except UnicodeDecodeError:
            pass
    return base64.b64encode(body).decode(), True


def _is_text(content_type: str) -> bool:
    kind = content_type.partition(";")[0].strip().lower()
    return kind.startswith("text/") or kind in _TEXTS or kind.endswith(("+json", "+xml"))


def _time(now: float) -> str:
    """`12/Mar/2026:19:03:58 +0000`, in English wherever the server stands."""
    at = time.gmtime(now)
    return (
        f"{at.tm_mday:02d}/{_MONTHS[at.tm_mon - 1]}/{at.tm_year}:{at.tm_hour:02d}:{at.tm_min:02d}:{at.tm_sec:02d} +0000"
    )
