"""Layers: their versions, the numbers that are taken, and their policies."""

import json
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from sqlalchemy import Connection, Row, Select, and_, delete, false, insert, select, update
from sqlalchemy.sql.elements import ColumnElement

from bulb.services.lambda_.layers import LayerKey, LayerRef, LayerVersion
from bulb.services.lambda_.model import Code, Policy, Source
from bulb.services.lambda_.store import rows
from bulb.storage.blobs import BlobStore
from bulb.storage.database import Database
from bulb.storage.schema.lambda_layers import layer_versions, layers

# What the column holds; callers name greater numbers, too great for a statement on either engine.
_GREATEST_VERSION = 2**31 - 1


class LayerStore:
    """The layers of all accounts in one database."""

    def __init__(self, database: Database, blobs: BlobStore) -> None:
        self._database = database
        self._blobs = blobs

    async def publish(
        self, key: LayerKey, make: Callable[[LayerRef], LayerVersion], code_storage_bytes: int
    ) -> LayerVersion:
        """Keep what `make` makes of the next number. Raises CodeStorageExceededException."""

        def write(connection: Connection) -> LayerVersion:
            query = select(layers.c.next_version).where(_is_layer(layers, key))
            number: int | None = connection.execute(query).scalar()
            new = make(LayerRef(key, number or 1))
            rows.check_room(connection, key.account, key.region, new.code.kept_bytes, code_storage_bytes)
            if number is None:
                connection.execute(insert(layers).values(**key._asdict(), next_version=2))
            else:
                connection.execute(update(layers).where(_is_layer(layers, key)).values(next_version=number + 1))
            connection.execute(insert(layer_versions).values(_values(new)))
            if new.code.source is None:
                self._blobs.reference(connection, new.code.digest, new.code.size)
            return new

        return await self._database.write(write)

    async def delete(self, ref: LayerRef) -> None:
        """Remove a version; nothing happens when there is none."""

        def write(connection: Connection) -> None:
            found = _find(connection, ref)
            if found is not None:
                connection.execute(delete(layer_versions).where(_is_version(ref)))
                if found.code.source is None:
                    self._blobs.release(connection, found.code.digest)

        await self._database.write(write)

    async def change_policy(self, ref: LayerRef, decide: Callable[[LayerVersion | None], Policy | None]) -> None:
        """Replace the policy of a version by what `decide` makes of it; it refuses a version that is missing."""

        def write(connection: Connection) -> None:
            after = decide(_find(connection, ref))
            values = {
                "revision_id": "" if after is None else after.revision_id,
                "statements": json.dumps([] if after is None else [dict(entry) for entry in after.statements]),
            }
            connection.execute(update(layer_versions).where(_is_version(ref)).values(values))

        await self._database.write(write)

    async def find(self, ref: LayerRef) -> LayerVersion | None:
        """One version, or None."""
        return await self._database.read(lambda connection: _find(connection, ref))

    async def versions(self, key: LayerKey) -> list[LayerVersion]:
        """All versions of a layer, the latest first."""
        query = select(layer_versions).where(_is_layer(layer_versions, key)).order_by(layer_versions.c.version.desc())
        return await self._database.read(lambda connection: _all(connection, query))

    async def of_account(self, account: str, region: str) -> list[LayerVersion]:
        """All versions of all layers: by name, the latest first."""
        query = (
            select(layer_versions)
            .where(layer_versions.c.account == account, layer_versions.c.region == region)
            .order_by(layer_versions.c.name, layer_versions.c.version.desc())
        )
        return await self._database.read(lambda connection: _all(connection, query))


def _is_layer(table: Any, key: LayerKey) -> ColumnElement[bool]:
    return and_(table.c.account == key.account, table.c.region == key.region, table.c.name == key.name)


def _is_version(ref: LayerRef) -> ColumnElement[bool]:
    if ref.version > _GREATEST_VERSION:
        return false()
    return and_(_is_layer(layer_versions, ref.key), layer_versions.c.version == ref.version)


def _find(connection: Connection, ref: LayerRef) -> LayerVersion | None:
    row = connection.execute(select(layer_versions).where(_is_version(ref))).first()
    return None if row is None else _version(row)


def _all(connection: Connection, query: Select[Any]) -> list[LayerVersion]:
    return [_version(row) for row in connection.execute(query)]


def _values(of: LayerVersion) -> dict[str, Any]:
    return {
        **of.ref.key._asdict(),
        "version": of.ref.version,
        "created_at": of.created_at,
        "description": of.description,
        "license_info": of.license_info,
        "runtimes": json.dumps(of.runtimes),
        "architectures": json.dumps(of.architectures),
        "digest": of.code.digest,
        "code_size": of.code.size,
        "source": None if of.code.source is None else json.dumps(asdict(of.code.source)),
        "revision_id": "",
        "statements": "[]",
    }


def _version(row: Row[Any]) -> LayerVersion:
    return LayerVersion(
        ref=LayerRef(LayerKey(row.account, row.region, row.name), row.version),
        created_at=row.created_at,
        code=Code(row.digest, row.code_size, None if row.source is None else Source(**json.loads(row.source))),
        description=row.description,
        license_info=row.license_info,
        runtimes=tuple(json.loads(row.runtimes)),
        architectures=tuple(json.loads(row.architectures)),
        policy=Policy(row.revision_id, tuple(json.loads(row.statements))) if row.revision_id else None,
    )
