"""Objects: every change is one transaction with the events it causes (change.py)."""

from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy import Connection, update

from bulb.core.errors import AwsError
from bulb.services.s3.model import Bucket, ObjectVersion, Origin, Part, Removal, Removed, Tags, Write
from bulb.services.s3.store import rows
from bulb.services.s3.store.change import Change
from bulb.services.s3.store.versions import exists, find, parts_of
from bulb.storage.blobs import BlobStore
from bulb.storage.database import Database
from bulb.storage.schema.s3 import objects


class SourceChangedError(Exception):
    """The object a copy was made from was replaced before the copy was written; read it again."""


class ObjectStore:
    """Puts, finds, tags and removes versions of objects."""

    def __init__(self, database: Database, blobs: BlobStore) -> None:
        self._database = database
        self._blobs = blobs

    async def put(self, write: Write) -> tuple[Bucket, ObjectVersion]:
        """Write a new current version and its events.

        Raises NoSuchBucket, PreconditionFailed, NoSuchKey (If-Match) and SourceChangedError.
        """

        def run(connection: Connection) -> tuple[Bucket, ObjectVersion]:
            if write.source is not None and not exists(connection, write.source):
                raise SourceChangedError
            change = Change.begin(connection, self._blobs, write.bucket, write.origin)
            return change.bucket, change.put(write)

        return await self._database.write(run)

    async def find(self, bucket: str, key: str, version_id: str | None = None) -> ObjectVersion | None:
        """That version, or the latest; it may be a delete marker."""
        return await self._database.read(lambda connection: find(connection, bucket, key, version_id))

    async def parts(self, version: ObjectVersion) -> list[Part]:
        """The parts of a version that was put together from some, in order."""
        if version.parts_count is None:
            return []
        return await self._database.read(lambda connection: parts_of(connection, version.id))

    async def remove(self, removal: Removal, origin: Origin) -> Removed:
        """Delete one object. Raises NoSuchBucket, and what `if_match` asks for."""

        def run(connection: Connection) -> Removed:
            return Change.begin(connection, self._blobs, removal.bucket, origin).remove(removal)

        return await self._database.write(run)

    async def remove_many(self, removals: Sequence[Removal], origin: Origin) -> list[Removed | AwsError]:
        """Delete several objects in one transaction; an entry that is refused does not keep the others."""

        def run(connection: Connection) -> list[Removed | AwsError]:
            outcomes: list[Removed | AwsError] = []
            for removal in removals:
                change = Change.begin(connection, self._blobs, removal.bucket, origin)
                try:
                    # A refusal comes before anything of its entry is written.
                    outcomes.append(change.remove(removal))
                except AwsError as error:
                    outcomes.append(error)
            return outcomes

        return await self._database.write(run)

    async def set_tags(self, bucket: str, version: ObjectVersion, tags: Tags, origin: Origin) -> bool:
        """Replace the tags of a version and tell of it; False when it is gone by now."""
        event = "ObjectTagging:Put" if tags else "ObjectTagging:Delete"

        def run(connection: Connection) -> bool:
            change = Change.begin(connection, self._blobs, bucket, origin)
            columns = {"tags": rows.tags_json(tags)}
            if not connection.execute(update(objects).where(objects.c.id == version.id).values(columns)).rowcount:
                return False
            change.announce(event, replace(version, description=replace(version.description, tags=tags)))
            return True

        return await self._database.write(run)
