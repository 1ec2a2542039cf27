"""What a user may do: policies inside it, policies attached to it."""

from bulb.core.calls import Answer, Call
from bulb.services.iam.held import Held


class UserPolicies:
    """Operations on a user's policies."""

    _user_policies: Held

    async def put_user_policy(self, call: Call) -> Answer:
        """PutUserPolicy."""
        return await self._user_policies.put(call)

    async def get_user_policy(self, call: Call) -> Answer:
        """GetUserPolicy."""
        return await self._user_policies.get(call)

    async def list_user_policies(self, call: Call) -> Answer:
        """ListUserPolicies."""
        return await self._user_policies.names(call)

    async def delete_user_policy(self, call: Call) -> Answer:
        """DeleteUserPolicy."""
        return await self._user_policies.delete(call)

    async def attach_user_policy(self, call: Call) -> Answer:
        """AttachUserPolicy."""
        return await self._user_policies.attach(call)

    async def detach_user_policy(self, call: Call) -> Answer:
        """DetachUserPolicy."""
        return await self._user_policies.detach(call)

    async def list_attached_user_policies(self, call: Call) -> Answer:
        """ListAttachedUserPolicies."""
        return await self._user_policies.attached(call)
