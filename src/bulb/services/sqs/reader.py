"""Queues as functions read from them: the `QueueReader` of the pollers (`delivery/polling/queues.py`)."""

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence

from bulb.core.clock import Clock
from bulb.delivery.polling.queues import QueueFacts, QueueMessage
from bulb.services.sqs import digests, handles
from bulb.services.sqs.handles import Handle
from bulb.services.sqs.model import Queue, StoredMessage
from bulb.services.sqs.store import SqsStore
from bulb.services.sqs.store.receiving import Asked
from bulb.services.sqs.views import system_attributes


class Reader:
    """Claims and settles messages of the queues of one store. Policies are not asked: who reads for whom was decided
    when the mapping was made.
    """

    def __init__(self, store: SqsStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._watches: dict[str, list[Callable[[], None]]] = {}
        store.queues.on_change(self._changed)

    async def describe(self, queue_arn: str) -> QueueFacts | None:
        """The queue as it is now, None when there is none."""
        queue = self._store.queues.named(queue_arn)
        return None if queue is None else QueueFacts(queue.visibility_s, queue.is_fifo, queue.policy)

    async def receive(
        self,
        queue_arn: str,
        limit: int,
        visibility_s: float | None = None,
        attempt_id: str | None = None,
        *,
        per_group: int | None = None,
    ) -> list[QueueMessage]:
        """Claim up to `limit` visible messages, each group's in order, at most `per_group` of one."""
        queue = self._store.queues.named(queue_arn)
        if queue is None or limit <= 0:
            return []
        hidden = queue.visibility_s if visibility_s is None else visibility_s
        asked = Asked(limit, hidden, attempt_id if queue.is_fifo else None, per_group)
        claimed = await self._store.receiving.claim(queue, asked, self._clock.now())
        return [_read(message, queue) for message in claimed.messages]

    async def settle(self, queue_arn: str, delete: Sequence[Hashable], release: Mapping[Hashable, float]) -> None:
        """Delete messages, and have others visible again in so many seconds; one transaction."""
        queue = self._store.queues.named(queue_arn)
        if queue is None:
            return
        done = _handles(delete, queue)
        again = {handle: release[handle] for handle in _handles(release, queue)}
        if done or again:
            await self._store.settling.settle(queue, done, again, self._clock.now())

    async def unclaim(self, queue_arn: str, claims: Sequence[Hashable]) -> None:
        """As if these messages had not been received."""
        queue = self._store.queues.named(queue_arn)
        if queue is None:
            return
        if claimed := [(handle.id, handle.claim) for handle in _handles(claims, queue)]:
            await self._store.settling.unclaim(queue, claimed, self._clock.now())

    def watch(self, queue_arn: str, wake: Callable[[], None]) -> Callable[[], None]:
        """Call `wake` after each commit by which something may have become available, and when the queue changes."""
        held = _Watch(self._store, queue_arn, wake)
        watches = self._watches.setdefault(queue_arn, [])
        watches.append(held.follow)

        def unwatch() -> None:
            held.leave()
            if held.follow in watches:
                watches.remove(held.follow)
                if not watches:
                    self._watches.pop(queue_arn, None)

        return unwatch

    async def next_visible_at(self, queue_arn: str) -> float | None:
        """When the next message becomes visible by itself (may be past); None when none will."""
        queue = self._store.queues.named(queue_arn)
        return None if queue is None else await self._store.looking.next_at(queue)

    def _changed(self, queue: Queue) -> None:
        for follow in tuple(self._watches.get(queue.arn, ())):
            follow()


class _Watch:
    """Follows the commits of whichever queue has the ARN: one that is deleted and made again is another queue."""

    def __init__(self, store: SqsStore, queue_arn: str, wake: Callable[[], None]) -> None:
        self._store = store
        self._arn = queue_arn
        self._wake = wake
        self._following: int | None = None
        self._leave: Callable[[], None] = _nothing
        self._listen()

    def follow(self) -> None:
        """The queue was made, changed or removed."""
        self._listen()
        self._wake()

    def leave(self) -> None:
        """Listen no more."""
        self._leave()
        self._leave = _nothing

    def _listen(self) -> None:
        queue = self._store.queues.named(self._arn)
        if queue is None or queue.id != self._following:
            self.leave()
            self._following = None if queue is None else queue.id
            if queue is not None:
                self._leave = self._store.database.on_commit(queue.channel, self._wake)


def _handles(claims: Iterable[Hashable], queue: Queue) -> list[Handle]:
    """Those of this very queue: one that is deleted and made again is another."""
    return [claim for claim in claims if isinstance(claim, Handle) and claim.queue_id == queue.id]


def _read(message: StoredMessage, queue: Queue) -> QueueMessage:
    handle = Handle(queue.id, message.id, message.claim)
    return QueueMessage(
        message_id=message.message_id,
        claim=handle,
        receipt_handle=handles.encode(*handle),
        body=message.body,
        attributes=system_attributes(message, queue),
        message_attributes=digests.read(message.attributes),
        md5_of_body=message.body_md5,
        md5_of_message_attributes=message.attributes_md5,
        group_id=message.lane,
        visible_at=message.visible_at,
    )


def _nothing() -> None:
    """Nobody listens."""
