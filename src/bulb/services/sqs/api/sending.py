"""SendMessage and SendMessageBatch."""

import asyncio
from typing import Any

from bulb.core.calls import Answer, Call
from bulb.core.errors import AwsError
from bulb.core.ids import request_id
from bulb.services.sqs import contents, digests
from bulb.services.sqs.api.base import Operations
from bulb.services.sqs.model import NewMessage, Sent, sequence_number

# To check and to hash more than this takes longer than a turn of the event loop should.
_THREAD_CHARACTERS = 65_536


class SendingOperations(Operations):
    """Operations that put messages into queues."""

    async def send_message(self, call: Call) -> Answer:
        """SendMessage. The message is on disk before it is answered."""
        queue = self._queue(call)
        message, _ = await _written(call.params, queue, request_id(), call.caller.user_id, call.trace_header)
        self._throttle(queue, "SendMessage", [message.group])
        sent = await self._store.sending.send(queue, message, self._clock.now())
        return _sent(message, sent, call.params)

    async def send_message_batch(self, call: Call) -> Answer:
        """SendMessageBatch: all that are sound are sent, in one transaction."""
        queue, entries = self._queue(call), call.params["Entries"]
        contents.check_entries(entries, "SendMessageBatchRequestEntry")
        size = sum(contents.size_of(entry) for entry in entries)  # encodes bodies, but computes nothing of them
        if size > contents.MOST_BYTES:
            message = f"Batch requests cannot be longer than {contents.MOST_BYTES} bytes. You have sent {size} bytes."
            raise AwsError("BatchRequestTooLong", message)
        contents.check_complete(entries, queue)
        sender, trace = call.caller.user_id, call.trace_header

        def write() -> tuple[list[tuple[str, NewMessage]], list[dict[str, Any]]]:
            return contents.entry_by_entry(
                entries, lambda entry: contents.message_of(entry, queue, request_id(), sender, trace)[0]
            )

        made, failed = await asyncio.to_thread(write) if size > _THREAD_CHARACTERS else write()
        messages: list[NewMessage] = [message for _, message in made]
        answer: Answer = {"Successful": [], "Failed": failed}
        if messages:
            self._throttle(queue, "SendMessage", [message.group for message in messages])
            sent = await self._store.sending.send_all(queue, messages, self._clock.now())
            given = {entry["Id"]: entry for entry in entries}
            answer["Successful"] = [
                {"Id": id_, **_sent(message, one, given[id_])} for (id_, message), one in zip(made, sent, strict=True)
            ]
        return answer


async def _written(given: dict[str, Any], *about: Any) -> tuple[NewMessage, int]:
    if len(given["MessageBody"]) > _THREAD_CHARACTERS:
        return await asyncio.to_thread(contents.message_of, given, *about)
    return contents.message_of(given, *about)


def _sent(message: NewMessage, sent: Sent, given: dict[str, Any]) -> dict[str, Any]:
    shown: dict[str, Any] = {"MessageId": sent.message_id, "MD5OfMessageBody": message.body_md5}
    if message.attributes_md5 is not None:
        shown["MD5OfMessageAttributes"] = message.attributes_md5
    if given.get("MessageSystemAttributes"):
        shown["MD5OfMessageSystemAttributes"] = digests.md5_of_attributes(given["MessageSystemAttributes"])
    if sent.number is not None:
        shown["SequenceNumber"] = sequence_number(sent.number)
    return shown
