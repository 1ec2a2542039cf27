"""The journal of events: one row an event, as it stands.

An event is a delivery, an asynchronous invocation or a batch of an event source mapping; `id` is the delivery's and the
invocation's own. `sequence` grows with every change of any row, so a reader that remembers the highest it has seen is
told what is new. `source`, `target` and those in `told` (`[kind, arn]` pairs) are ARNs, except that a direct
invocation has no source. `labels` is what people call the two, for searching. Times are Unix seconds.
"""

from sqlalchemy import JSON, BigInteger, Column, Index, Integer, Table, Text

from bulb.storage.schema.base import ByteText, Real, metadata

journal_events = Table(
    "journal_events",
    metadata,
    Column("id", ByteText, primary_key=True),
    Column("sequence", BigInteger, nullable=False),
    Column("at", Real, nullable=False),
    Column("changed_at", Real, nullable=False),
    Column("source", Text),
    Column("source_label", Text),
    Column("about", Text),
    Column("cause", Text),
    Column("target", Text, nullable=False),
    Column("target_label", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("code", Text),
    Column("message", Text),
    Column("duration_ms", Real),
    Column("next_at", Real),
    Column("told", JSON(none_as_null=True)),
    Index(None, "sequence"),
    Index(None, "at"),
)
