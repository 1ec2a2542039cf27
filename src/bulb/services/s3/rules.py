"""What S3 allows and how it decides. Pure: values in, a value or an AwsError out."""

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from ipaddress import AddressValueError, IPv4Address
from typing import Any
from urllib.parse import parse_qsl

from bulb.core.errors import AwsError
from bulb.services.s3 import errors
from bulb.services.s3.model import Description, Tags

MAX_KEY_BYTES = 1_024
MAX_PUT_BYTES = 5 * 1024**3
MAX_METADATA_BYTES = 2_048
MIN_PART_BYTES = 5 * 1024**2
MAX_PART_NUMBER = 10_000
MAX_PAGE = 1_000
MAX_OBJECT_TAGS = 10
MAX_BUCKET_TAGS = 50
_MAX_TAG_KEY = 128
_MAX_TAG_VALUE = 256

# Kept and told as asked: each can be read at once. What differs is AWS's price.
STORAGE_CLASSES = frozenset(
    {"STANDARD", "REDUCED_REDUNDANCY", "STANDARD_IA", "ONEZONE_IA", "INTELLIGENT_TIERING", "GLACIER_IR"}
)
DESCRIBING_HEADERS = ("CacheControl", "ContentDisposition", "ContentEncoding", "ContentLanguage", "ContentType")

_SPACE, _DELETE = 0x20, 0x7F
_BUCKET_NAME = re.compile(r"\A[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]\Z")
_RESERVED_PREFIXES = ("xn--", "sthree-", "amzn-s3-demo-")
_RESERVED_SUFFIXES = ("-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3")
_TAG_TEXT = re.compile(r"\A[\w\s+\-=._:/@]*\Z")

# Parameters that mean something only a feature we do not have would act on.
_UNSUPPORTED = {
    "ObjectLockMode": ("x-amz-object-lock-mode", "Object Lock"),
    "ObjectLockRetainUntilDate": ("x-amz-object-lock-retain-until-date", "Object Lock"),
    "ObjectLockLegalHoldStatus": ("x-amz-object-lock-legal-hold", "Object Lock"),
    "ObjectLockEventHold": ("x-amz-object-lock-event-hold", "Object Lock"),
    "ObjectLockEventHoldDurationDays": ("x-amz-object-lock-event-hold-duration-days", "Object Lock"),
    "ObjectLockEventHoldDurationYears": ("x-amz-object-lock-event-hold-duration-years", "Object Lock"),
    "ObjectLockEnabledForBucket": ("x-amz-bucket-object-lock-enabled", "Object Lock"),
    "SSECustomerAlgorithm": ("x-amz-server-side-encryption-customer-algorithm", "encryption with customer keys"),
    "SSECustomerKey": ("x-amz-server-side-encryption-customer-key", "encryption with customer keys"),
    "CopySourceSSECustomerAlgorithm": (
        "x-amz-copy-source-server-side-encryption-customer-algorithm",
        "encryption with customer keys",
    ),
    "CopySourceSSECustomerKey": (
        "x-amz-copy-source-server-side-encryption-customer-key",
        "encryption with customer keys",
    ),
    "SSEKMSKeyId": ("x-amz-server-side-encryption-aws-kms-key-id", "KMS encryption"),
    "SSEKMSEncryptionContext": ("x-amz-server-side-encryption-context", "KMS encryption"),
    "BucketKeyEnabled": ("x-amz-server-side-encryption-bucket-key-enabled", "KMS encryption"),
    "WebsiteRedirectLocation": ("x-amz-website-redirect-location", "website hosting"),
    "GrantFullControl": ("x-amz-grant-full-control", "access control lists"),
    "GrantRead": ("x-amz-grant-read", "access control lists"),
    "GrantReadACP": ("x-amz-grant-read-acp", "access control lists"),
    "GrantWrite": ("x-amz-grant-write", "access control lists"),
    "GrantWriteACP": ("x-amz-grant-write-acp", "access control lists"),
    "WriteOffsetBytes": ("x-amz-write-offset-bytes", "appending to objects"),
    "MFA": ("x-amz-mfa", "MFA delete"),
    "IfMatchLastModifiedTime": ("x-amz-if-match-last-modified-time", "directory buckets"),
    "IfMatchSize": ("x-amz-if-match-size", "directory buckets"),
    "IfMatchInitiatedTime": ("x-amz-if-match-initiated-time", "directory buckets"),
}


def refuse_unsupported(params: Mapping[str, Any]) -> None:
    """Raise NotImplemented for a parameter that nobody would act on.

    `AES256` is accepted because clients are made to send it; what it means here is in DESIGN.md.
    """
    for name, (header, what) in _UNSUPPORTED.items():
        if params.get(name) not in (None, "", False):
            raise errors.not_implemented(header, what)
    if params.get("ACL", "private") not in ("private", "bucket-owner-full-control"):
        raise errors.not_implemented("x-amz-acl", f"the ACL {params['ACL']}")
    if params.get("ServerSideEncryption", "AES256") != "AES256":
        raise errors.not_implemented("x-amz-server-side-encryption", f"{params['ServerSideEncryption']} encryption")
    if params.get("StorageClass", "STANDARD") not in STORAGE_CLASSES:
        raise errors.not_implemented("x-amz-storage-class", f"the storage class {params['StorageClass']}")


