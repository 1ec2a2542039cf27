"""Invoke and InvokeAsync. The hot path of the API: warm, it touches neither the database nor the disk."""

import base64

from bulb.core.calls import Answer, Call
from bulb.invoke.model import AsyncEvent, AsyncInvoker, FunctionCatalog, Invocation, Invoker, Outcome
from bulb.invoke.tracing import Traces
from bulb.services.lambda_ import errors, names, payload

INVOKE_ASYNC_BYTES = 262_144
# AWS sends this with every answer to an invocation.
_REMAPPED = "x-amzn-remapped-content-length"


class InvokeOperations:
    """The operations that run a function."""

    def __init__(self, catalog: FunctionCatalog, invoker: Invoker, async_invoker: AsyncInvoker, traces: Traces) -> None:
        self._traces = traces
        self._catalog = catalog
        self._invoker = invoker
        self._async_invoker = async_invoker

    async def invoke(self, call: Call) -> Answer:
        """200 with the function's answer; 202 when the event is on disk; 204 for a dry run."""
        kind = call.params.get("InvocationType", "RequestResponse")
        invocation, headers = await asked(call, self._catalog, self._traces)
        if kind == "DryRun":
            return {"StatusCode": 204, "Payload": b"", "ResponseHeaders": headers}
        if kind == "Event":
            ref = invocation.spec.ref
            accepted = AsyncEvent(
                call.request_id, invocation.payload, invocation.trace_header, invocation.client_context
            )
            qualifier = names.target(call).qualifier
            await self._async_invoker.accept(ref.account, ref.region, ref.name, qualifier, accepted)
            return {"StatusCode": 202, "Payload": b"", "ResponseHeaders": headers}
        outcome = await self._invoker.invoke(invocation)
        return _answer(outcome, headers)

    async def invoke_async(self, call: Call) -> Answer:
        """The deprecated form of an asynchronous invocation: same queue, smaller events, no qualifier."""
        target = names.target(call)
        body = await call.params["InvokeArgs"].read(INVOKE_ASYNC_BYTES)
        event = await payload.event(body, "Event")
        account, region, name = target.key
        await self._catalog.resolve(account, region, name, target.qualifier)
        await self._async_invoker.accept(
            account, region, name, target.qualifier, AsyncEvent(call.request_id, event, call.trace_header)
        )
        return {"Status": 202}


async def asked(call: Call, catalog: FunctionCatalog, traces: Traces) -> tuple[Invocation, dict[str, str]]:
    """What a call asks to be run, checked; and the headers of every answer to it."""
    params = call.params
    _refuse_other_kinds(params)
    target = names.target(call)
    event = await payload.event(params.get("Payload", b""), params.get("InvocationType", "RequestResponse"))
    context = payload.client_context(params.get("ClientContext"))
    account, region, name = target.key
    resolved = await catalog.resolve(account, region, name, target.qualifier)
    trace = traces.header(resolved.spec, call.trace_header, call.now)
    invocation = Invocation(
        spec=resolved.spec,
        request_id=call.request_id,
        invoked_arn=resolved.invoked_arn,
        payload=event,
        trace_header=trace,
        client_context=context,
        log_tail=params.get("LogType") == "Tail",
    )
    return invocation, {_REMAPPED: "0", "x-amzn-trace-id": trace}


def _refuse_other_kinds(params: dict[str, object]) -> None:
    """Functions with tenants and durable functions cannot be created here, so no function is one."""
    if params.get("TenantId"):
        raise errors.invalid(
            "The invoked function is not enabled with tenancy configuration. "
            "Remove the tenant ID from your request and try again."
        )
    if params.get("DurableExecutionName"):
        raise errors.invalid("DurableExecutionName is only supported for durable functions.")


def _answer(outcome: Outcome, headers: dict[str, str]) -> Answer:
    answer: Answer = {
        "StatusCode": 200,
        "Payload": outcome.payload,
        "ExecutedVersion": outcome.executed_version,
        "ResponseHeaders": headers,
    }
    if outcome.function_error is not None:
        answer["FunctionError"] = outcome.function_error
    if outcome.log_tail is not None:
        answer["LogResult"] = base64.b64encode(outcome.log_tail).decode()
    return answer
