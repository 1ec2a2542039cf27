"""The storage room's own tables: process generations, blobs, the durable queue and the outbox."""

from sqlalchemy import JSON, BigInteger, Column, Index, Integer, LargeBinary, Table, Text

from bulb.storage.schema.base import ByteText, Real, RowId, metadata

# One row. The number rises each time a server opens the database; leases of lower generations are void.
storage_generation = Table(
    "storage_generation",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("generation", BigInteger, nullable=False),
)

# One row a blob that is or was referenced. The bytes are a file named by `digest` (SHA-256, lower-case hex).
storage_blobs = Table(
    "storage_blobs",
    metadata,
    Column("digest", ByteText, primary_key=True),
    Column("size", BigInteger, nullable=False),
    Column("reference_count", BigInteger, nullable=False),
    Column("released_at", Real, nullable=False),  # when the count last fell to zero
    Index(None, "reference_count", "released_at"),
)

# `lease_generation` is 0 for a message that nobody works on. Ids are never given twice: a late answer about a message
# that is gone must not hit another one.
storage_queue = Table(
    "storage_queue",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("queue", ByteText, nullable=False),
    Column("lane", ByteText, nullable=False),
    Column("visible_at", Real, nullable=False),
    Column("lease_generation", BigInteger, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("enqueued_at", Real, nullable=False),
    Column("expires_at", Real),
    Column("attributes", JSON, nullable=False),
    Column("payload", LargeBinary, nullable=False),
    Index("ix_storage_queue_claim", "lease_generation", "queue", "lane", "visible_at", "id"),
    sqlite_autoincrement=True,
)

# What a committed change asks to be delivered, in the order it was committed.
storage_outbox = Table(
    "storage_outbox",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("destination_arn", Text, nullable=False),
    Column("created_at", Real, nullable=False),
    Column("attributes", JSON, nullable=False),
    Column("payload", LargeBinary, nullable=False),
    sqlite_autoincrement=True,
)
