"""One change of one key, inside a transaction: the rows, the blobs they hold and the events it causes.

Versioning decides what a change leaves behind. Never switched on: the key has one version, `null`, and it is replaced.
On: everything stays and something new is put on top. Suspended: the `null` version is replaced, others stay.
"""

import secrets
from dataclasses import dataclass
from typing import Self

from sqlalchemy import Connection

from bulb.services.s3 import bus, events, filters
from bulb.services.s3.conditions import check_write
from bulb.services.s3.model import (
    NULL_VERSION,
    Bucket,
    Description,
    ObjectVersion,
    Origin,
    Removal,
    Removed,
    Write,
    WriteConditions,
)
from bulb.services.s3.store import versions
from bulb.services.s3.store.current import advance
from bulb.storage import outbox
from bulb.storage.blobs import BlobStore


@dataclass(frozen=True, slots=True)
class Change:
    """The bucket as it is in this transaction, and the change's place (`sequence`) among all changes of the bucket."""

    connection: Connection
    blobs: BlobStore
    bucket: Bucket
    sequence: int
    origin: Origin

    @classmethod
    def begin(cls, connection: Connection, blobs: BlobStore, bucket: str, origin: Origin) -> Self:
        """Take the next place in the bucket's sequence. Raises NoSuchBucket."""
        found, sequence = advance(connection, bucket)
        return cls(connection, blobs, found, sequence, origin)

    def put(self, write: Write) -> ObjectVersion:
        """Make a new current version. Raises what `write.conditions` ask for, before anything is written."""
        current = versions.find(self.connection, write.bucket, write.key)
        check_write(write.conditions, current, write.key)
        content = write.content
        version = ObjectVersion(
            id=0,
            bucket=write.bucket,
            key=write.key,
            sequence=self.sequence,
            version_id=self._new_version_id(),
            is_latest=True,
            is_delete_marker=False,
            last_modified=self._second,
            size=content.size,
            etag=content.etag,
            description=write.description,
            checksum=content.checksum,
            digest=content.digest,
            parts_count=len(content.parts) or None,
        )
        versions.reference(self.connection, self.blobs, content)
        self._make_room(write.key, current)
        version = versions.add(self.connection, version, content.parts, write.upload_id)
        self.announce(write.event, version)
        return version

    def remove(self, removal: Removal) -> Removed:
        """Delete a version for good, or (no version named, versioning on) put a delete marker on top of the key."""
        current = versions.find(self.connection, removal.bucket, removal.key)
        if removal.if_match is not None:
            check_write(WriteConditions(if_match=removal.if_match), current, removal.key)
        if removal.version_id is None and self.bucket.versioning:
            return self._mark_deleted(removal.key, current)
        gone = current
        if removal.version_id is not None:
            gone = versions.find(self.connection, removal.bucket, removal.key, removal.version_id)
        if gone is None:
            return Removed(removal.version_id)
        versions.drop(self.connection, self.blobs, gone)
        if gone.is_latest:
            versions.promote(self.connection, removal.bucket, removal.key)
        self.announce("ObjectRemoved:Delete", gone)
        return Removed(removal.version_id, gone.is_delete_marker)

    def announce(self, event: str, version: ObjectVersion) -> None:
        """Put the event into the outbox, once for each configuration that asks for it and once for the bus."""
        for notification in filters.matching(self.bucket.notifications, event, version.key):
            happening = events.Happening(event, self.sequence, notification.id)
            document = events.document(happening, self.bucket, version, self.origin)
            self._tell(notification.target_arn, document, f"{event} {version.key}")
        if self.bucket.event_bridge:
            happening = events.Happening(event, self.sequence)
            document = bus.document(happening, self.bucket, version, self.origin)
            self._tell(bus.default_bus(self.bucket), document, f"{event} {version.key}")

    def _tell(self, target_arn: str, document: bytes, about: str) -> None:
        attributes = events.attributes(self.bucket, self.origin, about)
        outbox.add(self.connection, target_arn, document, attributes, self.origin.now)

    def _mark_deleted(self, key: str, current: ObjectVersion | None) -> Removed:
        marker = ObjectVersion(
            id=0,
            bucket=self.bucket.name,
            key=key,
            sequence=self.sequence,
            version_id=self._new_version_id(),
            is_latest=True,
            is_delete_marker=True,
            last_modified=self._second,
            size=0,
            etag="",
            description=Description(),
        )
        self._make_room(key, current)
        versions.add(self.connection, marker, (), None)
        self.announce("ObjectRemoved:DeleteMarkerCreated", marker)
        return Removed(marker.version_id, is_delete_marker=True)

    def _make_room(self, key: str, current: ObjectVersion | None) -> None:
        """Drop the `null` version, unless versioning is on; whatever else was current stops being it."""
        replaced = current if current is not None and current.version_id == NULL_VERSION else None
        if replaced is None and self.bucket.versioning == "Suspended":
            replaced = versions.find(self.connection, self.bucket.name, key, NULL_VERSION)
        if replaced is not None and self.bucket.versioning != "Enabled":
            versions.drop(self.connection, self.blobs, replaced)
        if current is not None:
            versions.demote(self.connection, current)

    def _new_version_id(self) -> str:
        return secrets.token_hex(16) if self.bucket.versioning == "Enabled" else NULL_VERSION

    @property
    def _second(self) -> float:
        """Whole seconds: what the Last-Modified header can say, so that every answer says the same."""
        return float(int(self.origin.now))
