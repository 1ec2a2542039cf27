"""Operations on schedule groups."""

from sqlalchemy import Connection

from bulb.core.calls import Answer, Call
from bulb.services.scheduler import rules, store
from bulb.services.scheduler.errors import conflict, default_group, no_group
from bulb.services.scheduler.model import DEFAULT_GROUP, Group, group_arn
from bulb.storage.database import Database


class Groups:
    """Create, read, delete and list groups."""

    _database: Database

    async def create_schedule_group(self, call: Call) -> Answer:
        """CreateScheduleGroup."""
        name, request = call.params["Name"], rules.request_of(call.params)
        if name == DEFAULT_GROUP:
            raise default_group()
        tags = rules.tagged({}, call.params.get("Tags", []))

        def create(connection: Connection) -> str:
            there = store.group(connection, call.account, call.region, name)
            if there is None:
                made = store.insert_group(
                    connection, call.account, call.region, name, tags=tags, now=call.now, request=request
                )
                return made.arn
            if there.state == "ACTIVE" and rules.is_repeated(request, there.request):
                return there.arn
            raise conflict(f"Schedule group {name} already exists.")

        return {"ScheduleGroupArn": await self._database.write(create)}

    async def get_schedule_group(self, call: Call) -> Answer:
        """GetScheduleGroup."""
        return rules.described_group(await self._group(call, call.params["Name"]))

    async def delete_schedule_group(self, call: Call) -> Answer:
        """DeleteScheduleGroup: the group is DELETING until the last of its schedules is gone."""
        name, token = call.params["Name"], call.params.get("ClientToken")
        if name == DEFAULT_GROUP:
            raise default_group()
        arn = group_arn(call.account, call.region, name)

        def remove(connection: Connection) -> None:
            there = store.group(connection, call.account, call.region, name)
            if there is not None and there.state == "ACTIVE":
                store.begin_deleting(connection, there, call.now)
                if token is not None:
                    store.bury(connection, call.account, call.region, arn, token, call.now)
            elif not store.was_deleted_by(connection, call.account, call.region, arn, token):
                raise no_group(name) if there is None else conflict(f"Schedule group {name} is being deleted.")

        await self._database.write(remove)
        return {}

    async def list_schedule_groups(self, call: Call) -> Answer:
        """ListScheduleGroups, by name."""
        params = call.params
        limit = params.get("MaxResults", rules.MAX_PAGE)
        after = rules.untoken(params.get("NextToken"), 1)
        await self._group(call, DEFAULT_GROUP)

        def read(connection: Connection) -> Answer:
            found = store.group_page(
                connection,
                call.account,
                call.region,
                prefix=params.get("NamePrefix", ""),
                after=after[0] if after is not None else "",
                limit=limit + 1,
            )
            answer: Answer = {"ScheduleGroups": [rules.described_group(group) for group in found[:limit]]}
            if len(found) > limit:
                answer["NextToken"] = rules.token(found[limit - 1].name)
            return answer

        return await self._database.read(read)

    async def _group(self, call: Call, name: str) -> Group:
        """The group of that name; the default one is made when it is first asked for. Raises AwsError 404."""
        found = await self._database.read(lambda c: store.group(c, call.account, call.region, name))
        if found is None and name == DEFAULT_GROUP:
            return await self._database.write(lambda c: store.default_group(c, call.account, call.region, call.now))
        if found is None:
            raise no_group(name)
        return found
