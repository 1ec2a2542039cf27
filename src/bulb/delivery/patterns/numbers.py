"""Which numbers are the same: they are compared as IEEE-754 doubles. An integer that no double holds is no number."""

from typing import Any

_EXACT = 2**53


def number(value: Any) -> float | None:
    """The double of a JSON number; None for what is no number or has no double."""
    kind = type(value)
    if kind is float:
        return value if -_INFINITE < value < _INFINITE else None
    if kind is not int:
        return None
    if -_EXACT <= value <= _EXACT:
        return float(value)
    try:
        double = float(value)
    except OverflowError:
        return None
    return double if int(double) == value else None


_INFINITE = float("inf")
