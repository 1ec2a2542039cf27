"""What PutLogEvents takes. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from bulb.services.logs.names import invalid
from bulb.telemetry.buffer import EVENT_OVERHEAD_BYTES, Event

_BATCH_BYTES = _EVENT_BYTES = 1_048_576
_DAY_MS = 86_400_000
_OLDEST_MS, _NEWEST_MS = 14 * _DAY_MS, 2 * 3_600_000


@dataclass(frozen=True, slots=True)
class Verdict:
    """The events that are taken, and the answer's `rejectedLogEventsInfo` (empty when all are)."""

    events: Sequence[Event]
    rejected: dict[str, int]


def check_batch(events: Sequence[Event]) -> None:
    """Raise AwsError InvalidParameterException for a batch that is refused whole."""
    if any(later[0] < earlier[0] for earlier, later in pairwise(events)):
        raise invalid("Log events in a single PutLogEvents request must be in chronological order.")
    if events and events[-1][0] - events[0][0] > _DAY_MS:
        raise invalid("The batch of log events in a single PutLogEvents request cannot span more than 24 hours.")
    sizes = [len(message.encode("utf-8", "replace")) + EVENT_OVERHEAD_BYTES for _, message in events]
    if any(size > _EVENT_BYTES for size in sizes):
        raise invalid(f"Log event too large: {max(sizes)} bytes exceeds limit of {_EVENT_BYTES}")
    if sum(sizes) > _BATCH_BYTES:
        raise invalid(f"Upload too large: {sum(sizes)} bytes exceeds limit of {_BATCH_BYTES}")


def accepted(events: Sequence[Event], now_ms: int, retention_days: int | None) -> Verdict:
    """Which of a batch in order are taken: none older than 14 days or the retention, none later than in two hours."""
    oldest = now_ms - _OLDEST_MS
    expired = now_ms - retention_days * _DAY_MS if retention_days is not None else oldest
    too_old = sum(timestamp < oldest for timestamp, _ in events)
    gone = sum(timestamp < max(expired, oldest) for timestamp, _ in events)
    fine = sum(timestamp <= now_ms + _NEWEST_MS for timestamp, _ in events)
    rejected = {}
    if too_old:
        rejected["tooOldLogEventEndIndex"] = too_old
    if gone > too_old:
        rejected["expiredLogEventEndIndex"] = gone
    if fine < len(events):
        rejected["tooNewLogEventStartIndex"] = fine
    return Verdict(events[gone:fine], rejected)
