"""The outbox: there exactly when its change is there, in order, and announced."""

import asyncio
from pathlib import Path

import pytest
from sqlalchemy import Connection

from bulb.storage import outbox
from bulb.storage.database import Database


def test_entries_stand_and_fall_with_their_transaction(location: str | Path) -> None:
    async def main() -> None:
        database = await Database.open(location)
        told: list[int] = []
        database.on_commit(outbox.CHANNEL, lambda: told.append(database.commits))

        def refused(connection: Connection) -> None:
            outbox.add(connection, "arn:aws:lambda:eu-west-1:0:function:f", b"lost", {}, 1.0)
            raise ValueError("no")

        with pytest.raises(ValueError, match="no"):
            await database.write(refused)
        assert told == []
        for n in range(5):
            attributes = {"source": "s3", "n": n}
            await database.write(lambda c, n=n, a=attributes: outbox.add(c, f"arn:{n}", b"\x00%d" % n, a, 2.0))
        assert len(told) == 5
        entries = await database.read(lambda c: outbox.pending(c, 3))
        assert [(e.destination_arn, e.payload, e.attributes["n"], e.created_at) for e in entries] == [
            ("arn:0", b"\x000", 0, 2.0),
            ("arn:1", b"\x001", 1, 2.0),
            ("arn:2", b"\x002", 2, 2.0),
        ]
        await database.write(lambda c: outbox.remove(c, [entry.id for entry in entries]))
        await database.write(lambda c: outbox.remove(c, []))
        await database.close()
        again = await Database.open(location)
        assert [e.destination_arn for e in await again.read(lambda c: outbox.pending(c, 9))] == ["arn:3", "arn:4"]
        await again.close()

    asyncio.run(main())
