"""Reserved and provisioned concurrency in the database. Sums over an account are taken in the transaction that uses
them, so that two callers cannot both get the last of it.
"""

from typing import Any

from sqlalchemy import Connection, Table, and_, delete, func, insert, select
from sqlalchemy.sql.elements import ColumnElement

from bulb.core.facts import FunctionRef
from bulb.services.lambda_ import errors
from bulb.services.lambda_.concurrency import Concurrency, Provision, check_provision, check_reserved
from bulb.services.lambda_.model import FunctionKey
from bulb.services.lambda_.snapstart import starts_from_snapshot
from bulb.services.lambda_.store import rows
from bulb.services.lambda_.store.aliases import aliases_of
from bulb.services.lambda_.store.keys import function_exists, is_function, qualifier_exists
from bulb.storage.database import Database
from bulb.storage.schema.lambda_concurrency import provisioned, reserved


class ConcurrencyStore:
    """What functions have reserved, and what is provisioned for their versions and aliases."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def find(self, key: FunctionKey) -> Concurrency | None:
        """What a function has; None when there is no function."""

        def read(connection: Connection) -> Concurrency | None:
            return _find(connection, key) if function_exists(connection, key) else None

        return await self._database.read(read)

    async def reservations(self) -> list[tuple[FunctionKey, int]]:
        """Every function of every account that has something reserved, and how much."""

        def read(connection: Connection) -> list[tuple[FunctionKey, int]]:
            rows = connection.execute(select(reserved))
            return [(FunctionKey(row.account, row.region, row.name), row.executions) for row in rows]

        return await self._database.read(read)

    async def provisioned(self) -> list[FunctionKey]:
        """Every function of every account that has something provisioned."""

        def read(connection: Connection) -> list[FunctionKey]:
            query = select(provisioned.c.account, provisioned.c.region, provisioned.c.name).distinct()
            return [FunctionKey(row.account, row.region, row.name) for row in connection.execute(query)]

        return await self._database.read(read)

    async def reserve(self, key: FunctionKey, executions: int | None, limit: int) -> None:
        """Reserve, or give back with None. `limit` is the account's.

        Raises ResourceNotFoundException and what `check_reserved` raises.
        """

        def write(connection: Connection) -> None:
            if not function_exists(connection, key):
                raise errors.function_not_found(key)
            function = _find(connection, key)
            others = limit - _used(connection, key) + _use(function)
            connection.execute(delete(reserved).where(is_function(reserved, key)))
            if executions is not None:
                check_reserved(executions, function, others)
                connection.execute(insert(reserved).values(**key._asdict(), executions=executions))

        await self._database.write(write)

    async def provision(self, key: FunctionKey, qualifier: str, executions: int, limit: int, now: float) -> Concurrency:
        """Provision for a version or an alias, in place of what was; what the function has then.

        Raises ResourceNotFoundException and what `check_provision` raises.
        """

        def write(connection: Connection) -> Concurrency:
            _check_there(connection, key, qualifier)
            function = _find(connection, key)
            _check_initialised(connection, key, qualifier, function)
            before = function.provision(qualifier)
            spare = limit - _used(connection, key)
            if function.reserved is None and before is not None:
                spare += before.executions
            check_provision(qualifier, executions, function, spare)
            connection.execute(delete(provisioned).where(_is_provision(key, qualifier)))
            row = {"qualifier": qualifier, "executions": executions, "last_modified": now}
            connection.execute(insert(provisioned).values(**key._asdict(), **row))
            return _find(connection, key)

        return await self._database.write(write)

    async def remove_provision(self, key: FunctionKey, qualifier: str) -> None:
        """Provision nothing for a version or an alias. Raises ResourceNotFoundException without such a one."""

        def write(connection: Connection) -> None:
            _check_there(connection, key, qualifier)
            connection.execute(delete(provisioned).where(_is_provision(key, qualifier)))

        await self._database.write(write)

    async def of_qualifier(self, key: FunctionKey, qualifier: str) -> Concurrency:
        """What the function of a version or an alias has. Raises ResourceNotFoundException without such a one."""

        def read(connection: Connection) -> Concurrency:
            _check_there(connection, key, qualifier)
            return _find(connection, key)

        return await self._database.read(read)


def _check_there(connection: Connection, key: FunctionKey, qualifier: str) -> None:
    if not function_exists(connection, key):
        raise errors.function_not_found(key, qualifier)
    if not qualifier_exists(connection, key, qualifier):
        if qualifier.isdecimal():
            raise errors.function_not_found(key, qualifier)
        raise errors.not_found(f"Cannot find alias arn: {key.qualified_arn(qualifier)}")


def _check_initialised(connection: Connection, key: FunctionKey, qualifier: str, function: Concurrency) -> None:
    """Versions that start from a snapshot have nothing provisioned."""
    alias = function.alias(qualifier)
    for version in (qualifier,) if alias is None else alias.versions:
        record = rows.find(connection, FunctionRef(*key, version))
        if record is not None and starts_from_snapshot(record):
            raise errors.invalid("Provisioned Concurrency is not supported for SnapStart enabled functions.")


def _is_provision(key: FunctionKey, qualifier: str) -> ColumnElement[bool]:
    return and_(is_function(provisioned, key), provisioned.c.qualifier == qualifier)


def _find(connection: Connection, key: FunctionKey) -> Concurrency:
    found = connection.execute(select(reserved.c.executions).where(is_function(reserved, key))).scalar_one_or_none()
    query = select(provisioned).where(is_function(provisioned, key)).order_by(provisioned.c.qualifier)
    provisions = (Provision(row.qualifier, row.executions, row.last_modified) for row in connection.execute(query))
    return Concurrency(found, tuple(provisions), tuple(aliases_of(connection, key)))


def _use(function: Concurrency) -> int:
    """What a function takes out of the common pool."""
    return function.provisioned if function.reserved is None else function.reserved


def _used(connection: Connection, key: FunctionKey) -> int:
    """What all functions of the account and region take out of the common pool."""
    held = _sum(connection, reserved, key)
    with_reservation = select(reserved.c.name).where(_is_account(reserved, key))
    return held + _sum(connection, provisioned, key, provisioned.c.name.not_in(with_reservation))


def _sum(connection: Connection, table: Table, key: FunctionKey, *further: Any) -> int:
    query = select(func.coalesce(func.sum(table.c.executions), 0)).where(_is_account(table, key), *further)
    return int(connection.execute(query).scalar_one())


def _is_account(table: Table, key: FunctionKey) -> ColumnElement[bool]:
    return and_(table.c.account == key.account, table.c.region == key.region)
