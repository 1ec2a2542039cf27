"""Operations on the tags of schedule groups; schedules have none."""

from collections.abc import Callable, Mapping

from sqlalchemy import Connection

from bulb.core.arn import parse_arn
from bulb.core.calls import Answer, Call
from bulb.services.scheduler import rules, store
from bulb.services.scheduler.errors import conflict, no_group
from bulb.services.scheduler.model import DEFAULT_GROUP, Group
from bulb.storage.database import Database


class Tags:
    """Tag, untag and list."""

    _database: Database

    async def tag_resource(self, call: Call) -> Answer:
        """TagResource."""
        await self._change(call, lambda tags: rules.tagged(tags, call.params["Tags"]))
        return {}

    async def untag_resource(self, call: Call) -> Answer:
        """UntagResource."""
        keys = call.params["TagKeys"]
        await self._change(call, lambda tags: {key: value for key, value in tags.items() if key not in keys})
        return {}

    async def list_tags_for_resource(self, call: Call) -> Answer:
        """ListTagsForResource."""
        group = await self._database.read(lambda connection: _tagged_group(connection, call))
        tags = group.tags if group is not None else {}
        return {"Tags": [{"Key": key, "Value": value} for key, value in sorted(tags.items())]}

    async def _change(self, call: Call, change: Callable[[Mapping[str, str]], Mapping[str, str]]) -> None:
        def write(connection: Connection) -> None:
            group = _tagged_group(connection, call)
            if group is None:
                group = store.default_group(connection, call.account, call.region, call.now)
            if group.state != "ACTIVE":
                raise conflict(f"Schedule group {group.name} is being deleted.")
            store.set_tags(connection, group.id, change(group.tags), call.now)

        await self._database.write(write)


def _tagged_group(connection: Connection, call: Call) -> Group | None:
    """The group of the request's ARN; None for the default one before anybody looked at it. Raises AwsError 404."""
    parsed = parse_arn(call.params["ResourceArn"])
    name = parsed.resource.partition("/")[2] if parsed is not None else ""
    is_ours = parsed is not None and (parsed.account, parsed.region) == (call.account, call.region)
    group = store.group(connection, call.account, call.region, name) if is_ours else None
    if group is None and not (is_ours and name == DEFAULT_GROUP):
        raise no_group(name)
    return group
