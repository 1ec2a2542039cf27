"""The event a change of an object causes on EventBridge: an event of the account's default bus. Pure.

Unlike in S3's own documents the key is not URL-encoded, and the request is said in other words. Source: S3's page on
the structure of EventBridge messages.
"""

from typing import Any

import orjson

from bulb.core.arn import arn
from bulb.core.clock import iso_millis
from bulb.core.ids import request_id
from bulb.services.s3.events import EMPTY_ETAG, Happening, sequencer
from bulb.services.s3.model import Bucket, ObjectVersion, Origin

_CREATED = {
    "ObjectCreated:Put": "PutObject",
    "ObjectCreated:Post": "POST Object",
    "ObjectCreated:Copy": "CopyObject",
    "ObjectCreated:CompleteMultipartUpload": "CompleteMultipartUpload",
}
_DELETED = {
    "ObjectRemoved:Delete": "Permanently Deleted",
    "ObjectRemoved:DeleteMarkerCreated": "Delete Marker Created",
}
_TAGGED = {"ObjectTagging:Put": "Object Tags Added", "ObjectTagging:Delete": "Object Tags Deleted"}


def default_bus(bucket: Bucket) -> str:
    """The bus that is told."""
    return arn("events", bucket.region, bucket.account, "event-bus/default")


def document(happening: Happening, bucket: Bucket, version: ObjectVersion, origin: Origin) -> bytes:
    """The event, as rules see it."""
    return orjson.dumps(
        {
            "version": "0",
            "id": request_id(),
            "detail-type": _kind(happening.name),
            "source": "aws.s3",
            "account": bucket.account,
            "time": iso_millis(origin.now)[:19] + "Z",
            "region": bucket.region,
            "resources": [bucket.arn],
            "detail": {
                "version": "0",
                "bucket": {"name": bucket.name},
                "object": _object(happening, bucket, version),
                "request-id": origin.request_id,
                "requester": origin.requester or bucket.account,
                "source-ip-address": origin.source_ip,
                **_why(happening.name),
            },
        }
    )


def _kind(name: str) -> str:
    if name in _CREATED:
        return "Object Created"
    return "Object Deleted" if name in _DELETED else _TAGGED[name]


def _why(name: str) -> dict[str, str]:
    if name in _CREATED:
        return {"reason": _CREATED[name]}
    return {"reason": "DeleteObject", "deletion-type": _DELETED[name]} if name in _DELETED else {}


def _object(happening: Happening, bucket: Bucket, version: ObjectVersion) -> dict[str, Any]:
    entry: dict[str, Any] = {"key": version.key}
    if happening.name in _CREATED:
        entry["size"] = version.size
    if happening.name not in _DELETED:
        entry["etag"] = version.etag
    elif version.is_delete_marker and happening.name == "ObjectRemoved:DeleteMarkerCreated":
        entry["etag"] = EMPTY_ETAG
    if bucket.versioning:
        entry["version-id"] = version.version_id
    if happening.name not in _TAGGED:
        entry["sequencer"] = sequencer(happening.sequence)
    return entry
