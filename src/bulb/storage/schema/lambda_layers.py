"""Layers of Lambda functions.

`lambda_layers` remembers the next number of each name for good, also when all its versions are deleted: a number is
never used twice. A row of `lambda_layer_versions` holds one reference to its zip, or says in `source` (JSON) where in
S3 it is; functions that use the version hold their own, so deleting it takes nothing from them. `runtimes`,
`architectures` and `statements` are JSON lists; `revision_id` is empty while there is no policy.
"""

from sqlalchemy import BigInteger, Column, Integer, Table, Text

from bulb.storage.schema.base import ByteText, Real, metadata

layers = Table(
    "lambda_layers",
    metadata,
    Column("account", Text, primary_key=True),
    Column("region", Text, primary_key=True),
    Column("name", ByteText, primary_key=True),
    Column("next_version", Integer, nullable=False),
)

layer_versions = Table(
    "lambda_layer_versions",
    metadata,
    Column("account", Text, primary_key=True),
    Column("region", Text, primary_key=True),
    Column("name", ByteText, primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("created_at", Real, nullable=False),
    Column("description", Text, nullable=False),
    Column("license_info", Text),
    Column("runtimes", Text, nullable=False),
    Column("architectures", Text, nullable=False),
    Column("digest", Text, nullable=False),
    Column("code_size", BigInteger, nullable=False),
    Column("source", Text),
    Column("revision_id", Text, nullable=False),
    Column("statements", Text, nullable=False),
)
