"""The event a change of an object causes: S3's `Records` document. Pure.

`sequencer` orders the events of one key: hex digits of the bucket's counter at the change, always 18 of them, so that
comparing the text compares the order. The key is URL-encoded as a form is (space is `+`).
"""

from dataclasses import dataclass
from typing import Any
from urllib.parse import quote_plus

import orjson

from bulb.core.clock import iso_millis
from bulb.services.s3.model import Bucket, ObjectVersion, Origin, principal_id


def sequencer(sequence: int) -> str:
    """18 upper-case hex digits."""
    return f"{sequence:018X}"


@dataclass(frozen=True, slots=True)
class Happening:
    """What is told: the event's name without `s3:`, its place in the bucket's sequence, and the configuration's id."""

    name: str
    sequence: int
    configuration_id: str


def document(happening: Happening, bucket: Bucket, version: ObjectVersion, origin: Origin) -> bytes:
    """The JSON document for one event and one configuration."""
    record = {
        "eventVersion": "2.1",
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


def _object(happening: Happening, bucket: Bucket, version: ObjectVersion) -> dict[str, Any]:
    entry: dict[str, Any] = {"key": quote_plus(version.key)}
    if happening.name.startswith("ObjectCreated"):
        entry["size"] = version.size
    if not happening.name.startswith("ObjectRemoved"):
        entry["eTag"] = version.etag
    if bucket.versioning:
        entry["versionId"] = version.version_id
    entry["sequencer"] = sequencer(happening.sequence)
    return entry
