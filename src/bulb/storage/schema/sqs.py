"""SQS's tables.

A message is one row from being sent to being deleted. It may be received from `visible_at` on; `claim` is the number of
the receive that has it (0: it was not received from this queue), so it is in flight where `claim` is not 0 and
`visible_at` is yet to come. Ids and claims are handed out by the server (`services/sqs/store/numbers.py`), grow with
time and are never given twice. A queue's own id is never given twice either: what is left of a deleted queue cannot
turn up in one of the same name.

The messages of FIFO queues, and those with a group in standard ones, are also in the index of groups (`lane`).
`sqs_groups` has one row for each group of a FIFO queue that has messages: `ready_at` is when its first may be received.
"""

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, Table, Text

from bulb.storage.schema.base import ByteText, Real, RowId, metadata

# `deleted_at` is 0 for a queue that is there. One that was deleted stays until its messages are gone and its name may
# be used again.
queues = Table(
    "sqs_queues",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("account", Text, nullable=False),
    Column("region", Text, nullable=False),
    Column("name", ByteText, nullable=False),
    Column("is_fifo", Boolean, nullable=False),
    Column("created_at", Real, nullable=False),
    Column("modified_at", Real, nullable=False),
    Column("purged_at", Real, nullable=False),
    Column("deleted_at", Real, nullable=False),
    Column("attributes", Text, nullable=False),
    Column("tags", Text, nullable=False),
    Index(None, "account", "region", "name", "deleted_at", unique=True),
    sqlite_autoincrement=True,
)

messages = Table(
    "sqs_messages",
    metadata,
    Column("id", RowId, primary_key=True, autoincrement=False),
    Column("queue_id", BigInteger, nullable=False),
    Column("visible_at", Real, nullable=False),
    Column("sent_at", Real, nullable=False),
    Column("claim", BigInteger, nullable=False),
    Column("claimed_at", Real),
    Column("receive_count", Integer, nullable=False),
    Column("first_received_at", Real),
    Column("lane", ByteText),
    Column("message_id", Text, nullable=False),
    Column("sender", Text, nullable=False),
    Column("trace_header", Text),
    Column("deduplication_id", Text),
    Column("source_arn", Text),
    Column("received_elsewhere", Integer, nullable=False),
    Column("body_md5", Text, nullable=False),
    Column("attributes_md5", Text),
    Column("attributes", Text),
    Column("body", Text, nullable=False),
    Index("ix_sqs_messages_due", "queue_id", "visible_at", "id"),
    Index("ix_sqs_messages_age", "queue_id", "sent_at"),
)
_lane = messages.c.lane.is_not(None)
Index(
    "ix_sqs_messages_lane",
    messages.c.queue_id,
    messages.c.lane,
    messages.c.id,
    # Not on PostgreSQL, where it is of all messages: naming an option of a dialect loads it, at every start.
    sqlite_where=_lane,
)

groups = Table(
    "sqs_groups",
    metadata,
    Column("queue_id", BigInteger, primary_key=True, autoincrement=False),
    Column("lane", ByteText, primary_key=True),
    Column("ready_at", Real, nullable=False),
    Index(None, "queue_id", "ready_at", "lane"),
)

# What was sent to FIFO queues in the last five minutes. `scope` is the group where that is what ids are unique in.
deduplications = Table(
    "sqs_deduplications",
    metadata,
    Column("queue_id", BigInteger, primary_key=True, autoincrement=False),
    Column("deduplication_id", ByteText, primary_key=True),
    Column("scope", ByteText, primary_key=True),
    Column("sent_at", Real, nullable=False),
    Column("message_id", Text, nullable=False),
    Column("number", BigInteger, nullable=False),
    Index(None, "sent_at"),
)

# What receives with a ReceiveRequestAttemptId were answered in the last five minutes: messages (a JSON list of ids)
# that the claim has and that are hidden until then.
attempts = Table(
    "sqs_attempts",
    metadata,
    Column("queue_id", BigInteger, primary_key=True, autoincrement=False),
    Column("attempt_id", ByteText, primary_key=True),
    Column("received_at", Real, nullable=False),
    Column("claim", BigInteger, nullable=False),
    Column("hidden_until", Real, nullable=False),
    Column("message_ids", Text, nullable=False),
    Index(None, "received_at"),
)

move_tasks = Table(
    "sqs_move_tasks",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("handle", Text, nullable=False),
    Column("account", Text, nullable=False),
    Column("source_arn", ByteText, nullable=False),
    Column("destination_arn", Text),
    Column("rate", Integer),
    Column("status", Text, nullable=False),
    Column("started_at", Real, nullable=False),
    Column("last_number", BigInteger, nullable=False),
    Column("moved", BigInteger, nullable=False),
    Column("to_move", BigInteger, nullable=False),
    Column("failure", Text),
    Index(None, "source_arn", "id"),
    Index(None, "status"),
    sqlite_autoincrement=True,
)
