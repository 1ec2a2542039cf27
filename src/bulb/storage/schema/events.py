"""EventBridge's tables.

What belongs to a bus (rules, targets, archives) is found by the bus' account, region and name; an account's `default`
bus has a row as soon as anything was said about it. `revision` of a bus is a new random text with every change of what
decides where its events go: what was worked out for one revision holds for that revision for ever.

`events_archived` has one row an archived event; `at` is the time the event says of itself, by which it is replayed.
"""

from sqlalchemy import JSON, BigInteger, Boolean, Column, Index, Integer, LargeBinary, Table, Text

from bulb.storage.schema.base import ByteText, Real, RowId, metadata

events_buses = Table(
    "events_buses",
    metadata,
    Column("account", ByteText, primary_key=True),
    Column("region", ByteText, primary_key=True),
    Column("name", ByteText, primary_key=True),
    Column("description", Text),
    Column("policy", Text),
    Column("log_config", JSON),
    Column("tags", JSON, nullable=False),
    Column("created_at", Real, nullable=False),
    Column("modified_at", Real, nullable=False),
    Column("revision", Text, nullable=False),
)

events_rules = Table(
    "events_rules",
    metadata,
    Column("account", ByteText, primary_key=True),
    Column("region", ByteText, primary_key=True),
    Column("bus", ByteText, primary_key=True),
    Column("name", ByteText, primary_key=True),
    Column("pattern", Text),
    Column("schedule", Text),
    Column("state", Text, nullable=False),
    Column("description", Text),
    Column("role_arn", Text),
    Column("created_by", Text, nullable=False),
    Column("tags", JSON, nullable=False),
)

# `settings` has the members of the API's Target besides Id and Arn, as they were given.
events_targets = Table(
    "events_targets",
    metadata,
    Column("account", ByteText, primary_key=True),
    Column("region", ByteText, primary_key=True),
    Column("bus", ByteText, primary_key=True),
    Column("rule", ByteText, primary_key=True),
    Column("id", ByteText, primary_key=True),
    Column("arn", ByteText, nullable=False),
    Column("settings", JSON, nullable=False),
    Index(None, "account", "region", "arn"),
)

events_archives = Table(
    "events_archives",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("account", ByteText, nullable=False),
    Column("region", ByteText, nullable=False),
    Column("name", ByteText, nullable=False),
    Column("bus", ByteText, nullable=False),
    Column("description", Text),
    Column("pattern", Text),
    Column("retention_days", Integer, nullable=False),
    Column("created_at", Real, nullable=False),
    Index(None, "account", "region", "name", unique=True),
    sqlite_autoincrement=True,
)

events_archived = Table(
    "events_archived",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("archive_id", BigInteger, nullable=False),
    Column("at", Real, nullable=False),
    Column("size", Integer, nullable=False),
    Column("event", LargeBinary, nullable=False),
    Index("ix_events_archived_order", "archive_id", "at", "id", "size"),
    sqlite_autoincrement=True,
)

# `last_at` and `last_id` are the place of the last event that was replayed.
events_replays = Table(
    "events_replays",
    metadata,
    Column("account", ByteText, primary_key=True),
    Column("region", ByteText, primary_key=True),
    Column("name", ByteText, primary_key=True),
    Column("archive_id", BigInteger, nullable=False),
    Column("archive_arn", ByteText, nullable=False),
    Column("bus", ByteText, nullable=False),
    Column("filter_arns", JSON, nullable=False),
    Column("has_filter", Boolean, nullable=False),
    Column("description", Text),
    Column("event_start", Real, nullable=False),
    Column("event_end", Real, nullable=False),
    Column("state", ByteText, nullable=False),
    Column("state_reason", Text),
    Column("started_at", Real, nullable=False),
    Column("ended_at", Real),
    Column("last_at", Real),
    Column("last_id", BigInteger, nullable=False),
    Index(None, "state"),
)

# `parameters` has the authorization with its secrets, `token` the access token of an OAuth connection.
events_connections = Table(
    "events_connections",
    metadata,
    Column("account", ByteText, primary_key=True),
    Column("region", ByteText, primary_key=True),
    Column("name", ByteText, primary_key=True),
    Column("id", Text, nullable=False),
    Column("description", Text),
    Column("kind", Text, nullable=False),
    Column("parameters", JSON, nullable=False),
    Column("state", ByteText, nullable=False),
    Column("state_reason", Text),
    Column("created_at", Real, nullable=False),
    Column("modified_at", Real, nullable=False),
    Column("authorized_at", Real),
    Column("token", Text),
    Column("token_until", Real),
    Column("revision", Text, nullable=False),
    Index(None, "state"),
)

events_api_destinations = Table(
    "events_api_destinations",
    metadata,
    Column("account", ByteText, primary_key=True),
    Column("region", ByteText, primary_key=True),
    Column("name", ByteText, primary_key=True),
    Column("id", Text, nullable=False),
    Column("description", Text),
    Column("connection_arn", ByteText, nullable=False),
    Column("endpoint", Text, nullable=False),
    Column("method", Text, nullable=False),
    Column("rate", Integer, nullable=False),
    Column("created_at", Real, nullable=False),
    Column("modified_at", Real, nullable=False),
)
