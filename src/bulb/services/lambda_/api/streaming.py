"""InvokeWithResponseStream: the answer leaves while the function makes it."""

import base64
from collections.abc import AsyncIterator
from typing import Any

from bulb.core.calls import Answer, Call
from bulb.invoke.model import FunctionCatalog, Invocation, Invoker, Outcome, StreamedOutcome
from bulb.invoke.tracing import Traces
from bulb.services.lambda_ import names, payload
from bulb.services.lambda_.api.invoke import REMAPPED, refuse_other_kinds


class StreamOperations:
    """The operation that runs a function and passes on what it says at once."""

    def __init__(self, catalog: FunctionCatalog, invoker: Invoker, traces: Traces) -> None:
        self._traces = traces
        self._catalog = catalog
        self._invoker = invoker

    async def invoke_with_response_stream(self, call: Call) -> Answer:
        """200 and a stream of events; 204 for a dry run. A function that fails is told in the last event."""
        params = call.params
        kind = params.get("InvocationType", "RequestResponse")
        refuse_other_kinds(params)
        target = names.target(call)
        event = await payload.event(params.get("Payload", b""), kind)
        context = payload.client_context(params.get("ClientContext"))
        resolved = await self._catalog.resolve(*target.key, target.qualifier)
        trace = self._traces.header(resolved.spec, call.trace_header, call.now)
        headers = {REMAPPED: "0", "x-amzn-trace-id": trace}
        if kind == "DryRun":
            return {"StatusCode": 204, "EventStream": None, "ResponseHeaders": headers}
        outcome = await self._invoker.stream(
            Invocation(
                spec=resolved.spec,
                request_id=call.request_id,
                invoked_arn=resolved.invoked_arn,
                payload=event,
                trace_header=trace,
                client_context=context,
                log_tail=params.get("LogType") == "Tail",
            )
        )
        return {
            "StatusCode": 200,
            "ExecutedVersion": outcome.executed_version,
            "ResponseStreamContentType": outcome.content_type,
            "EventStream": _events(outcome),
            "ResponseHeaders": headers,
        }


async def _events(outcome: StreamedOutcome) -> AsyncIterator[dict[str, Any]]:
    async for chunk in outcome.chunks:
        yield {"PayloadChunk": {"Payload": chunk}}
    yield {"InvokeComplete": _complete(await outcome.end)}


def _complete(end: Outcome) -> dict[str, str]:
    members: dict[str, str] = {}
    if end.function_error is not None:
        members["ErrorCode"] = end.function_error
        members["ErrorDetails"] = end.payload.decode(errors="replace")
    if end.log_tail is not None:
        members["LogResult"] = base64.b64encode(end.log_tail).decode()
    return members
