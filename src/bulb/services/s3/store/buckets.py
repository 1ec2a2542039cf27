"""Buckets: names are unique across all accounts and regions."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update

from bulb.core.errors import AwsError
from bulb.services.s3 import errors
from bulb.services.s3.listing import behind
from bulb.services.s3.model import Bucket, Notification, Tags, Versioning
from bulb.services.s3.store import rows
from bulb.services.s3.store.current import find
from bulb.services.s3.store.uploads import discard
from bulb.storage.blobs import BlobStore
from bulb.storage.database import Database
from bulb.storage.schema.s3 import buckets, objects, uploads


class BucketStore:
    """Makes, finds, changes and removes buckets."""

    def __init__(self, database: Database, blobs: BlobStore) -> None:
        self._database = database
        self._blobs = blobs

    async def create(self, bucket: Bucket) -> Bucket | None:
        """Create `bucket`; returns the one that has the name already, unchanged, or None when there was none."""

        def write(connection: Connection) -> Bucket | None:
            if existing := find(connection, bucket.name):
                return existing
            connection.execute(
                insert(buckets).values(
                    name=bucket.name,
                    account=bucket.account,
                    region=bucket.region,
                    created_at=bucket.created_at,
                    versioning=bucket.versioning,
                    # Starts at the time, so that a bucket made again under its old name continues upward.
                    sequence=int(bucket.created_at * 1_000_000),
                    notifications=rows.notifications_json(bucket.notifications),
                    tags=rows.tags_json(bucket.tags),
                    event_bridge=bucket.event_bridge,
                )
            )
            return None

        return await self._database.write(write)

    async def get(self, name: str) -> Bucket | None:
        """The bucket of that name."""
        return await self._database.read(lambda connection: find(connection, name))

    async def listed(self, account: str, prefix: str, region: str | None, after: str, limit: int) -> Sequence[Bucket]:
        """At most `limit` of the account's buckets in order of name, behind `after`."""
        query = select(buckets).where(buckets.c.account == account, buckets.c.name > after)
        if prefix:
            query = query.where(buckets.c.name >= prefix)
            if end := behind(prefix):
                query = query.where(buckets.c.name < end)
        if region:
            query = query.where(buckets.c.region == region)
        query = query.order_by(buckets.c.name).limit(limit)
        return await self._database.read(
            lambda connection: [rows.bucket_of(row) for row in connection.execute(query).mappings()]
        )

    async def delete(self, name: str) -> None:
        """Remove an empty bucket and its unfinished uploads. Raises BucketNotEmpty or NoSuchBucket."""

        def write(connection: Connection) -> None:
            held = connection.execute(select(objects.c.version_id).where(objects.c.bucket == name).limit(1)).scalar()
            if held is not None:
                raise _not_empty(name, versions=held != "null")
            for upload_id in connection.execute(select(uploads.c.upload_id).where(uploads.c.bucket == name)).scalars():
                discard(connection, self._blobs, upload_id)
            if not connection.execute(delete(buckets).where(buckets.c.name == name)).rowcount:
                raise errors.no_such_bucket(name)

        await self._database.write(write)

    async def set_versioning(self, name: str, versioning: Versioning) -> None:
        """Switch versioning; it holds for writes from now on."""
        await self._change(name, versioning=versioning)

    async def set_notifications(
        self,
        name: str,
        notifications: tuple[Notification, ...],
        event_bridge: bool,
        check: Callable[[Connection], None],
    ) -> None:
        """Replace whom the bucket tells. `check` runs in the same transaction and may refuse by raising."""

        def write(connection: Connection) -> None:
            check(connection)
            columns = {"notifications": rows.notifications_json(notifications), "event_bridge": event_bridge}
            _replace(connection, name, columns)

        await self._database.write(write)

    async def set_tags(self, name: str, tags: Tags) -> None:
        """Replace the bucket's tags."""
        await self._change(name, tags=rows.tags_json(tags))

    async def _change(self, name: str, **columns: str) -> None:
        await self._database.write(lambda connection: _replace(connection, name, columns))


def _replace(connection: Connection, name: str, columns: Mapping[str, Any]) -> None:
    changed = connection.execute(update(buckets).where(buckets.c.name == name).values(**columns))
    if not changed.rowcount:
        raise errors.no_such_bucket(name)


def _not_empty(name: str, *, versions: bool) -> AwsError:
    message = "The bucket you tried to delete is not empty"
    if versions:
        message += ". You must delete all versions in the bucket."
    return AwsError("BucketNotEmpty", message, status=409, members={"BucketName": name})
