"""The rows of `s3_objects`, on a connection: found, inserted, dropped together with what they hold."""

from dataclasses import replace

from sqlalchemy import Connection, delete, insert, select, update

from bulb.services.s3.model import Content, ObjectVersion, Part
from bulb.services.s3.store import rows
from bulb.storage.blobs import BlobStore
from bulb.storage.schema.s3 import object_parts, objects


def find(connection: Connection, bucket: str, key: str, version_id: str | None = None) -> ObjectVersion | None:
    """That version, or the latest."""
    query = select(objects).where(objects.c.bucket == bucket, objects.c.key == key)
    if version_id is None:
        query = query.where(objects.c.is_latest == True)  # noqa: E712 -- SQL: an `IS 1` would not use the index
    else:
        query = query.where(objects.c.version_id == version_id)
    row = connection.execute(query).mappings().first()
    return rows.version_of(row) if row else None


def exists(connection: Connection, object_id: int) -> bool:
    """Whether the row is still there."""
    return connection.execute(select(objects.c.id).where(objects.c.id == object_id)).scalar() is not None


def parts_of(connection: Connection, object_id: int) -> list[Part]:
    """The parts of a row, in order."""
    query = select(object_parts).where(object_parts.c.object_id == object_id).order_by(object_parts.c.number)
    return [rows.part_of(row) for row in connection.execute(query).mappings()]


def add(
    connection: Connection, version: ObjectVersion, parts: tuple[Part, ...], upload_id: str | None
) -> ObjectVersion:
    """Insert a row and its parts; the version comes back with its id."""
    result = connection.execute(insert(objects).values(upload_id=upload_id, **rows.version_columns(version)))
    if result.inserted_primary_key is None:
        raise RuntimeError("an insert of one row answered no primary key")
    version = replace(version, id=result.inserted_primary_key[0])
    if parts:
        values = [{"object_id": version.id, **rows.part_columns(part)} for part in parts]
        connection.execute(insert(object_parts), values)
    return version


def reference(connection: Connection, blobs: BlobStore, content: Content) -> None:
    """Count one more user of each blob of `content`."""
    if content.digest is not None:
        blobs.reference(connection, content.digest, content.size)
    for part in content.parts:
        blobs.reference(connection, part.digest, part.size)


def drop(connection: Connection, blobs: BlobStore, version: ObjectVersion) -> None:
    """Remove a row and release its blobs."""
    if version.digest is not None:
        blobs.release(connection, version.digest)
    if version.parts_count is not None:
        for part in parts_of(connection, version.id):
            blobs.release(connection, part.digest)
        connection.execute(delete(object_parts).where(object_parts.c.object_id == version.id))
    connection.execute(delete(objects).where(objects.c.id == version.id))


def demote(connection: Connection, version: ObjectVersion) -> None:
    """The version stays, but is not the latest any more."""
    connection.execute(update(objects).where(objects.c.id == version.id).values(is_latest=False))


def promote(connection: Connection, bucket: str, key: str) -> None:
    """Make the newest version that is left the latest."""
    newest = (
        select(objects.c.id)
        .where(objects.c.bucket == bucket, objects.c.key == key)
        .order_by(objects.c.sequence.desc())
        .limit(1)
        .scalar_subquery()
    )
    connection.execute(update(objects).where(objects.c.id == newest).values(is_latest=True))