def check_bucket_name(name: str) -> None:
    """Raise InvalidBucketName unless `name` is one a new bucket may have."""
    if (
        not _BUCKET_NAME.match(name)
        or ".." in name
        or ".-" in name
        or "-." in name
        or name.startswith(_RESERVED_PREFIXES)
        or name.endswith(_RESERVED_SUFFIXES)
        or _is_address(name)
    ):
        raise AwsError("InvalidBucketName", "The specified bucket is not valid.", members={"BucketName": name})


def _is_address(name: str) -> bool:
    try:
        IPv4Address(name)
    except AddressValueError:
        return False
    return True


def check_key(key: str) -> None:
    """Raise unless `key` is 1 to 1,024 bytes of UTF-8. NUL is refused: the database could not order it everywhere."""
    try:
        size = len(key.encode())
    except UnicodeEncodeError:
        raise AwsError("InvalidURI", "Couldn't parse the specified URI.") from None
    if "\0" in key or not key:
        raise AwsError("InvalidURI", "Couldn't parse the specified URI.")
    if size > MAX_KEY_BYTES:
        members = {"Size": size, "MaxSizeAllowed": MAX_KEY_BYTES}
        raise AwsError("KeyTooLongError", "Your key is too long", members=members)


def header_text(name: str, value: str) -> str:
    """`value` as headers carry it: UTF-8 bytes read as latin-1. Raises InvalidArgument for control characters."""
    if any(ord(char) < _SPACE or ord(char) == _DELETE for char in value):
        raise errors.invalid_argument("The value must not have control characters.", name, repr(value[:100]))
    try:
        value.encode("latin-1")
    except UnicodeEncodeError:
        return value.encode("utf-8", "replace").decode("latin-1")
    return value


def check_metadata(metadata: Mapping[str, str]) -> None:
    """Raise MetadataTooLarge beyond 2 KB of names and values."""
    size = sum(len(name.encode()) + len(value.encode()) for name, value in metadata.items())
    if size > MAX_METADATA_BYTES:
        raise AwsError(
            "MetadataTooLarge",
            "Your metadata headers exceed the maximum allowed metadata size",
            members={"Size": size, "MaxSizeAllowed": MAX_METADATA_BYTES},
        )


def check_tags(pairs: Iterable[tuple[str, str]], limit: int) -> Tags:
    """The pairs as tags. Raises InvalidTag or BadRequest."""
    tags = tuple(pairs)
    if len(tags) > limit:
        noun = "Object" if limit == MAX_OBJECT_TAGS else "Bucket"
        raise AwsError("BadRequest", f"{noun} tags cannot be greater than {limit}")
    if len({key for key, _ in tags}) != len(tags):
        raise AwsError("InvalidTag", "Cannot provide multiple Tags with the same key")
    for key, value in tags:
        if not 1 <= len(key) <= _MAX_TAG_KEY or not _TAG_TEXT.match(key):
            raise AwsError("InvalidTag", "The TagKey you have provided is invalid", members={"TagKey": key})
        if key.lower().startswith("aws:"):
            raise AwsError("InvalidTag", "System tags cannot be added/updated by requester")
        if len(value) > _MAX_TAG_VALUE or not _TAG_TEXT.match(value):
            raise AwsError("InvalidTag", "The TagValue you have provided is invalid", members={"TagValue": value})
    return tags


def tags_of_header(header: str | None) -> Tags:
    """The tags of an `x-amz-tagging` header (`a=1&b=2`)."""
    if not header:
        return ()
    try:
        pairs = parse_qsl(header, keep_blank_values=True, strict_parsing=True, errors="strict")
    except ValueError:
        raise errors.invalid_argument(
            "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query parameters without tag "
            "name duplicates.",
            "x-amz-tagging",
            header,
        ) from None
    return check_tags(pairs, MAX_OBJECT_TAGS)


def description_of(params: Mapping[str, Any]) -> Description:
    """What a PutObject, CreateMultipartUpload or replacing CopyObject says about the object."""
    headers = {name: params[name] for name in DESCRIBING_HEADERS if params.get(name)}
    if encoding := headers.pop("ContentEncoding", None):
        # aws-chunked is how the body travels, not what the object is.
        kept = [each.strip() for each in encoding.split(",") if each.strip() not in ("aws-chunked", "")]
        if kept:
            headers["ContentEncoding"] = ",".join(kept)
    if isinstance(expires := params.get("Expires"), datetime):
        headers["Expires"] = str(int(expires.timestamp()))
    metadata = {name.lower(): value for name, value in (params.get("Metadata") or {}).items()}
    check_metadata(metadata)
    return Description(headers, metadata, tags_of_header(params.get("Tagging")), params.get("StorageClass", "STANDARD"))


def page_size(params: Mapping[str, Any], name: str, argument: str) -> int:
    """How many entries a page has: what was asked for, at most 1,000."""
    asked = params.get(name, MAX_PAGE)
    if asked < 0:
        raise errors.invalid_argument(
            f"Argument {argument} must be an integer between 0 and 2147483647", argument, str(asked)
        )
    return min(int(asked), MAX_PAGE)


def check_part_number(number: int) -> None:
    """Raise InvalidArgument unless 1 to 10,000."""
    if not 1 <= number <= MAX_PART_NUMBER:
        raise errors.invalid_argument(
            f"Part number must be an integer between 1 and {MAX_PART_NUMBER}, inclusive", "partNumber", str(number)
        )
