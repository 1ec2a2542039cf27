"""The ledger: one row for an hour of one version of one function. Amounts only grow.

Quantities are exact integers: megabytes times milliseconds. `memory_mb_ms` is of invocations on demand,
`provisioned_run_mb_ms` of those in provisioned environments, `provisioned_mb_ms` of these standing ready.
`streamed_bytes` are those of streamed responses beyond what is free with a request, `snapshot_mb_ms` is the memory of
versions with a snapshot while that is kept, `restored_mb` that of environments made from one. `hour` counts hours since
1970 (UTC). The zeros are for hours written down before there was such a thing.
"""

from sqlalchemy import BigInteger, Column, Index, Table, Text

from bulb.storage.schema.base import ByteText, metadata

billing_ledger = Table(
    "billing_ledger",
    metadata,
    Column("account", Text, primary_key=True),
    Column("region", Text, primary_key=True),
    Column("function", ByteText, primary_key=True),
    Column("version", Text, primary_key=True),
    Column("architecture", Text, primary_key=True),
    Column("hour", BigInteger, primary_key=True),
    Column("requests", BigInteger, nullable=False),
    Column("billed_ms", BigInteger, nullable=False),
    Column("memory_mb_ms", BigInteger, nullable=False),
    Column("ephemeral_mb_ms", BigInteger, nullable=False),
    Column("provisioned_mb_ms", BigInteger, nullable=False, server_default="0"),
    Column("provisioned_run_mb_ms", BigInteger, nullable=False, server_default="0"),
    Column("streamed_bytes", BigInteger, nullable=False, server_default="0"),
    Column("snapshot_mb_ms", BigInteger, nullable=False, server_default="0"),
    Column("restored_mb", BigInteger, nullable=False, server_default="0"),
    Index(None, "hour"),
)
