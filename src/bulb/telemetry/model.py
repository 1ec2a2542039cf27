"""What the log store answers."""

from collections.abc import Mapping
from dataclasses import dataclass

from bulb.core.arn import arn
from bulb.core.errors import AwsError
from bulb.telemetry.cursor import Position, StoredEvent


@dataclass(frozen=True, slots=True)
class Group:
    """A log group. `stored_bytes` counts each event's UTF-8 bytes and 26 more."""

    account: str
    region: str
    name: str
    created_ms: int
    retention_days: int | None
    log_class: str
    is_protected: bool
    tags: Mapping[str, str]
    stored_bytes: int

    @property
    def arn(self) -> str:
        """Without the `:*` that some answers add."""
        return arn("logs", self.region, self.account, f"log-group:{self.name}")


@dataclass(frozen=True, slots=True)
class Stream:
    """A log stream. Times are Unix milliseconds, None while it has no event."""

    name: str
    created_ms: int
    first_ms: int | None
    last_ms: int | None
    ingested_ms: int | None
    stored_bytes: int


@dataclass(frozen=True, slots=True)
class Page:
    """Some events in the order of their time, and the places before the first and behind the last of them."""

    events: list[StoredEvent]
    before: Position
    behind: Position


@dataclass(frozen=True, slots=True)
class Found:
    """Events that match, and the place to look on from; None when everything has been looked at."""

    events: list[StoredEvent]
    next: Position | None


def no_such_group() -> AwsError:
    """The error for a group that is not there."""
    return AwsError("ResourceNotFoundException", "The specified log group does not exist.")


def no_such_stream() -> AwsError:
    """The error for a stream that is not there."""
    return AwsError("ResourceNotFoundException", "The specified log stream does not exist.")
