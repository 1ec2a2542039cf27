"""Targets of rules."""

from collections.abc import Sequence

from bulb.core.arn import parse_arn
from bulb.core.calls import Answer, Call
from bulb.services.events import errors, rules
from bulb.services.events.api.base import Operations, present
from bulb.services.events.model import Target
from bulb.services.events.names import place_of_arn, rule_of

_SERVICE = "events.amazonaws.com"
_INVOKE = "events:InvokeApiDestination"
# What a role must be allowed to do for a target.
ACTIONS = {
    "lambda": "lambda:InvokeFunction",
    "sqs": "sqs:SendMessage",
    "sns": "sns:Publish",
    "logs": "logs:PutLogEvents",
    "events": "events:PutEvents",
}


class TargetOperations(Operations):
    """PutTargets and those around it."""

    async def put_targets(self, call: Call) -> Answer:
        """Adds targets to a rule, or replaces those of their ids: all of them or none."""
        params = call.params
        name = rule_of(call, params["Rule"], params.get("EventBusName"))
        rule = await self._store.rules.find(name)
        rules.check_ids(params["Targets"])
        targets = [rules.target_of(given, name) for given in params["Targets"]]
        for target in targets:
            await self._check_target(call, target, target.settings.get("RoleArn") or rule.role_arn)
        await self._store.rules.put_targets(name, targets)
        return _nothing_failed()

    async def remove_targets(self, call: Call) -> Answer:
        """Ids that are not there are no error."""
        params = call.params
        name = rule_of(call, params["Rule"], params.get("EventBusName"))
        await self._store.rules.remove_targets(name, params["Ids"])
        return _nothing_failed()

    async def list_targets_by_rule(self, call: Call) -> Answer:
        """By id."""
        params = call.params
        name = rule_of(call, params["Rule"], params.get("EventBusName"))
        found, token = await self._store.rules.targets(name, params)
        return {"Targets": [target.shown() for target in found], **present(NextToken=token)}

    async def _check_target(self, call: Call, target: Target, role: str | None) -> None:
        """Raises ResourceNotFoundException and ValidationException."""
        place, arn = place_of_arn(target.arn, "api-destination"), parse_arn(target.arn)
        assert arn is not None
        if place is not None:
            found = await self._store.connections.find_destination(place)
            if found is None or found.arn != target.arn or place[:2] != (call.account, call.region):
                raise errors.not_found(f"An api-destination '{place.name}' does not exist.")
            if role is None:  # nothing else lets EventBridge in to an endpoint
                raise errors.validation(f"RoleArn is required for target {target.arn}.")
        if self._roles is None:
            return
        if role is None:
            if arn.service == "events" and arn.account != call.account:  # buses elsewhere know roles and accounts
                raise errors.validation(f"RoleArn is required for target {target.arn}.")
            return
        action = ACTIONS[arn.service] if place is None else _INVOKE
        if not (await self._roles.lets_assume(role, _SERVICE) and await self._roles.role_may(role, action, target.arn)):
            raise errors.validation(
                f"The role {role} of target {target.id} may not be assumed by {_SERVICE} or may not perform "
                f"{action} on {target.arn}."
            )


def _nothing_failed() -> Answer:
    failed: Sequence[Answer] = []
    return {"FailedEntryCount": 0, "FailedEntries": failed}
