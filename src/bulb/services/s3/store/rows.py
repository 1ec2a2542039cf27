"""Rows to values and back."""

from collections.abc import Mapping
from typing import Any

import orjson
from sqlalchemy import RowMapping

from bulb.services.s3.model import Bucket, Checksum, Description, Notification, ObjectVersion, Part, Tags, Upload


def to_json(value: Any) -> str:
    """`value` as JSON text."""
    return orjson.dumps(value).decode()


def tags_json(tags: Tags) -> str:
    """Tags as a JSON list of pairs; their order is kept."""
    return to_json([list(pair) for pair in tags])


def tags_of(text: str) -> Tags:
    """Tags as `tags_json` wrote them."""
    return tuple((key, value) for key, value in orjson.loads(text))


def notifications_json(notifications: tuple[Notification, ...]) -> str:
    """Notifications as a JSON list."""
    return to_json(
        [
            {
                "id": each.id,
                "arn": each.target_arn,
                "events": each.events,
                "prefix": each.prefix,
                "suffix": each.suffix,
                "empty": each.empty,
            }
            for each in notifications
        ]
    )


def bucket_of(row: RowMapping) -> Bucket:
    """A row of `s3_buckets`."""
    notifications = tuple(
        Notification(
            each["id"],
            each["arn"],
            tuple(each["events"]),
            each["prefix"],
            each["suffix"],
            tuple(each.get("empty", ())),  # rows of the first versions do not say
        )
        for each in orjson.loads(row["notifications"])
    )
    return Bucket(
        name=row["name"],
        account=row["account"],
        region=row["region"],
        created_at=row["created_at"],
        versioning=row["versioning"],
        notifications=notifications,
        tags=tags_of(row["tags"]),
        event_bridge=row["event_bridge"],
    )


def describe(description: Description) -> dict[str, str]:
    """The columns of what a client says about an object."""
    return {
        "storage_class": description.storage_class,
        "headers": to_json(dict(description.headers)),
        "metadata": to_json(dict(description.metadata)),
        "tags": tags_json(description.tags),
    }


def described(row: RowMapping) -> Description:
    """The reverse of `describe`."""
    return Description(
        orjson.loads(row["headers"]), orjson.loads(row["metadata"]), tags_of(row["tags"]), row["storage_class"]
    )


def version_of(row: RowMapping) -> ObjectVersion:
    """A row of `s3_objects`."""
    checksum = None
    if row["checksum_value"] is not None:
        checksum = Checksum(row["checksum_algorithm"], row["checksum_value"], row["checksum_type"])
    return ObjectVersion(
        id=row["id"],
        bucket=row["bucket"],
        key=row["key"],
        sequence=row["sequence"],
        version_id=row["version_id"],
        is_latest=row["is_latest"],
        is_delete_marker=row["is_delete_marker"],
        last_modified=row["last_modified"],
        size=row["size"],
        etag=row["etag"],
        description=described(row),
        checksum=checksum,
        digest=row["digest"],
        parts_count=row["parts_count"],
    )


def version_columns(version: ObjectVersion) -> dict[str, Any]:
    """The columns of a version but its id."""
    checksum = version.checksum
    return {
        "bucket": version.bucket,
        "key": version.key,
        "sequence": version.sequence,
        "version_id": version.version_id,
        "is_latest": version.is_latest,
        "is_delete_marker": version.is_delete_marker,
        "last_modified": version.last_modified,
        "size": version.size,
        "etag": version.etag,
        "checksum_algorithm": checksum.algorithm if checksum else None,
        "checksum_value": checksum.value if checksum else None,
        "checksum_type": checksum.type if checksum else None,
        "digest": version.digest,
        "parts_count": version.parts_count,
        **describe(version.description),
    }


def part_of(row: RowMapping) -> Part:
    """A row of `s3_object_parts` or `s3_upload_parts`."""
    return Part(row["number"], row["digest"], row["size"], row["etag"], row["last_modified"], row["checksum"])


def part_columns(part: Part) -> Mapping[str, Any]:
    """The columns of a part."""
    return {
        "number": part.number,
        "digest": part.digest,
        "size": part.size,
        "etag": part.etag,
        "last_modified": part.last_modified,
        "checksum": part.checksum,
    }


def upload_of(row: RowMapping) -> Upload:
    """A row of `s3_uploads`."""
    return Upload(
        upload_id=row["upload_id"],
        bucket=row["bucket"],
        key=row["key"],
        initiated_at=row["initiated_at"],
        initiator=row["initiator"],
        description=described(row),
        checksum_algorithm=row["checksum_algorithm"],
        checksum_type=row["checksum_type"],
    )
