"""Listings: each asks its index for exactly one page, and one query more for each prefix it skips behind."""

from functools import partial
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, or_, select

from bulb.services.s3.listing import Page, Position, Question, after_key, behind, page
from bulb.services.s3.model import ObjectVersion, Upload
from bulb.services.s3.store import rows
from bulb.storage.database import Database
from bulb.storage.schema.s3 import objects, uploads


class ListingStore:
    """Answers listings from one consistent read each."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def objects(self, question: Question, start: Position | None) -> Page[ObjectVersion]:
        """Current objects in order of key; delete markers are not among them."""
        query = select(objects).where(
            objects.c.bucket == question.bucket,
            objects.c.is_latest == True,  # noqa: E712 -- an SQL comparison
            objects.c.is_delete_marker == False,  # noqa: E712 -- an SQL comparison
        )

        def fetch(connection: Connection, position: Position, count: int) -> list[ObjectVersion]:
            bounded = _from(query, objects.c.key, position, question.prefix).order_by(objects.c.key).limit(count)
            return [rows.version_of(row) for row in connection.execute(bounded).mappings()]

        return await self._database.read(
            lambda connection: page(
                partial(fetch, connection),
                lambda row: Position(row.key, inclusive=False),
                start,
                question,
            )
        )

    async def versions(self, question: Question, key_marker: str, version_marker: str | None) -> Page[ObjectVersion]:
        """All versions and delete markers: by key, the newest first."""
        query = select(objects).where(objects.c.bucket == question.bucket)

        def fetch(connection: Connection, position: Position, count: int) -> list[ObjectVersion]:
            bounded = _from(query, objects.c.key, position, question.prefix)
            if position.within is not None:
                bounded = bounded.where(or_(objects.c.key > position.key, objects.c.sequence < position.within))
            bounded = bounded.order_by(objects.c.key, objects.c.sequence.desc()).limit(count)
            return [rows.version_of(row) for row in connection.execute(bounded).mappings()]

        def read(connection: Connection) -> Page[ObjectVersion]:
            start: Position | None = Position()
            if key_marker:
                start = after_key(key_marker, question.prefix, question.delimiter)
                sequence = _sequence_of(connection, question.bucket, key_marker, version_marker)
                if sequence is not None:
                    start = Position(key_marker, within=sequence)
            return page(
                partial(fetch, connection),
                lambda row: Position(row.key, within=row.sequence),
                start,
                question,
            )

        return await self._database.read(read)

    async def uploads(self, question: Question, key_marker: str, upload_marker: str | None) -> Page[Upload]:
        """Uploads in progress: by key, then by upload id."""
        query = select(uploads).where(uploads.c.bucket == question.bucket)
        start: Position | None = Position()
        if key_marker:
            start = after_key(key_marker, question.prefix, question.delimiter)
            if upload_marker:
                start = Position(key_marker, within=upload_marker)

        def fetch(connection: Connection, position: Position, count: int) -> list[Upload]:
            bounded = _from(query, uploads.c.key, position, question.prefix)
            if position.within is not None:
                bounded = bounded.where(
                    or_(
                        uploads.c.key > position.key,
                        and_(uploads.c.key == position.key, uploads.c.upload_id > position.within),
                    )
                )
            bounded = bounded.order_by(uploads.c.key, uploads.c.upload_id).limit(count)
            return [rows.upload_of(row) for row in connection.execute(bounded).mappings()]

        return await self._database.read(
            lambda connection: page(
                partial(fetch, connection),
                lambda row: Position(row.key, within=row.upload_id),
                start,
                question,
            )
        )


def _from(query: Select[Any], column: ColumnElement[str], position: Position, prefix: str) -> Select[Any]:
    """Bound `query` to the keys at or behind `position` that start with `prefix`."""
    if position.key < prefix:
        query = query.where(column >= prefix)
    else:
        query = query.where(column >= position.key if position.inclusive else column > position.key)
    end = behind(prefix)
    return query.where(column < end) if end is not None else query


def _sequence_of(connection: Connection, bucket: str, key: str, version_id: str | None) -> int | None:
    if not version_id:
        return None
    query = select(objects.c.sequence).where(
        objects.c.bucket == bucket, objects.c.key == key, objects.c.version_id == version_id
    )
    return connection.execute(query).scalar()
