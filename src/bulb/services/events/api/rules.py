"""Rules."""

from typing import Any

from bulb.core.calls import Answer, Call
from bulb.services.events import errors, rules
from bulb.services.events.api.base import Operations, present
from bulb.services.events.model import DISABLED, Rule
from bulb.services.events.names import own_bus_of, rule_of

_ENABLED = "ENABLED"


class RuleOperations(Operations):
    """PutRule and those around it."""

    async def put_rule(self, call: Call) -> Answer:
        """Makes a rule or replaces one, whose tags and targets stay; what is not given is as at first."""
        params = call.params
        rule = Rule(
            name=rule_of(call, params["Name"], params.get("EventBusName")),
            created_by=call.account,
            state=params.get("State", _ENABLED),
            pattern=params.get("EventPattern") or None,
            schedule=params.get("ScheduleExpression") or None,
            description=params.get("Description"),
            role_arn=params.get("RoleArn"),
            tags=rules.merged_tags({}, params.get("Tags") or ()),
        )
        rules.check_rule(rule)
        if rule.role_arn is not None and not rules.is_role(rule.role_arn):
            raise errors.not_valid(rule.role_arn, "Provided RoleArn is not in correct format.")
        await self._store.rules.put(rule, call.now, lambda others: rules.check_room(rule, others))
        return {"RuleArn": rule.name.arn}

    async def describe_rule(self, call: Call) -> Answer:
        """One rule."""
        rule = await self._store.rules.find(rule_of(call, call.params["Name"], call.params.get("EventBusName")))
        return {**_shown(rule), "CreatedBy": rule.created_by}

    async def list_rules(self, call: Call) -> Answer:
        """Those of a bus, by name."""
        bus = own_bus_of(call, call.params.get("EventBusName"))
        found, token = await self._store.rules.listed(bus, call.params)
        return {"Rules": [_shown(rule) for rule in found], **present(NextToken=token)}

    async def enable_rule(self, call: Call) -> Answer:
        """It matches and ticks from now on."""
        return await self._set_state(call, _ENABLED)

    async def disable_rule(self, call: Call) -> Answer:
        """It does nothing from now on."""
        return await self._set_state(call, DISABLED)

    async def delete_rule(self, call: Call) -> Answer:
        """A rule that is not there is no error."""
        name = rule_of(call, call.params["Name"], call.params.get("EventBusName"))
        await self._store.rules.delete(name, call.now)
        return {}

    async def list_rule_names_by_target(self, call: Call) -> Answer:
        """The rules of a bus that send to a target."""
        bus = own_bus_of(call, call.params.get("EventBusName"))
        names, token = await self._store.rules.names_by_target(bus, call.params["TargetArn"], call.params)
        return {"RuleNames": names, **present(NextToken=token)}

    async def _set_state(self, call: Call, state: str) -> Answer:
        name = rule_of(call, call.params["Name"], call.params.get("EventBusName"))
        await self._store.rules.set_state(name, state, call.now)
        return {}


def _shown(rule: Rule) -> dict[str, Any]:
    return {
        "Name": rule.name.rule,
        "Arn": rule.name.arn,
        "State": rule.state,
        "EventBusName": rule.name.bus,
        **present(
            EventPattern=rule.pattern,
            ScheduleExpression=rule.schedule,
            Description=rule.description,
            RoleArn=rule.role_arn,
        ),
    }
