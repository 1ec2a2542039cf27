"""Publish and PublishBatch: answered when the message, and what takes it to each subscriber, is on disk."""

import asyncio
import re
from typing import Any

from sqlalchemy import Connection

from bulb.core.calls import Answer, Call
from bulb.core.errors import AwsError
from bulb.core.ids import request_id
from bulb.services.sns import errors, messages, names
from bulb.services.sns.api.base import Operations
from bulb.services.sns.model import Published

_TARGETS = ("TopicArn", "TargetArn", "PhoneNumber")
_PHONE = re.compile(r"\+?[0-9]{7,15}")
_SMS_CHARACTERS = 1_600
_MOST_ENTRIES = 10
_ENTRY_ID = re.compile(r"[A-Za-z0-9_-]{1,80}")


class PublishingOperations(Operations):
    """Operations that publish."""

    async def publish(self, call: Call) -> Answer:
        """Publish, to a topic; what goes to a phone number is written to a log."""
        params = call.params
        given = [name for name in _TARGETS if params.get(name) is not None]
        if not given:
            raise errors.invalid("TopicArn or TargetArn Reason: no value for required parameter")
        if len(given) > 1:
            raise errors.invalid(f"{' and '.join(given)} Reason: only one of them can be given")
        if given == ["PhoneNumber"]:
            return self._to_phone(call)
        target = params[given[0]]
        if given == ["TargetArn"] and ":endpoint/" in target:
            raise errors.invalid("TargetArn Reason: No endpoint found for the target arn specified")
        audience = await self._parts.publisher.audience(names.topic_key(target, call.region, given[0]))
        messages.check_size(audience.topic, params)
        message = messages.message(
            audience.topic, params, message_id=request_id(), now=call.now, trace_header=call.trace_header
        )
        publish = await self._parts.publisher.publishing(audience, message)
        return _answer(await self._database.write(publish))

    async def publish_batch(self, call: Call) -> Answer:
        """PublishBatch: up to ten messages in one transaction. One that is wrong refuses all of them."""
        entries: list[dict[str, Any]] = call.params["PublishBatchRequestEntries"]
        key = self._topic_key(call)
        _check_entries(entries)
        audience = await self._parts.publisher.audience(key)
        if sum(map(messages.size, entries)) > audience.topic.message_bytes:
            raise AwsError("BatchRequestTooLong", "The length of all the messages put together is more than the limit.")
        made = [
            messages.message(
                audience.topic, entry, message_id=request_id(), now=call.now, trace_header=call.trace_header
            )
            for entry in entries
        ]
        steps = await asyncio.gather(*[self._parts.publisher.publishing(audience, message) for message in made])

        def publish(connection: Connection) -> list[Published]:
            return [step(connection) for step in steps]

        published = await self._database.write(publish)
        return {
            "Successful": [{"Id": entry["Id"], **_answer(one)} for entry, one in zip(entries, published, strict=True)],
            "Failed": [],
        }

    def _to_phone(self, call: Call) -> Answer:
        phone, text = call.params["PhoneNumber"], call.params["Message"]
        if not _PHONE.fullmatch(phone):
            raise errors.invalid(f"PhoneNumber Reason: {phone} is not valid to publish to")
        if not text:
            raise errors.invalid("Empty message")
        if len(text) > _SMS_CHARACTERS:
            raise errors.invalid("Message too long")
        message_id = request_id()
        self._parts.statuses.text_message(call.account, call.region, message_id, phone, text)
        return {"MessageId": message_id}


def _check_entries(entries: list[dict[str, Any]]) -> None:
    if not entries:
        raise AwsError("EmptyBatchRequest", "The batch request doesn't contain any entries.")
    if len(entries) > _MOST_ENTRIES:
        raise AwsError("TooManyEntriesInBatchRequest", "The batch request contains more entries than permissible.")
    ids = [entry["Id"] for entry in entries]
    if len(set(ids)) < len(ids):
        raise AwsError("BatchEntryIdsNotDistinct", "Two or more batch entries in the request have the same Id.")
    if not all(_ENTRY_ID.fullmatch(one) for one in ids):
        raise AwsError(
            "InvalidBatchEntryId", "The Id of a batch entry in a batch request doesn't abide by the specification."
        )


def _answer(published: Published) -> Answer:
    answer = {"MessageId": published.message_id}
    if published.sequence_number is not None:
        answer["SequenceNumber"] = published.sequence_number
    return answer
