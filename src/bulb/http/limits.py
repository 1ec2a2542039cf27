"""How much, and for how long, a client may occupy a connection."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class HttpLimits:
    """Bounds of one listener. Sizes are bytes, times are seconds.

    `head_timeout` runs from a request's first byte to the end of its headers, `buffered_body_timeout` from its first
    byte to the end of a small body: both are absolute, so a client that drips bytes cannot hold a connection.
    `stall_timeout` is how long a streamed body (either way) may make no progress. Time a handler takes is unbounded.
    """

    head_bytes: int = 1_048_576
    header_count: int = 1_000
    buffered_body_bytes: int = 1_048_576
    unread_body_bytes: int = 262_144
    unsent_response_bytes: int = 262_144
    pipelined_requests: int = 16
    connections: int = 10_000
    head_timeout: float = 30.0
    buffered_body_timeout: float = 120.0
    stall_timeout: float = 60.0
    idle_timeout: float = 75.0
    linger_timeout: float = 2.0
