"""Deployment packages: from a request to a blob on disk and an unpacked folder.

The blob is what lasts; the unpacked folder can always be made again from it. A package that is only referred to has no
blob: what lasts is its version in S3, and its folder can be made again as long as that is there.
"""

import asyncio
import hashlib
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Protocol

from bulb.core.errors import AwsError
from bulb.core.limits import UNZIPPED_CODE_BYTES, ZIPPED_CODE_BYTES
from bulb.runtimes.packages import CodeStore
from bulb.services.lambda_ import errors
from bulb.services.lambda_.model import Code, Source
from bulb.storage.blobs import BlobStore

SDK = b"boto"  # boto3, botocore, aioboto3 ...
_TWO_SOURCES = "Please do not provide other FunctionCode parameters when providing a ZipFile."
S3_MEMBERS = ("S3Bucket", "S3Key", "S3ObjectVersion")


class ObjectReader(Protocol):
    """Who reads code from a bucket (services/s3)."""

    async def fetch(
        self, account: str, region: str | None, bucket: str, key: str, version_id: str | None, limit: int
    ) -> bytes:
        """The object; without a `region` from a bucket anywhere.

        Raises AwsError NoSuchBucket, NoSuchKey, NoSuchVersion, AccessDenied; EntityTooLarge.
        """

    async def resolve(self, account: str, bucket: str, key: str, version_id: str | None) -> str | None:
        """The id of that version or of the latest, None for one that will be overwritten. Raises as `fetch` does."""


class UnreachableCodeError(AwsError):
    """The object a package is in cannot be read: an InvalidParameterValueException with S3's reason."""

    def __init__(self, error: AwsError) -> None:
        message = f"Error occurred while GetObject. S3 Error Code: {error.code}. S3 Error Message: {error.message}"
        super().__init__("InvalidParameterValueException", message)


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
        if source.get("S3ObjectStorageMode") == "REFERENCE":
            return await self._refer(account, source)
        package = await self._bytes(account, region, source)
        blob = await self._blobs.add(package)
        await self._codes.unpack(package, blob.digest)
        return Code(blob.digest, blob.size)

    async def folder(self, code: Code) -> Path:
        """The unpacked package, made again when it is gone. Raises UnreachableCodeError when its object is gone too."""
        if code.source is None:
            return await self._codes.unpack(self._blobs.path(code.digest), code.digest)
        return self._codes.kept(code.digest) or await self._codes.unpack(await self._fetched(code), code.digest)

    async def check(self, code: Code) -> None:
        """Is the object of a package that is only referred to still there? Raises UnreachableCodeError."""
        if (source := code.source) is not None:
            try:
                await self._objects.resolve(source.account, source.bucket, source.key, source.version)
            except AwsError as error:
                raise UnreachableCodeError(error) from error

    async def copied(self, code: Code) -> Code:
        """The same package, on disk also when it was only referred to. Raises UnreachableCodeError."""
        if code.source is None:
            return code
        blob = await self._blobs.add(await self._fetched(code))
        return Code(blob.digest, blob.size)

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
        if package is not None and any(source.get(member) for member in S3_MEMBERS):
            raise errors.invalid(_TWO_SOURCES)
        if package is not None:
            return _checked(package)
        _check_named(source)
        return await self._fetch(account, region, source["S3Bucket"], source["S3Key"], source.get("S3ObjectVersion"))

    async def _refer(self, account: str, source: Mapping[str, Any]) -> Code:
        """A package that stays where it is: its version is pinned, and what was unpacked is only a cache."""
        if source.get("ZipFile") is not None:
            raise errors.invalid(_TWO_SOURCES)
        _check_named(source)
        bucket, key = source["S3Bucket"], source["S3Key"]
        try:
            version = await self._objects.resolve(account, bucket, key, source.get("S3ObjectVersion"))
        except AwsError as error:
            raise UnreachableCodeError(error) from error
        if version is None:
            raise errors.invalid(
                f"S3ObjectStorageMode REFERENCE requires a version of {key}. Enable versioning for the bucket {bucket} "
                "and upload the object again."
            )
        package = await self._fetch(account, None, bucket, key, version)
        digest = await asyncio.to_thread(_digest, package)
        await self._codes.unpack(package, digest)
        return Code(digest, len(package), Source(account, bucket, key, version))

    async def _fetched(self, code: Code) -> bytes:
        source = code.source
        if source is None:
            raise ValueError(f"the package {code.digest} is not one in S3")
        package = await self._fetch(source.account, None, source.bucket, source.key, source.version)
        if await asyncio.to_thread(_digest, package) != code.digest:
            raise UnreachableCodeError(AwsError("NoSuchVersion", "The version has other bytes than it had."))
        return package

    async def _fetch(self, account: str, region: str | None, bucket: str, key: str, version_id: str | None) -> bytes:
        try:
            return await self._objects.fetch(account, region, bucket, key, version_id, UNZIPPED_CODE_BYTES)
        except AwsError as error:
            raise UnreachableCodeError(error) from error


def _check_named(source: Mapping[str, Any]) -> None:
    if not (source.get("S3Bucket") and source.get("S3Key")):
        raise errors.invalid("Please provide a source for function code.")


def _digest(package: bytes) -> str:
    return hashlib.sha256(package).hexdigest()


def _checked(package: bytes) -> bytes:
    if not package:
        raise errors.invalid("Uploaded file must be a non-empty zip")
    if len(package) > ZIPPED_CODE_BYTES:
        raise errors.entity_too_large(f"Zipped size must be smaller than {ZIPPED_CODE_BYTES} bytes")
    return package
