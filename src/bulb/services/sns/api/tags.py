"""Tags of topics."""

from sqlalchemy import Connection

from bulb.core.calls import Answer, Call
from bulb.core.errors import AwsError
from bulb.services.sns import errors, names, store, topic_rules
from bulb.services.sns.api.base import Operations
from bulb.services.sns.model import Topic, TopicKey

_MOST_TAGS = 50


class TagOperations(Operations):
    """Operations on tags."""

    async def tag_resource(self, call: Call) -> Answer:
        """TagResource."""
        added, key = topic_rules.tags_of(call.params["Tags"]), _key(call)

        def tag(connection: Connection) -> None:
            tags = {**_tagged(connection, key).tags, **added}
            if len(tags) > _MOST_TAGS:
                raise AwsError("TagLimitExceeded", "Could not complete request: tag quota of per resource exceeded")
            store.change_topic(connection, key, tags=tags)

        await self._database.write(tag)
        return {}

    async def untag_resource(self, call: Call) -> Answer:
        """UntagResource. Tags that are not there are none already."""
        key, gone = _key(call), set(call.params["TagKeys"])

        def untag(connection: Connection) -> None:
            tags = {name: value for name, value in _tagged(connection, key).tags.items() if name not in gone}
            store.change_topic(connection, key, tags=tags)

        await self._database.write(untag)
        return {}

    async def list_tags_for_resource(self, call: Call) -> Answer:
        """ListTagsForResource."""
        key = _key(call)
        topic = await self._database.read(lambda connection: _tagged(connection, key))
        return {"Tags": [{"Key": name, "Value": value} for name, value in topic.tags.items()]}


def _key(call: Call) -> TopicKey:
    return names.topic_key(call.params["ResourceArn"], call.region, "ResourceArn")


def _tagged(connection: Connection, key: TopicKey) -> Topic:
    topic = store.find_topic(connection, key)
    if topic is None:
        raise errors.no_such_resource()
    return topic
