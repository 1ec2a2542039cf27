"""What is configured about asynchronous events, and whether loops through a function may run."""

from collections.abc import Callable, Collection
from typing import Any

from sqlalchemy import Connection, Row, and_, delete, insert, select
from sqlalchemy.sql.elements import ColumnElement

from bulb.services.lambda_ import errors
from bulb.services.lambda_.event_configs import Decide, Destinations, EventConfig
from bulb.services.lambda_.model import LATEST, FunctionKey
from bulb.services.lambda_.store.keys import UNQUALIFIED, function_exists, is_function, qualifier_exists
from bulb.storage.database import Database
from bulb.storage.schema.lambda_async import event_invoke_configs, recursion


class EventConfigStore:
    """The configurations of one database."""

    def __init__(self, database: Database, changed: Callable[[FunctionKey], None]) -> None:
        self._database = database
        self._changed = changed

    async def find(self, key: FunctionKey, qualifier: str | None) -> EventConfig | None:
        """What is configured for events that name the function with `qualifier`."""
        return await self._database.read(lambda connection: _find(connection, key, qualifier))

    async def change(
        self, key: FunctionKey, qualifier: str | None, services: Collection[str], decide: Decide
    ) -> EventConfig:
        """Replace a configuration by what `decide` makes of it, and answer that.

        Raises ResourceNotFoundException when there is no such function, version or alias.
        """

        def write(connection: Connection) -> EventConfig:
            if not qualifier_exists(connection, key, qualifier):
                raise errors.not_found("The function doesn't exist.")
            allowed = Destinations(services, lambda other: function_exists(connection, other))
            after = decide(_find(connection, key, qualifier), allowed)
            connection.execute(delete(event_invoke_configs).where(_is_config(key, qualifier)))
            connection.execute(insert(event_invoke_configs).values(_values(key, qualifier, after)))
            return after

        changed = await self._database.write(write)
        self._changed(key)
        return changed

    async def remove(self, key: FunctionKey, qualifier: str | None) -> bool:
        """Forget a configuration; whether there was one."""

        def write(connection: Connection) -> bool:
            gone = connection.execute(delete(event_invoke_configs).where(_is_config(key, qualifier)))
            return bool(gone.rowcount)

        removed = await self._database.write(write)
        self._changed(key)
        return removed

    async def page(self, key: FunctionKey, after: str | None, limit: int) -> list[tuple[str, EventConfig]] | None:
        """At most `limit` configurations with their qualifiers, behind the qualifier `after`; None without function."""

        def read(connection: Connection) -> list[tuple[str, EventConfig]] | None:
            if not function_exists(connection, key):
                return None
            query = select(event_invoke_configs).where(is_function(event_invoke_configs, key))
            if after is not None:
                query = query.where(event_invoke_configs.c.qualifier > _stored(after))
            query = query.order_by(event_invoke_configs.c.qualifier).limit(limit)
            return [(row.qualifier or LATEST, _config(row)) for row in connection.execute(query)]

        return await self._database.read(read)

    async def may_recurse(self, key: FunctionKey) -> bool | None:
        """Loops through the function are let run; None when there is no function."""

        def read(connection: Connection) -> bool | None:
            if not function_exists(connection, key):
                return None
            return bool(connection.execute(select(recursion.c.allowed).where(is_function(recursion, key))).scalar())

        return await self._database.read(read)

    async def allow_recursion(self, key: FunctionKey, allowed: bool) -> bool:
        """Let loops through the function run, or not. False when there is no function."""

        def write(connection: Connection) -> bool:
            if not function_exists(connection, key):
                return False
            connection.execute(delete(recursion).where(is_function(recursion, key)))
            connection.execute(insert(recursion).values(**key._asdict(), allowed=allowed))
            return True

        return await self._database.write(write)


def _stored(qualifier: str | None) -> str:
    return UNQUALIFIED if qualifier in (None, LATEST) else str(qualifier)


def _is_config(key: FunctionKey, qualifier: str | None) -> ColumnElement[bool]:
    table = event_invoke_configs
    return and_(is_function(table, key), table.c.qualifier == _stored(qualifier))


def _find(connection: Connection, key: FunctionKey, qualifier: str | None) -> EventConfig | None:
    row = connection.execute(select(event_invoke_configs).where(_is_config(key, qualifier))).first()
    return None if row is None else _config(row)


def _config(row: Row[Any]) -> EventConfig:
    return EventConfig(row.last_modified, row.max_retries, row.max_age_s, row.on_success, row.on_failure)


def _values(key: FunctionKey, qualifier: str | None, config: EventConfig) -> dict[str, Any]:
    return {
        **key._asdict(),
        "qualifier": _stored(qualifier),
        "last_modified": config.last_modified,
        "max_retries": config.max_retries,
        "max_age_s": config.max_age_s,
        "on_success": config.on_success,
        "on_failure": config.on_failure,
    }
