"""How often a FIFO queue may be used: 300 calls a second of each kind, a batch being one; where its throughput limit is
per message group, as many messages sent a second for each group, and no limit for the other kinds. Pure but for memory.

Standard queues have no limit. What functions' pollers and deliveries do is no call, and is not counted. A clock that
is set back counts as time that passes.
"""

from collections.abc import Sequence

from bulb.core.errors import AwsError
from bulb.services.sqs.model import Queue

PER_SECOND = 300.0
_MOST_KEPT = 10_000

# The queue, the kind of call, and the group where it counts for itself.
_Bucket = tuple[int, str, str | None]


class Throughput:
    """The buckets of all FIFO queues: each holds a second's worth, and fills as time passes."""

    def __init__(self) -> None:
        self._buckets: dict[_Bucket, tuple[float, float]] = {}

    def take(self, queue: Queue, action: str, groups: Sequence[str | None], now: float) -> None:
        """Count one call. Raises RequestThrottled, and then it is not counted."""
        if not queue.is_fifo:
            return
        if not queue.limits_by_group:
            wanted: dict[_Bucket, float] = {(queue.id, action, None): 1.0}
        else:
            wanted = {(queue.id, action, group): float(groups.count(group)) for group in set(groups)}
        left = {key: self._filled(key, now) - count for key, count in wanted.items()}
        if any(tokens < 0 for tokens in left.values()):
            raise AwsError("RequestThrottled", "Rate exceeded", status=403)
        if len(self._buckets) > _MOST_KEPT:
            self._buckets = {key: held for key, held in self._buckets.items() if self._filled(key, now) < PER_SECOND}
        self._buckets |= {key: (tokens, now) for key, tokens in left.items()}

    def _filled(self, key: _Bucket, now: float) -> float:
        tokens, since = self._buckets.get(key, (PER_SECOND, now))
        return min(PER_SECOND, tokens + abs(now - since) * PER_SECOND)
