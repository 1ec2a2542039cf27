"""Lambda's tables.

One row of `lambda_functions` is a function; one row of `lambda_versions` is one of its versions: `$LATEST` and the
published numbers (`next_version` is never lowered, so a number is never used twice). `published_from` of a number is
the fingerprint of the `$LATEST` it was made from.
`definition` is the code and configuration the API shows and `running` the one that invocations use; they differ while
an update is in progress, and `running` is null until the first one is ready. Both are JSON documents, because nothing
ever searches inside them; each holds one reference to its code blob. `weights` of an alias is a JSON object from
version to probability. A policy belongs to a function (`qualifier` is empty) or to one of its versions or aliases;
`head` is what its document says besides its statements, null for what AddPermission writes.

Tables that say `part_of` a function lose their rows with it; see `services/lambda_/store/keys.py`.
"""

from sqlalchemy import BigInteger, Column, ForeignKeyConstraint, Index, Integer, Table, Text

from bulb.storage.schema.base import ByteText, Real, metadata

functions = Table(
    "lambda_functions",
    metadata,
    Column("account", Text, primary_key=True),
    Column("region", Text, primary_key=True),
    Column("name", ByteText, primary_key=True),
    Column("created_at", Real, nullable=False),
    Column("next_version", Integer, nullable=False),
    Column("tags", Text, nullable=False),
)

versions = Table(
    "lambda_versions",
    metadata,
    Column("account", Text, primary_key=True),
    Column("region", Text, primary_key=True),
    Column("name", ByteText, primary_key=True),
    Column("version", ByteText, primary_key=True),
    Column("revision_id", Text, nullable=False),
    Column("last_modified", Real, nullable=False),
    Column("state", Text, nullable=False),
    Column("update_status", Text),
    Column("failure", Text),
    Column("definition", Text, nullable=False),
    Column("running", Text),
    Column("code_size", BigInteger, nullable=False),
    Column("published_from", Text),
    ForeignKeyConstraint(
        ["account", "region", "name"],
        ["lambda_functions.account", "lambda_functions.region", "lambda_functions.name"],
        name="fk_lambda_versions_function",
    ),
    Index(None, "state"),
    Index(None, "update_status"),
    info={"part_of": "function"},
)

aliases = Table(
    "lambda_aliases",
    metadata,
    Column("account", Text, primary_key=True),
    Column("region", Text, primary_key=True),
    Column("name", ByteText, primary_key=True),
    Column("alias", ByteText, primary_key=True),
    Column("version", ByteText, nullable=False),
    Column("description", Text, nullable=False),
    Column("weights", Text, nullable=False),
    Column("revision_id", Text, nullable=False),
    ForeignKeyConstraint(
        ["account", "region", "name"],
        ["lambda_functions.account", "lambda_functions.region", "lambda_functions.name"],
        name="fk_lambda_aliases_function",
    ),
    info={"part_of": "function"},
)

policies = Table(
    "lambda_policies",
    metadata,
    Column("account", Text, primary_key=True),
    Column("region", Text, primary_key=True),
    Column("name", ByteText, primary_key=True),
    Column("qualifier", ByteText, primary_key=True),
    Column("revision_id", Text, nullable=False),
    Column("statements", Text, nullable=False),
    Column("head", Text),
    ForeignKeyConstraint(
        ["account", "region", "name"],
        ["lambda_functions.account", "lambda_functions.region", "lambda_functions.name"],
        name="fk_lambda_policies_function",
    ),
    info={"part_of": "function"},
)
