"""Topics with their subscribers, kept in memory: every message asks for them, and filters are compiled but once.

What is kept goes with the next commit that changes a topic or a subscription. What was read before a commit is not
kept if the commit came in between. The policies of topics, for whoever enforces policies, are kept here too.
"""

from sqlalchemy import Connection

from bulb.identity.documents import statements_of
from bulb.identity.evaluation import Statement
from bulb.services.sns import filters, names, policies, store
from bulb.services.sns.model import Audience, Subscriber, TopicKey
from bulb.storage.database import Database

MAX_CACHED = 10_000


class Directory:
    """The topics of one database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._kept: dict[TopicKey, Audience | None] = {}
        self._changes = 0
        database.on_commit(store.CHANGED, self._forget)

    async def audience(self, key: TopicKey) -> Audience | None:
        """A topic and who gets its messages, None for a topic that is not there."""
        if key in self._kept:
            return self._kept[key]
        changes = self._changes
        found = await self._database.read(lambda connection: _audience(connection, key))
        if changes == self._changes:
            if len(self._kept) >= MAX_CACHED:
                self._kept.clear()
            self._kept[key] = found
        return found

    async def guarding(self, resource: str) -> tuple[Statement, ...]:
        """The statements of the policy of the topic with this ARN; none where it names no topic."""
        key = names.find_topic_key(resource)
        found = await self.audience(key) if key is not None else None
        return statements_of(policies.document(found.topic)) if found is not None else ()

    def _forget(self) -> None:
        self._changes += 1
        self._kept.clear()


def _audience(connection: Connection, key: TopicKey) -> Audience | None:
    topic = store.find_topic(connection, key)
    if topic is None:
        return None
    subscriptions = store.confirmed(connection, key.arn)
    return Audience(topic, tuple(Subscriber(one, filters.matcher(one)) for one in subscriptions))
