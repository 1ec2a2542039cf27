"""Roles: create, read, change, delete, tag."""

from typing import Any

from sqlalchemy import Connection, Row

from bulb.core.arn import parse_arn
from bulb.core.calls import Answer, Call
from bulb.core.errors import NotSupported
from bulb.identity.keys import unique_id
from bulb.identity.policy import check_trust_policy
from bulb.services.iam import shared, store
from bulb.services.iam.held import refuse_with_policies
from bulb.services.iam.model import RoleRef
from bulb.storage.database import Database

_DEFAULT_SESSION_S = 3_600
_TRUST_CHARACTERS = 2_048


class Roles:
    """Operations on roles."""

    _database: Database

    async def find_role(self, role_arn: str) -> RoleRef | None:
        """The role of that ARN, whatever its account. Not an operation: for rooms that must know whether it exists."""
        parsed = parse_arn(role_arn)
        if parsed is None or not parsed.resource.startswith("role/"):
            return None
        name, account = parsed.resource.rpartition("/")[2], parsed.account
        row = await self._database.read(lambda connection: store.find(connection, store.roles, account, name))
        return RoleRef(row.id, row.max_session_s) if row is not None and role_arn_of(row) == role_arn else None

    async def create_role(self, call: Call) -> Answer:
        """CreateRole."""
        params = call.params
        if "PermissionsBoundary" in params:
            raise NotSupported("permissions boundaries")
        name, document = params["RoleName"], params["AssumeRolePolicyDocument"]
        _check_trust(document)
        row = {
            "id": unique_id("AROA"),
            "account": call.account,
            "name": name,
            "path": params.get("Path", "/"),
            "created_at": call.now,
            "trust_policy": document,
            "description": params.get("Description"),
            "max_session_s": params.get("MaxSessionDuration", _DEFAULT_SESSION_S),
            "tags": shared.merged({}, shared.tags_of(params.get("Tags", []))),
        }

        def create(connection: Connection) -> Answer:
            if store.find(connection, store.roles, call.account, name) is not None:
                raise shared.exists(f"Role with name {name} already exists.")
            store.add(connection, store.roles, row)
            return {"Role": _described(role_row(connection, call))}

        return await self._database.write(create)

    async def get_role(self, call: Call) -> Answer:
        """GetRole."""
        row = await self._database.read(lambda connection: role_row(connection, call))
        return {"Role": {**_described(row), "RoleLastUsed": {}}}

    async def list_roles(self, call: Call) -> Answer:
        """ListRoles; without tags, as AWS has it."""
        prefix = call.params.get("PathPrefix", "/")
        rows = await self._database.read(lambda connection: store.listed(connection, store.roles, call.account, prefix))
        return shared.page(call, rows, "Roles", lambda row: row.name, lambda row: _described(row, with_tags=False))

    async def delete_role(self, call: Call) -> Answer:
        """DeleteRole, which must have no policies any more."""

        def delete(connection: Connection) -> None:
            row = role_row(connection, call)
            refuse_with_policies(connection, store.ROLES, row.id)
            store.remove(connection, store.roles, row.id)

        await self._database.write(delete)
        return {}

    async def update_role(self, call: Call) -> Answer:
        """UpdateRole."""
        values: dict[str, Any] = {}
        if "Description" in call.params:
            values["description"] = call.params["Description"]
        if "MaxSessionDuration" in call.params:
            values["max_session_s"] = call.params["MaxSessionDuration"]
        await self._change(call, values)
        return {}

    async def update_role_description(self, call: Call) -> Answer:
        """UpdateRoleDescription."""
        return {"Role": _described(await self._change(call, {"description": call.params["Description"]}))}

    async def update_assume_role_policy(self, call: Call) -> Answer:
        """UpdateAssumeRolePolicy."""
        _check_trust(call.params["PolicyDocument"])
        await self._change(call, {"trust_policy": call.params["PolicyDocument"]})
        return {}

    async def tag_role(self, call: Call) -> Answer:
        """TagRole."""
        added = shared.tags_of(call.params["Tags"])

        def tag(connection: Connection) -> None:
            row = role_row(connection, call)
            store.change(connection, store.roles, row.id, tags=shared.merged(row.tags, added))

        await self._database.write(tag)
        return {}

    async def untag_role(self, call: Call) -> Answer:
        """UntagRole."""
        gone = set(call.params["TagKeys"])

        def untag(connection: Connection) -> None:
            row = role_row(connection, call)
            kept = {key: value for key, value in row.tags.items() if key not in gone}
            store.change(connection, store.roles, row.id, tags=kept)

        await self._database.write(untag)
        return {}

    async def list_role_tags(self, call: Call) -> Answer:
        """ListRoleTags."""
        row = await self._database.read(lambda connection: role_row(connection, call))
        return shared.page(call, shared.shown_tags(row.tags), "Tags", lambda tag: tag["Key"], lambda tag: tag)

    async def list_instance_profiles_for_role(self, call: Call) -> Answer:
        """ListInstanceProfilesForRole: none, there are no instances. Asked by tools before they delete a role."""
        await self._database.read(lambda connection: role_row(connection, call))
        return {"InstanceProfiles": [], "IsTruncated": False}

    async def _change(self, call: Call, values: dict[str, Any]) -> Row[Any]:
        def change(connection: Connection) -> Row[Any]:
            row = role_row(connection, call)
            if values:
                store.change(connection, store.roles, row.id, **values)
            return role_row(connection, call)

        return await self._database.write(change)


def role_row(connection: Connection, call: Call) -> Row[Any]:
    """The role a call names. Raises AwsError NoSuchEntity."""
    name = call.params["RoleName"]
    row = store.find(connection, store.roles, call.account, name)
    if row is None:
        raise shared.no_such(f"The role with name {name} cannot be found.")
    return row


def role_arn_of(row: Row[Any]) -> str:
    """A role's ARN."""
    return f"arn:aws:iam::{row.account}:role{row.path}{row.name}"


def _described(row: Row[Any], *, with_tags: bool = True) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "Path": row.path,
        "RoleName": row.name,
        "RoleId": row.id,
        "Arn": role_arn_of(row),
        "CreateDate": shared.time(row.created_at),
        "AssumeRolePolicyDocument": shared.encoded(row.trust_policy),
        "MaxSessionDuration": row.max_session_s,
    }
    if row.description:
        shown["Description"] = row.description
    if with_tags and row.tags:
        shown["Tags"] = shared.shown_tags(row.tags)
    return shown


def _check_trust(document: str) -> None:
    check_trust_policy(document)
    if len("".join(document.split())) > _TRUST_CHARACTERS:
        raise shared.limit_exceeded(f"Cannot exceed quota for ACLSizePerRole: {_TRUST_CHARACTERS}")
