"""What EventBridge keeps, as values. Times are Unix seconds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from bulb.services.events.names import BusName, Place, RuleName, arn_of

Tags = Mapping[str, str]
ReplayState = Literal["STARTING", "RUNNING", "CANCELLING", "COMPLETED", "CANCELLED", "FAILED"]
DISABLED = "DISABLED"
DAY_S = 86_400.0

# From each state of a replay to those it may go to.
REPLAY_MOVES: Mapping[str, frozenset[str]] = {
    "STARTING": frozenset({"RUNNING", "CANCELLING", "FAILED"}),
    "RUNNING": frozenset({"COMPLETED", "CANCELLING", "FAILED"}),
    "CANCELLING": frozenset({"CANCELLED"}),
    "COMPLETED": frozenset(),
    "CANCELLED": frozenset(),
    "FAILED": frozenset(),
}
UNFINISHED = tuple(state for state, moves in REPLAY_MOVES.items() if moves)


@dataclass(frozen=True, slots=True)
class Bus:
    """An event bus. `revision` says which state of its rules and archives this is."""

    name: BusName
    created_at: float
    modified_at: float
    revision: str
    description: str | None = None
    policy: str | None = None
    log_config: Mapping[str, Any] | None = None
    tags: Tags = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule. It has a pattern, a schedule, or both."""

    name: RuleName
    created_by: str
    state: str
    pattern: str | None = None
    schedule: str | None = None
    description: str | None = None
    role_arn: str | None = None
    tags: Tags = field(default_factory=dict)

    @property
    def is_enabled(self) -> bool:
        """It matches and ticks."""
        return self.state != DISABLED

    @property
    def ticks(self) -> str | None:
        """The schedule it acts on now."""
        return self.schedule if self.is_enabled else None


@dataclass(frozen=True, slots=True)
class Target:
    """Where a rule sends what it matched. `settings` are the API's members besides Id and Arn."""

    id: str
    arn: str
    settings: Mapping[str, Any]

    def shown(self) -> dict[str, Any]:
        """As the API has it."""
        return {"Id": self.id, "Arn": self.arn, **self.settings}


@dataclass(frozen=True, slots=True)
class Archive:
    """Keeps the events of a bus. `retention_days` 0: for ever."""

    id: int
    place: Place
    bus: BusName
    retention_days: int
    created_at: float
    description: str | None = None
    pattern: str | None = None

    @property
    def arn(self) -> str:
        """Its ARN."""
        return arn_of("archive", self.place)


@dataclass(frozen=True, slots=True)
class Kept:
    """How much an archive has."""

    events: int
    size: int


@dataclass(frozen=True, slots=True)
class Replay:
    """Puts archived events on their bus once more. `filter_arns` None: for all rules."""

    place: Place
    archive_id: int
    archive_arn: str
    bus: BusName
    filter_arns: Sequence[str] | None
    event_start: float
    event_end: float
    state: ReplayState
    started_at: float
    description: str | None = None
    state_reason: str | None = None
    ended_at: float | None = None
    last_at: float | None = None
    last_id: int = 0

    @property
    def arn(self) -> str:
        """Its ARN."""
        return arn_of("replay", self.place)


@dataclass(frozen=True, slots=True)
class Connection:
    """How to be let in somewhere. `parameters` is the API's AuthParameters, secrets included."""

    place: Place
    id: str
    kind: str
    parameters: Mapping[str, Any]
    state: str
    created_at: float
    modified_at: float
    revision: str
    description: str | None = None
    state_reason: str | None = None
    authorized_at: float | None = None
    token: str | None = None
    token_until: float | None = None

    @property
    def arn(self) -> str:
        """Its ARN."""
        return arn_of("connection", self.place, self.id)


@dataclass(frozen=True, slots=True)
class ApiDestination:
    """An HTTP endpoint that targets may name. `rate` is the most requests a second."""

    place: Place
    id: str
    connection_arn: str
    endpoint: str
    method: str
    rate: int
    created_at: float
    modified_at: float
    description: str | None = None

    @property
    def arn(self) -> str:
        """Its ARN."""
        return arn_of("api-destination", self.place, self.id)
