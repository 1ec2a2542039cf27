"""The values of EventBridge Scheduler: schedules and their groups, as they are kept."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bulb.core.arn import arn

DEFAULT_GROUP = "default"
MAX_RETRIES, MAX_AGE_S = 185, 86_400


@dataclass(frozen=True, slots=True)
class Definition:
    """What a client says of a schedule. `target` is as the API has it; `window_minutes` is None where none is given."""

    state: str
    expression: str
    timezone: str
    start_at: float | None
    end_at: float | None
    description: str | None
    target: Mapping[str, Any]
    window_minutes: int | None
    after_completion: str

    @property
    def is_enabled(self) -> bool:
        """It is to fire."""
        return self.state == "ENABLED"


@dataclass(frozen=True, slots=True)
class Name:
    """Where a schedule is found."""

    account: str
    region: str
    group: str
    name: str

    @property
    def arn(self) -> str:
        """The schedule's ARN, which names its group also where that is the default one."""
        return arn("scheduler", self.region, self.account, f"schedule/{self.group}/{self.name}")


@dataclass(frozen=True, slots=True)
class Schedule:
    """A schedule. Times are Unix seconds; see the schema for `anchor`, `next_tick` and `revision`."""

    id: int
    name: Name
    definition: Definition
    created_at: float
    modified_at: float
    anchor: float
    next_tick: float | None
    revision: int
    request: str | None = None


@dataclass(frozen=True, slots=True)
class Group:
    """A schedule group."""

    id: int
    account: str
    region: str
    name: str
    state: str
    tags: Mapping[str, str]
    created_at: float
    modified_at: float
    request: str | None = None

    @property
    def arn(self) -> str:
        """The group's ARN."""
        return group_arn(self.account, self.region, self.name)


def group_arn(account: str, region: str, name: str) -> str:
    """The ARN of a schedule group."""
    return arn("scheduler", region, account, f"schedule-group/{name}")
