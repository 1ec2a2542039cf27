"""Tags of queues."""

from collections.abc import Mapping
from dataclasses import replace

from bulb.core.calls import Answer, Call
from bulb.services.sqs import errors
from bulb.services.sqs.api.base import Operations
from bulb.services.sqs.model import Queue

_MOST = 50
_LONGEST_KEY, _LONGEST_VALUE = 128, 256


class TagOperations(Operations):
    """Operations on tags."""

    async def tag_queue(self, call: Call) -> Answer:
        """TagQueue."""
        added: dict[str, str] = call.params["Tags"]
        check_tags(added)

        def change(queue: Queue) -> Queue:
            merged = {**queue.tags, **added}
            check_tags(merged)
            return replace(queue, tags=merged)

        await self._store.queues.change(self._queue(call).key, change)
        return {}

    async def untag_queue(self, call: Call) -> Answer:
        """UntagQueue."""
        gone = set(call.params["TagKeys"])

        def change(queue: Queue) -> Queue:
            return replace(queue, tags={key: value for key, value in queue.tags.items() if key not in gone})

        await self._store.queues.change(self._queue(call).key, change)
        return {}

    async def list_queue_tags(self, call: Call) -> Answer:
        """ListQueueTags."""
        tags = self._queue(call).tags
        return {"Tags": dict(tags)} if tags else {}


def check_tags(tags: Mapping[str, str]) -> None:
    """Raise InvalidParameterValue for what cannot be a queue's tags."""
    if len(tags) > _MOST:
        raise errors.invalid_plainly(f"Too many tags added for queue: at most {_MOST} are allowed.")
    for key, value in tags.items():
        if not 1 <= len(key) <= _LONGEST_KEY:
            raise errors.invalid_plainly(f"Tag keys must be between 1 and {_LONGEST_KEY} characters in length.")
        if key.lower().startswith("aws:"):
            raise errors.invalid_plainly("Tag keys must not start with aws:, which is reserved.")
        if len(value) > _LONGEST_VALUE:
            raise errors.invalid_plainly(f"Tag values must be at most {_LONGEST_VALUE} characters in length.")
