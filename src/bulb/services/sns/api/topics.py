"""Topics: create, delete, list, and their attributes."""

from sqlalchemy import Connection

from bulb.core.calls import Answer, Call
from bulb.core.errors import AwsError, NotSupported
from bulb.services.sns import archive_store, archives, errors, names, store, subscription_rules, topic_rules
from bulb.services.sns.api.base import PAGE, Operations, after, existing, token
from bulb.services.sns.model import Topic, TopicKey

_MOST_TAGS = 50
_MOST_TOPICS, _MOST_FIFO_TOPICS = 100_000, 1_000


class TopicOperations(Operations):
    """Operations on topics."""

    async def create_topic(self, call: Call) -> Answer:
        """CreateTopic. A topic that is there already is answered, unless it is another than what is asked for."""
        params = call.params
        if params.get("DataProtectionPolicy"):
            raise NotSupported("data protection policies of topics")
        attributes, policy = topic_rules.created(params.get("Attributes") or {})
        names.check_topic_name(params["Name"], is_fifo=attributes.get("FifoTopic") == "true")
        tags = topic_rules.tags_of(params.get("Tags") or [])
        if len(tags) > _MOST_TAGS:
            raise AwsError("TagLimitExceeded", "Could not complete request: tag quota of per resource exceeded")
        kept = archives.with_beginning(attributes, {}, call.now)
        topic = Topic(TopicKey(call.account, call.region, params["Name"]), kept, policy, tags, call.now)
        asked = {"FifoTopic": "false", **attributes} if "FifoTopic" in (params.get("Attributes") or {}) else attributes

        def create(connection: Connection) -> None:
            found = store.find_topic(connection, topic.key)
            if found is None:
                _check_room(connection, topic)
                store.add_topic(connection, topic)
                return
            if topic_rules.differs(found, asked, policy):
                raise errors.invalid("Attributes Reason: Topic already exists with different attributes")
            if any(found.tags.get(name) != value for name, value in tags.items()):
                raise errors.invalid("Tags Reason: Topic already exists with different tags")

        await self._database.write(create)
        return {"TopicArn": topic.arn}

    async def delete_topic(self, call: Call) -> Answer:
        """DeleteTopic, with all subscriptions. One that is not there is deleted already; one with an archive stays."""
        key = self._topic_key(call)

        def remove(connection: Connection) -> None:
            topic = store.find_topic(connection, key)
            if topic is not None and archives.has_archive(topic):
                raise AwsError("InvalidState", "Invalid state: Cannot delete a topic with an ArchivePolicy")
            store.delete_topic(connection, key)

        await self._database.write(remove)
        return {}

    async def list_topics(self, call: Call) -> Answer:
        """ListTopics, by name."""
        behind = after(call.params.get("NextToken"))
        found = await self._database.read(
            lambda connection: store.topic_names(connection, call.account, call.region, behind, PAGE + 1)
        )
        keys = [TopicKey(call.account, call.region, name) for name in found[:PAGE]]
        rest = {"NextToken": token(keys[-1].name)} if len(found) > PAGE else {}
        return {"Topics": [{"TopicArn": key.arn} for key in keys], **rest}

    async def get_topic_attributes(self, call: Call) -> Answer:
        """GetTopicAttributes."""
        key = self._topic_key(call)

        def get(connection: Connection) -> dict[str, str]:
            topic = existing(connection, key)
            return topic_rules.shown(topic, store.counts(connection, key.arn, call.now), call.now)

        return {"Attributes": await self._database.read(get)}

    async def set_topic_attributes(self, call: Call) -> Answer:
        """SetTopicAttributes."""
        name, value = call.params["AttributeName"], call.params.get("AttributeValue", "")

        def change(connection: Connection, topic: Topic) -> None:
            attributes, policy = topic_rules.changed(topic, name, value)
            attributes = archives.with_beginning(attributes, topic.attributes, call.now)
            after_change = Topic(topic.key, attributes, policy, topic.tags, topic.created_at)
            subscription_rules.check_audience(after_change, store.protocols(connection, topic.arn))
            store.change_topic(connection, topic.key, attributes=attributes, policy=policy)
            if archives.has_archive(topic) and not archives.has_archive(after_change):
                archive_store.close(connection, topic.arn)

        return await self._change_topic(call, change)


def _check_room(connection: Connection, topic: Topic) -> None:
    most = _MOST_FIFO_TOPICS if topic.is_fifo else _MOST_TOPICS
    if store.count_topics(connection, topic.key.account, topic.key.region, fifo=topic.is_fifo) >= most:
        raise AwsError("TopicLimitExceeded", "Topic limit exceeded", status=403)
