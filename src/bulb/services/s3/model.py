"""S3's values. Times are Unix seconds, sizes bytes, ETags without their quotes."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal

Versioning = Literal["", "Enabled", "Suspended"]
Tags = tuple[tuple[str, str], ...]

NULL_VERSION = "null"
DEFAULT_CONTENT_TYPE = "binary/octet-stream"


@dataclass(frozen=True, slots=True)
class Notification:
    """Tell `target_arn` (a function, queue or topic) when one of `events` happens to a key that starts with `prefix`
    and ends with `suffix`. `empty` names the rules (prefix, suffix) that were given without a value: they are told as
    given, and keep nothing out.
    """

    id: str
    target_arn: str
    events: tuple[str, ...]
    prefix: str = ""
    suffix: str = ""
    empty: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Bucket:
    """A bucket. `versioning` is empty when it was never switched on; with `event_bridge` the default bus of its account
    and region is told of every event.
    """

    name: str
    account: str
    region: str
    created_at: float
    versioning: Versioning = ""
    notifications: tuple[Notification, ...] = ()
    tags: Tags = ()
    event_bridge: bool = False

    @property
    def arn(self) -> str:
        """The bucket's ARN, which names neither region nor account."""
        return f"arn:aws:s3:::{self.name}"


@dataclass(frozen=True, slots=True)
class Checksum:
    """`algorithm` as the API spells it (`CRC32`), `value` in base64 (`-N` appended when composite), `type` as well."""

    algorithm: str
    value: str
    type: Literal["FULL_OBJECT", "COMPOSITE"] = "FULL_OBJECT"


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a multipart upload, or of the object it became. `checksum` is base64, or None."""

    number: int
    digest: str
    size: int
    etag: str
    last_modified: float
    checksum: str | None = None


@dataclass(frozen=True, slots=True)
class Content:
    """The bytes of an object: one blob (`digest`) or `parts`."""

    size: int
    etag: str
    digest: str | None = None
    parts: tuple[Part, ...] = ()
    checksum: Checksum | None = None


@dataclass(frozen=True, slots=True)
class Description:
    """What a client says about an object besides its bytes.

    `headers` maps output member names (`ContentType`, `CacheControl`, ...) to text; `Expires` is Unix seconds as text.
    """

    headers: Mapping[str, str] = field(default_factory=dict)
    metadata: Mapping[str, str] = field(default_factory=dict)
    tags: Tags = ()
    storage_class: str = "STANDARD"


@dataclass(frozen=True, slots=True)
class ObjectVersion:
    """One version of one key, or a delete marker. `digest` is None when the bytes are in `parts_count` parts."""

    id: int
    bucket: str
    key: str
    sequence: int
    version_id: str
    is_latest: bool
    is_delete_marker: bool
    last_modified: float
    size: int
    etag: str
    description: Description
    checksum: Checksum | None = None
    digest: str | None = None
    parts_count: int | None = None


@dataclass(frozen=True, slots=True)
class Upload:
    """A multipart upload in progress."""

    upload_id: str
    bucket: str
    key: str
    initiated_at: float
    initiator: str
    description: Description
    checksum_algorithm: str | None = None
    checksum_type: Literal["FULL_OBJECT", "COMPOSITE"] | None = None


@dataclass(frozen=True, slots=True)
class Origin:
    """Who asked for a change and when; it goes into the event the change causes.

    `trace_header` is the chain of requests it was asked in: the event carries it on. `requester` is the account of who
    asked, empty where that is the bucket's.
    """

    request_id: str
    host_id: str
    principal_id: str
    source_ip: str
    now: float
    trace_header: str | None = None
    requester: str = ""


@dataclass(frozen=True, slots=True)
class WriteConditions:
    """`If-Match` and `If-None-Match` of a write."""

    if_match: str | None = None
    if_none_match: str | None = None


UNCONDITIONAL = WriteConditions()


@dataclass(frozen=True, slots=True)
class Write:
    """A new current version of a key. `event` is what to tell of it (`ObjectCreated:Put`).

    `source` is the row a copy took its blobs from; `upload_id` the multipart upload the content was put together by.
    """

    bucket: str
    key: str
    content: Content
    description: Description
    event: str
    origin: Origin
    conditions: WriteConditions = UNCONDITIONAL
    source: int | None = None
    upload_id: str | None = None


@dataclass(frozen=True, slots=True)
class Removal:
    """A delete: of one version for good, or (no version named) of the key as a plain GET sees it."""

    bucket: str
    key: str
    version_id: str | None = None
    if_match: str | None = None


@dataclass(frozen=True, slots=True)
class Removed:
    """What a delete did: the version that went, or the delete marker that came. All empty when there was nothing."""

    version_id: str | None = None
    is_delete_marker: bool = False


def owner_id(account: str) -> str:
    """The canonical user id of `account`: 64 hex digits, always the same."""
    return hashlib.sha256(f"canonical-user:{account}".encode()).hexdigest()


def principal_id(account: str) -> str:
    """The short owner id that event records carry (`A3...`)."""
    return "A3" + owner_id(account)[:12].upper()


def moment(unix_seconds: float) -> datetime:
    """An aware datetime, as answers carry times."""
    return datetime.fromtimestamp(unix_seconds, UTC)
