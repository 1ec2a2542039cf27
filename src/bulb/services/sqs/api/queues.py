"""Queues: create, find, list, purge, delete."""

from collections.abc import Callable, Mapping
from dataclasses import replace

from bulb.core.calls import Answer, Call
from bulb.core.errors import AwsError
from bulb.core.ids import ACCOUNT_ID
from bulb.services.sqs import access, attributes, errors, paging
from bulb.services.sqs.api.base import Operations, url_of
from bulb.services.sqs.api.tags import check_tags
from bulb.services.sqs.model import Queue, QueueKey

PURGE_REST_S = 60.0


class QueueOperations(Operations):
    """Operations on queues as such."""

    async def create_queue(self, call: Call) -> Answer:
        """CreateQueue. One of the same name and attributes is found instead."""
        name, given = call.params["QueueName"], call.params.get("Attributes") or {}
        tags = call.params.get("tags") or {}
        is_fifo = given.get("FifoQueue", "").lower() == "true"
        attributes.check_name(name, is_fifo=is_fifo)
        checked = attributes.checked(given, is_fifo=is_fifo)
        check_tags(tags)
        now = self._clock.now()
        kept = attributes.merged({}, checked)
        attributes.check_together(kept)
        queue = Queue(0, QueueKey(call.account, call.region, name), is_fifo, now, now, 0.0, kept, tags)
        found = self._store.queues.find(queue.key)
        if found is None:
            self._check_redrive(queue, given)
            found = await self._store.queues.create(queue)
        if (other := attributes.differing(found, checked)) is not None:
            message = f"A queue already exists with the same name and a different value for attribute {other}"
            raise AwsError("QueueNameExists", message)
        return {"QueueUrl": url_of(call, found)}

    async def get_queue_url(self, call: Call) -> Answer:
        """GetQueueUrl."""
        owner = call.params.get("QueueOwnerAWSAccountId") or call.account
        if not ACCOUNT_ID.match(owner):
            raise errors.no_queue()
        queue = self._store.queues.find(QueueKey(owner, call.region, call.params["QueueName"]))
        if queue is None:
            raise errors.no_queue()
        return {"QueueUrl": url_of(call, self._permitted(call, queue))}

    async def list_queues(self, call: Call) -> Answer:
        """ListQueues, by name. Without MaxResults at most a thousand, and no token.

        Where there are none the answer has no `QueueUrls` at all: programs ask `"QueueUrls" in answer`.
        """
        prefix = call.params.get("QueueNamePrefix") or ""
        found = sorted(
            (
                queue
                for queue in self._store.queues.all()
                if queue.key[:2] == (call.account, call.region) and queue.key.name.startswith(prefix)
            ),
            key=lambda queue: queue.key.name,
        )
        answer = paging.page(call, "QueueUrls", [(queue.key.name, url_of(call, queue)) for queue in found])
        return answer if answer["QueueUrls"] else {}

    async def list_dead_letter_source_queues(self, call: Call) -> Answer:
        """ListDeadLetterSourceQueues."""
        found = self._store.queues.sources_of(self._queue(call).arn)
        return paging.page(call, "queueUrls", [(queue.key.name, url_of(call, queue)) for queue in found])

    async def purge_queue(self, call: Call) -> Answer:
        """PurgeQueue, once a minute. All that was in the queue is gone when this is answered.

        It counts when it is done: whom a crash left without an answer may ask again at once.
        """
        queue, now = self._queue(call), self._clock.now()
        if queue.id in self._purging or abs(now - queue.purged_at) < PURGE_REST_S:
            message = f"Only one PurgeQueue operation on {queue.key.name} is allowed every 60 seconds."
            raise AwsError("PurgeQueueInProgress", message, status=403)
        self._purging.add(queue.id)
        try:
            await self._store.sweeping.purge(queue)
            await self._store.queues.change(queue.key, lambda held: replace(held, purged_at=now))
        finally:
            self._purging.discard(queue.id)
        return {}

    async def delete_queue(self, call: Call) -> Answer:
        """DeleteQueue, with all that is in it."""
        await self._store.queues.delete(self._queue(call).key, self._clock.now())
        return {}

    # Attributes.

    async def get_queue_attributes(self, call: Call) -> Answer:
        """GetQueueAttributes; without names, none."""
        names = call.params.get("AttributeNames") or []
        for name in names:
            if name not in attributes.READABLE:
                raise errors.unknown_attribute(name)
        queue = self._queue(call)
        if not names:
            return {}
        counts = await self._store.looking.counts(queue, self._clock.now())
        shown = attributes.described(queue, counts)
        return {"Attributes": {name: value for name, value in shown.items() if "All" in names or name in names}}

    async def set_queue_attributes(self, call: Call) -> Answer:
        """SetQueueAttributes."""
        queue, given = self._queue(call), call.params["Attributes"]
        if queue.is_fifo and given.get("FifoQueue", "true").lower() != "true":
            reason = "Reason: Modifying queue type is not supported."
            raise AwsError("InvalidAttributeValue", f"Invalid value for the parameter FifoQueue. {reason}")
        if not queue.is_fifo and "FifoQueue" in given:
            raise errors.unknown_attribute("FifoQueue")
        given = {name: value for name, value in given.items() if name != "FifoQueue"}
        checked = attributes.checked(given, is_fifo=queue.is_fifo)
        self._check_redrive(queue, given)
        await self._set(queue, checked)
        return {}

    async def _set(self, queue: Queue, given: Mapping[str, str]) -> None:
        now = self._clock.now()

        if "MessageRetentionPeriod" in given:
            await self._store.sweeping.expire(queue, now)  # what was too old stays gone if more time is given now

        def change(held: Queue) -> Queue:
            merged = attributes.merged(held.attributes, given)
            attributes.check_together(merged)
            return replace(held, attributes=merged, modified_at=now)

        also = self._store.sending.delay_anew if queue.is_fifo and "DelaySeconds" in given else None
        await self._store.queues.change(queue.key, change, *([also] if also is not None else []))

    def _check_redrive(self, queue: Queue, given: Mapping[str, str]) -> None:
        """Whether the documents, as the caller wrote them, fit other queues. Raises InvalidParameterValue."""
        if text := given.get("RedrivePolicy"):
            arn, _ = attributes.check_redrive(text)
            attributes.check_target(text, arn, queue, self._store.queues.named(arn))
        if text := given.get("RedriveAllowPolicy"):
            attributes.check_sources(text, queue)

    # Permissions: statements of the policy as it is when it is changed, for others may be changing it too.

    async def add_permission(self, call: Call) -> Answer:
        """AddPermission: one statement more in the queue's policy."""
        params = call.params
        label, accounts, actions = params["Label"], params["AWSAccountIds"], params["Actions"]
        await self._change_policy(call, lambda held: access.with_permission(held, label, accounts, actions))
        return {}

    async def remove_permission(self, call: Call) -> Answer:
        """RemovePermission: the statement of a label leaves the policy."""
        await self._change_policy(call, lambda held: access.without_permission(held, call.params["Label"]))
        return {}

    async def _change_policy(self, call: Call, policy_of: Callable[[Queue], str]) -> None:
        now = self._clock.now()

        def change(held: Queue) -> Queue:
            checked = attributes.checked({"Policy": policy_of(held)}, is_fifo=held.is_fifo)
            return replace(held, attributes=attributes.merged(held.attributes, checked), modified_at=now)

        await self._store.queues.change(self._queue(call).key, change)
