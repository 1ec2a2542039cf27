"""A version as a row, and the references its packages hold: what the files about versions share."""

from typing import Any

from sqlalchemy import Connection, Row, func, insert, select, update

from bulb.core.facts import FunctionRef
from bulb.services.lambda_ import documents, errors
from bulb.services.lambda_.model import LATEST, Code, FunctionKey, FunctionRecord, Usage
from bulb.services.lambda_.store.keys import is_version
from bulb.storage.blobs import BlobStore
from bulb.storage.schema.lambda_ import aliases, versions
from bulb.storage.schema.lambda_layers import layer_versions


def find(connection: Connection, ref: FunctionRef) -> FunctionRecord | None:
    """One version, or None."""
    row = connection.execute(select(versions).where(is_version(ref))).first()
    return None if row is None else record(row)


def find_latest(connection: Connection, key: FunctionKey) -> FunctionRecord:
    """`$LATEST`. Raises ResourceNotFoundException when there is no such function."""
    found = find(connection, key.version(LATEST))
    if found is None:
        raise errors.function_not_found(key)
    return found


def version_meant(connection: Connection, key: FunctionKey, qualifier: str | None) -> str | None:
    """The version a qualifier names, whether or not it exists; None for an alias that does not."""
    if qualifier is None or qualifier == LATEST:
        return LATEST
    if qualifier.isdecimal():
        return qualifier
    query = select(aliases.c.version).where(
        aliases.c.account == key.account,
        aliases.c.region == key.region,
        aliases.c.name == key.name,
        aliases.c.alias == qualifier,
    )
    return connection.execute(query).scalar()


class VersionRows:
    """Writes versions; the references of their blobs follow in the same transaction."""

    def __init__(self, blobs: BlobStore) -> None:
        self._blobs = blobs

    def insert(self, connection: Connection, new: FunctionRecord) -> None:
        """A version that was not there."""
        connection.execute(insert(versions).values(_values(new)))
        self.follow_code(connection, None, new)

    def replace(self, connection: Connection, before: FunctionRecord, after: FunctionRecord) -> None:
        """Another state of the same version."""
        connection.execute(update(versions).where(is_version(after.ref)).values(_values(after)))
        self.follow_code(connection, before, after)

    def follow_code(self, connection: Connection, before: FunctionRecord | None, after: FunctionRecord | None) -> None:
        """One reference for each of the two definitions; taken before others are let go, so none falls to zero."""
        for code in _kept(after):
            self._blobs.reference(connection, code.digest, code.size)
        for code in _kept(before):
            self._blobs.release(connection, code.digest)


def _kept(of: FunctionRecord | None) -> list[Code]:
    return [code for code in codes(of) if code.source is None]


def codes(of: FunctionRecord | None) -> list[Code]:
    """The packages a version needs."""
    if of is None:
        return []
    return [code for definition in (of.definition, of.running) if definition is not None for code in definition.codes]


def usage(connection: Connection, account: str, region: str) -> Usage:
    """Functions, the code of all their versions and layers: each counts its package, also when they share one."""
    query = select(func.count(func.distinct(versions.c.name)), func.coalesce(func.sum(versions.c.code_size), 0)).where(
        versions.c.account == account, versions.c.region == region
    )
    count, size = connection.execute(query).one()
    layers = select(func.coalesce(func.sum(layer_versions.c.code_size), 0)).where(
        layer_versions.c.account == account, layer_versions.c.region == region, layer_versions.c.source.is_(None)
    )
    return Usage(int(count), int(size) + int(connection.execute(layers).scalar_one()))


def check_storage(
    connection: Connection, new: FunctionRecord, limit: int, before: FunctionRecord | None = None
) -> None:
    """Is there room for one more package, or for it in place of another? Raises CodeStorageExceededException."""
    more = new.definition.code.kept_bytes - (before.definition.code.kept_bytes if before is not None else 0)
    if more > 0:
        check_room(connection, new.ref.account, new.ref.region, more, limit)


def check_room(connection: Connection, account: str, region: str, size: int, limit: int) -> None:
    """Is there room for `size` more bytes? Raises CodeStorageExceededException."""
    if usage(connection, account, region).code_bytes + size > limit:
        raise errors.code_storage_exceeded()


def _values(of: FunctionRecord) -> dict[str, Any]:
    ref = of.ref
    return {
        "account": ref.account,
        "region": ref.region,
        "name": ref.name,
        "version": ref.version,
        "revision_id": of.revision_id,
        "last_modified": of.last_modified,
        "state": of.state,
        "update_status": of.update_status,
        "failure": of.failure,
        "definition": documents.dump(of.definition),
        "running": None if of.running is None else documents.dump(of.running),
        "code_size": of.definition.code.kept_bytes,
        "published_from": of.published_from,
    }


def record(row: Row[Any]) -> FunctionRecord:
    """The version a row is."""
    return FunctionRecord(
        ref=FunctionRef(row.account, row.region, row.name, row.version),
        revision_id=row.revision_id,
        last_modified=row.last_modified,
        definition=documents.load(row.definition),
        running=None if row.running is None else documents.load(row.running),
        state=row.state,
        update_status=row.update_status,
        failure=row.failure,
        published_from=row.published_from,
    )
