"""Topics, subscriptions, what FIFO topics remember of their messages, and the key that signs notifications.

`attributes` and `tags` are JSON objects of texts. A topic's `policy` is null while it is the one topics begin with.
`next_number` counts a FIFO topic's messages and never goes back. A subscription that was ended stays for as long as
its token could bring it back (`state` is `pending`, `confirmed` or `deleted`, `changed_at` since when). A row of
`sns_deduplication` answers whoever sends the same message again; `scope` is a message group where these are told apart.

`sns_archived` has the messages of FIFO topics that keep them, as JSON; `number` is a message's in its topic. A row of
`sns_replays` is about the subscription of that ARN: which times it is sent again, and the number it has come to.
"""

from sqlalchemy import JSON, BigInteger, Boolean, Column, Index, Integer, LargeBinary, Table, Text

from bulb.storage.schema.base import ByteText, Real, metadata

sns_topics = Table(
    "sns_topics",
    metadata,
    Column("account", Text, primary_key=True),
    Column("region", Text, primary_key=True),
    Column("name", ByteText, primary_key=True),
    Column("created_at", Real, nullable=False),
    Column("attributes", JSON, nullable=False),
    Column("policy", Text),
    Column("tags", JSON, nullable=False),
    Column("next_number", BigInteger, nullable=False),
)

sns_subscriptions = Table(
    "sns_subscriptions",
    metadata,
    Column("arn", ByteText, primary_key=True),
    Column("topic_arn", ByteText, nullable=False),
    Column("owner", Text, nullable=False),
    Column("region", Text, nullable=False),
    Column("protocol", Text, nullable=False),
    Column("endpoint", Text, nullable=False),
    Column("attributes", JSON, nullable=False),
    Column("state", Text, nullable=False),
    Column("token", Text, nullable=False),
    Column("principal", Text, nullable=False),
    Column("was_authenticated", Boolean, nullable=False),
    Column("is_locked", Boolean, nullable=False),
    Column("base_url", Text, nullable=False),
    Column("changed_at", Real, nullable=False),
    Index(None, "topic_arn", "state"),
    Index(None, "owner", "region", "arn"),
    Index(None, "state", "changed_at"),
)

sns_deduplication = Table(
    "sns_deduplication",
    metadata,
    Column("topic_arn", ByteText, primary_key=True),
    Column("scope", ByteText, primary_key=True),
    Column("deduplication_id", ByteText, primary_key=True),
    Column("message_id", Text, nullable=False),
    Column("sequence_number", Text, nullable=False),
    Column("expires_at", Real, nullable=False),
    Index(None, "expires_at"),
)

sns_archived = Table(
    "sns_archived",
    metadata,
    Column("topic_arn", ByteText, primary_key=True),
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("published_at", Real, nullable=False),
    Column("message", LargeBinary, nullable=False),
    Index(None, "topic_arn", "published_at"),
)

sns_replays = Table(
    "sns_replays",
    metadata,
    Column("subscription_arn", ByteText, primary_key=True),
    Column("topic_arn", ByteText, nullable=False),
    Column("begins_at", Real, nullable=False),
    Column("ends_at", Real),
    Column("last_number", BigInteger, nullable=False),
    Column("state", Text, nullable=False),
    Index(None, "topic_arn"),
)

# One row. `certificate` is what receivers check signatures with; `key` signs.
sns_signing = Table(
    "sns_signing",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("key", Text, nullable=False),
    Column("certificate", Text, nullable=False),
)
