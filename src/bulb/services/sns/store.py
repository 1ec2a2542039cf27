"""The rows of topics and subscriptions. `archive_store.py` has those of archives; no other file touches the database.

Functions of a connection. What an audience is made of tells `CHANGED` when it changes.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Row, delete, func, insert, select, update

from bulb.services.sns import archive_store, archives, names
from bulb.services.sns.model import DEDUPLICATION_S, TOKEN_S, Message, Published, Subscription, Topic, TopicKey
from bulb.storage.schema.sns import sns_deduplication as known_messages
from bulb.storage.schema.sns import sns_signing as signing
from bulb.storage.schema.sns import sns_subscriptions as subscriptions
from bulb.storage.schema.sns import sns_topics as topics
from bulb.storage.signals import notify

CHANGED = "sns:changed"
_SEQUENCE = 10_000_000_000_000_000_000
_KEY_ID = 1


# Topics.


def find_topic(connection: Connection, key: TopicKey) -> Topic | None:
    """A topic."""
    row = connection.execute(select(topics).where(*_is(key))).one_or_none()
    return None if row is None else _topic(row)


def add_topic(connection: Connection, topic: Topic) -> None:
    """Insert a topic that is not there yet."""
    notify(connection, CHANGED)
    row = {
        **topic.key._asdict(),
        "created_at": topic.created_at,
        "attributes": dict(topic.attributes),
        "policy": topic.policy,
        "tags": dict(topic.tags),
        "next_number": 1,
    }
    connection.execute(insert(topics), row)


def change_topic(connection: Connection, key: TopicKey, **values: Any) -> None:
    """Set columns of a topic."""
    notify(connection, CHANGED)
    connection.execute(update(topics).where(*_is(key)).values(**values))


def delete_topic(connection: Connection, key: TopicKey) -> bool:
    """Delete a topic with all its subscriptions; whether there was one."""
    notify(connection, CHANGED)
    connection.execute(delete(subscriptions).where(subscriptions.c.topic_arn == key.arn))
    connection.execute(delete(known_messages).where(known_messages.c.topic_arn == key.arn))
    archive_store.stop_orphaned(connection)
    return connection.execute(delete(topics).where(*_is(key))).rowcount > 0


def topic_names(connection: Connection, account: str, region: str, after: str, limit: int) -> list[str]:
    """Names of topics behind one, in order."""
    query = select(topics.c.name).where(topics.c.account == account, topics.c.region == region, topics.c.name > after)
    return list(connection.execute(query.order_by(topics.c.name).limit(limit)).scalars())


def archiving_topics(connection: Connection) -> list[Topic]:
    """The topics that keep their messages, of all accounts."""
    query = select(topics).where(topics.c.name.like("%.fifo"))
    return [topic for topic in map(_topic, connection.execute(query)) if archives.has_archive(topic)]


def count_topics(connection: Connection, account: str, region: str, *, fifo: bool) -> int:
    """How many topics of a kind an account has in a region."""
    query = select(func.count()).select_from(topics).where(topics.c.account == account, topics.c.region == region)
    is_fifo = topics.c.name.like("%.fifo")
    return int(connection.execute(query.where(is_fifo if fifo else ~is_fifo)).scalar_one())


# Subscriptions.


def find_subscription(connection: Connection, arn: str) -> Subscription | None:
    """A subscription that has not ended."""
    found = subscription_in_any_state(connection, arn)
    return found if found is not None and found.state != "deleted" else None


def subscription_in_any_state(connection: Connection, arn: str) -> Subscription | None:
    """A subscription, ended or not."""
    row = connection.execute(select(subscriptions).where(subscriptions.c.arn == arn)).one_or_none()
    return None if row is None else _subscription(row)


def find_twin(connection: Connection, topic_arn: str, protocol: str, endpoint: str, now: float) -> Subscription | None:
    """The subscription of that endpoint to that topic that has not ended."""
    c = subscriptions.c
    query = select(subscriptions).where(
        c.topic_arn == topic_arn, c.protocol == protocol, c.endpoint == endpoint, c.state != "deleted"
    )
    row = connection.execute(query.where(_is_current(now)).limit(1)).one_or_none()
    return None if row is None else _subscription(row)


def find_by_token(connection: Connection, topic_arn: str, token: str) -> Subscription | None:
    """The subscription a token confirms."""
    c = subscriptions.c
    row = connection.execute(
        select(subscriptions).where(c.topic_arn == topic_arn, c.token == token).limit(1)
    ).one_or_none()
    return None if row is None else _subscription(row)


def put_subscription(connection: Connection, subscription: Subscription) -> None:
    """Insert a subscription, or replace the one of that ARN."""
    notify(connection, CHANGED)
    connection.execute(delete(subscriptions).where(subscriptions.c.arn == subscription.arn))
    row = {column.name: getattr(subscription, column.name) for column in subscriptions.columns}
    row["attributes"] = dict(subscription.attributes)
    connection.execute(insert(subscriptions), row)
    if "ReplayPolicy" in subscription.attributes:
        notify(connection, archive_store.CHANGED)  # what waited for it to be confirmed can begin


def forget_stale(connection: Connection, now: float) -> None:
    """Remove subscriptions that nobody confirmed in time, and ended ones that nobody can bring back."""
    c = subscriptions.c
    connection.execute(delete(subscriptions).where(c.state.in_(("pending", "deleted")), c.changed_at < now - TOKEN_S))
    archive_store.stop_orphaned(connection)


def confirmed(connection: Connection, topic_arn: str) -> list[Subscription]:
    """The subscriptions of a topic that get its messages."""
    c = subscriptions.c
    query = select(subscriptions).where(c.topic_arn == topic_arn, c.state == "confirmed").order_by(c.arn)
    return [_subscription(row) for row in connection.execute(query)]


def counts(connection: Connection, topic_arn: str, now: float) -> Mapping[str, int]:
    """How many subscriptions a topic has, by state."""
    c = subscriptions.c
    query = select(c.state, func.count()).where(c.topic_arn == topic_arn, _is_current(now)).group_by(c.state)
    return {row[0]: row[1] for row in connection.execute(query)}


def protocols(connection: Connection, topic_arn: str) -> Counter[str]:
    """How many subscriptions a topic has, by protocol."""
    c = subscriptions.c
    query = select(c.protocol, func.count()).where(c.topic_arn == topic_arn, c.state != "deleted").group_by(c.protocol)
    return Counter({row[0]: row[1] for row in connection.execute(query)})


def count_filters(connection: Connection, topic_arn: str) -> int:
    """How many subscriptions of a topic have filter policies."""
    c = subscriptions.c
    rows = connection.execute(select(c.attributes).where(c.topic_arn == topic_arn, c.state != "deleted"))
    return sum("FilterPolicy" in row.attributes for row in rows)


def listed(
    connection: Connection,
    now: float,
    after: str,
    limit: int,
    *,
    topic_arn: str | None = None,
    owner: tuple[str, str] | None = None,
) -> list[Subscription]:
    """Subscriptions of a topic, or of an owner in a region, behind one, by ARN."""
    c = subscriptions.c
    query = select(subscriptions).where(c.arn > after, c.state != "deleted", _is_current(now))
    if topic_arn is not None:
        query = query.where(c.topic_arn == topic_arn)
    if owner is not None:
        query = query.where(c.owner == owner[0], c.region == owner[1])
    return [_subscription(row) for row in connection.execute(query.order_by(c.arn).limit(limit))]


# Messages of FIFO topics.


def known_message(connection: Connection, topic: Topic, message: Message, now: float) -> Published | None:
    """What was answered to the same message within the last minutes, None for a new one."""
    c = known_messages.c
    query = select(known_messages).where(
        c.topic_arn == topic.arn,
        c.scope == _scope(topic, message),
        c.deduplication_id == message.deduplication_id,
        c.expires_at > now,
    )
    row = connection.execute(query).one_or_none()
    return None if row is None else Published(row.message_id, row.sequence_number)


def sequence_number(number: int) -> str:
    """How a message's number is shown."""
    return str(_SEQUENCE + number * 1_000)


