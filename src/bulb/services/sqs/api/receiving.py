"""ReceiveMessage."""

from collections.abc import Mapping, Sequence
from typing import Any

from bulb.core.calls import Answer, Call
from bulb.services.sqs import contents, digests, errors, handles
from bulb.services.sqs.api.base import Operations
from bulb.services.sqs.model import Queue, StoredMessage
from bulb.services.sqs.store.receiving import IN_FLIGHT, Asked
from bulb.services.sqs.views import system_attributes

_MOST, _MOST_WAIT_S, _MOST_HIDDEN_S = 10, 20, 43_200
_SYSTEM = frozenset(
    {
        "All",
        "SenderId",
        "SentTimestamp",
        "ApproximateReceiveCount",
        "ApproximateFirstReceiveTimestamp",
        "SequenceNumber",
        "MessageDeduplicationId",
        "MessageGroupId",
        "AWSTraceHeader",
        "DeadLetterQueueSourceArn",
    }
)


class ReceivingOperations(Operations):
    """Operations that hand out messages."""

    async def receive_message(self, call: Call) -> Answer:
        """ReceiveMessage, as a long poll where the call or the queue says so."""
        queue, params = self._queue(call), call.params
        wait = _within(params, "WaitTimeSeconds", 0, _MOST_WAIT_S, "Must be >= 0 and <= 20, if provided.")
        limit = _within(params, "MaxNumberOfMessages", 1, _MOST, "Must be between 1 and 10, if provided.")
        reason = f"Must be between 0 and {_MOST_HIDDEN_S}, if provided."
        hidden = _within(params, "VisibilityTimeout", 0, _MOST_HIDDEN_S, reason)
        system = _system_names(params)
        asked = Asked(
            1 if limit is None else limit,
            float(queue.visibility_s if hidden is None else hidden),
            _attempt(params.get("ReceiveRequestAttemptId"), queue),
        )
        self._throttle(queue, "ReceiveMessage")
        wait = queue.wait_s if wait is None else wait
        claimed = await self._waiting.receive(queue, asked, wait, call.leaving)
        if claimed.is_full and not queue.is_fifo:
            raise errors.over_limit(f"The maximum number of in flight messages is reached: {IN_FLIGHT}.")
        if not claimed.messages:
            return {}
        names = params.get("MessageAttributeNames") or []
        return {"Messages": [_shown(message, queue, system, names) for message in claimed.messages]}


def _within(params: Mapping[str, Any], name: str, low: int, high: int, reason: str) -> int | None:
    value: int | None = params.get(name)
    if value is not None and not low <= value <= high:
        raise errors.invalid(value, name, reason)
    return value


def _system_names(params: Mapping[str, Any]) -> frozenset[str]:
    """The system attributes asked for, by either of the two parameters."""
    names = frozenset((*(params.get("AttributeNames") or ()), *(params.get("MessageSystemAttributeNames") or ())))
    for name in names:
        if name not in _SYSTEM:
            raise errors.unknown_attribute(name)
    return _SYSTEM if "All" in names else names


def _attempt(given: str | None, queue: Queue) -> str | None:
    if given is None:
        return None
    if not queue.is_fifo:
        reason = "The request include parameter that is not valid for this queue type."
        raise errors.invalid(given[:200], "ReceiveRequestAttemptId", reason)
    return contents.check_token("ReceiveRequestAttemptId", given)


def _shown(message: StoredMessage, queue: Queue, system: frozenset[str], names: Sequence[str]) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "MessageId": message.message_id,
        "ReceiptHandle": handles.encode(queue.id, message.id, message.claim),
        "MD5OfBody": message.body_md5,
        "Body": message.body,
    }
    if system:
        told = system_attributes(message, queue)
        shown["Attributes"] = {name: value for name, value in told.items() if name in system}
    if names and message.attributes is not None:
        wanted = {
            name: digests.shown(value)
            for name, value in digests.read(message.attributes).items()
            if is_wanted(name, names)
        }
        if wanted:
            shown["MessageAttributes"] = wanted
            shown["MD5OfMessageAttributes"] = digests.md5_of_attributes(wanted)
    return shown


def is_wanted(name: str, names: Sequence[str]) -> bool:
    """Is an attribute among those asked for: by name, by `All` or `*`, or by a prefix (`fo.*` is `foo`, too)?"""
    return any(
        one in ("All", "*") or one == name or (one.endswith(".*") and name.startswith(one[:-2])) for one in names
    )
