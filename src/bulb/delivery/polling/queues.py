"""The queues that are read from, as this room needs them; a service room has them and is introduced in `wiring/`."""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class QueueFacts:
    """What a mapping must know of a queue. `policy` is the text of its resource policy, None without one."""

    visibility_timeout_s: float
    is_fifo: bool
    policy: str | None = None


@dataclass(frozen=True, slots=True)
class QueueMessage:
    """A claimed message. `claim` is the reader's own name for the claim, to settle with; `receipt_handle` is that for
    clients. `visible_at` (Unix seconds) is when the claim ends unless it is settled before.

    `attributes` are the system attributes as ReceiveMessage names them, all texts; `message_attributes` are as it
    answers them: `DataType` and `StringValue` or `BinaryValue`, which is bytes or base64 text.
    """

    message_id: str
    claim: Hashable
    receipt_handle: str
    body: str
    attributes: Mapping[str, str]
    message_attributes: Mapping[str, Mapping[str, Any]]
    md5_of_body: str
    md5_of_message_attributes: str | None
    group_id: str | None
    visible_at: float


class QueueReader(Protocol):
    """Claims and settles messages of any queue. Both are on disk when answered.

    A queue that does not exist has no facts and no messages; to settle in one is to do nothing.
    """

    async def describe(self, queue_arn: str) -> QueueFacts | None:
        """The queue as it is now, None when there is none."""

    async def receive(
        self,
        queue_arn: str,
        limit: int,
        visibility_s: float | None = None,
        attempt_id: str | None = None,
        *,
        per_group: int | None = None,
    ) -> list[QueueMessage]:
        """Claim up to `limit` (thousands are fine) visible messages, each group's in order, at most `per_group` of one.

        A group whose first message is hidden gives none. Messages received too often go to their dead-letter queue
        instead.
        """

    async def settle(self, queue_arn: str, delete: Sequence[Hashable], release: Mapping[Hashable, float]) -> None:
        """Delete messages, and have others visible again in so many seconds, by claim; one transaction.

        A claim after which somebody else had the message, or of one that is gone, does nothing.
        """

    async def unclaim(self, queue_arn: str, claims: Sequence[Hashable]) -> None:
        """Give back messages with which nothing was done, by claim: as if they had not been received."""

    def watch(self, queue_arn: str, wake: Callable[[], None]) -> Callable[[], None]:
        """Call `wake` on the loop after each commit by which something may have become available; also when the queue
        is made or its settings change. The answer ends that.
        """

    async def next_visible_at(self, queue_arn: str) -> float | None:
        """When (Unix seconds) the next message becomes visible by itself; None when none will."""
