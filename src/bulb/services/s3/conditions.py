"""If-Match and its kin, and ranges: whether a request may go on, and which bytes it means. Pure."""

import re
from collections.abc import Mapping
from typing import Any

from bulb.core.errors import AwsError
from bulb.services.s3 import errors
from bulb.services.s3.model import ObjectVersion, WriteConditions

_RANGE = re.compile(r"\Abytes=(\d*)-(\d*)\Z")


def write_conditions(params: Mapping[str, Any]) -> WriteConditions:
    """The conditions of a write. `If-None-Match` means only `*` there, as on AWS."""
    if_match, if_none_match = params.get("IfMatch"), params.get("IfNoneMatch")
    if if_none_match not in (None, "*"):
        raise errors.not_implemented("If-None-Match", "If-None-Match with an ETag on a write")
    if if_match and if_none_match:
        raise errors.not_implemented("If-Match", "If-Match together with If-None-Match")
    return WriteConditions(if_match, if_none_match)


def check_write(conditions: WriteConditions, current: ObjectVersion | None, key: str) -> None:
    """Raise PreconditionFailed or NoSuchKey when `current` (None or a delete marker: no object) does not fit."""
    exists = current is not None and not current.is_delete_marker
    if conditions.if_none_match and exists:
        raise errors.precondition_failed("If-None-Match")
    if conditions.if_match:
        if current is None or not exists:
            raise errors.no_such_key(key)
        if not etag_matches(conditions.if_match, current.etag):
            raise errors.precondition_failed("If-Match")


def etag_matches(header: str, etag: str) -> bool:
    """Whether an `If-Match` style list (`*`, or ETags with or without quotes) has `etag`."""
    return any(each.strip().removeprefix("W/").strip('"') in ("*", etag) for each in header.split(","))


def check_read(params: Mapping[str, Any], version: ObjectVersion, prefix: str = "") -> None:
    """Raise PreconditionFailed (412) or NotModified (304) as RFC 7232 orders the four conditions.

    `prefix` is `CopySource` for the conditions of a copy, where a 304 becomes a 412.
    """
    modified = int(version.last_modified)
    if_match, unmodified_since = params.get(f"{prefix}IfMatch"), params.get(f"{prefix}IfUnmodifiedSince")
    if_none_match, modified_since = params.get(f"{prefix}IfNoneMatch"), params.get(f"{prefix}IfModifiedSince")
    header = "x-amz-copy-source-" if prefix else ""
    if if_match is not None:
        if not etag_matches(if_match, version.etag):
            raise errors.precondition_failed(f"{header}If-Match")
    elif unmodified_since is not None and modified > int(unmodified_since.timestamp()):
        raise errors.precondition_failed(f"{header}If-Unmodified-Since")
    if if_none_match is not None:
        same, name = etag_matches(if_none_match, version.etag), f"{header}If-None-Match"
    else:
        same = modified_since is not None and modified <= int(modified_since.timestamp())
        name = f"{header}If-Modified-Since"
    if same and prefix:
        raise errors.precondition_failed(name)
    if same:
        raise AwsError("NotModified", "Not Modified", status=304, headers={"etag": f'"{version.etag}"'})


def byte_range(header: str | None, size: int) -> tuple[int, int] | None:
    """The half-open byte range a `Range` header asks of `size` bytes; None for the whole (also when malformed).

    Raises InvalidRange (416) when no byte of it exists.
    """
    found = _RANGE.match(header.strip()) if header else None
    if header is None or not found or found.groups() == ("", ""):
        return None
    first, last = found.groups()
    if first and last and int(first) > int(last):
        return None
    start = int(first) if first else max(0, size - int(last))
    end = min(size, int(last) + 1) if first and last else size
    if start >= end:
        raise AwsError(
            "InvalidRange",
            "The requested range is not satisfiable",
            status=416,
            members={"RangeRequested": header, "ActualObjectSize": str(size)},
            headers={"content-range": f"bytes */{size}"},
        )
    return start, end


def copy_range(header: str, size: int) -> tuple[int, int]:
    """The half-open range of an `x-amz-copy-source-range`, which must be whole and inside the source."""
    found = _RANGE.match(header)
    if not found or not all(found.groups()) or int(found[1]) > int(found[2]):
        raise errors.invalid_argument(
            "The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the "
            "zero-based offsets of the first and last bytes to copy",
            "x-amz-copy-source-range",
            header,
        )
    if int(found[2]) >= size:
        raise AwsError("InvalidArgument", f"Range specified is not valid for source object of size: {size}", members={})
    return int(found[1]), int(found[2]) + 1
