"""Aliases: names that callers keep while the version behind them changes."""

from collections.abc import Callable
from typing import Any

from bulb.core.calls import Answer, Call
from bulb.core.ids import request_id
from bulb.services.lambda_ import aliases, errors, names, paging
from bulb.services.lambda_.model import Alias, FunctionKey
from bulb.services.lambda_.store import LambdaStore


class AliasOperations:
    """The operations on the aliases of a function."""

    def __init__(self, store: LambdaStore) -> None:
        self._store = store

    async def create_alias(self, call: Call) -> Answer:
        """A new name for a version, or for two with a weight."""
        key = names.target(call).key

        def decide(before: Alias | None, lookup: aliases.Lookup, exists: bool) -> Alias:
            if not exists:
                raise errors.function_not_found(key)
            if before is not None:
                raise errors.conflict(f"Alias already exists: {key.qualified_arn(before.name)}")
            return aliases.created(key, call.params, lookup, request_id())

        return await self._change(key, call.params["Name"], decide)

    async def update_alias(self, call: Call) -> Answer:
        """Points the name elsewhere. From the answer on, invocations go there."""
        key, name = names.target(call).key, call.params["Name"]

        def decide(before: Alias | None, lookup: aliases.Lookup, exists: bool) -> Alias:
            if before is None:
                raise errors.not_found(f"Alias not found: {key.qualified_arn(name)}")
            return aliases.updated(key, before, call.params, lookup, request_id())

        return await self._change(key, name, decide)

    async def get_alias(self, call: Call) -> Answer:
        """One alias."""
        key, name = names.target(call).key, call.params["Name"]
        alias = await self._store.aliases.find(key, name)
        if alias is None:
            raise errors.alias_not_found(key, name)
        return _shown(key, alias)

    async def delete_alias(self, call: Call) -> Answer:
        """The name is gone, with what was attached to it; one that is not there is no error."""
        key = names.target(call).key

        def decide(before: Alias | None, lookup: aliases.Lookup, exists: bool) -> None:
            if not exists:
                raise errors.function_not_found(key)

        await self._store.aliases.change(key, call.params["Name"], decide)
        return {}

    async def list_aliases(self, call: Call) -> Answer:
        """A page of aliases by name, at most 50; with FunctionVersion those that invoke that version."""
        params, key = call.params, names.target(call).key
        limit = paging.limit(params)
        after = paging.position(params.get("Marker"))
        found = await self._store.aliases.page(key, after and after[1], limit + 1, params.get("FunctionVersion"))
        if found is None:
            raise errors.function_not_found(key)
        answer: Answer = {"Aliases": [_shown(key, alias) for alias in found[:limit]]}
        if len(found) > limit:
            answer["NextMarker"] = paging.marker(key.name, found[limit - 1].name)
        return answer

    async def _change(
        self, key: FunctionKey, name: str, decide: Callable[[Alias | None, aliases.Lookup, bool], Alias]
    ) -> Answer:
        alias = await self._store.aliases.change(key, name, decide)
        assert alias is not None
        return _shown(key, alias)


def _shown(key: FunctionKey, alias: Alias) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "AliasArn": key.qualified_arn(alias.name),
        "Name": alias.name,
        "FunctionVersion": alias.version,
        "Description": alias.description,
        "RevisionId": alias.revision_id,
    }
    if alias.weights:
        shown["RoutingConfig"] = {"AdditionalVersionWeights": dict(alias.weights)}
    return shown
