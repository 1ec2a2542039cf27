"""Who else is to know of log events (services/logs), and what they are told in the transaction that stores them."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from sqlalchemy import Connection

from bulb.telemetry.buffer import GroupName
from bulb.telemetry.cursor import Position


class Written(NamedTuple):
    """Events that are being stored in one stream, in their order: where each will stand, and its message."""

    group: GroupName
    group_id: int
    stream: str
    events: Sequence[tuple[Position, str]]


class Followers(Protocol):
    """Whoever follows groups. Called in the writer's thread."""

    def follow(self, group_id: int) -> bool:
        """Somebody follows this group. Asked with every write, so it costs nothing."""

    def take(self, connection: Connection, written: Written, now_ms: int) -> None:
        """Tell them, if this transaction commits."""
