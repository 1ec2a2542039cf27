"""Identifiers in the shapes AWS gives them."""

import os
import re
import uuid

ACCOUNT_ID = re.compile(r"\A\d{12}\Z")
DEFAULT_ACCOUNT = "000000000000"


def request_id() -> str:
    """A random UUID in lower-case hex with dashes: a request id."""
    return str(uuid.UUID(bytes=os.urandom(16), version=4))


def hex_id(length: int = 32) -> str:
    """`length` random lower-case hex digits."""
    return os.urandom((length + 1) // 2).hex()[:length]


def trace_id(unix_seconds: float) -> str:
    """An X-Ray root: `1-<8 hex of the time>-<24 hex>`."""
    return f"1-{int(unix_seconds):08x}-{os.urandom(12).hex()}"
