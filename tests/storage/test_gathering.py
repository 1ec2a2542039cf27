"""Inserts gathered into one statement: all there at the end, in order, or none."""

import asyncio
from pathlib import Path

import pytest
from sqlalchemy import Connection, select

from bulb.storage import gathering
from bulb.storage.database import Database
from bulb.storage.schema.delivery import delivery_timers


def row(key: str) -> dict[str, object]:
    return {"owner": "o", "key": key, "due_at": 1.0, "try_at": 1.0}


def test_rows_are_inserted_together_or_not_at_all(location: str | Path) -> None:
    async def main() -> None:
        database = await Database.open(location)
        keys = select(delivery_timers.c.key).order_by(delivery_timers.c.key)

        def add(connection: Connection, *names: str) -> list[str]:
            with gathering.gathering(connection):
                for name in names:
                    gathering.insert(connection, delivery_timers, [row(name)])
                return list(connection.execute(keys).scalars())

        assert await database.write(lambda c: add(c, "b", "a")) == []
        assert await database.read(lambda c: list(c.execute(keys).scalars())) == ["a", "b"]
        with pytest.raises(Exception, match=r"(?i)unique"):
            await database.write(lambda c: add(c, "c", "a"))
        assert await database.read(lambda c: list(c.execute(keys).scalars())) == ["a", "b"]

        def fail(connection: Connection) -> None:
            with gathering.gathering(connection):
                gathering.insert(connection, delivery_timers, [row("d")])
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            await database.write(fail)

        # Outside of it, and after a failure inside of it, rows are there at once.
        def at_once(connection: Connection) -> list[str]:
            gathering.insert(connection, delivery_timers, [row("e"), row("f")])
            return list(connection.execute(keys).scalars())

        assert await database.write(at_once) == ["a", "b", "e", "f"]
        await database.close()

    asyncio.run(main())
