"""Rows by function and qualifier: what every file of this package needs of the schema.

A table whose rows belong to a function names its columns `account`, `region` and `name` and says
`info={"part_of": "function"}`: its rows go when the function goes. With a column `qualifier` as well, the rows of a
version's number go with that version, those of an alias with that alias.
"""

from typing import Any

from sqlalchemy import Connection, Select, Table, and_, delete, select
from sqlalchemy.sql.elements import ColumnElement

from bulb.core.facts import FunctionRef
from bulb.services.lambda_.model import LATEST, FunctionKey, key_of
from bulb.storage.schema.base import metadata
from bulb.storage.schema.lambda_ import aliases, functions, versions

UNQUALIFIED = ""


def is_function(table: Table, key: FunctionKey) -> ColumnElement[bool]:
    """The rows of a function."""
    return and_(table.c.account == key.account, table.c.region == key.region, table.c.name == key.name)


def is_version(ref: FunctionRef) -> ColumnElement[bool]:
    """The row of one version."""
    return and_(is_function(versions, key_of(ref)), versions.c.version == ref.version)


def function_exists(connection: Connection, key: FunctionKey) -> bool:
    """The function is there."""
    return _any(connection, select(functions.c.name).where(is_function(functions, key)))


def qualifier_exists(connection: Connection, key: FunctionKey, qualifier: str | None) -> bool:
    """The function is there, and so is the version or alias that is meant; None and `$LATEST` are always."""
    if qualifier in (None, LATEST):
        return function_exists(connection, key)
    version = select(versions.c.name).where(is_function(versions, key), versions.c.version == qualifier)
    alias = select(aliases.c.name).where(is_function(aliases, key), aliases.c.alias == qualifier)
    return _any(connection, version) or _any(connection, alias)


def remove_function(connection: Connection, key: FunctionKey) -> None:
    """Delete the function and everything that is part of it."""
    for table in reversed(metadata.sorted_tables):
        if table.info.get("part_of") == "function":
            connection.execute(delete(table).where(is_function(table, key)))
    connection.execute(delete(functions).where(is_function(functions, key)))


def remove_alias(connection: Connection, key: FunctionKey, name: str) -> None:
    """Delete an alias and everything that is attached to its name."""
    _remove_qualified(connection, key, name)
    connection.execute(delete(aliases).where(is_function(aliases, key), aliases.c.alias == name))


def remove_version(connection: Connection, ref: FunctionRef) -> None:
    """Delete a version and everything that is attached to its number."""
    _remove_qualified(connection, key_of(ref), ref.version)
    connection.execute(delete(versions).where(is_version(ref)))


def _remove_qualified(connection: Connection, key: FunctionKey, qualifier: str) -> None:
    for table in reversed(metadata.sorted_tables):
        if table.info.get("part_of") == "function" and "qualifier" in table.c:
            connection.execute(delete(table).where(is_function(table, key), table.c.qualifier == qualifier))


def _any(connection: Connection, query: Select[Any]) -> bool:
    return connection.execute(query.limit(1)).first() is not None
