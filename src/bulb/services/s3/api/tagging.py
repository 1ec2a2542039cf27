"""Tags of objects and of buckets."""

from collections.abc import Iterable
from typing import Any

from bulb.core.calls import Answer, Call
from bulb.core.errors import AwsError
from bulb.services.s3 import errors
from bulb.services.s3.api.base import Operations, present, told_version
from bulb.services.s3.model import Tags
from bulb.services.s3.rules import MAX_BUCKET_TAGS, MAX_OBJECT_TAGS, check_tags


class TaggingOperations(Operations):
    """Tags read, replaced and removed, always all at once."""

    async def get_object_tagging(self, call: Call) -> Answer:
        """The tags of an object; one without any has an empty list."""
        bucket = await self._bucket(call)
        version = await self._version(bucket, call.params["Key"], call.params.get("VersionId"))
        return present(TagSet=_told(version.description.tags), VersionId=told_version(bucket, version))

    async def put_object_tagging(self, call: Call) -> Answer:
        """Replace the tags of an object."""
        return await self._tag(call, check_tags(_pairs(call), MAX_OBJECT_TAGS))

    async def delete_object_tagging(self, call: Call) -> Answer:
        """Remove the tags of an object."""
        return await self._tag(call, ())

    async def get_bucket_tagging(self, call: Call) -> Answer:
        """The tags of a bucket; one without any is an error."""
        bucket = await self._bucket(call)
        if not bucket.tags:
            members = {"BucketName": bucket.name}
            raise AwsError("NoSuchTagSet", "The TagSet does not exist", status=404, members=members)
        return {"TagSet": _told(bucket.tags)}

    async def put_bucket_tagging(self, call: Call) -> Answer:
        """Replace the tags of a bucket."""
        bucket = await self._bucket(call)
        await self._store.buckets.set_tags(bucket.name, check_tags(_pairs(call), MAX_BUCKET_TAGS))
        return {"ResponseStatus": 204}

    async def delete_bucket_tagging(self, call: Call) -> Answer:
        """Remove the tags of a bucket."""
        bucket = await self._bucket(call)
        await self._store.buckets.set_tags(bucket.name, ())
        return {}

    async def _tag(self, call: Call, tags: Tags) -> Answer:
        bucket = await self._bucket(call)
        version = await self._version(bucket, call.params["Key"], call.params.get("VersionId"))
        if not await self._store.objects.set_tags(bucket.name, version, tags, self._origin(call)):
            raise errors.no_such_key(version.key)
        return present(VersionId=told_version(bucket, version))


def _pairs(call: Call) -> Iterable[tuple[str, str]]:
    return ((tag["Key"], tag["Value"]) for tag in call.params["Tagging"].get("TagSet") or ())


def _told(tags: Tags) -> list[dict[str, Any]]:
    return [{"Key": key, "Value": value} for key, value in tags]
