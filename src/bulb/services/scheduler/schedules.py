"""Operations on schedules."""

from sqlalchemy import Connection

from bulb.core.calls import Answer, Call
from bulb.services.scheduler import rules, store, targets
from bulb.services.scheduler.errors import conflict, invalid, no_group, no_schedule
from bulb.services.scheduler.model import DEFAULT_GROUP, Definition, Name, group_arn
from bulb.services.scheduler.ports import Actions, Roles
from bulb.storage.database import Database


class Schedules:
    """Create, read, replace, delete and list schedules."""

    _database: Database
    _actions: Actions
    _roles: Roles | None

    async def create_schedule(self, call: Call) -> Answer:
        """CreateSchedule."""
        name, request = _named(call), rules.request_of(call.params)
        definition = rules.definition(call.params, call.region, call.now)
        await self._check(name, definition)

        def create(connection: Connection) -> None:
            _check_group(connection, name)
            there = store.find(connection, name)
            if there is None:
                store.insert(connection, name, definition, call.now, request)
            elif not rules.is_repeated(request, there.request):
                raise conflict(f"Schedule {name.name} already exists.")

        await self._database.write(create)
        return {"ScheduleArn": name.arn}

    async def get_schedule(self, call: Call) -> Answer:
        """GetSchedule."""
        name = _named(call)
        found = await self._database.read(lambda connection: store.find(connection, name))
        if found is None:
            raise no_schedule(name.name)
        return rules.described(found)

    async def update_schedule(self, call: Call) -> Answer:
        """UpdateSchedule: what the request leaves out is as if it had never been said."""
        name, request = _named(call), rules.request_of(call.params)
        before = await self._database.read(lambda connection: store.find(connection, name))
        known = before.definition if before is not None else None
        definition = rules.definition(call.params, call.region, call.now, known)
        await self._check(name, definition)

        def update(connection: Connection) -> None:
            there = store.find(connection, name)
            if there is None:
                raise no_schedule(name.name)
            if not rules.is_repeated(request, there.request):
                store.replace(connection, there, definition, call.now, request)

        await self._database.write(update)
        return {"ScheduleArn": name.arn}

    async def delete_schedule(self, call: Call) -> Answer:
        """DeleteSchedule."""
        name, token = _named(call), call.params.get("ClientToken")

        def remove(connection: Connection) -> None:
            there = store.find(connection, name)
            if there is not None:
                store.remove(connection, [there.id])
                if token is not None:
                    store.bury(connection, name.account, name.region, name.arn, token, call.now)
            elif not store.was_deleted_by(connection, name.account, name.region, name.arn, token):
                raise no_schedule(name.name)

        await self._database.write(remove)
        return {}

    async def list_schedules(self, call: Call) -> Answer:
        """ListSchedules, by group and name."""
        params = call.params
        limit, group = params.get("MaxResults", rules.MAX_PAGE), params.get("GroupName")
        after = rules.untoken(params.get("NextToken"), 2)

        def read(connection: Connection) -> Answer:
            if group not in (None, DEFAULT_GROUP) and not store.group(connection, call.account, call.region, group):
                raise no_group(group)
            found = store.page(
                connection,
                call.account,
                call.region,
                group=group,
                prefix=params.get("NamePrefix", ""),
                state=params.get("State"),
                after=(after[0], after[1]) if after is not None else None,
                limit=limit + 1,
            )
            answer: Answer = {"Schedules": [rules.summary(schedule) for schedule in found[:limit]]}
            if len(found) > limit:
                last = found[limit - 1].name
                answer["NextToken"] = rules.token(last.group, last.name)
            return answer

        return await self._database.read(read)

    async def _check(self, name: Name, definition: Definition) -> None:
        """The action is there, and the role lets itself be assumed. Raises AwsError."""
        target = definition.target
        action = targets.universal(target["Arn"])
        if action is not None and self._actions.find(action.service, action.name) is None:
            raise invalid(f"{action.name} API is not supported.")
        if self._roles is not None:
            source = group_arn(name.account, name.region, name.group)
            if not await self._roles.lets_assume(target["RoleArn"], "scheduler.amazonaws.com", source, name.account):
                raise invalid("The execution role you provide must allow AWS EventBridge Scheduler to assume the role.")


def _named(call: Call) -> Name:
    return Name(call.account, call.region, call.params.get("GroupName", DEFAULT_GROUP), call.params["Name"])


def _check_group(connection: Connection, name: Name) -> None:
    """A schedule can be made in its group. Raises AwsError."""
    if name.group == DEFAULT_GROUP:
        return
    group = store.group(connection, name.account, name.region, name.group)
    if group is None:
        raise no_group(name.group)
    if group.state != "ACTIVE":
        raise conflict(f"Schedule group {name.group} is being deleted.")
