"""Functions, their versions, tags and policies.

A change reads the row, asks a pure function what it becomes and writes that, all in one transaction of the one writer:
two callers that hold the same RevisionId cannot both win. The references of code blobs follow in the same transaction.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import Connection, Row, delete, func, insert, or_, select, tuple_, update

from bulb.core.facts import FunctionRef
from bulb.services.lambda_ import documents, errors
from bulb.services.lambda_.model import LATEST, Code, FunctionKey, FunctionRecord, Policy, Usage, key_of
from bulb.services.lambda_.store.keys import UNQUALIFIED, function_exists, is_function, is_version, remove_function
from bulb.storage.blobs import BlobStore
from bulb.storage.database import Database
from bulb.storage.schema.lambda_ import functions, policies, versions

Tags = Mapping[str, str]
Listener = Callable[[FunctionKey], None]


class LambdaStore:
    """Functions, their versions, tags and policies in one database."""

    def __init__(self, database: Database, blobs: BlobStore) -> None:
        self._database = database
        self._blobs = blobs
        self._listeners: list[Listener] = []

    def on_change(self, listener: Listener) -> None:
        """After each commit that changes a version of a function, `listener` is told which function."""
        self._listeners.append(listener)

    async def create(self, record: FunctionRecord, tags: Tags, now: float, code_storage_bytes: int) -> None:
        """Keep a new function. Raises ResourceConflictException and CodeStorageExceededException."""
        key = key_of(record.ref)

        def write(connection: Connection) -> None:
            if function_exists(connection, key):
                raise errors.already_exists(key)
            used = _usage(connection, key.account, key.region).code_bytes
            if used + record.definition.code.size > code_storage_bytes:
                raise errors.code_storage_exceeded()
            row = {**key._asdict(), "created_at": now, "next_version": 1, "tags": json.dumps(dict(tags))}
            connection.execute(insert(functions).values(row))
            connection.execute(insert(versions).values(_row(record)))
            self._follow_code(connection, None, record)

        await self._database.write(write)
        self._changed(key)

    async def change(self, ref: FunctionRef, decide: Callable[[FunctionRecord], FunctionRecord]) -> FunctionRecord:
        """Replace a version by what `decide` makes of it, and answer that.

        `decide` runs in the writer's thread and may refuse by raising. Raises ResourceNotFoundException.
        """
        key = key_of(ref)

        def write(connection: Connection) -> FunctionRecord:
            before = _find(connection, ref)
            if before is None:
                raise errors.function_not_found(key, None if ref.version == LATEST else ref.version)
            after = decide(before)
            connection.execute(update(versions).where(is_version(ref)).values(_row(after)))
            self._follow_code(connection, before, after)
            return after

        changed = await self._database.write(write)
        self._changed(key)
        return changed

    async def delete(self, key: FunctionKey) -> list[FunctionRef]:
        """Remove a function with everything attached to it; its versions, for those who run them.

        Raises ResourceNotFoundException.
        """

        def write(connection: Connection) -> list[FunctionRef]:
            rows = connection.execute(select(versions).where(is_function(versions, key))).all()
            if not rows:
                raise errors.function_not_found(key)
            records = [_record(row) for row in rows]
            for record in records:
                self._follow_code(connection, record, None)
            remove_function(connection, key)
            return [record.ref for record in records]

        removed = await self._database.write(write)
        self._changed(key)
        return removed

    async def find(self, ref: FunctionRef) -> FunctionRecord | None:
        """One version, or None."""
        return await self._database.read(lambda connection: _find(connection, ref))

    async def page(
        self, account: str, region: str, after: tuple[str, str] | None, limit: int, every_version: bool
    ) -> list[FunctionRecord]:
        """At most `limit` versions behind (name, version), by name. Without `every_version` only `$LATEST`."""

        def read(connection: Connection) -> list[FunctionRecord]:
            query = select(versions).where(versions.c.account == account, versions.c.region == region)
            if not every_version:
                query = query.where(versions.c.version == LATEST)
            if after is not None:
                query = query.where(tuple_(versions.c.name, versions.c.version) > after)
            query = query.order_by(versions.c.name, versions.c.version).limit(limit)
            return [_record(row) for row in connection.execute(query)]

        return await self._database.read(read)

    async def unsettled(self) -> list[FunctionRef]:
        """The versions whose background work was not finished: at a start, what the last process left."""

        def read(connection: Connection) -> list[FunctionRef]:
            query = select(versions).where(or_(versions.c.state == "Pending", versions.c.update_status == "InProgress"))
            return [_record(row).ref for row in connection.execute(query)]

        return await self._database.read(read)

    async def codes_in_use(self) -> set[str]:
        """The digests of all packages that some version runs or is about to run."""

        def read(connection: Connection) -> set[str]:
            return {code.digest for row in connection.execute(select(versions)) for code in _codes(_record(row))}

        return await self._database.read(read)

    async def latest(self, limit: int) -> list[FunctionRef]:
        """The versions that were changed last, of all accounts; at most `limit`."""

        def read(connection: Connection) -> list[FunctionRef]:
            query = select(versions).order_by(versions.c.last_modified.desc()).limit(limit)
            return [_record(row).ref for row in connection.execute(query)]

        return await self._database.read(read)

    async def usage(self, account: str, region: str) -> Usage:
        """How many functions, how much code."""
        return await self._database.read(lambda connection: _usage(connection, account, region))

    async def tags(self, key: FunctionKey) -> dict[str, str] | None:
        """The tags of a function; None when there is no function."""
        return await self._database.read(lambda connection: _tags(connection, key))

    async def change_tags(self, key: FunctionKey, decide: Callable[[FunctionRecord, Tags], Tags]) -> None:
        """Replace the tags by what `decide` makes of them. Raises ResourceNotFoundException."""

        def write(connection: Connection) -> None:
            before = _tags(connection, key)
            record = _find(connection, key.version(LATEST))
            if before is None or record is None:
                raise errors.function_not_found(key)
            after = json.dumps(dict(decide(record, before)))
            connection.execute(update(functions).where(is_function(functions, key)).values(tags=after))

        await self._database.write(write)

    async def policy(self, key: FunctionKey) -> Policy | None:
        """The policy of the unqualified function."""
        return await self._database.read(lambda connection: _policy(connection, key))

    async def change_policy(self, key: FunctionKey, decide: Callable[[bool, Policy | None], Policy | None]) -> None:
        """Replace the policy by what `decide` makes of it; None removes it.

        `decide` is told whether the function exists, and what policy it has.
        """

        def write(connection: Connection) -> None:
            exists = _tags(connection, key) is not None
            after = decide(exists, _policy(connection, key))
            connection.execute(delete(policies).where(is_function(policies, key), policies.c.qualifier == UNQUALIFIED))
            if after is not None:
                statements = json.dumps([dict(statement) for statement in after.statements])
                row = {"qualifier": UNQUALIFIED, "revision_id": after.revision_id, "statements": statements}
                connection.execute(insert(policies).values(**key._asdict(), **row))

        await self._database.write(write)

    def _changed(self, key: FunctionKey) -> None:
        for listener in self._listeners:
            listener(key)

    def _follow_code(self, connection: Connection, before: FunctionRecord | None, after: FunctionRecord | None) -> None:
        """One reference for each of the two definitions; taken before others are let go, so none falls to zero."""
        for code in _codes(after):
            self._blobs.reference(connection, code.digest, code.size)
        for code in _codes(before):
            self._blobs.release(connection, code.digest)


def _codes(record: FunctionRecord | None) -> list[Code]:
    if record is None:
        return []
    return [definition.code for definition in (record.definition, record.running) if definition is not None]


def _find(connection: Connection, ref: FunctionRef) -> FunctionRecord | None:
    row = connection.execute(select(versions).where(is_version(ref))).first()
    return None if row is None else _record(row)


def _tags(connection: Connection, key: FunctionKey) -> dict[str, str] | None:
    row = connection.execute(select(functions.c.tags).where(is_function(functions, key))).first()
    return None if row is None else json.loads(row.tags)


def _policy(connection: Connection, key: FunctionKey) -> Policy | None:
    query = select(policies).where(is_function(policies, key), policies.c.qualifier == UNQUALIFIED)
    row = connection.execute(query).first()
    return None if row is None else Policy(row.revision_id, tuple(json.loads(row.statements)))


def _usage(connection: Connection, account: str, region: str) -> Usage:
    query = select(func.count(func.distinct(versions.c.name)), func.coalesce(func.sum(versions.c.code_size), 0)).where(
        versions.c.account == account, versions.c.region == region
    )
    count, size = connection.execute(query).one()
    return Usage(int(count), int(size))


def _row(record: FunctionRecord) -> dict[str, Any]:
    ref = record.ref
    return {
        "account": ref.account,
        "region": ref.region,
        "name": ref.name,
        "version": ref.version,
        "revision_id": record.revision_id,
        "last_modified": record.last_modified,
        "state": record.state,
        "update_status": record.update_status,
        "failure": record.failure,
        "definition": documents.dump(record.definition),
        "running": None if record.running is None else documents.dump(record.running),
        "code_size": record.definition.code.size,
    }


def _record(row: Row[Any]) -> FunctionRecord:
    return FunctionRecord(
        ref=FunctionRef(row.account, row.region, row.name, row.version),
        revision_id=row.revision_id,
        last_modified=row.last_modified,
        definition=documents.load(row.definition),
        running=None if row.running is None else documents.load(row.running),
        state=row.state,
        update_status=row.update_status,
        failure=row.failure,
    )
