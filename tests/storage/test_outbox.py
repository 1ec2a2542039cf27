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


def test_what_is_postponed_goes_behind_all_others_in_its_order(location: str | Path) -> None:
    async def main() -> None:
        database = await Database.open(location)
        for arn, payload in (("arn:a", b"1"), ("arn:b", b"2"), ("arn:a", b"3"), ("arn:c", b"4")):
            await database.write(lambda c, a=arn, p=payload: outbox.add(c, a, p, {"source": "s3"}, 7.0))
        await database.write(lambda c: outbox.postpone(c, "arn:a"))
        await database.write(lambda c: outbox.postpone(c, "arn:nobody"))
        entries = await database.read(lambda c: outbox.pending(c, 9))
        assert [entry.payload for entry in entries] == [b"2", b"4", b"1", b"3"]
        assert {(entry.created_at, entry.attributes["source"]) for entry in entries} == {(7.0, "s3")}
        await database.close()

    asyncio.run(main())
