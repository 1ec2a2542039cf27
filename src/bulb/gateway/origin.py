"""Who may reach a service that listens on this machine: not every web page its user happens to have open.

Two attacks are kept out. A page of another site can send requests here and, without a check of `Origin` and `Referer`,
have them carried out. And a page can point its own host name at 127.0.0.1 (DNS rebinding), which makes us look like its
own site; the `Host` it then sends is not one of ours. Clients that are not browsers send neither header and name us by
an address, by localhost, or by one of AWS's names.
"""

import ipaddress
import re
from functools import lru_cache

from bulb.core.errors import AwsError
from bulb.gateway.options import GatewayOptions
from bulb.http.message import Request, Response

_LOCAL_SUFFIXES = ("localhost", "localhost.localstack.cloud")
# Names an attacker cannot point here; clients that override only the address of an endpoint send them.
_AWS_SUFFIXES = ("amazonaws.com", "amazonaws.com.cn", "on.aws")
# The site of an Origin or Referer: scheme, host, port. Browsers never send a user name there, so none is understood.
_SITE = re.compile(r"([a-z][a-z0-9+.-]*)://([^/?#@\s]+)(?:[/?#].*)?", re.IGNORECASE)
_PREFLIGHT_SECONDS = "600"
_EXPOSED = (
    "x-amzn-requestid, x-amz-request-id, x-amz-id-2, x-amz-version-id, x-amz-function-error, x-amz-log-result, etag"
)


class OriginGuard:
    """Decides by headers alone; its verdicts per name are cached."""

    def __init__(self, options: GatewayOptions) -> None:
        """Take `allowed_origins`, `check_hosts` and `hosts` of the options."""
        self._options = options
        self._host_is_ours = lru_cache(maxsize=1024)(self._decide_host)
        self._origin_is_allowed = lru_cache(maxsize=1024)(self._decide_origin)

    def check(self, request: Request) -> None:
        """Refuse a request that a foreign page made. Raises AwsError AccessDeniedException, 403."""
        self.check_host(request)
        headers = request.headers
        host = headers.get("host", "")
        source = headers.get("origin") or headers.get("referer")
        if source is None:
            # Browsers mark what another site's page loads, even where they send no Referer.
            if headers.get("sec-fetch-site") == "cross-site":
                raise _denied("Requests from pages of other sites are not served.")
        elif not self._is_own_page(source, host) and not self._origin_is_allowed(source):
            raise _denied(f"Pages of {_site(source)!r} may not call this server.")

    def check_host(self, request: Request) -> None:
        """Refuse a request that names another host. Raises AwsError AccessDeniedException, 403."""
        host = request.headers.get("host", "")
        if self._options.check_hosts and not self._host_is_ours(host):
            raise _denied(f"Host {host!r} is not a name of this server: call it by its address or localhost.")

    def is_foreign(self, request: Request) -> bool:
        """Would `check` refuse it?"""
        try:
            self.check(request)
        except AwsError:
            return True
        return False

    def preflight(self, request: Request) -> Response | None:
        """The answer to a browser asking whether a page may call; None when this is not such a question."""
        headers = request.headers
        if request.method != "OPTIONS" or "access-control-request-method" not in headers or "origin" not in headers:
            return None
        allow = [
            ("access-control-allow-methods", headers["access-control-request-method"]),
            ("access-control-allow-headers", headers.get("access-control-request-headers", "*")),
            ("access-control-max-age", _PREFLIGHT_SECONDS),
        ]
        return Response(200, _cors_headers(headers["origin"]) + allow)

    def admit(self, request: Request, response: Response) -> None:
        """Let the page that called read the response, unless the service has said who may (a bucket's CORS rules)."""
        origin = request.headers.get("origin")
        if origin is not None and response.header("access-control-allow-origin") is None:
            response.headers = response.headers + _cors_headers(origin)

    def _is_own_page(self, source: str, host: str) -> bool:
        return _site(source) == f"http://{host}"

    def _decide_host(self, host: str) -> bool:
        name = _host_name(host)
        return _is_address(name) or _is_under(name, (*_LOCAL_SUFFIXES, *_AWS_SUFFIXES, *self._options.hosts))

    def _decide_origin(self, source: str) -> bool:
        allowed = self._options.allowed_origins
        if "*" in allowed or _site(source) in allowed:
            return True
        site = _SITE.fullmatch(source)
        name = _host_name(site[2]) if site is not None else ""
        return name == "::1" or (name.startswith("127.") and _is_address(name)) or _is_under(name, ("localhost",))


def _cors_headers(origin: str) -> list[tuple[str, str]]:
    return [
        ("access-control-allow-origin", origin),
        ("access-control-expose-headers", _EXPOSED),
        ("vary", "Origin"),
    ]


def _denied(message: str) -> AwsError:
    return AwsError("AccessDeniedException", message, status=403)


def _site(source: str) -> str:
    """Scheme and authority of an Origin or Referer; the text itself where it has none (`null`)."""
    site = _SITE.fullmatch(source)
    return f"{site[1]}://{site[2]}" if site is not None else source


def _host_name(host: str) -> str:
    """The host without its port, brackets and final dot."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0].rstrip(".").lower()


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _is_under(name: str, suffixes: tuple[str, ...]) -> bool:
    return any(name == suffix or name.endswith(f".{suffix}") for suffix in suffixes)
