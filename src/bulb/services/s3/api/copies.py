"""CopyObject, and the source of a copy. No byte is copied where the source is one blob: the copy refers to it too."""

from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import unquote

from bulb.core.calls import Answer, Call
from bulb.core.errors import AwsError
from bulb.services.s3 import checksums, errors
from bulb.services.s3.api.base import Operations, present, quoted, told_version
from bulb.services.s3.conditions import check_read, write_conditions
from bulb.services.s3.model import Bucket, Content, Description, ObjectVersion, Write, moment
from bulb.services.s3.rules import (
    DESCRIBING_HEADERS,
    MAX_PUT_BYTES,
    check_key,
    description_of,
    tags_of_header,
)
from bulb.services.s3.store.objects import SourceChangedError

_ATTEMPTS = 5


@dataclass(frozen=True, slots=True)
class Source:
    """What is copied."""

    bucket: Bucket
    version: ObjectVersion


class CopyOperations(Operations):
    """Objects made from objects."""

    async def copy_object(self, call: Call) -> Answer:
        """Copy an object, in one transaction with the event of it."""
        bucket = await self._bucket(call)
        check_key(call.params["Key"])
        for _ in range(_ATTEMPTS):
            try:
                return await self._copy_once(call, bucket)
            except SourceChangedError:
                continue
        raise busy()

    async def _copy_once(self, call: Call, bucket: Bucket) -> Answer:
        params = call.params
        source = await self._source(call)
        if source.version.size > MAX_PUT_BYTES:
            message = "The specified copy source is larger than the maximum allowable size for a copy source: "
            raise errors.invalid_request(f"{message}{MAX_PUT_BYTES}")
        _refuse_self_copy(params, bucket, source)
        write = Write(
            bucket=bucket.name,
            key=params["Key"],
            content=await self._content(source.version),
            description=_description(params, source.version.description),
            event="ObjectCreated:Copy",
            origin=self._origin(call),
            conditions=write_conditions(params),
            source=source.version.id if source.version.digest is not None else None,
        )
        bucket, version = await self._store.objects.put(write)
        result = {"ETag": quoted(version.etag), "LastModified": moment(version.last_modified)}
        if version.checksum is not None:
            result |= checksums.member(version.checksum)
        return present(
            CopyObjectResult=result,
            VersionId=told_version(bucket, version),
            CopySourceVersionId=told_version(source.bucket, source.version),
        )

    async def _source(self, call: Call) -> Source:
        """The object `x-amz-copy-source` names, if its conditions hold."""
        name, key, version_id = _parse_source(call.params["CopySource"])
        bucket = await self._bucket(call, name, "ExpectedSourceBucketOwner")
        try:
            version = await self._version(bucket, key, version_id)
        except AwsError as error:
            if error.code == "MethodNotAllowed":
                message = "The source of a copy request may not specifically refer to a delete marker by version id."
                raise errors.invalid_request(message) from error
            raise
        check_read(call.params, version, "CopySource")
        return Source(bucket, version)

    async def _content(self, version: ObjectVersion) -> Content:
        """The bytes of `version` as one blob, for a copy is an object in one piece."""
        if version.digest is not None:
            return Content(version.size, version.etag, version.digest, checksum=version.checksum)
        parts = await self._store.objects.parts(version)
        stream = self._store.contents.read(version, parts, 0, version.size)
        received = await self._store.contents.receive(stream, MAX_PUT_BYTES)
        checksum = version.checksum if version.checksum and version.checksum.type == "FULL_OBJECT" else None
        return Content(received.size, received.etag, received.digest, checksum=checksum)


def busy() -> AwsError:
    """The source of a copy changed faster than it could be copied."""
    return AwsError("SlowDown", "The copy source is being replaced; please try again.", status=503)


def _parse_source(header: str) -> tuple[str, str, str | None]:
    """Bucket, key and version id of `/bucket/key?versionId=id`, percent-encoded."""
    path, _, version_id = header.partition("?versionId=")
    if path.startswith("arn:"):
        raise errors.not_implemented("x-amz-copy-source", "access points")
    bucket, _, key = unquote(path.removeprefix("/")).partition("/")
    if not bucket or not key:
        message = "Invalid copy source object key" if bucket else "Invalid copy source bucket name"
        raise errors.invalid_argument(message, "x-amz-copy-source", header)
    return bucket, key, version_id or None


def _refuse_self_copy(params: dict[str, Any], bucket: Bucket, source: Source) -> None:
    same = (bucket.name, params["Key"]) == (source.version.bucket, source.version.key)
    changes = params.get("MetadataDirective") == "REPLACE" or params.get("StorageClass") or not source.version.is_latest
    if same and not changes:
        raise errors.invalid_request(
            "This copy request is illegal because it is trying to copy an object to itself without changing the "
            "object's metadata, storage class, website redirect location or encryption attributes."
        )


def _description(params: dict[str, Any], source: Description) -> Description:
    """The source's description, but for what the directives say is replaced. Storage class is never copied."""
    if params.get("MetadataDirective", "COPY") == "REPLACE":
        described = description_of({**params, "Tagging": None})
    else:
        kept = {name: source.headers[name] for name in (*DESCRIBING_HEADERS, "Expires") if name in source.headers}
        described = Description(kept, source.metadata, storage_class=params.get("StorageClass", "STANDARD"))
    replaced = params.get("TaggingDirective", "COPY") == "REPLACE"
    return replace(described, tags=tags_of_header(params.get("Tagging")) if replaced else source.tags)
