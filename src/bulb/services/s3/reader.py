"""Objects for other rooms: a function's code, for one."""

from bulb.core.errors import AwsError
from bulb.services.s3 import errors
from bulb.services.s3.model import NULL_VERSION, ObjectVersion
from bulb.services.s3.store import S3Store


class ObjectReader:
    """Reads whole objects on behalf of an account."""

    def __init__(self, store: S3Store) -> None:
        self._store = store

    async def fetch(
        self, account: str, region: str | None, bucket: str, key: str, version_id: str | None, limit: int
    ) -> bytes:
        """The object's bytes; without a `region` the bucket may be in any.

        Raises AwsError NoSuchBucket, NoSuchKey, NoSuchVersion, AccessDenied (another account's bucket),
        PermanentRedirect (a bucket of another region) and EntityTooLarge (more than `limit` bytes).
        """
        version = await self._find(account, region, bucket, key, version_id)
        if version.size > limit:
            raise AwsError("EntityTooLarge", f"The object has {version.size} bytes; at most {limit} can be used.")
        parts = await self._store.objects.parts(version)
        return b"".join([chunk async for chunk in self._store.contents.read(version, parts, 0, version.size)])

    async def resolve(self, account: str, bucket: str, key: str, version_id: str | None) -> str | None:
        """The id of that version or of the latest, None for one that the next upload overwrites.

        Raises AwsError NoSuchBucket, NoSuchKey, NoSuchVersion and AccessDenied.
        """
        version = await self._find(account, None, bucket, key, version_id)
        return None if version.version_id == NULL_VERSION else version.version_id

    async def _find(
        self, account: str, region: str | None, bucket: str, key: str, version_id: str | None
    ) -> ObjectVersion:
        found = await self._store.buckets.get(bucket)
        if found is None:
            raise errors.no_such_bucket(bucket)
        if found.account != account:
            raise errors.access_denied()
        if region not in (None, found.region):
            message = "The bucket you are attempting to access must be addressed using the specified endpoint."
            raise AwsError("PermanentRedirect", message, status=301, members={"Bucket": bucket})
        version = await self._store.objects.find(bucket, key, version_id)
        if version is None and version_id:
            raise errors.no_such_version(key, version_id)
        if version is None or version.is_delete_marker:
            raise errors.no_such_key(key)
        return version
