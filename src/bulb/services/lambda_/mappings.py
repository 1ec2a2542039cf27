"""Event source mappings: the values, the moves of their life, how they are shown, and whom they ask for events.

A mapping is `Creating`, `Enabling`, `Updating` or `Disabling` until its source has done what that says, and then
`Enabled` or `Disabled`; `Deleting` until the source has stopped, and then gone. The work of a source is the port
`EventSource`: a service that can be polled registers one for its kind, and a kind without one cannot be mapped at all.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Protocol

from bulb.core.arn import arn
from bulb.core.errors import NotSupported
from bulb.services.lambda_.mapping_kinds import KINDS, Kind
from bulb.services.lambda_.model import FunctionKey

State = Literal["Creating", "Enabling", "Updating", "Enabled", "Disabling", "Disabled", "Deleting"]

# What a state that is on its way becomes once the source has done its part; None is gone.
NEXT: Mapping[State, State | None] = {
    "Creating": "Enabled",
    "Enabling": "Enabled",
    "Updating": "Enabled",
    "Disabling": "Disabled",
    "Deleting": None,
}


@dataclass(frozen=True, slots=True)
class EventSourceMapping:
    """One mapping. `settings` are members of its configuration under their API names; times are Unix seconds."""

    uuid: str
    function: FunctionKey
    qualifier: str | None
    kind: str
    event_source_arn: str | None
    state: State
    last_modified: float
    settings: Mapping[str, Any]
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def arn(self) -> str:
        """The mapping's own ARN."""
        return arn("lambda", self.function.region, self.function.account, f"event-source-mapping:{self.uuid}")

    @property
    def function_arn(self) -> str:
        """The function as the caller named it."""
        return self.function.qualified_arn(self.qualifier)

    @property
    def is_settled(self) -> bool:
        """The source has nothing left to do."""
        return self.state not in NEXT

    @property
    def is_read(self) -> bool:
        """It is enabled, or will be."""
        return self.state not in ("Disabling", "Disabled", "Deleting")

    def is_as(self, other: "EventSourceMapping | None") -> bool:
        """Nothing that a source would know of has changed."""
        return other is not None and replace(self, tags={}) == replace(other, tags={})

    def moved(self, state: State) -> "EventSourceMapping":
        """The same in another state."""
        return replace(self, state=state)


class EventSource(Protocol):
    """What a service that Lambda reads from does for its mappings. Errors it raises are answered to the caller."""

    async def check(self, mapping: EventSourceMapping, function_timeout_s: int, role: str) -> None:
        """Refuse a mapping: a source that is not there, an option the source does not act on, a source that the
        function's execution role may not read. Nothing begins yet.
        """

    async def check_timeout(self, mapping: EventSourceMapping, function_timeout_s: int) -> None:
        """Refuse that the mapping's function be given so many seconds. A source that is not there does not mind."""

    async def begin(self, mapping: EventSourceMapping) -> None:
        """Read for the mapping, or go on with its changed settings. Returns when it does; may be called again."""

    async def end(self, mapping: EventSourceMapping) -> None:
        """Read no more for the mapping. Returns when what was under way is finished; may be called again."""

    async def problem(self, mapping: EventSourceMapping) -> str | None:
        """Why nothing is read for a mapping that is enabled, in words to be shown; None when it is."""


class EventSources:
    """The sources known here, by kind (a key of `KINDS`)."""

    def __init__(self) -> None:
        self._sources: dict[str, EventSource] = {}

    def register(self, kind: str, source: EventSource) -> None:
        """From now on functions can be mapped to sources of the kind."""
        if kind not in KINDS:
            raise ValueError(f"no kind of event source: {kind}")
        self._sources[kind] = source

    def find(self, kind: str) -> EventSource | None:
        """The source of the kind, if it is known here."""
        return self._sources.get(kind)

    def of(self, kind: Kind) -> EventSource:
        """The source of the kind. Raises NotSupported, naming the service."""
        if kind.name not in self._sources:
            raise NotSupported(f"event source mappings of {kind.title}")
        return self._sources[kind.name]


def shown(of: EventSourceMapping, problem: str | None = None) -> dict[str, Any]:
    """The configuration as every operation answers it. `problem` is what its source has with it."""
    kind = KINDS[of.kind]
    answer: dict[str, Any] = {
        "UUID": of.uuid,
        "EventSourceMappingArn": of.arn,
        "FunctionArn": of.function_arn,
        "State": of.state,
        "StateTransitionReason": kind.reason,
        "LastModified": of.last_modified,
        **of.settings,
    }
    if of.event_source_arn is not None:
        answer["EventSourceArn"] = of.event_source_arn
    result = problem or kind.last_result
    if result is not None:
        answer["LastProcessingResult"] = result
    return answer