def number_message(connection: Connection, topic: Topic, message: Message, now: float) -> int:
    """The number of a new message in its topic. It is known from here on."""
    c = known_messages.c
    number = int(
        connection.execute(
            update(topics)
            .where(*_is(topic.key))
            .values(next_number=topics.c.next_number + 1)
            .returning(topics.c.next_number)
        ).scalar_one()
    )
    connection.execute(delete(known_messages).where(c.expires_at <= now))
    row = {
        "topic_arn": topic.arn,
        "scope": _scope(topic, message),
        "deduplication_id": message.deduplication_id,
        "message_id": message.message_id,
        "sequence_number": sequence_number(number),
        "expires_at": now + DEDUPLICATION_S,
    }
    connection.execute(insert(known_messages), row)
    return number


def _scope(topic: Topic, message: Message) -> str:
    return message.group_id or "" if topic.attributes.get("FifoThroughputScope") == "MessageGroup" else ""


# The key that signs.


def signing_key(connection: Connection) -> tuple[str, str] | None:
    """The key and its certificate, both PEM."""
    row = connection.execute(select(signing).where(signing.c.id == _KEY_ID)).one_or_none()
    return None if row is None else (row.key, row.certificate)


def add_signing_key(connection: Connection, key: str, certificate: str) -> None:
    """Keep a key for good."""
    connection.execute(insert(signing), {"id": _KEY_ID, "key": key, "certificate": certificate})


def _is(key: TopicKey) -> Sequence[Any]:
    return (topics.c.account == key.account, topics.c.region == key.region, topics.c.name == key.name)


def _is_current(now: float) -> Any:
    return (subscriptions.c.state == "confirmed") | (subscriptions.c.changed_at >= now - TOKEN_S)


def _topic(row: Row[Any]) -> Topic:
    return Topic(TopicKey(row.account, row.region, row.name), row.attributes, row.policy, row.tags, row.created_at)


def _subscription(row: Row[Any]) -> Subscription:
    return Subscription(**row._mapping)


def topic_of(connection: Connection, subscription: Subscription) -> Topic | None:
    """The topic of a subscription."""
    key = names.find_topic_key(subscription.topic_arn)
    return None if key is None else find_topic(connection, key)
