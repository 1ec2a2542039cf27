"""What EventBridge's calls ask of policies where these are enforced.

Source of the condition keys: EventBridge's page on IAM policy conditions. Where a pattern asks for something else than
a text (`{"prefix": "aws."}`), its key has an empty value for it, which no policy names by chance.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from bulb.core.calls import Call
from bulb.identity.needs import Need
from bulb.services.events.names import BusName, Place, RuleName, arn_of, bus_of, bus_of_arn, place, place_of_arn

_ON_RULES = {
    "PutRule": "Name",
    "DescribeRule": "Name",
    "DeleteRule": "Name",
    "EnableRule": "Name",
    "DisableRule": "Name",
    "PutTargets": "Rule",
    "RemoveTargets": "Rule",
    "ListTargetsByRule": "Rule",
}
_ON_BUSES = {
    "CreateEventBus": "Name",
    "DescribeEventBus": "Name",
    "UpdateEventBus": "Name",
    "DeleteEventBus": "Name",
    "PutPermission": "EventBusName",
    "RemovePermission": "EventBusName",
}
_ON_OTHERS = {
    "CreateArchive": ("archive", "ArchiveName"),
    "DescribeArchive": ("archive", "ArchiveName"),
    "UpdateArchive": ("archive", "ArchiveName"),
    "DeleteArchive": ("archive", "ArchiveName"),
    "DescribeReplay": ("replay", "ReplayName"),
    "CancelReplay": ("replay", "ReplayName"),
    "CreateConnection": ("connection", "Name"),
    "DescribeConnection": ("connection", "Name"),
    "UpdateConnection": ("connection", "Name"),
    "DeauthorizeConnection": ("connection", "Name"),
    "DeleteConnection": ("connection", "Name"),
    "CreateApiDestination": ("api-destination", "Name"),
    "DescribeApiDestination": ("api-destination", "Name"),
    "UpdateApiDestination": ("api-destination", "Name"),
    "DeleteApiDestination": ("api-destination", "Name"),
}


async def needs(call: Call) -> Sequence[Need]:
    """The action of the operation's name on what it is about; PutEvents on every bus that gets one."""
    action = f"events:{call.operation}"
    if call.operation == "PutEvents":
        return _of_entries(call, action)
    if call.operation == "StartReplay":
        return _of_replay(call, action)
    return (Need(action, _resource(call), _context(call)), *_roles(call.params))


def _resource(call: Call) -> str:
    operation, params = call.operation, call.params
    if operation in _ON_RULES:
        return RuleName(*bus_of(call, params.get("EventBusName")), params[_ON_RULES[operation]]).arn
    if operation in _ON_BUSES:
        return bus_of(call, params.get(_ON_BUSES[operation])).arn
    if operation in _ON_OTHERS:
        kind, member = _ON_OTHERS[operation]
        tail = "*" if kind in ("connection", "api-destination") else None
        return arn_of(kind, place(call, params[member]), tail)
    if operation in ("ListRules", "ListRuleNamesByTarget"):
        return RuleName(*bus_of(call, params.get("EventBusName")), "*").arn
    arn: str = params.get("ResourceARN", "*")
    return arn


def _context(call: Call) -> Mapping[str, Sequence[str] | str]:
    if call.operation not in _ON_RULES:
        return {}
    context: dict[str, Sequence[str] | str] = {"events:creatoraccount": call.account}
    if call.operation == "PutTargets":
        context["events:targetarn"] = [target["Arn"] for target in call.params["Targets"]]
    if call.operation == "PutRule":
        context |= _asked_for(call.params.get("EventPattern") or "")
    return context


def _asked_for(pattern: str) -> dict[str, Sequence[str]]:
    """The sources and kinds of events that a pattern asks for; a text that is no pattern is refused later."""
    try:
        asked = orjson.loads(pattern)
    except orjson.JSONDecodeError:
        return {}
    found = {name: asked.get(name) for name in ("source", "detail-type")} if isinstance(asked, dict) else {}
    return {
        f"events:{name}": [one if isinstance(one, str) else "" for one in values]
        for name, values in found.items()
        if isinstance(values, list) and values
    }


def _of_entries(call: Call, action: str) -> Sequence[Need]:
    needed: dict[tuple[Any, ...], Need] = {}
    for entry in call.params["Entries"]:
        bus: BusName = bus_of(call, entry.get("EventBusName"))
        source, kind = entry.get("Source") or "", entry.get("DetailType") or ""
        context = {"events:source": source, "events:detail-type": kind}
        needed[bus, source, kind] = Need(action, bus.arn, context)
    return tuple(needed.values())


def _of_replay(call: Call, action: str) -> Sequence[Need]:
    source = place_of_arn(call.params["EventSourceArn"], "archive") or Place(call.account, call.region, "*")
    bus = bus_of_arn(call.params["Destination"]["Arn"])
    named = [Need(action, arn_of("archive", source))]
    return (*named, *([Need(action, bus.arn)] if bus is not None else []))


def _roles(params: dict[str, Any]) -> Sequence[Need]:
    """Whoever gives EventBridge a role must be allowed to pass it on."""
    given = [params, *(params.get("Targets") or ())]
    roles = dict.fromkeys(one["RoleArn"] for one in given if one.get("RoleArn"))
    return tuple(Need("iam:PassRole", role, {"iam:passedtoservice": "events.amazonaws.com"}) for role in roles)
