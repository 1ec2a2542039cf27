"""What becomes of a batch that could not be handed to its function. Pure.

One that finds no room is tried again, later each time, as long as its messages are hidden from others; then they go
back. A function that is gone is not tried again: its messages go back at once.
"""

from bulb.core.errors import AwsError

_FIRST_S, _LONGEST_S = 0.25, 30.0
_GONE = "ResourceNotFoundException"
# Full, not ready yet, or Bulb's own trouble: it may go next time.
_PASSING = frozenset({"TooManyRequestsException", "ResourceConflictException", "ServiceException"})


def is_passing(error: AwsError) -> bool:
    """Trying again may help."""
    return error.code in _PASSING


def is_gone(error: AwsError) -> bool:
    """There is no such function."""
    return error.code == _GONE


def next_attempt(attempts: int, chance: float, now: float, until: float) -> float | None:
    """When to try again after `attempts`, None when that would be after `until`. `chance`, 0 to 1, spreads retries."""
    delay = min(_FIRST_S * 2.0 ** min(attempts - 1, 20), _LONGEST_S) * (0.5 + chance / 2)
    return now + delay if now + delay < until else None
