"""Deployment packages: from a request to a blob on disk and an unpacked folder.

The blob is what lasts; the unpacked folder can always be made again from it.
"""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Protocol

from bulb.core.errors import AwsError
from bulb.core.limits import UNZIPPED_CODE_BYTES, ZIPPED_CODE_BYTES
from bulb.runtimes.packages import CodeStore
from bulb.services.lambda_ import errors
from bulb.services.lambda_.model import Code
from bulb.storage.blobs import BlobStore

SDK = b"boto"  # boto3, botocore, aioboto3 ...
S3_MEMBERS = ("S3Bucket", "S3Key", "S3ObjectVersion")


class ObjectReader(Protocol):
    """Who reads code from a bucket (services/s3)."""

    async def fetch(
        self, account: str, region: str, bucket: str, key: str, version_id: str | None, limit: int
    ) -> bytes:
        """The object. Raises AwsError NoSuchBucket, NoSuchKey, NoSuchVersion, AccessDenied; EntityTooLarge."""


class Packages:
    """Takes packages in and hands out folders to run."""

    def __init__(self, blobs: BlobStore, codes: CodeStore, objects: ObjectReader) -> None:
        self._blobs = blobs
        self._codes = codes
        self._objects = objects

    async def accept(self, account: str, region: str, source: Mapping[str, Any]) -> Code:
        """The package of a FunctionCode or of UpdateFunctionCode's parameters: on disk, unpacked and so known good.

        Raises InvalidParameterValueException (no source, two sources, S3's refusal, not a zip, too big unpacked) and
        RequestEntityTooLargeException. The blob is not referenced by anything yet.
        """
        package = await self._bytes(account, region, source)
        blob = await self._blobs.add(package)
        await self._codes.unpack(package, blob.digest)
        return Code(blob.digest, blob.size)

    async def folder(self, code: Code) -> Path:
        """The unpacked package, made again from the blob when it is gone."""
        return await self._codes.unpack(self._blobs.path(code.digest), code.digest)

    async def unpacked_bytes(self, code: Code) -> int:
        """The size of the unpacked package."""
        return await self._codes.size(await self.folder(code))

    async def mentions_sdk(self, *folders: Path) -> bool:
        """Whether any of the unpacked packages says anything of the AWS SDK for Python."""
        for folder in folders:
            if await self._codes.mentions(folder, SDK):
                return True
        return False

    async def sweep(self, in_use: Collection[str]) -> None:
        """Remove unpacked packages whose digests are not `in_use`. Only at start, before anything runs."""
        await self._codes.sweep(in_use)

    async def _bytes(self, account: str, region: str, source: Mapping[str, Any]) -> bytes:
        package: bytes | None = source.get("ZipFile")
        from_s3 = any(source.get(member) for member in S3_MEMBERS)
        if package is not None and from_s3:
            raise errors.invalid("Please do not provide other FunctionCode parameters when providing a ZipFile.")
        if package is not None:
            return _checked(package)
        if not (source.get("S3Bucket") and source.get("S3Key")):
            raise errors.invalid("Please provide a source for function code.")
        return await self._fetch(account, region, source)

    async def _fetch(self, account: str, region: str, source: Mapping[str, Any]) -> bytes:
        bucket, key, version_id = source["S3Bucket"], source["S3Key"], source.get("S3ObjectVersion")
        try:
            return await self._objects.fetch(account, region, bucket, key, version_id, UNZIPPED_CODE_BYTES)
        except AwsError as error:
            raise errors.invalid(
                f"Error occurred while GetObject. S3 Error Code: {error.code}. S3 Error Message: {error.message}"
            ) from error


def _checked(package: bytes) -> bytes:
    if not package:
        raise errors.invalid("Uploaded file must be a non-empty zip")
    if len(package) > ZIPPED_CODE_BYTES:
        raise errors.entity_too_large(f"Zipped size must be smaller than {ZIPPED_CODE_BYTES} bytes")
    return package
