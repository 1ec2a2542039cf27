"""What a role may do: policies inside it, policies attached to it."""

from sqlalchemy import Connection

from bulb.core.calls import Answer, Call
from bulb.identity.policy import check_policy
from bulb.services.iam import managed, shared, store
from bulb.services.iam.policies import policy_by_arn
from bulb.services.iam.roles import role_row
from bulb.storage.database import Database

_INLINE_CHARACTERS = 10_240
_MOST_ATTACHED = 10


class RolePolicies:
    """Operations on a role's policies."""

    _database: Database

    async def put_role_policy(self, call: Call) -> Answer:
        """PutRolePolicy."""
        name, document = call.params["PolicyName"], call.params["PolicyDocument"]
        check_policy(document)

        def put(connection: Connection) -> None:
            role = role_row(connection, call)
            together = {**store.inline(connection, role.id), name: document}
            if sum(len("".join(text.split())) for text in together.values()) > _INLINE_CHARACTERS:
                message = f"Maximum policy size of {_INLINE_CHARACTERS} bytes exceeded for role {role.name}"
                raise shared.limit_exceeded(message)
            store.put_inline(connection, role.id, name, document)

        await self._database.write(put)
        return {}

    async def get_role_policy(self, call: Call) -> Answer:
        """GetRolePolicy."""
        name = call.params["PolicyName"]

        def get(connection: Connection) -> Answer:
            role = role_row(connection, call)
            document = store.inline(connection, role.id).get(name)
            if document is None:
                raise _no_such_inline(name)
            return {"RoleName": role.name, "PolicyName": name, "PolicyDocument": shared.encoded(document)}

        return await self._database.read(get)

    async def list_role_policies(self, call: Call) -> Answer:
        """ListRolePolicies."""
        names = await self._database.read(lambda connection: [*store.inline(connection, role_row(connection, call).id)])
        return shared.page(call, names, "PolicyNames", lambda name: name, lambda name: name)

    async def delete_role_policy(self, call: Call) -> Answer:
        """DeleteRolePolicy."""
        name = call.params["PolicyName"]

        def delete(connection: Connection) -> None:
            if not store.remove_inline(connection, role_row(connection, call).id, name):
                raise _no_such_inline(name)

        await self._database.write(delete)
        return {}

    async def attach_role_policy(self, call: Call) -> Answer:
        """AttachRolePolicy."""
        policy_arn = call.params["PolicyArn"]

        def attach(connection: Connection) -> None:
            role = role_row(connection, call)
            if managed.is_aws_managed(policy_arn):
                name = policy_arn.rpartition("/")[2]
            else:
                policy = policy_by_arn(connection, call.account, policy_arn)
                if policy is None:
                    raise shared.no_such(f"Policy {policy_arn} does not exist or is not attachable.")
                name = policy.name
            others = {row.policy_arn for row in store.attached(connection, role.id)} - {policy_arn}
            if len(others) >= _MOST_ATTACHED:
                raise shared.limit_exceeded(f"Cannot exceed quota for PoliciesPerRole: {_MOST_ATTACHED}")
            store.attach(connection, role.id, policy_arn, name)

        await self._database.write(attach)
        return {}

    async def detach_role_policy(self, call: Call) -> Answer:
        """DetachRolePolicy."""
        policy_arn = call.params["PolicyArn"]

        def detach(connection: Connection) -> None:
            if not store.detach(connection, role_row(connection, call).id, policy_arn):
                raise shared.no_such(f"Policy {policy_arn} was not found.")

        await self._database.write(detach)
        return {}

    async def list_attached_role_policies(self, call: Call) -> Answer:
        """ListAttachedRolePolicies."""
        prefix = call.params.get("PathPrefix", "/")
        rows = await self._database.read(lambda connection: store.attached(connection, role_row(connection, call).id))
        below = [row for row in rows if _path(row.policy_arn).startswith(prefix)]
        return shared.page(
            call,
            below,
            "AttachedPolicies",
            lambda row: row.policy_arn,
            lambda row: {"PolicyName": row.policy_name, "PolicyArn": row.policy_arn},
        )


def _path(policy_arn: str) -> str:
    return "/" + policy_arn.partition(":policy/")[2].rpartition("/")[0] + "/" if policy_arn.count("/") > 1 else "/"


def _no_such_inline(name: str) -> Exception:
    return shared.no_such(f"The role policy with name {name} cannot be found.")
