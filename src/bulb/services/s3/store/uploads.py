"""Multipart uploads: completing one moves the parts' blobs into the object, copying no byte."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, delete, insert, select

from bulb.services.s3 import errors
from bulb.services.s3.model import Bucket, Content, ObjectVersion, Origin, Part, Upload, Write, WriteConditions
from bulb.services.s3.multipart import Requested, assemble
from bulb.services.s3.rules import MAX_PART_NUMBER
from bulb.services.s3.store import rows
from bulb.services.s3.store.change import Change
from bulb.services.s3.store.current import find as find_bucket
from bulb.services.s3.store.objects import SourceChangedError
from bulb.services.s3.store.versions import exists
from bulb.storage.blobs import BlobStore
from bulb.storage.database import Database
from bulb.storage.schema.s3 import objects, upload_parts, uploads


@dataclass(frozen=True, slots=True)
class Completion:
    """What a CompleteMultipartUpload asks."""

    upload_id: str
    parts: Sequence[Requested]
    stated_checksums: dict[str, str]
    stated_size: int | None
    conditions: WriteConditions


class UploadStore:
    """Begins, fills, completes and aborts uploads."""

    def __init__(self, database: Database, blobs: BlobStore) -> None:
        self._database = database
        self._blobs = blobs

    async def begin(self, upload: Upload) -> None:
        """Keep a new upload. Raises NoSuchBucket."""

        def write(connection: Connection) -> None:
            if find_bucket(connection, upload.bucket) is None:
                raise errors.no_such_bucket(upload.bucket)
            connection.execute(
                insert(uploads).values(
                    upload_id=upload.upload_id,
                    bucket=upload.bucket,
                    key=upload.key,
                    initiated_at=upload.initiated_at,
                    initiator=upload.initiator,
                    checksum_algorithm=upload.checksum_algorithm,
                    checksum_type=upload.checksum_type,
                    **rows.describe(upload.description),
                )
            )

        await self._database.write(write)

    async def find(self, bucket: str, key: str, upload_id: str) -> Upload:
        """The upload in progress. Raises NoSuchUpload."""
        return await self._database.read(lambda connection: _find(connection, bucket, key, upload_id))

    async def add_part(self, upload: Upload, part: Part, *, source: int | None = None) -> None:
        """Keep a part, in place of an earlier one of its number.

        `source` is the object row whose blob a copied part shares. Raises NoSuchUpload and SourceChangedError.
        """

        def write(connection: Connection) -> None:
            _find(connection, upload.bucket, upload.key, upload.upload_id)
            if source is not None and not exists(connection, source):
                raise SourceChangedError
            self._blobs.reference(connection, part.digest, part.size)
            here = (upload_parts.c.upload_id == upload.upload_id) & (upload_parts.c.number == part.number)
            replaced = connection.execute(select(upload_parts.c.digest).where(here)).scalar()
            if replaced is not None:
                self._blobs.release(connection, replaced)
                connection.execute(delete(upload_parts).where(here))
            connection.execute(insert(upload_parts).values(upload_id=upload.upload_id, **rows.part_columns(part)))

        await self._database.write(write)

    async def parts(self, upload_id: str, after: int = 0, limit: int | None = None) -> list[Part]:
        """The parts uploaded so far, in order, behind number `after`."""
        return await self._database.read(lambda connection: _parts(connection, upload_id, after, limit))

    async def complete(
        self, bucket: str, key: str, completion: Completion, origin: Origin
    ) -> tuple[Bucket, ObjectVersion]:
        """Make the object of the parts named, drop the others, end the upload.

        Completing again answers the object it made, so a client that lost the first answer is told the same. Raises
        NoSuchUpload, InvalidPart, InvalidPartOrder, EntityTooSmall, BadDigest, PreconditionFailed.
        """

        def write(connection: Connection) -> tuple[Bucket, ObjectVersion]:
            made = _made_by(connection, bucket, key, completion.upload_id)
            if made is not None:
                return made
            upload = _find(connection, bucket, key, completion.upload_id)
            content = _content(upload, _parts(connection, upload.upload_id), completion)
            change = Change.begin(connection, self._blobs, bucket, origin)
            version = change.put(
                Write(
                    bucket=bucket,
                    key=key,
                    content=content,
                    description=upload.description,
                    event="ObjectCreated:CompleteMultipartUpload",
                    origin=origin,
                    conditions=completion.conditions,
                    upload_id=upload.upload_id,
                )
            )
            discard(connection, self._blobs, upload.upload_id)
            return change.bucket, version

        return await self._database.write(write)

    async def abort(self, bucket: str, key: str, upload_id: str) -> None:
        """Drop the upload and its parts. Raises NoSuchUpload."""

        def write(connection: Connection) -> None:
            _find(connection, bucket, key, upload_id)
            discard(connection, self._blobs, upload_id)

        await self._database.write(write)


def discard(connection: Connection, blobs: BlobStore, upload_id: str) -> None:
    """Remove an upload and release what its parts hold."""
    for part in _parts(connection, upload_id):
        blobs.release(connection, part.digest)
    connection.execute(delete(upload_parts).where(upload_parts.c.upload_id == upload_id))
    connection.execute(delete(uploads).where(uploads.c.upload_id == upload_id))


def _content(upload: Upload, parts: Sequence[Part], completion: Completion) -> Content:
    return assemble(upload, parts, completion.parts, completion.stated_checksums, completion.stated_size)


def _find(connection: Connection, bucket: str, key: str, upload_id: str) -> Upload:
    query = select(uploads).where(uploads.c.upload_id == upload_id, uploads.c.bucket == bucket, uploads.c.key == key)
    row = connection.execute(query).mappings().first()
    if row is None:
        raise errors.no_such_upload(upload_id)
    return rows.upload_of(row)


def _parts(connection: Connection, upload_id: str, after: int = 0, limit: int | None = None) -> list[Part]:
    after = min(after, MAX_PART_NUMBER)  # a marker may be greater than the column can hold
    query = (
        select(upload_parts)
        .where(upload_parts.c.upload_id == upload_id, upload_parts.c.number > after)
        .order_by(upload_parts.c.number)
        .limit(limit)
    )
    return [rows.part_of(row) for row in connection.execute(query).mappings()]


def _made_by(connection: Connection, bucket: str, key: str, upload_id: str) -> tuple[Bucket, ObjectVersion] | None:
    query = select(objects).where(objects.c.bucket == bucket, objects.c.key == key, objects.c.upload_id == upload_id)
    row = connection.execute(query).mappings().first()
    owner = find_bucket(connection, bucket)
    return (owner, rows.version_of(row)) if row and owner else None
