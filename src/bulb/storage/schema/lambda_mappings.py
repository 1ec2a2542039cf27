"""Event source mappings of Lambda functions.

A mapping stays when its function goes, so it is no part of one. `settings` is a JSON object: the members the API shows
that do not change by themselves, under their API names; times are Unix seconds. `qualifier` is as the caller gave it,
empty without one.
"""

from sqlalchemy import Column, Index, Table, Text

from bulb.storage.schema.base import ByteText, Real, metadata

event_source_mappings = Table(
    "lambda_event_source_mappings",
    metadata,
    Column("uuid", ByteText, primary_key=True),
    Column("account", Text, nullable=False),
    Column("region", Text, nullable=False),
    Column("name", ByteText, nullable=False),
    Column("qualifier", ByteText, nullable=False),
    Column("kind", Text, nullable=False),
    Column("event_source_arn", Text),
    Column("state", Text, nullable=False),
    Column("last_modified", Real, nullable=False),
    Column("settings", Text, nullable=False),
    Column("tags", Text, nullable=False),
    Index(None, "account", "region", "uuid"),
)
