"""Event source mappings and their tags."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, select, update

from bulb.services.lambda_.mappings import NEXT, EventSourceMapping
from bulb.services.lambda_.model import FunctionKey
from bulb.storage.database import Database
from bulb.storage.schema.lambda_mappings import event_source_mappings as table

Check = Callable[[EventSourceMapping, Sequence[EventSourceMapping]], None]


class MappingStore:
    """The mappings of all accounts in one database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(self, new: EventSourceMapping, check: Check) -> None:
        """Keep a new one; `check` is shown it and those of the same function, and refuses by raising."""

        def write(connection: Connection) -> None:
            check(new, _of_function(connection, new.function))
            connection.execute(insert(table).values(uuid=new.uuid, **_values(new)))

        await self._database.write(write)

    async def change(
        self,
        uuid: str,
        decide: Callable[[EventSourceMapping | None], EventSourceMapping | None],
        check: Check = lambda after, others: None,
    ) -> EventSourceMapping | None:
        """Replace one by what `decide` makes of it; None removes it. `check` is as for `create`."""

        def write(connection: Connection) -> EventSourceMapping | None:
            before = _find(connection, uuid)
            after = decide(before)
            if after is None:
                connection.execute(delete(table).where(table.c.uuid == uuid))
            elif after != before:
                check(after, _of_function(connection, after.function))
                connection.execute(update(table).where(table.c.uuid == uuid).values(_values(after)))
            return after

        return await self._database.write(write)

    async def of_function(self, key: FunctionKey) -> list[EventSourceMapping]:
        """Those of one function, whatever version or alias they name."""
        return await self._database.read(lambda connection: _of_function(connection, key))

    async def find(self, uuid: str) -> EventSourceMapping | None:
        """One, or None."""
        return await self._database.read(lambda connection: _find(connection, uuid))

    async def page(self, account: str, region: str, after: str) -> list[EventSourceMapping]:
        """Those of an account behind the UUID `after`, by UUID."""
        query = select(table).where(table.c.account == account, table.c.region == region, table.c.uuid > after)
        return await self._database.read(
            lambda connection: [_mapping(row) for row in connection.execute(query.order_by(table.c.uuid))]
        )

    async def at_work(self) -> list[EventSourceMapping]:
        """Those a source has something to do for: all that are not simply Disabled."""
        query = select(table).where(table.c.state.in_([*NEXT, "Enabled"]))
        return await self._database.read(lambda connection: [_mapping(row) for row in connection.execute(query)])


def _of_function(connection: Connection, key: FunctionKey) -> list[EventSourceMapping]:
    query = select(table).where(table.c.account == key.account, table.c.region == key.region, table.c.name == key.name)
    return [_mapping(row) for row in connection.execute(query)]


def _find(connection: Connection, uuid: str) -> EventSourceMapping | None:
    row = connection.execute(select(table).where(table.c.uuid == uuid)).first()
    return None if row is None else _mapping(row)


def _values(of: EventSourceMapping) -> Mapping[str, Any]:
    return {
        **of.function._asdict(),
        "qualifier": of.qualifier or "",
        "kind": of.kind,
        "event_source_arn": of.event_source_arn,
        "state": of.state,
        "last_modified": of.last_modified,
        "settings": json.dumps(dict(of.settings)),
        "tags": json.dumps(dict(of.tags)),
    }


def _mapping(row: Row[Any]) -> EventSourceMapping:
    return EventSourceMapping(
        uuid=row.uuid,
        function=FunctionKey(row.account, row.region, row.name),
        qualifier=row.qualifier or None,
        kind=row.kind,
        event_source_arn=row.event_source_arn,
        state=row.state,
        last_modified=row.last_modified,
        settings=json.loads(row.settings),
        tags=json.loads(row.tags),
    )
