"""Concurrency of functions: what each has reserved, and what is provisioned for its versions and aliases.

`last_modified` is Unix seconds. How many environments there are is not stored: they are made again after a restart.
"""

from sqlalchemy import Column, ForeignKeyConstraint, Integer, Table, Text

from bulb.storage.schema.base import ByteText, Real, metadata

_KEY = ["account", "region", "name"]
_FUNCTION = ["lambda_functions.account", "lambda_functions.region", "lambda_functions.name"]

reserved = Table(
    "lambda_reserved_concurrency",
    metadata,
    Column("account", Text, primary_key=True),
    Column("region", Text, primary_key=True),
    Column("name", ByteText, primary_key=True),
    Column("executions", Integer, nullable=False),
    ForeignKeyConstraint(_KEY, _FUNCTION, name="fk_lambda_reserved_concurrency_function"),
    info={"part_of": "function"},
)

provisioned = Table(
    "lambda_provisioned_concurrency",
    metadata,
    Column("account", Text, primary_key=True),
    Column("region", Text, primary_key=True),
    Column("name", ByteText, primary_key=True),
    Column("qualifier", ByteText, primary_key=True),
    Column("executions", Integer, nullable=False),
    Column("last_modified", Real, nullable=False),
    ForeignKeyConstraint(_KEY, _FUNCTION, name="fk_lambda_provisioned_concurrency_function"),
    info={"part_of": "function"},
)
