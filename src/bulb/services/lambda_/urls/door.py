"""A request at a function URL, from its arrival to the response. Warm, it touches neither the database nor the disk.

The order: which URL; may its page ask; may the caller call (a signature covers the body, so that is read first); then
the function. Whoever may not is told the same, whatever the reason, and the function is not run.
"""

import asyncio
import logging

from bulb.core.calls import Caller
from bulb.core.errors import AwsError
from bulb.core.ids import hex_id, trace_id
from bulb.core.limits import SYNC_REQUEST_BYTES
from bulb.environments.model import FunctionSpec
from bulb.http.message import Body, BufferedBody, Response
from bulb.invoke.model import FunctionCatalog, Invocation, Invoker
from bulb.invoke.tracing import Traces
from bulb.services.lambda_.urls import cors
from bulb.services.lambda_.urls.access import UrlAccess
from bulb.services.lambda_.urls.event import arrival, event
from bulb.services.lambda_.urls.model import FunctionUrl, Visit
from bulb.services.lambda_.urls.registry import Route, UrlRegistry
from bulb.services.lambda_.urls.response import MalformedAnswerError, failed, forbidden, refusal, response
from bulb.services.lambda_.urls.streaming import collected, streamed

_log = logging.getLogger(__name__)
# Parsing or making more JSON than this takes longer than a turn of the event loop should.
_INLINE_BYTES = 131_072
_CONFLICT, _SERVERS = 409, 500


class UrlDoor:
    """Answers requests for the URLs of a registry. Below `domain` it is the operator's proxy that asks."""

    def __init__(
        self,
        registry: UrlRegistry,
        access: UrlAccess,
        catalog: FunctionCatalog,
        invoker: Invoker,
        traces: Traces,
        domain: str | None = None,
    ) -> None:
        self._registry = registry
        self._access = access
        self._catalog = catalog
        self._invoker = invoker
        self._traces = traces
        self._proxied = f".{domain}" if domain else None

    async def answer(self, visit: Visit) -> Response:
        """The response, whatever goes wrong with the request."""
        route = await self._registry.find(visit.name.lower())
        if route is None:
            return _finished(forbidden(), visit)
        asked = cors.preflight(route.url.cors, visit.request)
        if asked is not None:
            return _finished(asked, visit)
        trace = visit.request.headers.get("x-amzn-trace-id") or f"Root={trace_id(visit.now)}"
        try:
            made = await self._answer(route, visit, trace)
        except AwsError as error:
            made = _refused(error)
        made.headers = cors.overlaid(route.url.cors, visit.request, made.headers)
        made.headers.append(("x-amzn-trace-id", trace))
        return _finished(made, visit)

    async def _answer(self, route: Route, visit: Visit, trace: str) -> Response:
        url, request = route.url, visit.request
        if url.auth_type == "NONE":
            if not self._access.anybody_may(url, route.statements, request, visit.now):
                return forbidden()
            body, caller = await _collected(request.body), None
        else:
            if visit.is_foreign and not cors.allows(url.cors, request.headers.get("origin")):
                return forbidden()
            body = await _collected(request.body)
            request.body = BufferedBody(body)
            caller = await visit.authenticate(url.key.region)
            if caller is None or not await self._access.caller_may(url, route.statements, caller, request, visit.now):
                return forbidden()
        return await self._invoke(url, await self._event(url, visit, body, trace, caller), visit, trace)

    async def _event(self, url: FunctionUrl, visit: Visit, body: bytes, trace: str, caller: Caller | None) -> bytes:
        request = visit.request
        proxied = self._proxied is not None and request.headers.get("host", "").lower().endswith(self._proxied)
        came = arrival(request, visit.request_id, visit.now, trace, proxied)
        if len(body) <= _INLINE_BYTES:
            made = event(url, request, visit.path, body, came, caller)
        else:
            made = await asyncio.to_thread(event, url, request, visit.path, body, came, caller)
        if len(made) > SYNC_REQUEST_BYTES:
            raise _too_large()
        return made

    async def _invoke(self, url: FunctionUrl, payload: bytes, visit: Visit, trace: str) -> Response:
        account, region, name = url.key
        resolved = await self._catalog.resolve(account, region, name, url.alias)
        invocation = Invocation(
            spec=resolved.spec,
            request_id=visit.request_id,
            invoked_arn=resolved.invoked_arn,
            payload=payload,
            trace_header=self._sampled(resolved.spec, trace, visit.now),
        )
        try:
            if url.invoke_mode == "RESPONSE_STREAM":
                return await streamed(await self._invoker.stream(invocation))
            return await self._buffered(invocation)
        except MalformedAnswerError as error:
            _log.warning("The answer of %s to a request at its URL is not a response: %s", url.arn, error)
            return failed()

    def _sampled(self, spec: FunctionSpec, trace: str, now: float) -> str:
        """What the function is told: the caller's trace, and whether it is sampled."""
        identity = trace if ";" in trace else f"{trace};Parent={hex_id(16)}"
        told = self._traces.header(spec, identity, now)
        return told if "Sampled=" in told else f"{told};Sampled=0"

    async def _buffered(self, invocation: Invocation) -> Response:
        outcome = await self._invoker.invoke(invocation)
        if outcome.function_error is not None:
            return failed()
        if len(outcome.payload) <= _INLINE_BYTES:
            return _made(outcome.payload)
        return await asyncio.to_thread(_made, outcome.payload)


def _made(payload: bytes) -> Response:
    """Raises MalformedAnswerError."""
    return response(payload) if b"\0" not in payload else collected(payload) or response(payload)


async def _collected(body: Body) -> bytes:
    """The whole body. Raises AwsError 413 as soon as it is known to be too long."""
    if body.length is not None and body.length > SYNC_REQUEST_BYTES:
        raise _too_large()
    if body.buffered is not None:
        return body.buffered
    whole = bytearray()
    async for part in body:
        whole += part
        if len(whole) > SYNC_REQUEST_BYTES:
            raise _too_large()
    return bytes(whole)


def _too_large() -> AwsError:
    return AwsError(
        "RequestEntityTooLargeException",
        f"Request must be smaller than {SYNC_REQUEST_BYTES} bytes for the InvokeFunction operation",
        status=413,
    )


def _refused(error: AwsError) -> Response:
    """Of the invoke path's refusals only what concerns the caller is told; a missing function is a missing URL."""
    if error.code == "ResourceNotFoundException":
        return forbidden()
    if error.status == _CONFLICT or error.status >= _SERVERS:
        return failed()
    return refusal(error.status, error.code, error.message, error.headers)


def _finished(made: Response, visit: Visit) -> Response:
    made.headers.append(("x-amzn-requestid", visit.request_id))
    return made
