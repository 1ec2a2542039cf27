"""PutObject, GetObject, HeadObject."""

from typing import Any

from bulb.core.calls import Answer, Call
from bulb.core.errors import AwsError
from bulb.services.s3 import checksums, errors
from bulb.services.s3.api.base import Operations, present, quoted, told_version
from bulb.services.s3.conditions import byte_range, check_read, write_conditions
from bulb.services.s3.model import (
    DEFAULT_CONTENT_TYPE,
    Bucket,
    Checksum,
    Content,
    ObjectVersion,
    Part,
    Write,
    moment,
)
from bulb.services.s3.rules import (
    MAX_PUT_BYTES,
    check_key,
    description_of,
    header_text,
)
from bulb.services.s3.store.contents import Received, too_large

_OVERRIDES = {
    "ResponseCacheControl": "CacheControl",
    "ResponseContentDisposition": "ContentDisposition",
    "ResponseContentEncoding": "ContentEncoding",
    "ResponseContentLanguage": "ContentLanguage",
    "ResponseContentType": "ContentType",
    "ResponseExpires": "Expires",
}


class ObjectOperations(Operations):
    """Objects written in one piece, and objects read."""

    async def put_object(self, call: Call) -> Answer:
        """Write an object: its bytes to disk as they arrive, then its row and its events in one transaction."""
        params = call.params
        bucket = await self._bucket(call)
        check_key(params["Key"])
        refuse_unknown_checksums(params)
        description, conditions = description_of(params), write_conditions(params)
        if params.get("ContentLength", 0) > MAX_PUT_BYTES:
            raise too_large(MAX_PUT_BYTES, params["ContentLength"])
        received = await self._store.contents.receive(params.get("Body", b""), MAX_PUT_BYTES)
        write = Write(
            bucket=bucket.name,
            key=params["Key"],
            content=content_of(received),
            description=description,
            event="ObjectCreated:Put",
            origin=self._origin(call),
            conditions=conditions,
        )
        bucket, version = await self._store.objects.put(write)
        answer = present(ETag=quoted(version.etag), VersionId=told_version(bucket, version))
        if version.checksum is not None:
            answer |= checksums.member(version.checksum)
        return answer

    async def get_object(self, call: Call) -> Answer:
        """The object's bytes, or the range or part asked for, as a stream."""
        bucket = await self._bucket(call)
        version = await self._version(bucket, call.params["Key"], call.params.get("VersionId"))
        check_read(call.params, version)
        parts = await self._store.objects.parts(version)
        wanted = _wanted(call.params, version, parts)
        answer = _described(call.params, bucket, version, wanted)
        start, end = wanted or (0, version.size)
        answer["Body"] = self._store.contents.read(version, parts, start, end) if start < end else b""
        return answer

    async def head_object(self, call: Call) -> Answer:
        """What GetObject tells, without the bytes."""
        bucket = await self._bucket(call)
        version = await self._version(bucket, call.params["Key"], call.params.get("VersionId"))
        check_read(call.params, version)
        parts = await self._store.objects.parts(version) if call.params.get("PartNumber") is not None else []
        return _described(call.params, bucket, version, _wanted(call.params, version, parts))


def content_of(received: Received) -> Content:
    """Received bytes as the content of an object, with the first of the checksums that came with them."""
    checksum = next((Checksum(name, value) for name, value in received.checksums.items()), None)
    return Content(received.size, received.etag, received.digest, checksum=checksum)


def refuse_unknown_checksums(params: dict[str, Any]) -> None:
    """Raise NotImplemented for a checksum that is neither verified nor kept."""
    for name in checksums.UNSUPPORTED:
        if params.get(f"Checksum{name}") or params.get("ChecksumAlgorithm") == name:
            raise errors.not_implemented(f"x-amz-checksum-{name.lower()}", f"{name} checksums")


def _wanted(params: dict[str, Any], version: ObjectVersion, parts: list[Part]) -> tuple[int, int] | None:
    number, header = params.get("PartNumber"), params.get("Range")
    if number is None:
        return byte_range(header, version.size)
    if header:
        raise errors.invalid_request("Cannot specify both Range header and partNumber query parameter")
    if not parts:
        if number == 1:
            return (0, version.size) if version.size else None
        raise _no_such_part(number, 1)
    if not 1 <= number <= len(parts):
        raise _no_such_part(number, len(parts))
    start = sum(part.size for part in parts[: number - 1])
    return start, start + parts[number - 1].size


def _no_such_part(number: int, count: int) -> AwsError:
    return AwsError(
        "InvalidPartNumber",
        "The requested partnumber is not satisfiable",
        status=416,
        members={"PartNumberRequested": str(number), "ActualPartCount": str(count)},
    )


def _described(
    params: dict[str, Any], bucket: Bucket, version: ObjectVersion, wanted: tuple[int, int] | None
) -> Answer:
    """The headers of GetObject and HeadObject."""
    description = version.description
    answer: Answer = {"ContentType": DEFAULT_CONTENT_TYPE, **description.headers}
    if expires := description.headers.get("Expires"):
        answer["Expires"] = moment(float(expires))
    for name, member in _OVERRIDES.items():
        if (value := params.get(name)) is not None:
            answer[member] = header_text(member, value) if isinstance(value, str) else value
    answer |= present(
        AcceptRanges="bytes",
        ETag=quoted(version.etag),
        LastModified=moment(version.last_modified),
        ContentLength=version.size,
        Metadata=dict(description.metadata) or None,
        VersionId=told_version(bucket, version),
        StorageClass=description.storage_class if description.storage_class != "STANDARD" else None,
        TagCount=len(description.tags) or None,
        PartsCount=version.parts_count if params.get("PartNumber") is not None else None,
    )
    if wanted is not None:
        start, end = wanted
        answer["ContentLength"] = end - start
        answer["ContentRange"] = f"bytes {start}-{end - 1}/{version.size}"
        answer["ResponseStatus"] = 206
    if version.checksum is not None and params.get("ChecksumMode") == "ENABLED" and wanted in (None, (0, version.size)):
        answer |= checksums.member(version.checksum)
    return answer
