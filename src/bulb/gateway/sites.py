"""Hosts that are not an API: each is a site with a handler of its own, found by a label in its name.

`<name>.<label>.anything` is such a host, and so is the path `/_path/<name>/...` on the server itself, for clients that
cannot choose a host. A site decides for itself which web pages may call it.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from bulb.core.calls import Caller
from bulb.gateway.authentication import Authentication
from bulb.gateway.exchange import Exchange
from bulb.http.message import Request, Response
from bulb.wire import sigv4


@dataclass(slots=True)
class Visit:
    """One request to a site. `name` is the first label, `path` what is below the site."""

    exchange: Exchange
    name: str
    path: str
    is_foreign: bool
    authentication: Authentication
    service: str

    @property
    def request(self) -> Request:
        """As it was sent."""
        return self.exchange.request

    @property
    def request_id(self) -> str:
        """Ours, for this request."""
        return self.exchange.request_id

    @property
    def now(self) -> float:
        """When it came, in Unix seconds."""
        return self.exchange.now

    async def authenticate(self, region: str) -> Caller | None:
        """Who signed the request for the site's service in a region; None when nobody did. Raises AwsError 4xx.

        The body must have been collected. Where credentials are not enforced, whoever signs is believed.
        """
        exchange = self.exchange
        exchange.authorization = sigv4.parse_authorization(exchange.request)
        if exchange.authorization is None:
            return None
        return await self.authentication.signer(exchange, self.service, region)


@dataclass(frozen=True, slots=True)
class Site:
    """`marker` (`.label.`) in a host and `path` (`/_name/`) lead to `handler`; requests are signed for and logged as of
    `service`. Every request is asked whether it is for a site, so the marker is ready made.
    """

    marker: str
    path: str
    service: str
    handler: Callable[[Visit], Awaitable[Response]]

    def place(self, request: Request) -> tuple[str, str] | None:
        """The name of the site that is asked for, and the path below it; None when it is another's request."""
        host, path = request.headers.get("host", ""), request.path
        if self.marker in host:
            return host.partition(".")[0], path
        if path.startswith(self.path):
            name, slash, rest = path[len(self.path) :].partition("/")
            return name, slash + rest or "/"
        return None
