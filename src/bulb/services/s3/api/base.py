"""What the operations of every resource share: whose bucket it is, which object is meant, who asks."""

from typing import Any

from bulb.core.calls import Call
from bulb.core.clock import Clock
from bulb.core.errors import AwsError
from bulb.services.s3 import errors
from bulb.services.s3.model import Bucket, ObjectVersion, Origin, moment, owner_id
from bulb.services.s3.ports import NotificationTargets, Permits, PostSigners
from bulb.services.s3.rules import check_key, refuse_unsupported
from bulb.services.s3.store import S3Store
from bulb.wire.errors import HOST_ID


class Operations:
    """The store and the neighbours an operation works with."""

    def __init__(
        self,
        store: S3Store,
        targets: NotificationTargets,
        clock: Clock,
        signers: PostSigners,
        permits: Permits | None = None,
    ) -> None:
        """Take `signers` for form uploads, whose signatures the gateway does not see, and `permits` for what these
        may do; None where policies are only stored.
        """
        self._permits = permits
        self._store = store
        self._targets = targets
        self._clock = clock
        self._signers = signers

    async def _bucket(self, call: Call, name: str | None = None, expected: str = "ExpectedBucketOwner") -> Bucket:
        """The bucket meant, which must be the caller's. Raises NoSuchBucket, AccessDenied and NotImplemented."""
        refuse_unsupported(call.params)
        name = call.params["Bucket"] if name is None else name
        bucket = await self._store.buckets.get(name)
        if bucket is None:
            raise errors.no_such_bucket(name)
        owner = call.params.get(expected)
        if bucket.account != call.account or (owner is not None and owner != bucket.account):
            raise errors.access_denied()
        return bucket

    async def _version(self, bucket: Bucket, key: str, version_id: str | None) -> ObjectVersion:
        """The version meant, with bytes. Raises NoSuchKey, NoSuchVersion and MethodNotAllowed (a delete marker)."""
        check_key(key)
        version = await self._store.objects.find(bucket.name, key, version_id or None)
        if version is None:
            raise errors.no_such_version(key, version_id) if version_id else errors.no_such_key(key)
        if version.is_delete_marker:
            raise _deleted(version, named=bool(version_id))
        return version

    def _origin(self, call: Call) -> Origin:
        caller = call.caller
        now = self._clock.now()
        return Origin(
            call.request_id, HOST_ID, caller.user_id, caller.source_ip, now, call.trace_header, caller.account
        )


def _deleted(marker: ObjectVersion, *, named: bool) -> AwsError:
    headers = {"x-amz-delete-marker": "true", "x-amz-version-id": marker.version_id}
    if not named:
        error = errors.no_such_key(marker.key)
        error.headers.update(headers)
        return error
    return AwsError(
        "MethodNotAllowed",
        "The specified method is not allowed against this resource.",
        status=405,
        members={"Method": "GET", "ResourceType": "DeleteMarker"},
        headers={**headers, "last-modified": http_date(marker.last_modified), "allow": "DELETE"},
    )


def http_date(unix_seconds: float) -> str:
    """`Mon, 01 Jan 2024 00:00:00 GMT`."""
    return moment(unix_seconds).strftime("%a, %d %b %Y %H:%M:%S GMT")


def present(**members: Any) -> dict[str, Any]:
    """The members that have a value."""
    return {name: value for name, value in members.items() if value is not None}


def quoted(etag: str) -> str:
    """An ETag as headers and documents write it."""
    return f'"{etag}"'


def told_version(bucket: Bucket, version: ObjectVersion) -> str | None:
    """The version id an answer tells: none where versioning was never on."""
    return version.version_id if bucket.versioning else None


def owner(account: str) -> dict[str, str]:
    """An `Owner` member."""
    return {"ID": owner_id(account)}
