"""Published versions: copies of `$LATEST` that never change, under numbers that are never used twice."""

from collections.abc import Callable

from sqlalchemy import Connection, Integer, Select, case, cast, select, tuple_, update

from bulb.core.facts import FunctionRef
from bulb.services.lambda_ import errors
from bulb.services.lambda_.model import LATEST, FunctionKey, FunctionRecord, key_of
from bulb.services.lambda_.store import rows
from bulb.services.lambda_.store.aliases import aliases_of
from bulb.services.lambda_.store.keys import function_exists, is_function, remove_version
from bulb.storage.database import Database
from bulb.storage.schema.lambda_ import functions, versions

Decide = Callable[[FunctionRecord], FunctionRecord]
Publish = Callable[[FunctionRecord, str], FunctionRecord]

# `$LATEST` first, then the numbers as numbers.
_NUMBER = case((versions.c.version == LATEST, 0), else_=cast(versions.c.version, Integer))


class VersionStore:
    """Publishes, lists and removes versions."""

    def __init__(self, database: Database, written: rows.VersionRows, changed: Callable[[FunctionKey], None]) -> None:
        self._database = database
        self._rows = written
        self._changed = changed

    async def publish(
        self, key: FunctionKey, decide: Decide, publish: Publish, code_storage_bytes: int
    ) -> FunctionRecord:
        """Replace `$LATEST` by what `decide` makes of it and publish that; the version, with its number.

        `publish` makes the version from `$LATEST` and its number. One that equals the version published last is that
        version: nothing is published then. Raises ResourceNotFoundException, CodeStorageExceededException and whatever
        `decide` does.
        """

        def write(connection: Connection) -> FunctionRecord:
            before = rows.find_latest(connection, key)
            latest = decide(before)
            if latest is not before:
                rows.check_storage(connection, latest, code_storage_bytes, before)
                self._rows.replace(connection, before, latest)
            query = select(functions.c.next_version).where(is_function(functions, key))
            number: int = connection.execute(query).scalar_one()
            new = publish(latest, str(number))
            last = rows.find(connection, key.version(str(number - 1)))
            if last is not None and last.published_from == new.published_from:
                return last
            rows.check_storage(connection, new, code_storage_bytes)
            self._rows.insert(connection, new)
            connection.execute(update(functions).where(is_function(functions, key)).values(next_version=number + 1))
            return new

        published = await self._database.write(write)
        self._changed(key)
        return published

    async def delete(self, ref: FunctionRef) -> bool:
        """Remove a version with what is attached to its number; whether it was there.

        Raises ResourceNotFoundException (no such function) and ResourceConflictException (an alias points to it).
        """
        key = key_of(ref)

        def write(connection: Connection) -> bool:
            if not function_exists(connection, key):
                raise errors.function_not_found(key, ref.version)
            record = rows.find(connection, ref)
            if record is None:
                return False
            pointing = [alias.name for alias in aliases_of(connection, key) if ref.version in alias.versions]
            if pointing:
                raise errors.version_in_use(pointing)
            self._rows.follow_code(connection, record, None)
            remove_version(connection, ref)
            return True

        removed = await self._database.write(write)
        self._changed(key)
        return removed

    async def of_function(self, key: FunctionKey, after: str | None, limit: int) -> list[FunctionRecord] | None:
        """At most `limit` versions behind the version `after`: `$LATEST`, 1, 2, …; None when there is no function."""

        def read(connection: Connection) -> list[FunctionRecord] | None:
            if not function_exists(connection, key):
                return None
            query = select(versions).where(is_function(versions, key))
            if after is not None:
                query = query.where(_number(after) < _NUMBER)
            return _records(connection, query.order_by(_NUMBER).limit(limit))

        return await self._database.read(read)

    async def in_buckets(self) -> list[FunctionRecord]:
        """The Active versions of all accounts whose packages are only referred to."""

        def read(connection: Connection) -> list[FunctionRecord]:
            # Only their packages take up no storage.
            return _records(connection, select(versions).where(versions.c.code_size == 0, versions.c.state == "Active"))

        return await self._database.read(read)

    async def of_account(
        self, account: str, region: str, after: tuple[str, str] | None, limit: int, every_version: bool
    ) -> list[FunctionRecord]:
        """At most `limit` versions behind (name, version), by name. Without `every_version` only `$LATEST`."""

        def read(connection: Connection) -> list[FunctionRecord]:
            query = select(versions).where(versions.c.account == account, versions.c.region == region)
            if not every_version:
                query = query.where(versions.c.version == LATEST)
            if after is not None:
                query = query.where(tuple_(versions.c.name, _NUMBER) > (after[0], _number(after[1])))
            return _records(connection, query.order_by(versions.c.name, _NUMBER).limit(limit))

        return await self._database.read(read)


def _number(version: str) -> int:
    """The place of a version in a list. Raises InvalidParameterValueException for a marker that is none."""
    if version == LATEST:
        return 0
    if not version.isdecimal():
        raise errors.invalid_token()
    return int(version)


def _records(connection: Connection, query: Select[tuple[object, ...]]) -> list[FunctionRecord]:
    return [rows.record(row) for row in connection.execute(query)]
