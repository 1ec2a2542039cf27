"""What is told of an asynchronous event that ended, to whom, and in which bytes. Pure.

A destination gets the invocation record; a dead-letter queue gets the event itself, and what went wrong as message
attributes. Both are told when both are configured. Source: asynchronous invocation records, November 2026.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

import orjson

from bulb.core.arn import Arn, parse_arn
from bulb.core.clock import iso_millis
from bulb.core.errors import AwsError
from bulb.core.ids import request_id
from bulb.core.texts import sendable, sendable_json
from bulb.invoke.model import AsyncRules, Outcome
from bulb.invoke.retries import Condition

# What a message, an event of a bus and an asynchronous event may have, and what a notification may; an object has no
# such limit.
RECORD_BYTES, NOTIFICATION_BYTES = 1_048_576, 262_144
ERROR_MESSAGE_BYTES = 1_024
# In AWS's own spelling; such an event has no code.
_NOTHING_RESERVED = "Function not invoked. Function isconfigured with zero reserved concurrent executions"


@dataclass(frozen=True, slots=True)
class Ending:
    """An event at its end. `invoked_arn` ends with a qualifier; `invocations` is how often the function ran.

    `outcome` is the last answer if this attempt brought one, `refusal` why it did not.
    """

    request_id: str
    invoked_arn: str
    payload: bytes
    condition: Condition | Literal["Success"]
    invocations: int
    at: float
    outcome: Outcome | None = None
    refusal: AwsError | None = None
    trace_header: str | None = None


@dataclass(frozen=True, slots=True)
class Delivery:
    """Something for the outbox.

    `attributes` are JSON values: `kind` (`OnSuccess`, `OnFailure`, `DeadLetter`), `source`, `source_arn`, `account`,
    `request_id`, `trace_header`; `message_attributes` with a dead-letter queue or topic, `key` with a bucket.
    """

    arn: str
    payload: bytes
    attributes: Mapping[str, Any] = field(default_factory=dict)


def deliveries(ending: Ending, rules: AsyncRules, dead_letter: str | None) -> list[Delivery]:
    """Everybody who is to be told. `dead_letter` is that of the version which ran."""
    if ending.condition == "Success":
        return [_record_for(rules.on_success, "OnSuccess", ending)] if rules.on_success else []
    told = [_record_for(rules.on_failure, "OnFailure", ending)] if rules.on_failure else []
    if dead_letter:
        attributes = {**_about(ending, "DeadLetter"), "message_attributes": _error_attributes(ending)}
        told.append(Delivery(dead_letter, sendable_json(ending.payload), attributes))
    return told


def record(ending: Ending, most_bytes: int | None = None) -> bytes:
    """The invocation record, in AWS's order. Over `most_bytes` it goes without the response, then without the event.

    Of an event that was refused to the end it tells the status of the refusal.
    """
    head = {
        "version": "1.0",
        "timestamp": iso_millis(ending.at),
        "requestContext": {
            "requestId": ending.request_id,
            "functionArn": ending.invoked_arn,
            "condition": ending.condition,
            "approximateInvokeCount": ending.invocations,
        },
    }
    outcome, context = ending.outcome, {}
    if ending.condition == "ZeroReservedConcurrency":
        outcome = None
    elif outcome is not None:
        context = {"responseContext": _response_context(outcome)}
    elif ending.refusal is not None:
        context = {"responseContext": {"statusCode": ending.refusal.status}}
    request = [b'"requestPayload":' + _embedded(ending.payload)]
    response = [] if outcome is None else [b'"responsePayload":' + _embedded(outcome.payload)]
    inner = [_members(head)]
    answered = [_members(context)] if context else []
    for parts in ([*inner, *request, *answered, *response], [*inner, *request, *answered], [*inner, *answered]):
        written = b"{" + b",".join(parts) + b"}"
        if most_bytes is None or len(written) <= most_bytes:
            break
    return written


def bus_event(ending: Ending, bus: Arn) -> bytes:
    """The record as an event of an event bus."""
    result = "Success" if ending.condition == "Success" else "Failure"
    head = {
        "version": "0",
        "id": request_id(),
        "detail-type": f"Lambda Function Invocation Result - {result}",
        "source": "lambda",
        "account": _account(ending),
        "time": iso_millis(ending.at)[:19] + "Z",
        "region": bus.region,
        "resources": [str(bus), ending.invoked_arn],
    }
    members = _members(head)
    room = RECORD_BYTES - len(members) - len(b'{,"detail":}')
    return b"{" + members + b',"detail":' + record(ending, room) + b"}"


def object_key(ending: Ending) -> str:
    """Where a record goes in a bucket: `aws/lambda/async/<function>/YYYY/MM/DD/YYYY-MM-DDTHH.MM.SS-<uuid>`."""
    function = ending.invoked_arn.split(":")[6]
    moment = datetime.fromtimestamp(ending.at, UTC)
    return f"aws/lambda/async/{function}/{moment:%Y/%m/%d}/{moment:%Y-%m-%dT%H.%M.%S}-{request_id()}"


def _record_for(target: str, kind: str, ending: Ending) -> Delivery:
    attributes = _about(ending, kind)
    arn = parse_arn(target)
    if arn is not None and arn.service == "s3":
        return Delivery(target, record(ending), {**attributes, "key": object_key(ending)})
    if arn is not None and arn.service == "events":
        return Delivery(target, bus_event(ending, arn), attributes)
    most = NOTIFICATION_BYTES if arn is not None and arn.service == "sns" else RECORD_BYTES
    return Delivery(target, sendable_json(record(ending, most)), attributes)


def _about(ending: Ending, kind: str) -> dict[str, Any]:
    return {
        "kind": kind,
        "source": "lambda",
        "source_arn": ending.invoked_arn,
        "account": _account(ending),
        "request_id": ending.request_id,
        "trace_header": ending.trace_header,
        "about": kind,
    }


def _account(ending: Ending) -> str:
    return ending.invoked_arn.split(":")[4]


def _response_context(outcome: Outcome) -> dict[str, Any]:
    context: dict[str, Any] = {"statusCode": 200, "executedVersion": outcome.executed_version}
    if outcome.function_error is not None:
        context["functionError"] = outcome.function_error
    return context


def _error_attributes(ending: Ending) -> dict[str, dict[str, str]]:
    code, message = _error(ending)
    short = sendable(message).encode()[:ERROR_MESSAGE_BYTES].decode(errors="ignore")
    return {
        "RequestID": {"DataType": "String", "StringValue": ending.request_id},
        **({} if code is None else {"ErrorCode": {"DataType": "Number", "StringValue": str(code)}}),
        "ErrorMessage": {"DataType": "String", "StringValue": short},
    }


def what_failed(outcome: Outcome | None, refusal: AwsError | None) -> tuple[str | None, str | None]:
    """Type and message of a function's error, or code and message of a refusal; None for what is not known."""
    if outcome is not None:
        try:
            document = orjson.loads(outcome.payload)
        except orjson.JSONDecodeError:
            document = None
        document = document if isinstance(document, dict) else {}
        found = [document.get(name) for name in ("errorType", "errorMessage")]
        code, message = (text if isinstance(text, str) else None for text in found)
        return code, message
    return (None, None) if refusal is None else (refusal.code, refusal.message)


def _error(ending: Ending) -> tuple[int | None, str]:
    """The HTTP code and the message of what went wrong last, never an empty one: no attribute may be that."""
    if ending.condition == "ZeroReservedConcurrency":
        return None, _NOTHING_RESERVED
    if ending.outcome is not None:
        kind, message = what_failed(ending.outcome, None)
        return 200, message or kind or ending.condition
    if ending.refusal is not None:
        return ending.refusal.status, ending.refusal.message
    return 500, ending.condition


def _members(document: Mapping[str, Any]) -> bytes:
    """A JSON object without its braces, to be joined with members whose bytes are not ours."""
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()[1:-1]


def _embedded(payload: bytes) -> bytes:
    """JSON as it came; what is not JSON as a string, so that the record is."""
    try:
        orjson.loads(payload)
    except orjson.JSONDecodeError:
        return json.dumps(payload.decode(errors="replace")).encode() if payload else b"null"
    return payload
