"""Reserved and provisioned concurrency."""

from datetime import UTC, datetime
from typing import Any

from bulb.core.calls import Answer, Call
from bulb.services.lambda_ import errors, names, paging
from bulb.services.lambda_.allotments import Allotments
from bulb.services.lambda_.concurrency import NOT_PUBLISHED, Concurrency, Provision, check_qualifier, state
from bulb.services.lambda_.model import FunctionKey
from bulb.services.lambda_.options import LambdaOptions
from bulb.services.lambda_.store import LambdaStore

_NEITHER_ALIAS_NOR_VERSION = "The function resource provided must be an alias or a published version."


class ConcurrencyOperations:
    """The operations about how much of a function may run, and how much stands ready."""

    def __init__(self, store: LambdaStore, allotments: Allotments, options: LambdaOptions) -> None:
        self._store = store.concurrency
        self._allotments = allotments
        self._options = options

    async def put_function_concurrency(self, call: Call) -> Answer:
        """Reserve; counts when this answers. What runs goes on."""
        key, executions = names.function_target(call), call.params["ReservedConcurrentExecutions"]
        await self._store.reserve(key, executions, self._options.account_concurrency)
        await self._allotments.refresh(key)
        return {"ReservedConcurrentExecutions": executions}

    async def get_function_concurrency(self, call: Call) -> Answer:
        """What is reserved, or nothing."""
        key = names.latest_target(call)
        function = await self._store.find(key)
        if function is None:
            raise errors.function_not_found(key)
        return {} if function.reserved is None else {"ReservedConcurrentExecutions": function.reserved}

    async def delete_function_concurrency(self, call: Call) -> Answer:
        """Share the common pool again."""
        key = names.function_target(call)
        await self._store.reserve(key, None, self._options.account_concurrency)
        await self._allotments.refresh(key)
        return {}

    async def put_provisioned_concurrency_config(self, call: Call) -> Answer:
        """Answers IN_PROGRESS; environments are started in the background."""
        target, executions = names.target(call), call.params["ProvisionedConcurrentExecutions"]
        qualifier = check_qualifier(target.qualifier, NOT_PUBLISHED)
        key, limit = target.key, self._options.account_concurrency
        function = await self._store.provision(key, qualifier, executions, limit, call.now)
        before = self._shown(key, function, qualifier)
        await self._allotments.refresh(key)
        return {**before, "Status": "IN_PROGRESS"}

    async def get_provisioned_concurrency_config(self, call: Call) -> Answer:
        """What was asked for and what there is."""
        target = names.target(call)
        qualifier = check_qualifier(target.qualifier, _NEITHER_ALIAS_NOR_VERSION)
        function = await self._store.of_qualifier(target.key, qualifier)
        return self._shown(target.key, function, qualifier)

    async def delete_provisioned_concurrency_config(self, call: Call) -> Answer:
        """The environments end, busy ones after their event."""
        target = names.target(call)
        qualifier = check_qualifier(target.qualifier, _NEITHER_ALIAS_NOR_VERSION)
        await self._store.remove_provision(target.key, qualifier)
        await self._allotments.refresh(target.key)
        return {}

    async def list_provisioned_concurrency_configs(self, call: Call) -> Answer:
        """A page of a function's provisions, by qualifier, at most 50."""
        key = names.latest_target(call)
        function = await self._store.find(key)
        if function is None:
            raise errors.function_not_found(key)
        limit = min(call.params.get("MaxItems", paging.MAX_PAGE), paging.MAX_PAGE)
        after = paging.position(call.params.get("Marker"))
        behind = [one for one in function.provisions if after is None or one.qualifier > after[1]]
        shown = [
            {"FunctionArn": key.qualified_arn(one.qualifier), **self._state(key, function, one)}
            for one in behind[:limit]
        ]
        answer: Answer = {"ProvisionedConcurrencyConfigs": shown}
        if len(behind) > limit:
            answer["NextMarker"] = paging.marker(key.name, behind[limit - 1].qualifier)
        return answer

    def _shown(self, key: FunctionKey, function: Concurrency, qualifier: str) -> dict[str, Any]:
        provision = function.provision(qualifier)
        if provision is None:
            raise errors.provision_not_found()
        return self._state(key, function, provision)

    def _state(self, key: FunctionKey, function: Concurrency, provision: Provision) -> dict[str, Any]:
        shares = function.shares(provision)
        changed = datetime.fromtimestamp(provision.last_modified, UTC)
        return {
            **state(shares, self._allotments.allocations(key, shares)),
            "LastModified": changed.strftime("%Y-%m-%dT%H:%M:%S+0000"),
        }
