"""Tables of the delivery room.

A timer is `owner`'s and has one `key`; `due_at` is what it was set to, `try_at` when it is looked at: later, where its
owner failed. `delivery_clock` has one row: the latest time any timer was looked at, by which a clock that was set back
is noticed.
"""

from sqlalchemy import Column, Index, Integer, Table, Text

from bulb.storage.schema.base import ByteText, Real, metadata

delivery_timers = Table(
    "delivery_timers",
    metadata,
    Column("owner", Text, primary_key=True),
    Column("key", ByteText, primary_key=True),
    Column("due_at", Real, nullable=False),
    Column("try_at", Real, nullable=False),
    Index("ix_delivery_timers_try", "owner", "try_at"),
)

delivery_clock = Table(
    "delivery_clock",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("latest", Real, nullable=False),
)
