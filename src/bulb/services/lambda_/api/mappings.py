"""Event source mappings: create, read, change, delete."""

from dataclasses import replace
from typing import Any

from bulb.core.calls import Answer, Call
from bulb.core.ids import request_id
from bulb.services.lambda_ import errors, mapping_rules, names, paging, rules
from bulb.services.lambda_.mapping_kinds import KINDS, kind_of
from bulb.services.lambda_.mapping_work import MappingWork
from bulb.services.lambda_.mappings import EventSource, EventSourceMapping, EventSources, shown
from bulb.services.lambda_.model import Definition
from bulb.services.lambda_.store import LambdaStore

MAX_PAGE = 100


class MappingOperations:
    """The operations on event source mappings."""

    def __init__(self, store: LambdaStore, sources: EventSources, work: MappingWork) -> None:
        self._functions = store
        self._store = store.mappings
        self._sources = sources
        self._work = work

    async def create_event_source_mapping(self, call: Call) -> Answer:
        """Answers Creating; the source begins in the background. One that is not enabled is Disabled at once."""
        params = call.params
        kind = kind_of(params)
        source = self._sources.of(kind)
        target = names.target(call)
        uuid = request_id()
        rules.check_tags(params.get("Tags", {}))
        new = EventSourceMapping(
            uuid=uuid,
            function=target.key,
            qualifier=target.qualifier,
            kind=kind.name,
            event_source_arn=params.get("EventSourceArn"),
            state="Creating" if params.get("Enabled", True) else "Disabled",
            last_modified=call.now,
            settings=mapping_rules.new_settings(kind, params, uuid, call.now),
            tags=params.get("Tags", {}),
        )
        await self._check(source, new)
        await self._store.create(new, mapping_rules.check_unique)
        return self._begun(new)

    async def get_event_source_mapping(self, call: Call) -> Answer:
        """The mapping."""
        return await self._looked_at(_own(await self._store.find(call.params["UUID"]), call))

    async def list_event_source_mappings(self, call: Call) -> Answer:
        """A page of the account's mappings, at most 100; those of one source or one function if asked for."""
        params = call.params
        wanted: dict[str, Any] = {}
        if "EventSourceArn" in params:
            wanted["EventSourceArn"] = params["EventSourceArn"]
        if "FunctionName" in params:
            wanted["FunctionArn"] = names.target(call).arn
        after = paging.position(params.get("Marker"))
        every = await self._store.page(call.account, call.region, after[0] if after else "")
        found = [item for item in every if wanted.items() <= shown(item).items()]
        limit = min(params.get("MaxItems", MAX_PAGE), MAX_PAGE)
        answer: Answer = {"EventSourceMappings": [await self._looked_at(item) for item in found[:limit]]}
        if len(found) > limit:
            answer["NextMarker"] = paging.marker(found[limit - 1].uuid, "")
        return answer

    async def update_event_source_mapping(self, call: Call) -> Answer:
        """Answers Updating, Enabling or Disabling; the source goes on with the new settings in the background."""
        params = call.params
        current = _own(await self._store.find(params["UUID"]), call)
        after = _updated(current, call)
        # One that is not read needs nothing to be there: it can be disabled whatever is gone. A function that is named
        # now has to be.
        if after.is_read:
            await self._check(self._sources.of(KINDS[current.kind]), after)
        elif "FunctionName" in params:
            await self._function_of(after)
        changed = await self._store.change(
            current.uuid, lambda latest: _updated(_own(latest, call), call), mapping_rules.check_unique
        )
        return self._begun(_own(changed, call))

    async def delete_event_source_mapping(self, call: Call) -> Answer:
        """Answers Deleting; gone once the source has ended."""

        def decide(current: EventSourceMapping | None) -> EventSourceMapping:
            mapping = _own(current, call)
            mapping_rules.check_free(mapping, "delete")
            return mapping.moved("Deleting")

        return self._begun(_own(await self._store.change(call.params["UUID"], decide), call))

    async def _check(self, source: EventSource, mapping: EventSourceMapping) -> None:
        """Raises InvalidParameterValueException when there is no such function, and what the source raises."""
        definition = await self._function_of(mapping)
        await source.check(mapping, definition.timeout_s, definition.role)

    async def _function_of(self, mapping: EventSourceMapping) -> Definition:
        """Raises InvalidParameterValueException when there is no such function."""
        record = await self._functions.find_qualified(mapping.function, mapping.qualifier)
        if record is None:
            raise errors.invalid("Function does not exist")
        return record.definition

    async def _looked_at(self, mapping: EventSourceMapping) -> Answer:
        """As it is now: whether it is read, its source knows."""
        source = self._sources.find(mapping.kind)
        if source is None or mapping.state != "Enabled":
            return shown(mapping)
        return shown(mapping, await source.problem(mapping))

    def _begun(self, mapping: EventSourceMapping) -> Answer:
        if not mapping.is_settled:
            self._work.begin(mapping)
        return shown(mapping)


def _own(mapping: EventSourceMapping | None, call: Call) -> EventSourceMapping:
    """The mapping, if it is one of the caller's account and region. Raises ResourceNotFoundException."""
    if mapping is None or mapping.function[:2] != (call.account, call.region):
        raise errors.no_such_resource()
    return mapping


def _updated(mapping: EventSourceMapping, call: Call) -> EventSourceMapping:
    params = call.params
    mapping_rules.check_free(mapping, "update")
    target = names.target(call) if "FunctionName" in params else names.Target(mapping.function, mapping.qualifier)
    return replace(
        mapping,
        function=target.key,
        qualifier=target.qualifier,
        settings=mapping_rules.changed_settings(KINDS[mapping.kind], mapping, params),
        state=mapping_rules.state_after_update(mapping, params.get("Enabled")),
        last_modified=call.now,
    )
