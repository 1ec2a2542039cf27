"""Tables of EventBridge Scheduler.

`target` is the target as the API has it, in JSON. `anchor` is what a rate counts from. `next_tick` is the time of the
expression that the schedule's timer waits for, null where none is to come; the invocation follows within
`window_minutes`. `revision` goes up when the times are changed or the schedule is disabled, so that invocations that
wait in a window know that they are not wanted any more. A tombstone remembers that a request deleted something, for
when the client asks the same again.
"""

from sqlalchemy import JSON, Column, Index, Integer, Table, Text
from sqlalchemy import UniqueConstraint as Unique

from bulb.storage.schema.base import ByteText, Real, RowId, metadata

scheduler_groups = Table(
    "scheduler_groups",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("account", Text, nullable=False),
    Column("region", Text, nullable=False),
    Column("name", ByteText, nullable=False),
    Column("state", Text, nullable=False),
    Column("tags", JSON, nullable=False),
    Column("created_at", Real, nullable=False),
    Column("modified_at", Real, nullable=False),
    Column("request", Text),
    Unique("account", "region", "name"),
    sqlite_autoincrement=True,
)

scheduler_schedules = Table(
    "scheduler_schedules",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("account", Text, nullable=False),
    Column("region", Text, nullable=False),
    Column("group_name", ByteText, nullable=False),
    Column("name", ByteText, nullable=False),
    Column("state", Text, nullable=False),
    Column("expression", Text, nullable=False),
    Column("timezone", Text, nullable=False),
    Column("start_at", Real),
    Column("end_at", Real),
    Column("description", Text),
    Column("target", Text, nullable=False),
    Column("window_minutes", Integer),
    Column("after_completion", Text, nullable=False),
    Column("created_at", Real, nullable=False),
    Column("modified_at", Real, nullable=False),
    Column("anchor", Real, nullable=False),
    Column("next_tick", Real),
    Column("revision", Integer, nullable=False),
    Column("request", Text),
    Unique("account", "region", "group_name", "name"),
    Index("ix_scheduler_schedules_next", "next_tick"),
    sqlite_autoincrement=True,
)

scheduler_tombstones = Table(
    "scheduler_tombstones",
    metadata,
    Column("account", Text, primary_key=True),
    Column("region", Text, primary_key=True),
    Column("resource", ByteText, primary_key=True),
    Column("token", Text, nullable=False),
    Column("at", Real, nullable=False),
    Index("ix_scheduler_tombstones_at", "at"),
)
