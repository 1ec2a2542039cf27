"""The policies of queues as whoever enforces policies asks for them."""

from bulb.identity.documents import statements_of
from bulb.identity.evaluation import Statement
from bulb.services.sqs.store.queues import QueueStore


class Guards:
    """The policies of one store's queues, which are all in memory."""

    def __init__(self, queues: QueueStore) -> None:
        self._queues = queues

    async def guarding(self, resource: str) -> tuple[Statement, ...]:
        """The statements of the policy of exactly this ARN; none where it has no policy."""
        queue = self._queues.named(resource)
        return () if queue is None or queue.policy is None else statements_of(queue.policy)
