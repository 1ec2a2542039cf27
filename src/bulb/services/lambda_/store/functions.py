"""Functions, `$LATEST` and tags.

A change reads the row, asks a pure function what it becomes and writes that, all in one transaction of the one writer:
two callers that hold the same RevisionId cannot both win. The references of code blobs follow in the same transaction.
"""

import json
from collections.abc import Callable, Mapping

from sqlalchemy import Connection, insert, or_, select, update

from bulb.core.facts import FunctionRef
from bulb.services.lambda_ import errors
from bulb.services.lambda_.model import LATEST, FunctionKey, FunctionRecord, Usage, key_of
from bulb.services.lambda_.store import rows
from bulb.services.lambda_.store.aliases import AliasStore
from bulb.services.lambda_.store.code_signing import CodeSigningStore
from bulb.services.lambda_.store.concurrency import ConcurrencyStore
from bulb.services.lambda_.store.event_configs import EventConfigStore
from bulb.services.lambda_.store.keys import function_exists, is_function, qualifier_exists, remove_function
from bulb.services.lambda_.store.layers import LayerStore
from bulb.services.lambda_.store.mappings import MappingStore
from bulb.services.lambda_.store.policies import PolicyStore
from bulb.services.lambda_.store.urls import UrlStore
from bulb.services.lambda_.store.versions import VersionStore
from bulb.storage.blobs import BlobStore
from bulb.storage.database import Database
from bulb.storage.schema.lambda_ import functions, versions

Tags = Mapping[str, str]
Listener = Callable[[FunctionKey], None]


