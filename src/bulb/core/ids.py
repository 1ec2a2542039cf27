"""Identifiers in the shapes AWS gives them."""

import os
import re

ACCOUNT_ID = re.compile(r"\A\d{12}\Z")
DEFAULT_ACCOUNT = "000000000000"
_POOL_BYTES = 4096
# The first digit of a version 4 UUID's fourth group has two fixed bits.
_VARIANT = "89ab" * 4


class _Entropy:
    """The kernel's random bytes, asked for in larger pieces: an invocation needs four identifiers. Handed out once."""

    def __init__(self) -> None:
        self._digits = ""
        self._at = 0

    def take(self, count: int) -> str:
        """`count` hex digits, at most 256."""
        end = self._at + count
        if end > len(self._digits):
            self._digits, self._at, end = os.urandom(_POOL_BYTES).hex(), 0, count
        taken = self._digits[self._at : end]
        self._at = end
        return taken


_take = _Entropy().take


def request_id() -> str:
    """A random UUID in lower-case hex with dashes: a request id."""
    digits = _take(32)
    variant = _VARIANT[int(digits[16], 16)]
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:]}"


def hex_id(length: int = 32) -> str:
    """`length` random lower-case hex digits, at most 256."""
    return _take(length)


def trace_id(unix_seconds: float) -> str:
    """An X-Ray root: `1-<8 hex of the time>-<24 hex>`."""
    return f"1-{int(unix_seconds):08x}-{_take(24)}"
