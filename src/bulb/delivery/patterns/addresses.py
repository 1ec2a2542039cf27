"""Blocks of IP addresses, version 4 and 6."""

import socket  # For inet_pton alone, which reads an address some ten times faster than ipaddress does; nothing is sent.
from collections.abc import Callable
from typing import Any

from bulb.delivery.patterns.errors import PatternError

_LONGEST = 45


def within_block(operand: Any) -> Callable[[str], bool]:
    """Whether a text is an address of the block `operand`. Raises PatternError."""
    if not isinstance(operand, str):
        raise PatternError("prefix match pattern must be a string")  # AWS says so of this operator too.
    parts = operand.split("/")
    if len(parts) != 2:  # noqa: PLR2004 - an address and its bits
        raise PatternError("Malformed CIDR, one '/' required")
    address, bits = parts
    if not (bits.isascii() and bits.lstrip("-").isdigit() and len(bits) < _LONGEST):
        raise PatternError("Malformed CIDR, mask bits must be an integer")
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    wanted = _value(family, address)
    if wanted is None:
        raise PatternError(f"Nonstandard IP address: {address}")
    size = 128 if family == socket.AF_INET6 else 32
    if int(bits) < 0:
        raise PatternError("Malformed CIDR, mask bits must not be negative")
    if int(bits) > size:
        raise PatternError(f"IPv{6 if size > 32 else 4} mask bits must be < {size + 1}")  # noqa: PLR2004 - as above
    shift = size - int(bits)
    block = wanted >> shift

    def test(text: str) -> bool:
        value = _value(family, text)
        return value is not None and value >> shift == block

    return test


def _value(family: int, text: str) -> int | None:
    if len(text) > _LONGEST:
        return None
    try:
        return int.from_bytes(socket.inet_pton(family, text), "big")
    except (OSError, ValueError):  # ValueError: a NUL in it, or characters no address has.
        return None