class LambdaStore:
    """Functions in one database; what else Lambda keeps is in stores of their own, attributes of this one."""

    def __init__(self, database: Database, blobs: BlobStore) -> None:
        self._database = database
        self._rows = rows.VersionRows(blobs)
        self._listeners: list[Listener] = []
        self.versions = VersionStore(database, self._rows, self._changed)
        self.aliases = AliasStore(database, self._changed)
        self.event_configs = EventConfigStore(database, self._changed)
        self.policies = PolicyStore(database, self._changed)
        self.layers = LayerStore(database, blobs)
        self.concurrency = ConcurrencyStore(database)
        self.mappings = MappingStore(database)
        self.urls = UrlStore(database, self._changed)
        self.code_signing = CodeSigningStore(database)

    def on_change(self, listener: Listener) -> None:
        """After each commit that changes a version, alias, policy or URL of a function `listener` is told which one."""
        self._listeners.append(listener)

    async def create(
        self, record: FunctionRecord, tags: Tags, now: float, code_storage_bytes: int, first: FunctionRecord | None
    ) -> None:
        """Keep a new function, with its `first` published version if it has one already.

        Raises ResourceConflictException and CodeStorageExceededException.
        """
        key = key_of(record.ref)

        def write(connection: Connection) -> None:
            if function_exists(connection, key):
                raise errors.already_exists(key)
            row = {
                **key._asdict(),
                "created_at": now,
                "next_version": 1 if first is None else 2,
                "tags": json.dumps(dict(tags)),
            }
            connection.execute(insert(functions).values(row))
            for new in (record,) if first is None else (record, first):
                rows.check_storage(connection, new, code_storage_bytes)
                self._rows.insert(connection, new)

        await self._database.write(write)
        self._changed(key)

    async def change(
        self,
        ref: FunctionRef,
        decide: Callable[[FunctionRecord], FunctionRecord],
        code_storage_bytes: int | None = None,
    ) -> FunctionRecord:
        """Replace a version by what `decide` makes of it, and answer that.

        `decide` runs in the writer's thread and may refuse by raising. `code_storage_bytes` is given where the code may
        grow. Raises ResourceNotFoundException and CodeStorageExceededException.
        """
        key = key_of(ref)

        def write(connection: Connection) -> FunctionRecord:
            before = rows.find(connection, ref)
            if before is None:
                raise errors.function_not_found(key, None if ref.version == LATEST else ref.version)
            after = decide(before)
            if code_storage_bytes is not None:
                rows.check_storage(connection, after, code_storage_bytes, before)
            self._rows.replace(connection, before, after)
            return after

        changed = await self._database.write(write)
        self._changed(key)
        return changed

    async def delete(self, key: FunctionKey) -> list[FunctionRef]:
        """Remove a function with everything attached to it; its versions, for those who run them.

        Raises ResourceNotFoundException.
        """

        def write(connection: Connection) -> list[FunctionRef]:
            found = connection.execute(select(versions).where(is_function(versions, key))).all()
            if not found:
                raise errors.function_not_found(key)
            records = [rows.record(row) for row in found]
            for record in records:
                self._rows.follow_code(connection, record, None)
            remove_function(connection, key)
            return [record.ref for record in records]

        removed = await self._database.write(write)
        self._changed(key)
        return removed

    async def find(self, ref: FunctionRef) -> FunctionRecord | None:
        """One version, or None."""
        return await self._database.read(lambda connection: rows.find(connection, ref))

    async def find_qualified(self, key: FunctionKey, qualifier: str | None) -> FunctionRecord | None:
        """The version a qualifier means: itself, or the one an alias points to (its own, not a weighted one)."""

        def read(connection: Connection) -> FunctionRecord | None:
            version = rows.version_meant(connection, key, qualifier)
            return None if version is None else rows.find(connection, key.version(version))

        return await self._database.read(read)

    async def exists(self, key: FunctionKey, qualifier: str | None) -> bool:
        """The function, and the version or alias of it that is meant."""
        return await self._database.read(lambda connection: qualifier_exists(connection, key, qualifier))

    async def unsettled(self) -> list[FunctionRef]:
        """The versions whose background work was not finished: at a start, what the last process left."""

        def read(connection: Connection) -> list[FunctionRef]:
            query = select(versions).where(or_(versions.c.state == "Pending", versions.c.update_status == "InProgress"))
            return [rows.record(row).ref for row in connection.execute(query)]

        return await self._database.read(read)

    async def codes_in_use(self) -> set[str]:
        """The digests of all packages that some version runs or is about to run."""

        def read(connection: Connection) -> set[str]:
            found = connection.execute(select(versions))
            return {code.digest for row in found for code in rows.codes(rows.record(row))}

        return await self._database.read(read)

    async def latest(self, limit: int) -> list[FunctionRef]:
        """The versions that were changed last, of all accounts; at most `limit`."""

        def read(connection: Connection) -> list[FunctionRef]:
            query = select(versions).order_by(versions.c.last_modified.desc()).limit(limit)
            return [rows.record(row).ref for row in connection.execute(query)]

        return await self._database.read(read)

    async def usage(self, account: str, region: str) -> Usage:
        """How many functions, how much code."""
        return await self._database.read(lambda connection: rows.usage(connection, account, region))

    async def tags(self, key: FunctionKey) -> dict[str, str] | None:
        """The tags of a function; None when there is no function."""
        return await self._database.read(lambda connection: _tags(connection, key))

    async def change_tags(self, key: FunctionKey, decide: Callable[[FunctionRecord, Tags], Tags]) -> None:
        """Replace the tags by what `decide` makes of them. Raises ResourceNotFoundException."""

        def write(connection: Connection) -> None:
            record = rows.find_latest(connection, key)
            after = json.dumps(dict(decide(record, _tags(connection, key) or {})))
            connection.execute(update(functions).where(is_function(functions, key)).values(tags=after))

        await self._database.write(write)

    def _changed(self, key: FunctionKey) -> None:
        for listener in self._listeners:
            listener(key)


def _tags(connection: Connection, key: FunctionKey) -> dict[str, str] | None:
    row = connection.execute(select(functions.c.tags).where(is_function(functions, key))).first()
    return None if row is None else json.loads(row.tags)
