"""From uploaded parts to one object: which parts, in which order, how large, with which ETag. Pure."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from bulb.core.errors import AwsError
from bulb.services.s3 import checksums, errors
from bulb.services.s3.model import Content, Part, Upload
from bulb.services.s3.rules import MIN_PART_BYTES


@dataclass(frozen=True, slots=True)
class Requested:
    """One part as a CompleteMultipartUpload names it. `checksums` are base64 by algorithm."""

    number: int
    etag: str | None
    checksums: Mapping[str, str] = field(default_factory=dict)


def assemble(
    upload: Upload,
    uploaded: Sequence[Part],
    requested: Sequence[Requested],
    stated: Mapping[str, str],
    stated_size: int | None,
) -> Content:
    """The content the `requested` of the `uploaded` parts make.

    Raises MalformedXML (none), InvalidPartOrder, InvalidPart, EntityTooSmall, InvalidRequest and BadDigest.
    """
    if not requested:
        raise errors.malformed_xml()
    numbers = [part.number for part in requested]
    if any(first >= second for first, second in pairwise(numbers)):
        raise AwsError(
            "InvalidPartOrder",
            "The list of parts was not in ascending order. The parts list must be specified in order by part number.",
            members={"UploadId": upload.upload_id},
        )
    by_number = {part.number: part for part in uploaded}
    parts = tuple(_chosen(upload, by_number, part) for part in requested)
    _check_sizes(parts)
    size = sum(part.size for part in parts)
    if stated_size is not None and stated_size != size:
        raise errors.invalid_request(
            f"The provided 'x-amz-mp-object-size' header value {stated_size} does not match what was computed: {size}"
        )
    checksum = None
    if upload.checksum_algorithm and upload.checksum_type:
        checksum = checksums.of_parts(upload.checksum_algorithm, upload.checksum_type, parts)
        checksums.check_stated(stated, checksum)
    return Content(size=size, etag=_etag(parts), parts=parts, checksum=checksum)


def _chosen(upload: Upload, uploaded: Mapping[int, Part], requested: Requested) -> Part:
    part = uploaded.get(requested.number)
    wrong_checksum = any(
        part is not None and algorithm == upload.checksum_algorithm and part.checksum != value
        for algorithm, value in requested.checksums.items()
    )
    if part is None or wrong_checksum or (requested.etag or "").strip('"') != part.etag:
        raise AwsError(
            "InvalidPart",
            "One or more of the specified parts could not be found.  The part may not have been uploaded, or the "
            "specified entity tag may not match the part's entity tag.",
            members={
                "UploadId": upload.upload_id,
                "PartNumber": str(requested.number),
                "ETag": (requested.etag or "").strip('"'),
            },
        )
    return part


def _check_sizes(parts: Sequence[Part]) -> None:
    for part in parts[:-1]:
        if part.size < MIN_PART_BYTES:
            raise AwsError(
                "EntityTooSmall",
                "Your proposed upload is smaller than the minimum allowed size",
                members={
                    "ETag": part.etag,
                    "MinSizeAllowed": str(MIN_PART_BYTES),
                    "PartNumber": str(part.number),
                    "ProposedSize": str(part.size),
                },
            )


def _etag(parts: Sequence[Part]) -> str:
    joined = hashlib.md5(b"".join(bytes.fromhex(part.etag) for part in parts), usedforsecurity=False)
    return f"{joined.hexdigest()}-{len(parts)}"
