"""DeleteMessage and ChangeMessageVisibility, one by one and in batches."""

from collections.abc import Mapping
from typing import Any

from bulb.core.calls import Answer, Call
from bulb.core.errors import AwsError
from bulb.services.sqs import contents, errors
from bulb.services.sqs.api.base import Operations
from bulb.services.sqs.handles import Handle
from bulb.services.sqs.model import Queue
from bulb.services.sqs.store.settling import MOST_HIDDEN_S, Ending


class SettlingOperations(Operations):
    """Operations that end receives."""

    async def delete_message(self, call: Call) -> Answer:
        """DeleteMessage. With a handle that is not the last one it succeeds and deletes nothing."""
        queue, text = self._queue(call), call.params["ReceiptHandle"]
        handle = self._handle(queue, text)
        self._throttle(queue, "DeleteMessage")
        (ending,) = await self._store.settling.delete(queue, [handle], self._clock.now())
        if ending is Ending.VISIBLE:
            raise errors.expired_handle(text)
        return {}

    async def delete_message_batch(self, call: Call) -> Answer:
        """DeleteMessageBatch."""
        queue, entries = self._queue(call), call.params["Entries"]
        contents.check_entries(entries, "DeleteMessageBatchRequestEntry")
        made, failed = contents.entry_by_entry(entries, lambda entry: self._handle(queue, entry["ReceiptHandle"]))
        if made:
            self._throttle(queue, "DeleteMessage")
            endings = await self._store.settling.delete(queue, [handle for _, handle in made], self._clock.now())
            texts = {entry["Id"]: entry["ReceiptHandle"] for entry in entries}
            problems = {
                id_: errors.expired_handle(texts[id_])
                for (id_, _), ending in zip(made, endings, strict=True)
                if ending is Ending.VISIBLE
            }
            return _answer(made, problems, failed)
        return _answer(made, {}, failed)

    async def change_message_visibility(self, call: Call) -> Answer:
        """ChangeMessageVisibility."""
        queue, params = self._queue(call), call.params
        pair = self._change(queue, params)
        self._throttle(queue, "ChangeMessageVisibility")
        (ending,) = await self._store.settling.change(queue, [pair], self._clock.now())
        problem = _problem(ending, params)
        if problem is not None:
            raise problem
        return {}

    async def change_message_visibility_batch(self, call: Call) -> Answer:
        """ChangeMessageVisibilityBatch."""
        queue, entries = self._queue(call), call.params["Entries"]
        contents.check_entries(entries, "ChangeMessageVisibilityBatchRequestEntry")
        made, failed = contents.entry_by_entry(entries, lambda entry: self._change(queue, entry))
        if not made:
            return _answer(made, {}, failed)
        self._throttle(queue, "ChangeMessageVisibility")
        endings = await self._store.settling.change(queue, [pair for _, pair in made], self._clock.now())
        given = {entry["Id"]: entry for entry in entries}
        found = {id_: _problem(ending, given[id_]) for (id_, _), ending in zip(made, endings, strict=True)}
        return _answer(made, {id_: problem for id_, problem in found.items() if problem is not None}, failed)

    def _change(self, queue: Queue, given: Mapping[str, Any]) -> tuple[Handle, float]:
        timeout = given.get("VisibilityTimeout")
        if timeout is None:
            raise errors.missing("VisibilityTimeout")
        if not 0 <= timeout <= MOST_HIDDEN_S:
            reason = f"VisibilityTimeout must be an integer between 0 and {int(MOST_HIDDEN_S)}"
            raise errors.invalid(timeout, "VisibilityTimeout", reason)
        return self._handle(queue, given["ReceiptHandle"]), float(timeout)


def _problem(ending: Ending, given: dict[str, Any]) -> AwsError | None:
    match ending:
        case Ending.DONE:
            return None
        case Ending.VISIBLE:
            return AwsError("MessageNotInflight", "The specified message isn't in flight.")
        case Ending.TOO_LONG:
            reason = f"Total VisibilityTimeout for the message is beyond the limit [{int(MOST_HIDDEN_S)} seconds]"
            return errors.invalid(given["VisibilityTimeout"], "VisibilityTimeout", reason)
        case _:
            reason = "Message does not exist or is not available for visibility timeout change."
            return errors.invalid(given["ReceiptHandle"], "ReceiptHandle", reason)


def _answer(made: list[tuple[str, Any]], problems: dict[str, AwsError], failed: list[dict[str, Any]]) -> Answer:
    more = [contents.failure(id_, error) for id_, error in problems.items()]
    return {"Successful": [{"Id": id_} for id_, _ in made if id_ not in problems], "Failed": failed + more}
