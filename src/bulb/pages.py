"""The server's own pages, as JSON: what it is and can do, and what its functions would have cost."""

from collections import Counter
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs

import orjson

from bulb import __version__
from bulb.billing.ledger import Ledger, document
from bulb.config import Config, is_loopback
from bulb.core.clock import Clock
from bulb.core.errors import AwsError
from bulb.environments.pool import EnvironmentPool
from bulb.environments.stock import Stock
from bulb.http.message import Handler, Request, Response
from bulb.runtimes.interpreters import Interpreter, Interpreters
from bulb.sandbox.model import RungReport

_JSON = [("content-type", "application/json")]


class Pages:
    """`/_bulb/status` and `/_bulb/bill`.

    Requests for them carry no signature, and they tell of every account. Where credentials are required they answer
    only to this machine.
    """

    def __init__(
        self,
        config: Config,
        isolation: RungReport,
        interpreters: Interpreters,
        pool: EnvironmentPool,
        stock: Stock,
        capacity: int,
        ledger: Ledger,
        clock: Clock,
    ) -> None:
        self._config = config
        self._isolation = isolation
        self._interpreters = interpreters
        self._pool = pool
        self._stock = stock
        self._capacity = capacity
        self._ledger = ledger
        self._clock = clock

    @property
    def routes(self) -> Mapping[str, Handler]:
        """The handlers by path."""
        return {"/_bulb/status": self.status, "/_bulb/bill": self.bill}

    async def status(self, request: Request) -> Response:
        """Rung, interpreters, storage, environments."""
        refuse_strangers(request, self._config.enforce_credentials)
        states = Counter(environment.state.value for environment in self._pool)
        isolation = self._isolation
        return _page(
            request,
            {
                "version": __version__,
                "isolation": {
                    "rung": isolation.rung.value,
                    "has": list(isolation.has),
                    "lacks": list(isolation.lacks),
                    "reasons": dict(isolation.reasons),
                    "cgroups": isolation.cgroups,
                    "egress": ("nat: " if isolation.egress else "none: ") + isolation.egress_reason,
                },
                "storage": {
                    "engine": "postgresql" if self._config.database else "sqlite",
                    "durable": True,
                    "location": str(self._config.data),
                },
                "environments": {"states": dict(states), "stock": len(self._stock), "capacity": self._capacity},
                "runtimes": [
                    {
                        "name": found.runtime,
                        "runs": isinstance(found, Interpreter),
                        "detail": f"{found.executable} ({found.version})"
                        if isinstance(found, Interpreter)
                        else str(found),
                    }
                    for found in await self._interpreters.all()
                ],
            },
        )

    async def bill(self, request: Request) -> Response:
        """The statement of one account (`?account=`), or of all."""
        refuse_strangers(request, self._config.enforce_credentials)
        account = parse_qs(request.query).get("account", [None])[0]
        return _page(request, document(await self._ledger.statement(account, self._clock.now())))


def refuse_strangers(request: Request, enforce_credentials: bool) -> None:
    """Raise AwsError AccessDenied for a client of another machine, where credentials are required."""
    if enforce_credentials and not is_loopback(request.client[0]):
        text = "Ask on the machine that runs this server: bulb status, bulb bill."
        raise AwsError("AccessDenied", text, status=403)


def _page(request: Request, document: dict[str, Any]) -> Response:
    if request.method not in {"GET", "HEAD"}:
        return Response(405, [("allow", "GET, HEAD")])
    return Response(200, list(_JSON), orjson.dumps(document))
