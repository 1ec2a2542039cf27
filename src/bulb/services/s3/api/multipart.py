"""Multipart uploads. A part is a blob of its own; completing joins their rows, not their bytes."""

import secrets
from typing import Any
from urllib.parse import quote

from bulb.core.calls import Answer, Call
from bulb.services.s3 import checksums, errors
from bulb.services.s3.api.base import owner, present, quoted, told_version
from bulb.services.s3.api.copies import CopyOperations, Source, busy
from bulb.services.s3.api.listing import asked, encoder, rolled
from bulb.services.s3.api.objects import refuse_unknown_checksums
from bulb.services.s3.conditions import copy_range, write_conditions
from bulb.services.s3.model import Part, Upload, moment
from bulb.services.s3.multipart import Requested
from bulb.services.s3.rules import (
    MAX_PUT_BYTES,
    check_key,
    check_part_number,
    description_of,
    page_size,
)
from bulb.services.s3.store.contents import Received
from bulb.services.s3.store.objects import SourceChangedError
from bulb.services.s3.store.uploads import Completion

_ATTEMPTS = 5


class MultipartOperations(CopyOperations):
    """Objects written in parts."""

    async def create_multipart_upload(self, call: Call) -> Answer:
        """Begin an upload; what it says about the object holds when it completes."""
        params = call.params
        bucket = await self._bucket(call)
        check_key(params["Key"])
        refuse_unknown_checksums(params)
        algorithm, kind = params.get("ChecksumAlgorithm"), params.get("ChecksumType")
        if kind and not algorithm:
            raise errors.invalid_request(
                "The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header."
            )
        if algorithm:
            kind = kind or checksums.default_type(algorithm)
            if not checksums.is_possible(algorithm, kind):
                raise errors.invalid_request(
                    f"The {kind} checksum type cannot be used with the {algorithm.lower()} checksum algorithm."
                )
        upload = Upload(
            upload_id=secrets.token_hex(32),
            bucket=bucket.name,
            key=params["Key"],
            initiated_at=self._clock.now(),
            initiator=call.caller.arn,
            description=description_of(params),
            checksum_algorithm=algorithm,
            checksum_type=kind,
        )
        await self._store.uploads.begin(upload)
        return present(
            Bucket=bucket.name,
            Key=upload.key,
            UploadId=upload.upload_id,
            ChecksumAlgorithm=algorithm,
            ChecksumType=kind,
        )

    async def upload_part(self, call: Call) -> Answer:
        """Write one part; a second one of the same number takes its place."""
        params = call.params
        bucket = await self._bucket(call)
        check_part_number(params["PartNumber"])
        refuse_unknown_checksums(params)
        upload = await self._store.uploads.find(bucket.name, params["Key"], params["UploadId"])
        received = await self._store.contents.receive(params.get("Body", b""), MAX_PUT_BYTES)
        part = self._part(upload, params["PartNumber"], received)
        await self._store.uploads.add_part(upload, part)
        stated = {f"Checksum{name}": value for name, value in received.checksums.items()}
        return {"ETag": quoted(part.etag), **stated}

    async def upload_part_copy(self, call: Call) -> Answer:
        """Make a part of an object, or of a range of one."""
        params = call.params
        bucket = await self._bucket(call)
        check_part_number(params["PartNumber"])
        upload = await self._store.uploads.find(bucket.name, params["Key"], params["UploadId"])
        for _ in range(_ATTEMPTS):
            source = await self._source(call)
            received, shared = await self._copied(source, params.get("CopySourceRange"))
            part = self._part(upload, params["PartNumber"], received)
            try:
                await self._store.uploads.add_part(upload, part, source=shared)
            except SourceChangedError:
                continue
            result = {"ETag": quoted(part.etag), "LastModified": moment(part.last_modified)}
            return present(CopyPartResult=result, CopySourceVersionId=told_version(source.bucket, source.version))
        raise busy()

    async def complete_multipart_upload(self, call: Call) -> Answer:
        """Make the object of its parts, in one transaction with the event of it."""
        params = call.params
        bucket = await self._bucket(call)
        parts = [_requested(each) for each in (params.get("MultipartUpload") or {}).get("Parts") or ()]
        completion = Completion(
            params["UploadId"],
            parts,
            checksums.given(params),
            params.get("MpuObjectSize"),
            write_conditions(params),
        )
        bucket, version = await self._store.uploads.complete(bucket.name, params["Key"], completion, self._origin(call))
        answer = present(
            Location=f"{call.base_url}/{bucket.name}/{quote(version.key)}",
            Bucket=bucket.name,
            Key=version.key,
            ETag=quoted(version.etag),
            VersionId=told_version(bucket, version),
        )
        if version.checksum is not None:
            answer |= checksums.member(version.checksum)
        return answer

    async def abort_multipart_upload(self, call: Call) -> Answer:
        """Drop an upload and its parts."""
        bucket = await self._bucket(call)
        await self._store.uploads.abort(bucket.name, call.params["Key"], call.params["UploadId"])
        return {}

    async def list_parts(self, call: Call) -> Answer:
        """The parts uploaded so far."""
        params = call.params
        bucket = await self._bucket(call)
        upload = await self._store.uploads.find(bucket.name, params["Key"], params["UploadId"])
        limit, after = page_size(params, "MaxParts", "max-parts"), int(params.get("PartNumberMarker") or 0)
        found = await self._store.uploads.parts(upload.upload_id, after, limit + 1)
        parts = found[:limit]
        return present(
            Bucket=bucket.name,
            Key=upload.key,
            UploadId=upload.upload_id,
            PartNumberMarker=after,
            NextPartNumberMarker=parts[-1].number if parts else 0,
            MaxParts=limit,
            IsTruncated=len(found) > limit,
            Parts=[_listed(part, upload) for part in parts] or None,
            Initiator={"ID": upload.initiator},
            Owner=owner(bucket.account),
            StorageClass=upload.description.storage_class,
            ChecksumAlgorithm=upload.checksum_algorithm,
            ChecksumType=upload.checksum_type,
        )

    async def list_multipart_uploads(self, call: Call) -> Answer:
        """The uploads in progress."""
        params = call.params
        bucket = await self._bucket(call)
        question, encode = asked(params, "MaxUploads", "max-uploads"), encoder(params)
        key_marker, upload_marker = params.get("KeyMarker") or "", params.get("UploadIdMarker")
        page = await self._store.listings.uploads(question, key_marker, upload_marker)
        last = page.last if page.is_truncated else None
        return present(
            Bucket=bucket.name,
            KeyMarker=encode(key_marker),
            UploadIdMarker=upload_marker or "",
            NextKeyMarker=encode(last.key if isinstance(last, Upload) else last) if last is not None else None,
            NextUploadIdMarker=last.upload_id if isinstance(last, Upload) else None,
            Prefix=encode(question.prefix),
            Delimiter=encode(question.delimiter) if question.delimiter else None,
            MaxUploads=question.limit,
            IsTruncated=page.is_truncated,
            Uploads=[{**_upload(each, bucket.account), "Key": encode(each.key)} for each in page.rows] or None,
            CommonPrefixes=rolled(page, encode),
            EncodingType=params.get("EncodingType"),
        )

    def _part(self, upload: Upload, number: int, received: Received) -> Part:
        checksum = received.checksums.get(upload.checksum_algorithm) if upload.checksum_algorithm else None
        return Part(number, received.digest, received.size, received.etag, float(int(self._clock.now())), checksum)

    async def _copied(self, source: Source, header: str | None) -> tuple[Received, int | None]:
        """The bytes of a copied part, and the source's row when its blob is shared."""
        version = source.version
        start, end = copy_range(header, version.size) if header else (0, version.size)
        if version.digest is not None and (start, end) == (0, version.size):
            return Received(version.digest, version.size, version.etag), version.id
        parts = await self._store.objects.parts(version)
        stream = self._store.contents.read(version, parts, start, end)
        return await self._store.contents.receive(stream, MAX_PUT_BYTES), None


def _requested(entry: dict[str, Any]) -> Requested:
    if entry.get("PartNumber") is None:
        raise errors.malformed_xml()
    return Requested(entry["PartNumber"], entry.get("ETag"), checksums.given(entry))


def _listed(part: Part, upload: Upload) -> dict[str, Any]:
    entry = {
        "PartNumber": part.number,
        "LastModified": moment(part.last_modified),
        "ETag": quoted(part.etag),
        "Size": part.size,
    }
    if part.checksum is not None:
        entry[f"Checksum{upload.checksum_algorithm}"] = part.checksum
    return entry


def _upload(upload: Upload, account: str) -> dict[str, Any]:
    return present(
        UploadId=upload.upload_id,
        Initiated=moment(upload.initiated_at),
        StorageClass=upload.description.storage_class,
        Owner=owner(account),
        Initiator={"ID": upload.initiator},
        ChecksumAlgorithm=upload.checksum_algorithm,
        ChecksumType=upload.checksum_type,
    )
