"""What S3's calls ask of policies where these are enforced. Source: S3's page of required permissions."""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import unquote

from bulb.core.calls import Call
from bulb.identity.needs import Need

# Operation -> action, where the two are not called the same. On the bucket:
_BUCKET = {
    "CreateBucket": "CreateBucket",
    "DeleteBucket": "DeleteBucket",
    "HeadBucket": "ListBucket",
    "ListObjects": "ListBucket",
    "ListObjectsV2": "ListBucket",
    "ListObjectVersions": "ListBucketVersions",
    "ListMultipartUploads": "ListBucketMultipartUploads",
    "GetBucketLocation": "GetBucketLocation",
    "GetBucketAcl": "GetBucketAcl",
    "GetBucketTagging": "GetBucketTagging",
    "PutBucketTagging": "PutBucketTagging",
    "DeleteBucketTagging": "PutBucketTagging",
    "GetBucketVersioning": "GetBucketVersioning",
    "PutBucketVersioning": "PutBucketVersioning",
    "GetBucketNotificationConfiguration": "GetBucketNotification",
    "PutBucketNotificationConfiguration": "PutBucketNotification",
}
# On an object; those of the second table are called differently when a version is named.
_OBJECT = {
    "PutObject": ("PutObject",),
    "CopyObject": ("PutObject",),
    "CreateMultipartUpload": ("PutObject",),
    "UploadPart": ("PutObject",),
    "UploadPartCopy": ("PutObject",),
    "CompleteMultipartUpload": ("PutObject",),
    "AbortMultipartUpload": ("AbortMultipartUpload",),
    "ListParts": ("ListMultipartUploadParts",),
}
_VERSIONED = {
    "GetObject": ("Get{}",),
    "HeadObject": ("Get{}",),
    "GetObjectAttributes": ("Get{}", "Get{}Attributes"),
    "GetObjectAcl": ("Get{}Acl",),
    "GetObjectTagging": ("Get{}Tagging",),
    "PutObjectTagging": ("Put{}Tagging",),
    "DeleteObjectTagging": ("Delete{}Tagging",),
    "DeleteObject": ("Delete{}",),
}
# Parameters that are condition keys too.
_KEYS = {
    "Prefix": "s3:prefix",
    "Delimiter": "s3:delimiter",
    "MaxKeys": "s3:max-keys",
    "VersionId": "s3:versionid",
    "ACL": "s3:x-amz-acl",
    "StorageClass": "s3:x-amz-storage-class",
    "CopySource": "s3:x-amz-copy-source",
    "MetadataDirective": "s3:x-amz-metadata-directive",
    "ServerSideEncryption": "s3:x-amz-server-side-encryption",
}


async def needs(call: Call) -> Sequence[Need]:
    """All that the caller must be allowed. The form of an upload says itself who signs it: the operation asks then."""
    operation, params = call.operation, call.params
    if operation == "PostObject":
        return ()
    if operation == "ListBuckets":
        return (Need("s3:ListAllMyBuckets", "arn:aws:s3:::*"),)
    if operation == "DeleteObjects":
        return tuple(_deletion(params["Bucket"], each) for each in params["Delete"]["Objects"])
    context = {key: str(params[name]) for name, key in _KEYS.items() if params.get(name) is not None}
    if operation in _BUCKET:
        return (Need(f"s3:{_BUCKET[operation]}", f"arn:aws:s3:::{params['Bucket']}", context),)
    actions = _OBJECT.get(operation) or _versioned(operation, bool(params.get("VersionId")))
    resource = f"arn:aws:s3:::{params.get('Bucket', '')}/{params['Key']}" if "Key" in params else "*"
    own = [Need(f"s3:{action}", resource, context) for action in actions]
    if params.get("Tagging") and operation in _OBJECT:
        own.append(Need("s3:PutObjectTagging", resource, context))
    return (*own, *_source(params))


def _versioned(operation: str, has_version: bool) -> tuple[str, ...]:
    form = "ObjectVersion" if has_version else "Object"
    return tuple(action.format(form) for action in _VERSIONED.get(operation, (operation,)))


def _deletion(bucket: str, named: Mapping[str, Any]) -> Need:
    action = "s3:DeleteObjectVersion" if named.get("VersionId") else "s3:DeleteObject"
    return Need(action, f"arn:aws:s3:::{bucket}/{named['Key']}")


def _source(params: Mapping[str, Any]) -> list[Need]:
    """What is copied must be readable."""
    header: str | None = params.get("CopySource")
    if header is None:
        return []
    path, _, version_id = header.partition("?versionId=")
    action = "s3:GetObjectVersion" if version_id else "s3:GetObject"
    return [Need(action, f"arn:aws:s3:::{unquote(path.removeprefix('/'))}")]
