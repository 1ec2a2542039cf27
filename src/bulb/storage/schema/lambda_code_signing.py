"""Code signing configurations of Lambda, and which functions have one.

`publishers` is a JSON list of signing profile version ARNs, `tags` a JSON object; `last_modified` is Unix seconds.
"""

from sqlalchemy import Column, ForeignKeyConstraint, Index, Table, Text

from bulb.storage.schema.base import ByteText, Real, metadata

code_signing_configs = Table(
    "lambda_code_signing_configs",
    metadata,
    Column("id", ByteText, primary_key=True),
    Column("account", Text, nullable=False),
    Column("region", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("publishers", Text, nullable=False),
    Column("policy", Text, nullable=False),
    Column("last_modified", Real, nullable=False),
    Column("tags", Text, nullable=False),
    Index(None, "account", "region", "id"),
)

function_code_signing = Table(
    "lambda_function_code_signing",
    metadata,
    Column("account", Text, primary_key=True),
    Column("region", Text, primary_key=True),
    Column("name", ByteText, primary_key=True),
    Column("config", ByteText, nullable=False, index=True),
    ForeignKeyConstraint(
        ["account", "region", "name"],
        ["lambda_functions.account", "lambda_functions.region", "lambda_functions.name"],
        name="fk_lambda_function_code_signing_function",
    ),
    info={"part_of": "function"},
)
