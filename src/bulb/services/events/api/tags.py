"""Tags of buses and rules."""

from collections.abc import Callable

from bulb.core.calls import Answer, Call
from bulb.services.events import errors, rules
from bulb.services.events.api.base import Operations
from bulb.services.events.model import Tags
from bulb.services.events.names import BusName, RuleName, bus_of_arn, rule_of_arn


class TagOperations(Operations):
    """The operations on tags."""

    async def tag_resource(self, call: Call) -> Answer:
        """Adds to the tags there are."""
        await self._change(call, lambda tags: rules.merged_tags(tags, call.params["Tags"]))
        return {}

    async def untag_resource(self, call: Call) -> Answer:
        """Removes tags; one that is not there is no error."""
        gone = set(call.params["TagKeys"])
        await self._change(call, lambda tags: {key: value for key, value in tags.items() if key not in gone})
        return {}

    async def list_tags_for_resource(self, call: Call) -> Answer:
        """All tags."""
        name = _named(call)
        found = await self._store.buses.find(name, call.now) if isinstance(name, BusName) else None
        tags = found.tags if found is not None else (await self._store.rules.find(RuleName(*name))).tags
        return {"Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}

    async def _change(self, call: Call, decide: Callable[[Tags], Tags]) -> None:
        name = _named(call)
        if isinstance(name, BusName):
            await self._store.buses.change_tags(name, call.now, decide)
        else:
            await self._store.rules.change_tags(name, decide)


def _named(call: Call) -> BusName | RuleName:
    """The caller's bus or rule of an ARN. Raises ResourceNotFoundException and ValidationException."""
    arn: str = call.params["ResourceARN"]
    name = bus_of_arn(arn) or rule_of_arn(arn)
    if name is None:
        raise errors.not_valid("ResourceARN", "Only event buses and rules have tags.")
    if name[:2] != (call.account, call.region):
        raise errors.not_found(f"{arn} does not exist.")
    return name
