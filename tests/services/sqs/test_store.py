"""The promises of the store, over SQLite and PostgreSQL."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager
from itertools import takewhile
from pathlib import Path

import pytest

from bulb.services.sqs.handles import Handle, decode, encode
from bulb.services.sqs.model import Claimed, Counts, NewMessage, Queue, QueueKey, StoredMessage
from bulb.services.sqs.store import SqsStore
from bulb.services.sqs.store import receiving as receiving_module
from bulb.services.sqs.store.receiving import Asked
from bulb.services.sqs.store.settling import Ending
from bulb.storage.database import Database

HOME = QueueKey("000000000000", "us-east-1", "q")


class Room:
    """A store with a few words for tests."""

    def __init__(self, store: SqsStore) -> None:
        self.store = store

    async def queue(self, name: str = "q", *, fifo: bool = False, **attributes: str) -> Queue:
        name += ".fifo" if fifo else ""
        return await self.store.queues.create(
            Queue(0, HOME._replace(name=name), fifo, 1_000.0, 1_000.0, attributes=attributes)
        )

    async def send(self, queue: Queue, *words: str, at: float = 1_000.0) -> None:
        await self.store.sending.send_all(queue, [new(word, fifo=queue.is_fifo) for word in words], at)

    async def claim(self, queue: Queue, limit: int, at: float, hidden: float = 30.0, **more: int) -> Claimed:
        return await self.store.receiving.claim(queue, Asked(limit, hidden, None, more.get("per_group")), at)

    async def bodies(self, queue: Queue, limit: int, at: float, hidden: float = 30.0, **more: int) -> list[str]:
        return [message.body for message in (await self.claim(queue, limit, at, hidden, **more)).messages]

    async def counts(self, queue: Queue, at: float) -> tuple[int, int, int]:
        found: Counts = await self.store.looking.counts(queue, at)
        return found.visible, found.in_flight, found.delayed


def new(word: str, *, fifo: bool = False, delay: float | None = None) -> NewMessage:
    """The first letter of a word is its group."""
    more = {"group": word[0], "deduplication_id": word} if fifo else {}
    return NewMessage(f"id-{word}", word, "md5", "me", delay_s=delay, **more)


def handle(message: StoredMessage) -> Handle:
    return Handle(message.queue_id, message.id, message.claim)


@asynccontextmanager
async def room(location: str | Path) -> AsyncIterator[Room]:
    database = await Database.open(location)
    try:
        yield Room(await SqsStore.open(database))
    finally:
        await database.close()


def run(location: str | Path, scenario: Callable[[Room], Awaitable[None]]) -> None:
    async def main() -> None:
        async with room(location) as opened:
            await scenario(opened)

    asyncio.run(main())


def test_what_is_claimed_is_hidden_and_counted(location: str | Path) -> None:
    async def scenario(room: Room) -> None:
        queue = await room.queue()
        await room.send(queue, "a", "b", "c")
        assert await room.bodies(queue, 2, 1_000.0) == ["a", "b"]
        assert await room.bodies(queue, 2, 1_001.0, hidden=5.0) == ["c"]
        claimed = await room.claim(queue, 2, 1_002.0)
        assert (claimed.messages, claimed.next_at) == ((), 1_006.0)
        assert await room.counts(queue, 1_002.0) == (0, 3, 0)
        assert await room.counts(queue, 1_007.0) == (1, 2, 0)
        assert await room.bodies(queue, 9, 1_007.0) == ["c"]
        assert sorted(await room.bodies(queue, 9, 1_031.0)) == ["a", "b"]

    run(location, scenario)


def test_queues_and_messages_are_there_after_a_restart(location: str | Path) -> None:
    async def before(room: Room) -> None:
        plain, fifo = await room.queue(VisibilityTimeout="7"), await room.queue(fifo=True)
        await room.send(plain, "a", "b")
        await room.send(fifo, "x1", "x2", "y1")
        (held,) = (await room.claim(plain, 1, 1_000.0)).messages
        await room.claim(fifo, 1, 1_000.0)
        kept.append(encode(plain.id, held.id, held.claim))

    async def after(room: Room) -> None:
        plain, fifo = room.store.queues.find(HOME), room.store.queues.find(HOME._replace(name="q.fifo"))
        assert plain is not None
        assert fifo is not None
        assert (plain.visibility_s, plain.is_fifo, fifo.is_fifo) == (7, False, True)
        assert await room.counts(plain, 1_001.0) == (1, 1, 0)
        assert await room.bodies(fifo, 9, 1_001.0) == ["y1"]
        found = decode(kept[0])
        assert found is not None
        assert await room.store.settling.delete(plain, [found], 1_001.0) == [Ending.DONE]
        assert await room.counts(plain, 1_001.0) == (1, 0, 0)
        await room.send(fifo, "x2", at=1_002.0)  # a twin, also after a restart
        assert await room.counts(fifo, 1_002.0) == (1, 2, 0)
        assert sorted(await room.bodies(fifo, 9, 1_031.5)) == ["x1", "x2", "y1"]

    kept: list[str] = []
    run(location, before)
    run(location, after)


def test_numbers_are_never_given_twice(location: str | Path) -> None:
    async def scenario(room: Room) -> None:
        found = room.store.queues.find(HOME)
        queue = await room.queue() if found is None else found
        await room.send(queue, "a")
        (message,) = (await room.claim(queue, 1, 1_000.0)).messages
        await room.store.settling.delete(queue, [handle(message)], 1_000.0)
        numbers.extend((message.id, message.claim))

    numbers: list[int] = []
    for _ in range(3):
        run(location, scenario)
    assert numbers == sorted(set(numbers))


def free_of(words: list[str], alive: Collection[str]) -> list[str]:
    """Those before the first that is in flight."""
    return list(takewhile(lambda word: word not in alive, words))


def test_groups_are_taken_in_order_whatever_happens(location: str | Path) -> None:
    """A model of what FIFO promises, and two hundred random steps."""

    async def scenario(room: Room) -> None:
        queue, chance, now = await room.queue(fifo=True), random.Random(7), 1_000.0
        waiting: dict[str, list[str]] = {group: [] for group in "abc"}
        flying: dict[str, tuple[StoredMessage, float]] = {}
        for step in range(200):
            now += chance.random() * 5
            act = chance.choice(("send", "receive", "receive", "delete", "release"))
            alive = {word: held for word, held in flying.items() if held[1] > now}
            if act == "send":
                word = f"{chance.choice('abc')}{step}"
                await room.send(queue, word, at=now)
                waiting[word[0]].append(word)
            elif act == "receive":
                hidden = chance.choice((1.0, 8.0, 30.0))
                got = (await room.claim(queue, chance.randint(1, 4), now, hidden)).messages
                free = {group: free_of(words, alive) for group, words in waiting.items()}
                for group in {message.body[0] for message in got}:
                    mine = [message.body for message in got if message.body[0] == group]
                    assert mine == free[group][: len(mine)]
                if not got:
                    assert not any(free.values())
                flying |= {message.body: (message, now + hidden) for message in got}
            elif alive:
                word = chance.choice(sorted(alive))
                message = alive[word][0]
                if act == "delete":
                    await room.store.settling.delete(queue, [handle(message)], now)
                    waiting[word[0]].remove(word)
                    del flying[word]
                else:
                    await room.store.settling.change(queue, [(handle(message), 0.0)], now)
                    del flying[word]
        assert sum(await room.counts(queue, now)) == sum(map(len, waiting.values()))

    run(location, scenario)


def test_at_most_so_many_of_a_group(location: str | Path) -> None:
    async def scenario(room: Room) -> None:
        queue = await room.queue(fifo=True)
        await room.send(queue, "a1", "a2", "a3", "b1", "b2", "c1")
        assert sorted(await room.bodies(queue, 4, 1_000.0, per_group=1)) == ["a1", "b1", "c1"]
        assert await room.bodies(queue, 9, 1_000.0) == []

    run(location, scenario)


def test_twins(location: str | Path) -> None:
    async def scenario(room: Room) -> None:
        queue = await room.queue(fifo=True, DeduplicationScope="messageGroup")
        await room.send(queue, "a1", "b1", "a1")
        await room.send(queue, "a1", "c1", at=1_299.0)
        assert await room.counts(queue, 1_299.0) == (3, 0, 0)
        await room.send(queue, "a1", at=1_301.0)
        assert await room.counts(queue, 1_301.0) == (4, 0, 0)

    run(location, scenario)


def test_too_many_in_flight(location: str | Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(receiving_module, "IN_FLIGHT", 3)

    async def scenario(room: Room) -> None:
        queue = await room.queue()
        await room.send(queue, *"abcde")
        assert await room.bodies(queue, 2, 1_000.0) == ["a", "b"]
        assert await room.bodies(queue, 2, 1_000.0) == ["c"]
        assert (await room.claim(queue, 2, 1_000.0)).is_full
        found = (await room.claim(queue, 2, 1_031.0)).messages
        assert len(found) == 2
        await room.store.settling.delete(queue, [handle(message) for message in found], 1_031.0)
        assert len(await room.bodies(queue, 9, 1_031.0)) == 3

    run(location, scenario)


def test_the_sweep_takes_what_is_too_old_and_what_is_left(location: str | Path) -> None:
    async def scenario(room: Room) -> None:
        plain = await room.queue(MessageRetentionPeriod="60")
        fifo = await room.queue(fifo=True, MessageRetentionPeriod="60")
        gone = await room.queue("gone")
        words = [f"a{number}" for number in range(1_203)]
        for queue in (plain, fifo, gone):
            await room.send(queue, *words)
        await room.claim(plain, 10, 1_000.0, 10_000.0)
        await room.claim(fifo, 10, 1_000.0, 10_000.0)
        await room.store.queues.delete(gone.key, 1_010.0)
        await room.send(fifo, "a-young", at=1_030.0)
        assert await room.store.sweeping.sweep(1_059.0) == 0
        assert await room.store.sweeping.sweep(1_061.0) == 2 * 1_203
        assert await room.bodies(fifo, 10, 1_061.0) == ["a-young"]
        left = await room.store.database.read(
            lambda connection: connection.exec_driver_sql("SELECT count(*) FROM sqs_messages").scalar()
        )
        assert left == 1
        await room.store.sweeping.sweep(1_400.0)
        names = ("sqs_queues", "sqs_groups", "sqs_deduplications", "sqs_attempts", "sqs_messages")
        counted = [
            await room.store.database.read(
                lambda connection, name=name: connection.exec_driver_sql(f"SELECT count(*) FROM {name}").scalar()
            )
            for name in names
        ]
        assert counted == [2, 0, 0, 0, 0]

    run(location, scenario)


def test_a_noisy_group_waits_for_the_others(location: str | Path) -> None:
    """Behind a backlog of one tenant, the messages of others are received at once."""

    async def scenario(room: Room) -> None:
        queue = await room.queue()
        noisy = [NewMessage(f"n{number}", f"n{number}", "md5", "me", group="noisy") for number in range(2_000)]
        await room.store.sending.send_all(queue, noisy, 1_000.0)
        for _ in range(4):
            await room.claim(queue, 10, 1_001.0, 500.0)  # forty in flight, all of one group
        quiet = [NewMessage(word, word, "md5", "me", group=word) for word in ("ann", "bob", "zoe")]
        again = [NewMessage(word, word, "md5", "me", group=word) for word in ("ann", "bob", "zoe")]
        await room.store.sending.send_all(queue, [*quiet, *again], 1_002.0)
        assert sorted(await room.bodies(queue, 3, 1_003.0, 500.0)) == ["ann", "bob", "zoe"]
        mixed = await room.bodies(queue, 5, 1_003.1, 500.0)
        assert {"ann", "bob", "zoe"} < set(mixed)
        assert len(mixed) == 5  # the noisy one gets what is left
        assert all(body.startswith("n") for body in await room.bodies(queue, 5, 1_003.2, 500.0))
        assert (await room.counts(queue, 1_003.2))[:2] == (2_006 - 53, 53)

    run(location, scenario)


def test_many_quiet_groups_get_their_turns(location: str | Path) -> None:
    async def scenario(room: Room) -> None:
        queue = await room.queue()
        noisy = [NewMessage(f"n{number}", "noisy", "md5", "me", group="m") for number in range(600)]
        await room.store.sending.send_all(queue, noisy, 1_000.0)
        for _ in range(4):
            await room.claim(queue, 10, 1_001.0, 5_000.0)
        names = [f"{letter}{number:03}" for letter in "az" for number in range(150)]
        quiet = [NewMessage(name, name, "md5", "me", group=name) for name in names]
        await room.store.sending.send_all(queue, quiet, 1_002.0)
        found: list[str] = []
        for step in range(20):
            found += await room.bodies(queue, 10, 1_003.0 + step / 100, 5_000.0)
        assert set(found) <= set(names)  # two hundred receives, none for the noisy one
        assert {name[0] for name in found} == {"a", "z"}

    run(location, scenario)


def test_to_look_changes_nothing(location: str | Path) -> None:
    async def scenario(room: Room) -> None:
        queue = await room.queue()
        await room.send(queue, "a", "b", "c")
        await room.claim(queue, 1, 1_000.0)
        for _ in range(2):
            found = await room.store.looking.peek(queue, 2, 1_001.0)
            assert [(message.body, message.receive_count) for message in found] == [("a", 1), ("b", 0)]
        assert await room.counts(queue, 1_001.0) == (2, 1, 0)

    run(location, scenario)


def test_a_receive_that_nobody_waited_for_is_undone(location: str | Path) -> None:
    async def scenario(room: Room) -> None:
        for fifo in (False, True):
            queue = await room.queue("q", fifo=fifo)
            await room.send(queue, "a", "a2")
            claimed = (await room.claim(queue, 2, 1_000.0)).messages
            await room.store.settling.unclaim(queue, [(one.id, one.claim) for one in claimed], 1_000.0)
            again = (await room.claim(queue, 2, 1_000.0)).messages
            assert [(message.body, message.receive_count) for message in again] == [("a", 1), ("a2", 1)]

    run(location, scenario)


def test_costs_do_not_grow_with_what_waits(tmp_path: Path) -> None:
    """SQLite says which indexes it uses: none of the statements that run often looks at more than it takes."""

    async def scenario(room: Room) -> None:
        queue = await room.queue()
        plans: list[str] = []
        statements = {
            "SELECT id FROM sqs_messages WHERE queue_id = 1 AND visible_at <= 5 ORDER BY visible_at, id LIMIT 10",
            "SELECT min(visible_at) FROM sqs_messages WHERE queue_id = 1",
            "SELECT id FROM sqs_messages WHERE queue_id = 1 AND lane = 'g' ORDER BY id LIMIT 10",
            "SELECT lane FROM sqs_groups WHERE queue_id = 1 AND ready_at <= 5 ORDER BY ready_at, lane LIMIT 10",
            "SELECT id FROM sqs_messages WHERE queue_id = 1 AND sent_at <= 5 ORDER BY sent_at LIMIT 10",
        }
        for statement in statements:
            plans += await room.store.database.read(
                lambda connection, statement=statement: [
                    row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}")
                ]
            )
        assert queue.id == 1
        assert len(plans) == len(statements)  # one step each: nothing is sorted
        assert all("INDEX" in plan and "queue_id=?" in plan for plan in plans), plans

    run(tmp_path / "bulb.db", scenario)
