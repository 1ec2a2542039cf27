"""The one MetaData every room's tables hang on, and the column types that mean the same on SQLite and PostgreSQL.

A room declares its tables in `schema/<room>.py` and nowhere else; prefix every table name with the room (`s3_objects`).
Times are Unix seconds in `Real` columns. Columns that are compared or listed in byte order (S3 keys, tokens) are
`ByteText`: PostgreSQL would otherwise sort them by the server's locale.
"""

from sqlalchemy import BigInteger, Double, Integer, MetaData, Text

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# A number the database hands out, growing: `Column("id", RowId, primary_key=True)`. SQLite only does so for INTEGER.
RowId = BigInteger().with_variant(Integer(), "sqlite")

# Seconds, milliseconds and prices: double precision on both engines.
Real: Double[float] = Double()

# Text ordered by its UTF-8 bytes on both engines.
ByteText = Text().with_variant(Text(collation="C"), "postgresql")
