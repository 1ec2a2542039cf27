"""What Lambda keeps about asynchronous events: their rules by qualifier (empty: `$LATEST`), and who may recurse.

Null in a column is a setting that was never made. A function has a row in `lambda_recursion` once its setting was put.
"""

from sqlalchemy import Boolean, Column, ForeignKeyConstraint, Integer, Table, Text

from bulb.storage.schema.base import ByteText, Real, metadata

event_invoke_configs = Table(
    "lambda_event_invoke_configs",
    metadata,
    Column("account", Text, primary_key=True),
    Column("region", Text, primary_key=True),
    Column("name", ByteText, primary_key=True),
    Column("qualifier", ByteText, primary_key=True),
    Column("last_modified", Real, nullable=False),
    Column("max_retries", Integer),
    Column("max_age_s", Integer),
    Column("on_success", Text),
    Column("on_failure", Text),
    ForeignKeyConstraint(
        ["account", "region", "name"],
        ["lambda_functions.account", "lambda_functions.region", "lambda_functions.name"],
        name="fk_lambda_event_invoke_configs_function",
    ),
    info={"part_of": "function"},
)

recursion = Table(
    "lambda_recursion",
    metadata,
    Column("account", Text, primary_key=True),
    Column("region", Text, primary_key=True),
    Column("name", ByteText, primary_key=True),
    Column("allowed", Boolean, nullable=False),
    ForeignKeyConstraint(
        ["account", "region", "name"],
        ["lambda_functions.account", "lambda_functions.region", "lambda_functions.name"],
        name="fk_lambda_recursion_function",
    ),
    info={"part_of": "function"},
)
