"""InvokeWithResponseStream: the answer leaves while the function makes it."""

import base64
from collections.abc import AsyncIterator
from typing import Any

from bulb.core.calls import Answer, Call
from bulb.invoke.model import FunctionCatalog, Invoker, Outcome, StreamedOutcome
from bulb.invoke.tracing import Traces
from bulb.services.lambda_.api.invoke import asked


class StreamOperations:
    """The operation that runs a function and passes on what it says at once."""

    def __init__(self, catalog: FunctionCatalog, invoker: Invoker, traces: Traces) -> None:
        self._traces = traces
        self._catalog = catalog
        self._invoker = invoker

    async def invoke_with_response_stream(self, call: Call) -> Answer:
        """200 and a stream of events; 204 for a dry run. A function that fails is told in the last event."""
        invocation, headers = await asked(call, self._catalog, self._traces)
        if call.params.get("InvocationType") == "DryRun":
            return {"StatusCode": 204, "EventStream": None, "ResponseHeaders": headers}
        outcome = await self._invoker.stream(invocation)
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
