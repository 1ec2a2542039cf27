"""Tags of functions, event source mappings and code signing configurations."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Protocol

from bulb.core.arn import Arn, parse_arn
from bulb.core.calls import Answer, Call
from bulb.core.errors import NotSupported
from bulb.services.lambda_ import code_signing, errors, rules
from bulb.services.lambda_.mappings import EventSourceMapping
from bulb.services.lambda_.model import FunctionKey, FunctionRecord, key_of
from bulb.services.lambda_.store import LambdaStore, Tags

Change = Callable[[Tags], Tags]


class _Tagged(Protocol):
    """Something with tags. Raises ResourceNotFoundException when it is not there."""

    async def tags(self) -> Tags:
        """All of them."""

    async def change(self, decide: Change, *, adds: bool) -> None:
        """Replace them by what `decide` makes of them; `adds` tells adding from removing."""


class TagOperations:
    """The operations on tags."""

    def __init__(self, store: LambdaStore) -> None:
        self._store = store

    async def tag_resource(self, call: Call) -> Answer:
        """Adds to the tags there are. Refused while an update of the function is in progress."""
        tagged = self._resource(call)
        new: Mapping[str, str] = call.params["Tags"]
        if not new:
            raise errors.invalid("An error occurred and the request cannot be processed.")

        def decide(tags: Tags) -> Tags:
            merged = {**tags, **new}
            rules.check_tags(merged)
            return merged

        await tagged.change(decide, adds=True)
        return {}

    async def untag_resource(self, call: Call) -> Answer:
        """Removes tags; one that is not there is no error."""
        gone = set(call.params["TagKeys"])
        await self._resource(call).change(
            lambda tags: {name: value for name, value in tags.items() if name not in gone}, adds=False
        )
        return {}

    async def list_tags(self, call: Call) -> Answer:
        """All tags."""
        return {"Tags": dict(await self._resource(call).tags())}

    def _resource(self, call: Call) -> _Tagged:
        """What the Resource ARN names. Raises for versions, aliases, other regions and accounts, other resources."""
        resource = call.params["Resource"]
        parsed = parse_arn(resource)
        kind, _, rest = parsed.resource.partition(":") if parsed else ("", "", "")
        if parsed is None or not rest:
            raise errors.validation(
                f"Value '{resource}' at 'resource' failed to satisfy constraint: Member must be the ARN of a function"
            )
        match kind:
            case "function":
                return _FunctionTags(self._store, _function(call, parsed, rest))
            case "event-source-mapping":
                return _MappingTags(self._store, resource, rest)
            case "code-signing-config" if parsed[2:4] == (call.region, call.account):
                return _CodeSigningTags(self._store, resource)
        raise NotSupported(f"tags of {kind}")


@dataclass(frozen=True, slots=True)
class _FunctionTags:
    store: LambdaStore
    key: FunctionKey

    async def tags(self) -> Tags:
        tags = await self.store.tags(self.key)
        if tags is None:
            raise errors.function_not_found(self.key)
        return tags

    async def change(self, decide: Change, *, adds: bool) -> None:
        def change(record: FunctionRecord, tags: Tags) -> Tags:
            if adds and record.update_status == "InProgress":
                raise errors.update_in_progress(key_of(record.ref))
            return decide(tags)

        await self.store.change_tags(self.key, change)


@dataclass(frozen=True, slots=True)
class _MappingTags:
    store: LambdaStore
    arn: str
    uuid: str

    async def tags(self) -> Tags:
        return self._own(await self.store.mappings.find(self.uuid)).tags

    async def change(self, decide: Change, *, adds: bool) -> None:
        def change(mapping: EventSourceMapping | None) -> EventSourceMapping:
            found = self._own(mapping)
            return replace(found, tags=decide(found.tags))

        await self.store.mappings.change(self.uuid, change)

    def _own(self, mapping: EventSourceMapping | None) -> EventSourceMapping:
        if mapping is None or mapping.arn != self.arn:
            raise errors.not_found(f"Event source mapping not found: {self.arn}")
        return mapping


@dataclass(frozen=True, slots=True)
class _CodeSigningTags:
    store: LambdaStore
    arn: str

    async def tags(self) -> Tags:
        config = await self.store.code_signing.find(self.arn)
        if config is None:
            raise code_signing.not_found()
        return config.tags

    async def change(self, decide: Change, *, adds: bool) -> None:
        changed = await self.store.code_signing.change(
            self.arn, lambda config: replace(config, tags=decide(config.tags))
        )
        if changed is None:
            raise code_signing.not_found()


def _function(call: Call, parsed: Arn, rest: str) -> FunctionKey:
    name, _, qualifier = rest.partition(":")
    if qualifier:
        raise errors.invalid("Tags on function aliases and versions are not supported. Please specify a function ARN.")
    if parsed.region != call.region:
        raise errors.not_found(f"Functions from '{parsed.region}' are not reachable in this region ('{call.region}')")
    if parsed.account != call.account:
        raise errors.access_denied()
    return FunctionKey(call.account, call.region, name)
