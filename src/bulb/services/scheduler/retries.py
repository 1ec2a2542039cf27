"""What follows when a target does not take an invocation: again, or a letter to the dead-letter queue. Pure.

A refusal that is final (no such resource, no permission, a request that is wrong) is given up at once; everything else
is tried again until the retry policy's attempts are made or its age is reached, whichever comes first. The age counts
from the tick, or from when the invocation was to be made in its window. Waits double from a second to eight minutes, so
that the default of 185 attempts fills the default of a day, and differ a little from one invocation to the next.
"""

import zlib

import orjson

from bulb.core.arn import parse_arn
from bulb.core.texts import sendable, sendable_json
from bulb.delivery.model import Again, GiveUp, Letter, Refusal
from bulb.services.scheduler import inputs, targets
from bulb.services.scheduler.model import MAX_AGE_S, MAX_RETRIES
from bulb.storage.outbox import Entry

_LONGEST_WAIT_S = 480.0
_BODY_BYTES, _MESSAGE_CHARACTERS = 262_144, 1_024
# What the destinations' words are as errors of an API.
_ERRORS = {
    "NO_PERMISSIONS": "AccessDeniedException",
    "THROTTLING": "ThrottlingException",
    "TIMEOUT": "RequestTimeout",
    "SDK_CLIENT_ERROR": "ValidationException",
    "INVALID_JSON": "ValidationException",
}
_NO_RESOURCE = {"sqs": "AWS.SimpleQueueService.NonExistentQueue", "sns": "NotFound"}


def after_refusal(entry: Entry, refusal: Refusal, attempts: int, now: float) -> Again | GiveUp:
    """The rule for everything that schedules send, dead letters included: these have no letter of their own."""
    about = entry.attributes
    most, age = about["retry"]
    if refusal.is_final:
        return GiveUp(_letters(entry, refusal, attempts, None, now))
    if attempts > most:
        return GiveUp(_letters(entry, refusal, attempts, "MaximumRetryAttempts", now))
    at = now + max(_wait(entry.delivery_id, attempts), refusal.retry_after_s or 0.0)
    if at > about.get("since", about["scheduled_at"]) + age:
        return GiveUp(_letters(entry, refusal, attempts, "MaximumEventAgeInSeconds", now))
    template = about.get("template")
    if template is None:
        return Again(at)
    text = inputs.filled(template, about["source_arn"], about["scheduled_at"], about["execution_id"], attempts + 1)
    return Again(at, text.encode())


def _wait(delivery_id: str, attempts: int) -> float:
    """Seconds to wait after so many attempts."""
    spread = zlib.crc32(f"{delivery_id}/{attempts}".encode()) / 2**32
    return min(2.0 ** min(attempts - 1, 20), _LONGEST_WAIT_S) * (0.9 + 0.2 * spread)


def _letters(entry: Entry, refusal: Refusal, attempts: int, exhausted: str | None, now: float) -> tuple[Letter, ...]:
    queue = entry.attributes.get("dead_letter")
    if queue is None:
        return ()
    about, text, is_cut = entry.attributes, sendable_json(_request(entry).encode()).decode(), False
    if len(text.encode()) > _BODY_BYTES:
        text, is_cut = text.encode()[:_BODY_BYTES].decode(errors="ignore"), True
    facts = {
        "ERROR_CODE": refusal.error or _error(refusal, entry.destination_arn),
        "ERROR_MESSAGE": sendable(refusal.message[:_MESSAGE_CHARACTERS]),
        "EXECUTION_ID": about["execution_id"],
        "EXHAUSTED_RETRY_CONDITION": exhausted,
        "IS_PAYLOAD_TRUNCATED": "true" if is_cut else "false",
        "RETRY_ATTEMPTS": str(attempts - 1),
        "SCHEDULED_TIME": inputs.moment(about["scheduled_at"]),
        "SCHEDULE_ARN": about["source_arn"],
        "TARGET_ARN": targets.action_arn(entry.destination_arn),
    }
    said = {name: {"DataType": "String", "StringValue": value} for name, value in facts.items() if value}
    kept = {name: about.get(name) for name in ("source", "source_arn", "account", "as_role", "about", "trace_header")}
    attributes = {**kept, "scheduled_at": now, "retry": [MAX_RETRIES, MAX_AGE_S], "message_attributes": said}
    if not about.get("asks_role"):
        return (Letter(queue, text.encode(), attributes),)
    # Where roles are asked, a letter is a call like any other.
    request = targets.request(queue, {"MessageAttributes": said}, text)
    call = {**about["call"], "service": request.service, "operation": request.operation}
    return (Letter(queue, orjson.dumps(request.parameters), {**attributes, "courier": "aws-call", "call": call}),)


def _request(entry: Entry) -> str:
    """The API request that was refused, as JSON."""
    if "call" in entry.attributes:
        return entry.payload.decode()
    text = entry.payload.decode()
    parameters = targets.request(entry.destination_arn, entry.attributes.get("parameters") or {}, text).parameters
    return orjson.dumps(parameters).decode()


def _error(refusal: Refusal, target_arn: str) -> str:
    service = parsed.service if (parsed := parse_arn(target_arn)) is not None else ""
    if refusal.code == "NO_RESOURCE":
        return _NO_RESOURCE.get(service, "ResourceNotFoundException")
    return _ERRORS.get(refusal.code, refusal.code)
