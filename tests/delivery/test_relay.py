import asyncio
from pathlib import Path

from sqlalchemy import Connection

from bulb.core.clock import SystemClock
from bulb.core.facts import Facts
from bulb.delivery.handing import Handing, Routes
from bulb.delivery.model import Finish
from bulb.delivery.relay import Relay
from bulb.storage import outbox
from bulb.storage.database import Database

FUNCTION = "arn:aws:lambda:us-east-1:000000000000:function:f"


class Lambda:
    def __init__(self, failures: int = 0) -> None:
        self.failures = failures
        self.taken: list[tuple[str, bytes]] = []
        self.ids: set[int] = set()  # some may be taken in a transaction that is undone

    def __call__(self, connection: Connection, entry: outbox.Entry, now: float) -> None:
        if self.failures:
            self.failures -= 1
            raise OSError("not now")
        self.taken.append((entry.destination_arn, entry.payload))
        self.ids.add(entry.id)


async def relayed(database: Database, destination: Lambda, *entries: tuple[str, bytes]) -> list[outbox.Entry]:
    relay = Relay(database, Handing(Routes({"lambda": destination}), Facts()), SystemClock())
    relay.start()
    try:
        for arn, payload in entries:
            await database.write(lambda c, a=arn, p=payload: outbox.add(c, a, p, {}, 1.0))
        for _ in range(3_000):
            if not await database.read(lambda c: outbox.pending(c, 10)):
                break
            await asyncio.sleep(0.01)
        return await database.read(lambda c: outbox.pending(c, 10))
    finally:
        await relay.close()


def test_an_entry_reaches_its_destination_and_leaves_the_outbox(tmp_path: Path) -> None:
    async def main() -> None:
        database = await Database.open(tmp_path / "bulb.db")
        destination = Lambda()
        left = await relayed(database, destination, (FUNCTION, b"1"), (FUNCTION, b"2"))
        assert destination.taken == [(FUNCTION, b"1"), (FUNCTION, b"2")]
        assert left == []
        await database.close()

    asyncio.run(main())


def test_what_waited_from_before_a_restart_is_relayed_at_start(tmp_path: Path) -> None:
    async def main() -> None:
        database = await Database.open(tmp_path / "bulb.db")
        await database.write(lambda c: outbox.add(c, FUNCTION, b"early", {}, 1.0))
        destination = Lambda()
        assert await relayed(database, destination) == []
        assert destination.taken == [(FUNCTION, b"early")]
        await database.close()

    asyncio.run(main())


def test_a_failing_move_loses_nothing_and_is_tried_again(tmp_path: Path) -> None:
    async def main() -> None:
        database = await Database.open(tmp_path / "bulb.db")
        destination = Lambda(failures=1)
        assert await relayed(database, destination, (FUNCTION, b"1")) == []
        assert destination.taken == [(FUNCTION, b"1")]
        await database.close()

    asyncio.run(main())


def test_an_unknown_destination_does_not_hold_up_the_rest(tmp_path: Path) -> None:
    async def main() -> None:
        database = await Database.open(tmp_path / "bulb.db")
        destination = Lambda()
        entries = (("arn:aws:nothing:us-east-1:000000000000:x", b"0"), (FUNCTION, b"1"))
        assert await relayed(database, destination, *entries) == []
        assert destination.taken == [(FUNCTION, b"1")]
        await database.close()

    asyncio.run(main())


def test_a_destination_that_goes_on_failing_holds_up_nobody(tmp_path: Path) -> None:
    async def main() -> None:
        database = await Database.open(tmp_path / "bulb.db")
        broken, sound = Lambda(failures=1_000_000), Lambda()

        async def unprepared(entry: outbox.Entry, now: float) -> Finish:
            raise OSError("the disk is full")

        routes = Routes({"lambda": sound, "sqs": broken}, prepared={"s3": unprepared})
        relay = Relay(database, Handing(routes, Facts()), SystemClock())
        relay.start()
        queue, bucket = "arn:aws:sqs:us-east-1:000000000000:q", "arn:aws:s3:::b"
        for arn in (queue, bucket, FUNCTION, queue, FUNCTION):
            await database.write(lambda c, a=arn: outbox.add(c, a, b"1", {"kept": True}, 1.0))
        for _ in range(3_000):
            left = await database.read(lambda c: outbox.pending(c, 10))
            if len(left) == 3:
                break
            await asyncio.sleep(0.01)
        assert len(sound.ids) == 2
        assert sorted(entry.destination_arn for entry in left) == [bucket, queue, queue]
        assert {(entry.payload, entry.created_at, entry.attributes["kept"]) for entry in left} == {(b"1", 1.0, True)}
        broken.failures = 0
        for _ in range(3_000):
            if len(broken.taken) == 2:
                break
            await asyncio.sleep(0.01)
        assert len(broken.taken) == 2
        await relay.close()
        await database.close()

    asyncio.run(main())


def test_what_failed_keeps_its_order_behind_it(tmp_path: Path) -> None:
    async def main() -> None:
        database = await Database.open(tmp_path / "bulb.db")
        destination = Lambda(failures=3)
        entries = [(FUNCTION, b"%d" % number) for number in range(6)]
        for arn, payload in entries:
            await database.write(lambda c, a=arn, p=payload: outbox.add(c, a, p, {}, 1.0))
        assert await relayed(database, destination) == []
        assert destination.taken == entries
        await database.close()

    asyncio.run(main())
