"""What a role may do: policies inside it, policies attached to it."""

from bulb.core.calls import Answer, Call
from bulb.services.iam.held import Held


class RolePolicies:
    """Operations on a role's policies."""

    _role_policies: Held

    async def put_role_policy(self, call: Call) -> Answer:
        """PutRolePolicy."""
        return await self._role_policies.put(call)

    async def get_role_policy(self, call: Call) -> Answer:
        """GetRolePolicy."""
        return await self._role_policies.get(call)

    async def list_role_policies(self, call: Call) -> Answer:
        """ListRolePolicies."""
        return await self._role_policies.names(call)

    async def delete_role_policy(self, call: Call) -> Answer:
        """DeleteRolePolicy."""
        return await self._role_policies.delete(call)

    async def attach_role_policy(self, call: Call) -> Answer:
        """AttachRolePolicy."""
        return await self._role_policies.attach(call)

    async def detach_role_policy(self, call: Call) -> Answer:
        """DetachRolePolicy."""
        return await self._role_policies.detach(call)

    async def list_attached_role_policies(self, call: Call) -> Answer:
        """ListAttachedRolePolicies."""
        return await self._role_policies.attached(call)
