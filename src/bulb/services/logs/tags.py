"""Tags of log groups, by both generations of operations."""

from bulb.core.calls import Answer, Call
from bulb.core.errors import AwsError
from bulb.services.logs.names import identified, named
from bulb.telemetry.buffer import GroupName
from bulb.telemetry.log_store import LogStore

_MOST_TAGS = 50


class Tags:
    """Operations on tags."""

    _store: LogStore

    async def tag_resource(self, call: Call) -> Answer:
        """TagResource."""
        return await self._tag(identified(call, call.params["resourceArn"]), call.params["tags"])

    async def untag_resource(self, call: Call) -> Answer:
        """UntagResource."""
        return await self._untag(identified(call, call.params["resourceArn"]), call.params["tagKeys"])

    async def list_tags_for_resource(self, call: Call) -> Answer:
        """ListTagsForResource."""
        return {"tags": dict((await self._store.group(identified(call, call.params["resourceArn"]))).tags)}

    async def tag_log_group(self, call: Call) -> Answer:
        """TagLogGroup, the older TagResource."""
        return await self._tag(named(call, call.params["logGroupName"]), call.params["tags"])

    async def untag_log_group(self, call: Call) -> Answer:
        """UntagLogGroup, the older UntagResource."""
        return await self._untag(named(call, call.params["logGroupName"]), call.params["tags"])

    async def list_tags_log_group(self, call: Call) -> Answer:
        """ListTagsLogGroup, the older ListTagsForResource."""
        return {"tags": dict((await self._store.group(named(call, call.params["logGroupName"]))).tags)}

    async def _tag(self, name: GroupName, added: dict[str, str]) -> Answer:
        def change(tags: dict[str, str]) -> dict[str, str]:
            merged = tags | added
            if len(merged) > _MOST_TAGS:
                raise AwsError("TooManyTagsException", f"A resource can have at most {_MOST_TAGS} tags.")
            return merged

        await self._store.change_tags(name, change)
        return {}

    async def _untag(self, name: GroupName, keys: list[str]) -> Answer:
        await self._store.change_tags(name, lambda tags: {key: value for key, value in tags.items() if key not in keys})
        return {}
