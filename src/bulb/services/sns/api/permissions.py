"""AddPermission and RemovePermission: single statements of a topic's policy."""

from sqlalchemy import Connection

from bulb.core.calls import Answer, Call
from bulb.services.sns import policies, store
from bulb.services.sns.api.base import Operations
from bulb.services.sns.model import Topic


class PermissionOperations(Operations):
    """Operations on permissions."""

    async def add_permission(self, call: Call) -> Answer:
        """AddPermission."""
        params = call.params

        def add(connection: Connection, topic: Topic) -> None:
            policy = policies.with_permission(topic, params["Label"], params["AWSAccountId"], params["ActionName"])
            store.change_topic(connection, topic.key, policy=policies.checked(policy))

        return await self._change_topic(call, add)

    async def remove_permission(self, call: Call) -> Answer:
        """RemovePermission."""

        def remove(connection: Connection, topic: Topic) -> None:
            policy = policies.without_permission(topic, call.params["Label"])
            store.change_topic(connection, topic.key, policy=policy)

        return await self._change_topic(call, remove)
