"""The event a change of an object causes: S3's `Records` document. Pure.

`sequencer` orders the events of one key: hex digits of the bucket's counter at the change, always 18 of them, so that
comparing the text compares the order. The key is URL-encoded as a form is (space is `+`), but for its slashes.
"""

from dataclasses import dataclass
from typing import Any
from urllib.parse import quote_plus

import orjson

from bulb.core.clock import iso_millis
from bulb.services.s3.model import Bucket, ObjectVersion, Origin, principal_id

_ABOUT_CHARACTERS = 200
_VERSION, _TAGGING_VERSION = "2.1", "2.3"
# The ETag of no bytes, which a delete marker is said to have.
EMPTY_ETAG = "d41d8cd98f00b204e9800998ecf8427e"
_MARKED = "ObjectRemoved:DeleteMarkerCreated"


def sequencer(sequence: int) -> str:
    """18 upper-case hex digits."""
    return f"{sequence:018X}"


@dataclass(frozen=True, slots=True)
class Happening:
    """What is told: the event's name without `s3:`, its place in the bucket's sequence, and the configuration's id
    where one asks for it.
    """

    name: str
    sequence: int
    configuration_id: str = ""


def document(happening: Happening, bucket: Bucket, version: ObjectVersion, origin: Origin) -> bytes:
    """The JSON document for one event and one configuration."""
    record = {
        "eventVersion": _TAGGING_VERSION if _is_about_tags(happening) else _VERSION,
        "eventSource": "aws:s3",
        "awsRegion": bucket.region,
        "eventTime": iso_millis(origin.now),
        "eventName": happening.name,
        "userIdentity": {"principalId": f"AWS:{origin.principal_id}"},
        "requestParameters": {"sourceIPAddress": origin.source_ip},
        "responseElements": {"x-amz-request-id": origin.request_id, "x-amz-id-2": origin.host_id},
        "s3": {
            "s3SchemaVersion": "1.0",
            "configurationId": happening.configuration_id,
            "bucket": {
                "name": bucket.name,
                "ownerIdentity": {"principalId": principal_id(bucket.account)},
                "arn": bucket.arn,
            },
            "object": _object(happening, bucket, version),
        },
    }
    return orjson.dumps({"Records": [record]})


def test_document(bucket: Bucket, origin: Origin) -> bytes:
    """What a queue or topic is sent when it is first to be told."""
    return orjson.dumps(
        {
            "Service": "Amazon S3",
            "Event": "s3:TestEvent",
            "Time": iso_millis(origin.now),
            "Bucket": bucket.name,
            "RequestId": origin.request_id,
            "HostId": origin.host_id,
        }
    )


def attributes(bucket: Bucket, origin: Origin, about: str) -> dict[str, Any]:
    """What goes with a document into the outbox; `about` says in a few words what happened."""
    return {
        "about": about[:_ABOUT_CHARACTERS],
        "source": "s3",
        "source_arn": bucket.arn,
        "account": bucket.account,
        "trace_header": origin.trace_header,
        "subject": "Amazon S3 Notification",
    }


def _object(happening: Happening, bucket: Bucket, version: ObjectVersion) -> dict[str, Any]:
    entry: dict[str, Any] = {"key": quote_plus(version.key, safe="/")}
    if happening.name.startswith("ObjectCreated"):
        entry["size"] = version.size
    if happening.name == _MARKED:
        entry["eTag"] = EMPTY_ETAG
    elif not happening.name.startswith("ObjectRemoved"):
        entry["eTag"] = version.etag
    if bucket.versioning:
        entry["versionId"] = version.version_id
    if not _is_about_tags(happening):
        entry["sequencer"] = sequencer(happening.sequence)
    return entry


def _is_about_tags(happening: Happening) -> bool:
    return happening.name.startswith("ObjectTagging")
