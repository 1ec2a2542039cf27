"""What IAM's calls ask of policies where these are enforced: ARNs have the paths of the users and roles that exist."""

from collections.abc import Sequence

from sqlalchemy import Connection, Table

from bulb.core.calls import Call
from bulb.identity.needs import Need
from bulb.services.iam import store
from bulb.storage.database import Database

_NEW = {
    "CreateUser": ("user", "UserName"),
    "CreateRole": ("role", "RoleName"),
    "CreatePolicy": ("policy", "PolicyName"),
}
_LISTS = {"ListUsers": "user", "ListRoles": "role", "ListPolicies": "policy"}
_OF_THE_CALLER = frozenset({"GetUser", "CreateAccessKey", "ListAccessKeys", "UpdateAccessKey", "DeleteAccessKey"})


class IamNeeds:
    """The needs of IAM's calls, by the users and roles of one database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def __call__(self, call: Call) -> Sequence[Need]:
        """The action of the operation's name, on the user, role or policy it is about."""
        params = call.params
        context = {"iam:policyarn": params["PolicyArn"]} if "PolicyArn" in params else {}
        return (Need(f"iam:{call.operation}", await self._resource(call), context),)

    async def _resource(self, call: Call) -> str:
        params, operation = call.params, call.operation
        start = f"arn:aws:iam::{call.account}:"
        if operation in _NEW:
            kind, name = _NEW[operation]
            return f"{start}{kind}{params.get('Path', '/')}{params[name]}"
        if operation in _LISTS:
            return f"{start}{_LISTS[operation]}{params.get('PathPrefix', '/')}"
        for name, table, kind in (("UserName", store.users, "user"), ("RoleName", store.roles, "role")):
            if name in params:
                return f"{start}{kind}{await self._path_and_name(call, table, params[name])}"
        if "PolicyArn" in params:
            policy_arn: str = params["PolicyArn"]
            return policy_arn
        if operation in _OF_THE_CALLER and ":user/" in call.caller.arn:
            return call.caller.arn
        return "*"

    async def _path_and_name(self, call: Call, table: Table, name: str) -> str:
        """As they were given; of what does not exist, as if it had no path."""

        def find(connection: Connection) -> str:
            row = store.find(connection, table, call.account, name)
            return f"{row.path}{row.name}" if row is not None else f"/{name}"

        return await self._database.read(find)
