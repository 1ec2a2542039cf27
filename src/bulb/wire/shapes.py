"""The shapes of a service model, resolved on demand.

Read straight from the model documents botocore ships, not through `botocore.model`: importing that costs 0.3 s, which
`bulb up` cannot afford. A shape seen through a member reference carries the reference's traits over its own, so two
references with the same traits are the same `Shape` object: codecs keep what they compiled for one keyed by it.
"""

from collections.abc import Mapping
from functools import cached_property
from typing import Any

Document = Mapping[str, Any]

# Traits of a member that repeat what another part of the model says, or that only clients act on.
_NOT_TRAITS = frozenset({"shape", "documentation", "contextParam", "deprecatedMessage", "deprecatedSince"})
SCALARS = frozenset({"string", "boolean", "integer", "long", "float", "double", "timestamp", "blob", "character"})


class Shape:
    """One shape as one reference sees it. `type` is AWS's own word: structure, list, map, string, blob, ..."""

    def __init__(self, name: str, traits: dict[str, Any], shapes: "ShapeMap") -> None:
        self.name = name
        self.type: str = traits["type"]
        self.traits = traits
        self._shapes = shapes

    def __repr__(self) -> str:
        return f"Shape({self.name}: {self.type})"

    @cached_property
    def members(self) -> dict[str, "Shape"]:
        """A structure's members in the model's order; empty for everything else."""
        return {name: self._shapes.resolve(reference) for name, reference in self.traits.get("members", {}).items()}

    @cached_property
    def member(self) -> "Shape":
        """A list's element."""
        return self._shapes.resolve(self.traits["member"])

    @cached_property
    def key(self) -> "Shape":
        """A map's key."""
        return self._shapes.resolve(self.traits["key"])

    @cached_property
    def value(self) -> "Shape":
        """A map's value."""
        return self._shapes.resolve(self.traits["value"])

    @property
    def required(self) -> list[str]:
        """Names of the members a structure must have."""
        required: list[str] = self.traits.get("required", [])
        return required

    @property
    def location(self) -> str | None:
        """Where a member travels when not in the body: uri, querystring, header, headers, statusCode."""
        return self.traits.get("location")

    @property
    def location_name(self) -> str | None:
        """The member's name on the wire where it differs."""
        return self.traits.get("locationName")

    @property
    def payload(self) -> str | None:
        """The one member that is the whole body, if the structure has such."""
        return self.traits.get("payload")

    @property
    def flattened(self) -> bool:
        """A list or map without an element of its own around its entries."""
        return bool(self.traits.get("flattened"))

    @property
    def streaming(self) -> bool:
        """A blob that is read and written as it passes, never held whole."""
        return bool(self.traits.get("streaming"))

    @property
    def is_event_stream(self) -> bool:
        """A union of events sent one after the other."""
        return bool(self.traits.get("eventstream"))

    @property
    def is_document(self) -> bool:
        """Free-form JSON."""
        return bool(self.traits.get("document"))

    @property
    def timestamp_format(self) -> str | None:
        """iso8601, rfc822 or unixTimestamp where the model overrides the protocol's default."""
        return self.traits.get("timestampFormat")

    @property
    def event_stream_member(self) -> str | None:
        """The name of the member that is an event stream."""
        return next((name for name, member in self.members.items() if member.is_event_stream), None)

    @property
    def body_members(self) -> dict[str, "Shape"]:
        """The members that travel in the body."""
        return {name: member for name, member in self.members.items() if member.location is None}


class ShapeMap:
    """All shapes of one service."""

    def __init__(self, documents: dict[str, dict[str, Any]]) -> None:
        self._documents = documents
        self._resolved: dict[tuple[str, str], Shape] = {}

    def resolve(self, reference: Document) -> Shape:
        """The shape a reference `{"shape": name, ...traits}` means."""
        name: str = reference["shape"]
        traits = {trait: value for trait, value in reference.items() if trait not in _NOT_TRAITS}
        key = (name, repr(sorted(traits.items())))
        shape = self._resolved.get(key)
        if shape is None:
            shape = self._resolved[key] = Shape(name, {**self._documents[name], **traits}, self)
        return shape

    def exceptions(self) -> list[Shape]:
        """Every modelled error."""
        return [self.resolve({"shape": name}) for name, traits in self._documents.items() if traits.get("exception")]
