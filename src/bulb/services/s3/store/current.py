"""The bucket a transaction is about, as it is now: read, or moved on by one for a change inside it."""

from sqlalchemy import Connection, select, update

from bulb.services.s3 import errors
from bulb.services.s3.model import Bucket
from bulb.services.s3.store import rows
from bulb.storage.schema.s3 import buckets


def find(connection: Connection, name: str) -> Bucket | None:
    """The bucket of that name, on this connection."""
    row = connection.execute(select(buckets).where(buckets.c.name == name)).mappings().first()
    return rows.bucket_of(row) if row else None


def advance(connection: Connection, name: str) -> tuple[Bucket, int]:
    """The bucket and the next number of its sequence, for a change inside it. Raises NoSuchBucket."""
    row = (
        connection.execute(
            update(buckets).where(buckets.c.name == name).values(sequence=buckets.c.sequence + 1).returning(buckets)
        )
        .mappings()
        .first()
    )
    if row is None:
        raise errors.no_such_bucket(name)
    return rows.bucket_of(row), row["sequence"]
