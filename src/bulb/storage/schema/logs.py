"""Tables of CloudWatch Logs' API; what it keeps of log lines themselves is the telemetry room's.

Tables that say `part_of` a log group lose the rows of its `group_id` with it; see `telemetry/rows.py`.
"""

from sqlalchemy import BigInteger, Column, ForeignKey, Table, Text

from bulb.storage.schema.base import ByteText, metadata

subscription_filters = Table(
    "logs_subscription_filters",
    metadata,
    Column("group_id", BigInteger, ForeignKey("telemetry_log_groups.id"), primary_key=True),
    Column("name", ByteText, primary_key=True),
    Column("pattern", Text, nullable=False),
    Column("destination_arn", Text, nullable=False),
    Column("distribution", Text, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    info={"part_of": "log group"},
)
