"""Rules for asynchronous events, by function, version and alias; and whether loops through a function may run."""

from datetime import UTC, datetime
from typing import Any

from bulb.core.calls import Answer, Call
from bulb.services.lambda_ import errors, event_configs, names, paging
from bulb.services.lambda_.event_configs import Destinations, EventConfig
from bulb.services.lambda_.model import LATEST
from bulb.services.lambda_.options import LambdaOptions
from bulb.services.lambda_.store import LambdaStore


class EventConfigOperations:
    """The operations on EventInvokeConfigs and on recursion."""

    def __init__(self, store: LambdaStore, options: LambdaOptions) -> None:
        self._store = store
        self._services = options.destinations
        self._roles = options.roles

    async def put_function_event_invoke_config(self, call: Call) -> Answer:
        """Replaces the whole configuration."""
        target = names.target(call)

        def decide(before: EventConfig | None, allowed: Destinations) -> EventConfig:
            return event_configs.put(target.key, call.params, call.now, allowed)

        await self._check_role(call, target)
        return _shown(target, await self._change(target, decide))

    async def update_function_event_invoke_config(self, call: Call) -> Answer:
        """Changes the members that are given."""
        target = names.target(call)

        def decide(before: EventConfig | None, allowed: Destinations) -> EventConfig:
            if before is None:
                raise _missing(target)
            return event_configs.updated(target.key, before, call.params, call.now, allowed)

        await self._check_role(call, target)
        return _shown(target, await self._change(target, decide))

    async def get_function_event_invoke_config(self, call: Call) -> Answer:
        """The configuration of exactly that qualifier."""
        target = names.target(call)
        return _shown(target, await self._store.event_configs.find(target.key, target.qualifier))

    async def delete_function_event_invoke_config(self, call: Call) -> Answer:
        """Back to the defaults."""
        target = names.target(call)
        if not await self._store.event_configs.remove(target.key, target.qualifier):
            raise _missing(target)
        return {}

    async def list_function_event_invoke_configs(self, call: Call) -> Answer:
        """A page of a function's configurations, at most 50, `$LATEST` first."""
        target = names.target(call)
        limit = paging.limit(call.params)
        after = paging.position(call.params.get("Marker"))
        found = await self._store.event_configs.page(target.key, after and after[1], limit + 1)
        if found is None:
            raise errors.not_found("The function doesn't exist.")
        answer: Answer = {
            "FunctionEventInvokeConfigs": [
                _shown(names.Target(target.key, qualifier), config) for qualifier, config in found[:limit]
            ]
        }
        if len(found) > limit:
            answer["NextMarker"] = paging.marker(target.key.name, found[limit - 1][0])
        return answer

    async def put_function_recursion_config(self, call: Call) -> Answer:
        """Whether loops through the function are cut."""
        key = names.function_target(call)
        if not await self._store.event_configs.allow_recursion(key, call.params["RecursiveLoop"] == "Allow"):
            raise errors.function_not_found(key)
        return {"RecursiveLoop": call.params["RecursiveLoop"]}

    async def get_function_recursion_config(self, call: Call) -> Answer:
        """Whether loops through the function are cut; by default they are."""
        key = names.function_target(call)
        allowed = await self._store.event_configs.may_recurse(key)
        if allowed is None:
            raise errors.function_not_found(key)
        return {"RecursiveLoop": "Allow" if allowed else "Terminate"}

    async def _check_role(self, call: Call, target: names.Target) -> None:
        """The function's role must be allowed to send. Raises InvalidParameterValueException."""
        if self._roles is None:
            return
        record = await self._store.find_qualified(target.key, target.qualifier)
        for action, where in event_configs.sends(call.params.get("DestinationConfig") or {}):
            if record is not None and not await self._roles.role_may(record.definition.role, action, where):
                raise event_configs.may_not_send(action, where)

    async def _change(self, target: names.Target, decide: event_configs.Decide) -> EventConfig:
        return await self._store.event_configs.change(target.key, target.qualifier, self._services, decide)


def _missing(target: names.Target) -> Exception:
    arn = target.key.qualified_arn(target.qualifier or LATEST)
    return errors.not_found(f"The function {arn} doesn't have an EventInvokeConfig")


def _shown(target: names.Target, config: EventConfig | None) -> dict[str, Any]:
    """As every operation answers it: what was never set is not there. Raises ResourceNotFoundException."""
    if config is None:
        raise _missing(target)
    shown: dict[str, Any] = {
        "LastModified": datetime.fromtimestamp(config.last_modified, UTC),
        "FunctionArn": target.key.qualified_arn(target.qualifier or LATEST),
        "DestinationConfig": {
            "OnSuccess": {"Destination": config.on_success} if config.on_success else {},
            "OnFailure": {"Destination": config.on_failure} if config.on_failure else {},
        },
    }
    if config.max_retries is not None:
        shown["MaximumRetryAttempts"] = config.max_retries
    if config.max_age_s is not None:
        shown["MaximumEventAgeInSeconds"] = config.max_age_s
    return shown
