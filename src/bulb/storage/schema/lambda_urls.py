"""Function URLs: at most one for a function and for each of its aliases (`qualifier` is empty for the function).

`url_id` is the first label of the URL's host; it is made once and never changes. `cors` is a JSON object or null,
`invoke_mode` null until somebody names one.
"""

from sqlalchemy import Column, ForeignKeyConstraint, Table, Text, UniqueConstraint

from bulb.storage.schema.base import ByteText, Real, metadata

urls = Table(
    "lambda_urls",
    metadata,
    Column("account", Text, primary_key=True),
    Column("region", Text, primary_key=True),
    Column("name", ByteText, primary_key=True),
    Column("qualifier", ByteText, primary_key=True),
    Column("url_id", Text, nullable=False),
    Column("auth_type", Text, nullable=False),
    Column("cors", Text),
    Column("invoke_mode", Text),
    Column("created_at", Real, nullable=False),
    Column("last_modified", Real, nullable=False),
    UniqueConstraint("url_id"),
    ForeignKeyConstraint(
        ["account", "region", "name"],
        ["lambda_functions.account", "lambda_functions.region", "lambda_functions.name"],
        name="fk_lambda_urls_function",
    ),
    info={"part_of": "function"},
)
