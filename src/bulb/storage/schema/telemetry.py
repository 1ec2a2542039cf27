"""Tables of the log store.

A chunk is what one flush or one PutLogEvents brought for one stream: `body` is a JSON array of `[timestamp, message]`
pairs in the order they came, `first_ms` and `last_ms` the smallest and largest timestamp in it (at most a day apart,
which is what lets a range of time be found by `first_ms` alone). Timestamps are Unix milliseconds.
"""

from sqlalchemy import JSON, BigInteger, Boolean, Column, ForeignKey, Index, Integer, LargeBinary, Table, Text
from sqlalchemy import UniqueConstraint as Unique

from bulb.storage.schema.base import ByteText, RowId, metadata

log_groups = Table(
    "telemetry_log_groups",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("account", Text, nullable=False),
    Column("region", Text, nullable=False),
    Column("name", ByteText, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("retention_days", Integer),
    Column("log_class", Text, nullable=False),
    Column("is_protected", Boolean, nullable=False),
    Column("tags", JSON, nullable=False),
    Unique("account", "region", "name"),
    sqlite_autoincrement=True,
)

log_streams = Table(
    "telemetry_log_streams",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("group_id", BigInteger, ForeignKey("telemetry_log_groups.id"), nullable=False),
    Column("name", ByteText, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("first_ms", BigInteger),
    Column("last_ms", BigInteger),
    Column("ingested_ms", BigInteger),
    Column("stored_bytes", BigInteger, nullable=False),
    Unique("group_id", "name"),
    sqlite_autoincrement=True,
)

log_chunks = Table(
    "telemetry_log_chunks",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("group_id", BigInteger, nullable=False),
    Column("stream_id", BigInteger, ForeignKey("telemetry_log_streams.id"), nullable=False),
    Column("first_ms", BigInteger, nullable=False),
    Column("last_ms", BigInteger, nullable=False),
    Column("ingested_ms", BigInteger, nullable=False),
    Column("stored_bytes", BigInteger, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Index("ix_telemetry_log_chunks_stream", "stream_id", "first_ms", "id"),
    Index("ix_telemetry_log_chunks_group", "group_id", "first_ms", "id"),
    sqlite_autoincrement=True,
)
