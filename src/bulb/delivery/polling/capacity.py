"""What the pollers of provisioned mode carry: each ten polls a second, of up to ten messages, and a megabyte a second.

Pure; `now` comes in by argument. A second's worth may be taken at once, no more. What a claim weighs is known only when
it is made: it is as large as fits if its messages are like those of the last one, and where it turns out heavier,
nothing is claimed until that is made up for.
Source of the figures: the developer guide's page on provisioned mode, November 2026.
"""

from dataclasses import dataclass, replace
from math import ceil

POLLS, MESSAGES, BYTES = 10, 10, 1_048_576
_NEARLY = 1e-6


@dataclass(frozen=True, slots=True)
class Capacity:
    """What so many pollers have left at a moment: polls, and bytes. `typical` is what a message weighed last."""

    pollers: int
    polls: float
    size: float
    at: float
    typical: float = BYTES / MESSAGES

    @property
    def messages(self) -> int:
        """How many may be claimed."""
        if self.wait_s > 0:
            return 0
        return min(int(self.polls + _NEARLY) * MESSAGES, max(int(self.size / self.typical), 1))

    @property
    def wait_s(self) -> float:
        """Seconds until there is a poll again, and nothing to be made up for; 0 when there is."""
        polls = (1 - _NEARLY - self.polls) / (self.pollers * POLLS)
        return max(polls, -self.size / (self.pollers * BYTES), 0.0)


def full(pollers: int, now: float) -> Capacity:
    """So many pollers begin."""
    return Capacity(pollers, pollers * POLLS, pollers * BYTES, now)


def after(capacity: Capacity, pollers: int, now: float) -> Capacity:
    """What is left later, when there are so many pollers."""
    elapsed = max(now - capacity.at, 0.0)
    polls = min(capacity.polls + elapsed * pollers * POLLS, pollers * POLLS)
    size = min(capacity.size + elapsed * pollers * BYTES, pollers * BYTES)
    return replace(capacity, pollers=pollers, polls=polls, size=size, at=now)


def spent(capacity: Capacity, count: int, size: int) -> Capacity:
    """What is left after a claim of so many messages, that weigh so much together."""
    polls = max(ceil(count / MESSAGES), 1)
    typical = max(size / count, 1.0) if count else capacity.typical
    return replace(capacity, polls=capacity.polls - polls, size=capacity.size - size, typical=typical)
