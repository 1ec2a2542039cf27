"""Aliases: names for one version, or for two with a weight.

A change is decided in the writer's thread by a function that is shown the alias and can look at the versions, so no
alias ever points to a version that is not there.
"""

import json
from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection, Row, and_, insert, select, update
from sqlalchemy.sql.elements import ColumnElement

from bulb.services.lambda_.model import Alias, FunctionKey, FunctionRecord
from bulb.services.lambda_.store import rows
from bulb.services.lambda_.store.keys import function_exists, is_function, remove_alias
from bulb.storage.database import Database
from bulb.storage.schema.lambda_ import aliases

Lookup = Callable[[str], FunctionRecord | None]


class AliasStore:
    """The aliases of functions in one database."""

    def __init__(self, database: Database, changed: Callable[[FunctionKey], None]) -> None:
        self._database = database
        self._changed = changed

    async def find(self, key: FunctionKey, name: str) -> Alias | None:
        """One alias, or None."""
        return await self._database.read(lambda connection: _find(connection, key, name))

    async def page(self, key: FunctionKey, after: str | None, limit: int, version: str | None) -> list[Alias] | None:
        """At most `limit` aliases behind the one named `after`, by name; only those that invoke `version` if it is
        given. None when there is no function.
        """

        def read(connection: Connection) -> list[Alias] | None:
            if not function_exists(connection, key):
                return None
            found = aliases_of(connection, key)
            return [
                alias
                for alias in found
                if (version is None or version in alias.versions) and (after is None or alias.name > after)
            ][:limit]

        return await self._database.read(read)

    async def change(
        self, key: FunctionKey, name: str, decide: Callable[[Alias | None, Lookup, bool], Alias | None]
    ) -> Alias | None:
        """Replace an alias by what `decide` makes of it, and answer that; None is no alias.

        `decide` is given the alias as it is, a look at the versions, and whether the function exists; it refuses by
        raising.
        """

        def write(connection: Connection) -> Alias | None:
            before = _find(connection, key, name)
            after = decide(
                before,
                lambda version: rows.find(connection, key.version(version)),
                function_exists(connection, key),
            )
            _write(connection, key, before, after)
            return after

        changed = await self._database.write(write)
        self._changed(key)
        return changed


def aliases_of(connection: Connection, key: FunctionKey) -> list[Alias]:
    """All aliases of a function, by name."""
    query = select(aliases).where(is_function(aliases, key)).order_by(aliases.c.alias)
    return [_alias(row) for row in connection.execute(query)]


def _find(connection: Connection, key: FunctionKey, name: str) -> Alias | None:
    row = connection.execute(select(aliases).where(_is_alias(key, name))).first()
    return None if row is None else _alias(row)


def _is_alias(key: FunctionKey, name: str) -> ColumnElement[bool]:
    return and_(is_function(aliases, key), aliases.c.alias == name)


def _write(connection: Connection, key: FunctionKey, before: Alias | None, after: Alias | None) -> None:
    if after is None:
        if before is not None:
            remove_alias(connection, key, before.name)
        return
    values = {
        "version": after.version,
        "description": after.description,
        "weights": json.dumps(dict(after.weights)),
        "revision_id": after.revision_id,
    }
    if before is None:
        connection.execute(insert(aliases).values(**key._asdict(), alias=after.name, **values))
    else:
        connection.execute(update(aliases).where(_is_alias(key, after.name)).values(values))


def _alias(row: Row[Any]) -> Alias:
    return Alias(row.alias, row.version, row.revision_id, row.description, json.loads(row.weights))
