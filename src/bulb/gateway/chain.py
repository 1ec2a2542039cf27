"""The way of a request, from HTTP to a service's method and back, as one list of steps.

A step looks at the exchange, fills in what it is for, and returns None to go on or a response to stop there. A refusal
is an AwsError raised anywhere; it becomes an answer in one place, in the protocol the client speaks.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Protocol

from bulb.core.calls import Call
from bulb.core.clock import Clock
from bulb.core.errors import AwsError
from bulb.core.ids import request_id
from bulb.gateway.access_log import AccessLog, Line
from bulb.gateway.authentication import Authentication, Identities
from bulb.gateway.bodies import collect_form, collect_whole, open_body
from bulb.gateway.exchange import Exchange
from bulb.gateway.health import health_routes
from bulb.gateway.operations import POST_OBJECT, OperationTable, bucket_of, unknown_route
from bulb.gateway.options import GatewayOptions
from bulb.gateway.origin import OriginGuard
from bulb.gateway.sites import Site, Visit
from bulb.http.body import ClientGoneError
from bulb.http.message import Handler, Request, Response
from bulb.wire import constraints, protocols, sigv4
from bulb.wire.catalog import Catalog
from bulb.wire.target import UnknownTarget, identify

_log = logging.getLogger(__name__)
# Parsing more than this takes longer than a turn of the event loop should.
_THREAD_BYTES = 262_144

Step = Callable[[Exchange], Awaitable[Response | None]]


class Authorizer(Protocol):
    """Whether a caller may do what the call says."""

    async def authorize(self, call: Call) -> None:
        """Raise the AwsError of a refusal."""


class Gateway:
    """Answers requests for `services`: objects with a method per operation, under the names of their models."""

    def __init__(
        self,
        services: Mapping[str, object],
        catalog: Catalog,
        identities: Identities,
        clock: Clock,
        options: GatewayOptions | None = None,
        *,
        routes: Mapping[str, Handler] | None = None,
        authorizer: Authorizer | None = None,
        access_log: AccessLog | None = None,
        sites: Sequence[Site] = (),
    ) -> None:
        """Take `routes`: plain handlers by path under `/_`; one that ends in `/` also has all paths below it."""
        self._options = options or GatewayOptions()
        self._catalog = catalog
        self._clock = clock
        self._operations = OperationTable(services, catalog)
        self._guard = OriginGuard(self._options)
        self._authentication = Authentication(identities, self._options)
        self._authorizer = authorizer
        self._access_log = access_log
        self._routes = _checked({**health_routes(services), **(routes or {})})
        self._sites = tuple(sites)
        self._steps: tuple[Step, ...] = (
            self._answer_site,  # Before the pages of others are refused: a site has its own say in that.
            self._refuse_foreign_pages,
            self._answer_preflight,
            self._answer_own_route,
            self._identify,
            self._collect,  # Before authenticating: the signature covers the body.
            self._authenticate,
            self._open_body,
            self._parse,
            self._check_constraints,
            self._authorize,
            self._dispatch,
        )

    async def handle(self, request: Request) -> Response:
        """Answer one request. Never raises: what goes wrong becomes an answer."""
        began = time.perf_counter()
        exchange = Exchange(request, request_id(), self._clock.now())
        error: AwsError | None = None
        try:
            response = await self._run(exchange)
        except AwsError as refusal:
            error = refusal
            if isinstance(refusal, UnknownTarget):
                exchange.service = refusal.service
            response = self._refusal(exchange, refusal)
        except ClientGoneError:
            raise  # The client left in the middle of its body: nobody waits for an answer.
        except Exception:
            _log.exception("Request %s (%s %s) failed", exchange.request_id, exchange.service, exchange.operation)
            error = AwsError(
                _failure_code(exchange), "An internal error occurred; the server's log has it.", status=500
            )
            response = self._refusal(exchange, error)
        if "origin" in request.headers and not exchange.at_site and (error is None or error.status != _FORBIDDEN):
            self._guard.admit(request, response)
        if self._access_log is not None:
            self._access_log.record(_line(exchange, response, error, time.perf_counter() - began))
        return response

    async def warm(self) -> None:
        """Load the models of all services in a thread, so that no request has to."""
        for name in self._operations.services:
            await asyncio.to_thread(self._catalog.service, name)

    async def _run(self, exchange: Exchange) -> Response:
        for step in self._steps:
            response = await step(exchange)
            if response is not None:
                return response
        raise AssertionError("The last step answers")

    # The steps.

    async def _answer_site(self, exchange: Exchange) -> Response | None:
        for site in self._sites:
            place = site.place(exchange.request)
            if place is not None:
                self._guard.check_host(exchange.request)
                exchange.at_site, exchange.service = True, site.service
                is_foreign = not self._options.enforce_credentials and self._guard.is_foreign(exchange.request)
                visit = Visit(exchange, *place, is_foreign, self._authentication, site.service)
                return await site.handler(visit)
        return None

    async def _refuse_foreign_pages(self, exchange: Exchange) -> None:
        self._guard.check(exchange.request)

    async def _answer_preflight(self, exchange: Exchange) -> Response | None:
        return self._guard.preflight(exchange.request)

    async def _answer_own_route(self, exchange: Exchange) -> Response | None:
        path = exchange.request.path
        if not path.startswith("/_"):
            return None
        handler = self._routes.get(path) or self._route_above(path)
        if handler is None:
            raise unknown_route(path)
        return await handler(exchange.request)

    async def _identify(self, exchange: Exchange) -> None:
        exchange.authorization = sigv4.parse_authorization(exchange.request)
        exchange.plain = await collect_form(exchange.request, self._options.body_bytes)
        target = identify(exchange.plain, self._catalog)
        exchange.service, exchange.operation, exchange.protocol = target.service, target.operation, target.protocol
        exchange.plan = self._operations.find(target.service, target.operation)

    async def _collect(self, exchange: Exchange) -> None:
        await collect_whole(exchange, self._options.body_bytes)

    async def _authenticate(self, exchange: Exchange) -> None:
        await self._authentication.authenticate(exchange)

    async def _open_body(self, exchange: Exchange) -> None:
        await open_body(exchange, self._options.body_bytes)

    async def _parse(self, exchange: Exchange) -> None:
        plan, request, body = exchange.plan, exchange.plain, exchange.body
        if plan.operation == POST_OBJECT:
            params = {"Bucket": bucket_of(request), "Body": body}
        elif isinstance(body, bytes) and len(body) > _THREAD_BYTES:
            params = await asyncio.to_thread(protocols.parse, plan.service, plan.operation, request, body)
        else:
            params = protocols.parse(plan.service, plan.operation, request, body)
        headers = request.headers
        exchange.call = Call(
            service=plan.service.name,
            operation=plan.operation,
            params=params,
            caller=exchange.caller,
            region=exchange.region,
            request_id=exchange.request_id,
            now=exchange.now,
            headers=headers,
            base_url=f"{request.scheme}://{headers.get('host', 'localhost')}",
            trace_header=headers.get("x-amzn-trace-id"),
            leaving=exchange.request.leaving,
        )

    async def _check_constraints(self, exchange: Exchange) -> None:
        if exchange.plan.operation != POST_OBJECT:
            constraints.check(exchange.plan.service, exchange.plan.operation, exchange.call.params)

    async def _authorize(self, exchange: Exchange) -> None:
        if self._authorizer is not None:
            await self._authorizer.authorize(exchange.call)

    async def _dispatch(self, exchange: Exchange) -> Response:
        plan = exchange.plan
        answer = await plan.method(exchange.call)
        if isinstance(answer, Response):  # PostObject: no shape of the model says what it answers.
            return answer
        return protocols.respond(plan.service, plan.operation, answer, exchange.request_id, exchange.protocol)

    # Answers to what went wrong.

    def _refusal(self, exchange: Exchange, error: AwsError) -> Response:
        service = self._catalog.service(exchange.service) if exchange.service is not None else None
        return protocols.error(service, exchange.operation, error, exchange.request_id, exchange.request)

    def _route_above(self, path: str) -> Handler | None:
        """The handler of the closest route that ends in a slash and has `path` below it."""
        above = path.rpartition("/")[0]
        while above:
            if (handler := self._routes.get(f"{above}/")) is not None:
                return handler
            above = above.rpartition("/")[0]
        return None


_FORBIDDEN = 403


def _checked(routes: dict[str, Handler]) -> dict[str, Handler]:
    for path in routes:
        if not path.startswith("/_"):
            message = f"The route {path!r} must start with /_: all other paths belong to the services"
            raise ValueError(message)
    return routes


def _failure_code(exchange: Exchange) -> str:
    """What AWS calls a failure of its own: S3 InternalError, Lambda ServiceException, the rest InternalFailure."""
    return {"s3": "InternalError", "lambda": "ServiceException"}.get(exchange.service or "", "InternalFailure")


def _line(exchange: Exchange, response: Response, error: AwsError | None, seconds: float) -> Line:
    request, authorization = exchange.request, exchange.authorization
    caller = exchange.call.caller if hasattr(exchange, "call") else None
    return Line(
        at=exchange.now,
        request_id=exchange.request_id,
        client=request.client[0],
        method=request.method,
        path=request.path,
        status=response.status,
        seconds=seconds,
        service=exchange.service,
        operation=exchange.operation,
        account=caller.account if caller is not None else None,
        access_key=authorization.access_key if authorization is not None else None,
        error=error.code if error is not None else None,
    )
