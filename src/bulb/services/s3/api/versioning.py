"""PutBucketVersioning, GetBucketVersioning."""

from bulb.core.calls import Answer, Call
from bulb.core.errors import AwsError
from bulb.services.s3 import errors
from bulb.services.s3.api.base import Operations


class VersioningOperations(Operations):
    """Whether a bucket keeps what is overwritten."""

    async def put_bucket_versioning(self, call: Call) -> Answer:
        """Switch versioning on, or suspend it; it can never be switched off again."""
        bucket = await self._bucket(call)
        wanted = call.params["VersioningConfiguration"] or {}
        if wanted.get("MFADelete", "Disabled") != "Disabled":
            raise AwsError("NotImplemented", "Bulb does not support MFA delete yet.", status=501)
        status = wanted.get("Status")
        if status not in ("Enabled", "Suspended"):
            raise errors.malformed_xml()
        await self._store.buckets.set_versioning(bucket.name, status)
        return {}

    async def get_bucket_versioning(self, call: Call) -> Answer:
        """The status; nothing where it was never switched on."""
        bucket = await self._bucket(call)
        return {"Status": bucket.versioning} if bucket.versioning else {}
