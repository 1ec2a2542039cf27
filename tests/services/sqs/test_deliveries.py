"""What other services deliver to queues, and what functions read from them."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from bulb.core.clock import SystemClock
from bulb.delivery.doors import Doors
from bulb.delivery.model import Refusal
from bulb.services.sqs import Arrivals, Reader, SqsStore, handles
from bulb.services.sqs.model import Queue, QueueKey
from bulb.storage.database import Database
from bulb.storage.outbox import Entry

HOME = QueueKey("000000000000", "us-east-1", "q")
TOPIC = "arn:aws:sns:us-east-1:000000000000:t"


def entry(queue: Queue | str, payload: bytes = b"body", **attributes: Any) -> Entry:
    about = {"source": "sns", "source_arn": TOPIC, "account": "000000000000", "trace_header": None} | attributes
    arn = queue if isinstance(queue, str) else queue.arn
    return Entry(1, arn, payload, about, 1.0, "11111111-2222-4333-8444-555555555555")


def lets(service: str, queue: Queue, source: str = TOPIC) -> dict[str, str]:
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": service},
        "Action": "sqs:SendMessage",
        "Resource": queue.arn,
        "Condition": {"ArnEquals": {"aws:SourceArn": source}},
    }
    return {"Policy": json.dumps({"Version": "2012-10-17", "Statement": [statement]})}


class Room:
    def __init__(self, store: SqsStore, *, enforced: bool) -> None:
        self.store = store
        self.reader = Reader(store, SystemClock())
        self._arrivals = Arrivals(store, Doors(enforced=enforced))

    async def queue(self, name: str = "q", *, fifo: bool = False, **attributes: str) -> Queue:
        now = SystemClock().now()
        key = HOME._replace(name=name + (".fifo" if fifo else ""))
        return await self.store.queues.create(Queue(0, key, fifo, now, now, attributes=attributes))

    async def deliver(self, one: Entry) -> Refusal | None:
        now = SystemClock().now()
        return await self.store.database.write(lambda connection: self._arrivals.take(connection, one, now))


def run(folder: Path, scenario: Callable[[Room], Awaitable[None]], *, enforced: bool = False) -> None:
    async def main() -> None:
        database = await Database.open(folder / "bulb.db")
        try:
            await scenario(Room(await SqsStore.open(database), enforced=enforced))
        finally:
            await database.close()

    asyncio.run(main())


def test_a_delivery_is_a_message(tmp_path: Path) -> None:
    async def scenario(room: Room) -> None:
        queue = await room.queue()
        given = {
            "a": {"DataType": "String", "StringValue": "é"},
            "b": {"DataType": "Binary", "BinaryValue": "AP8="},
        }
        one = entry(queue, "bödy".encode(), message_attributes=given, trace_header="Root=1-x")
        assert await room.deliver(one) is None
        (message,) = await room.reader.receive(queue.arn, 10)
        assert (message.message_id, message.body) == (one.delivery_id, "bödy")
        assert message.message_attributes == given
        assert message.md5_of_message_attributes is not None
        assert message.attributes["AWSTraceHeader"] == "Root=1-x"
        assert message.attributes["SenderId"] == "sns.amazonaws.com"

    run(tmp_path, scenario)


def test_a_delivery_in_a_group(tmp_path: Path) -> None:
    async def scenario(room: Room) -> None:
        queue = await room.queue(fifo=True)
        for _ in range(2):
            one = entry(queue, message_group_id="g", message_deduplication_id="d")
            assert await room.deliver(one) is None
        (message,) = await room.reader.receive(queue.arn, 10)
        assert (message.group_id, message.attributes["MessageDeduplicationId"]) == ("g", "d")
        refusal = await room.deliver(entry(queue))
        assert refusal is not None
        assert (refusal.code, refusal.is_final, "MessageGroupId" in refusal.message) == ("SDK_CLIENT_ERROR", True, True)

    run(tmp_path, scenario)


@pytest.mark.parametrize("payload", [b"", b"\xff", b"a\x00b", b"x" * 1_048_577])
def test_what_is_no_message_is_refused(tmp_path: Path, payload: bytes) -> None:
    async def scenario(room: Room) -> None:
        queue = await room.queue()
        refusal = await room.deliver(entry(queue, payload))
        assert refusal is not None
        assert (refusal.code, refusal.is_final) == ("SDK_CLIENT_ERROR", True)
        assert await room.reader.receive(queue.arn, 10) == []

    run(tmp_path, scenario)


def test_a_queue_that_is_not_there(tmp_path: Path) -> None:
    async def scenario(room: Room) -> None:
        refusal = await room.deliver(entry(HOME.arn))
        assert refusal is not None
        assert refusal.code == "NO_RESOURCE"
        assert await room.reader.describe(HOME.arn) is None
        assert await room.reader.receive(HOME.arn, 10) == []
        assert await room.reader.next_visible_at(HOME.arn) is None
        await room.reader.settle(HOME.arn, ["x"], {})

    run(tmp_path, scenario)


def test_the_policy_of_a_queue_lets_services_in(tmp_path: Path) -> None:
    async def scenario(room: Room) -> None:
        queue = await room.queue()
        assert (await room.deliver(entry(queue)) or Refusal("", "")).code == "NO_PERMISSIONS"
        assert await room.deliver(entry(queue, source="lambda")) is None
        assert await room.deliver(entry(queue, as_role="arn:aws:iam::000000000000:role/r")) is None
        open_ = await room.store.queues.change(queue.key, lambda held: _with(held, lets("sns.amazonaws.com", held)))
        assert await room.deliver(entry(open_)) is None
        for other in ({"source": "events"}, {"source_arn": TOPIC + "x"}):
            assert (await room.deliver(entry(open_, **other)) or Refusal("", "")).code == "NO_PERMISSIONS"

    run(tmp_path, scenario, enforced=True)


def test_another_account_always_needs_the_policy(tmp_path: Path) -> None:
    async def scenario(room: Room) -> None:
        queue = await room.queue()
        theirs = {"account": "111122223333", "source_arn": TOPIC.replace("000000000000", "111122223333")}
        assert (await room.deliver(entry(queue, **theirs)) or Refusal("", "")).code == "NO_PERMISSIONS"
        assert await room.deliver(entry(queue)) is None

    run(tmp_path, scenario)


def _with(queue: Queue, attributes: dict[str, str]) -> Queue:
    return Queue(queue.id, queue.key, queue.is_fifo, queue.created_at, queue.modified_at, attributes=attributes)


def test_reading_for_functions(tmp_path: Path) -> None:
    async def scenario(room: Room) -> None:
        queue = await room.queue(VisibilityTimeout="77")
        facts = await room.reader.describe(queue.arn)
        assert facts is not None
        assert (facts.visibility_timeout_s, facts.is_fifo, facts.policy) == (77, False, None)
        for number in range(30):
            await room.deliver(entry(queue, str(number).encode()))
        found = await room.reader.receive(queue.arn, 1_000)
        assert sorted(int(message.body) for message in found) == list(range(30))
        assert {message.attributes["ApproximateReceiveCount"] for message in found} == {"1"}
        now = SystemClock().now()
        assert all(70 < message.visible_at - now < 78 for message in found)
        at = await room.reader.next_visible_at(queue.arn)
        assert at is not None
        assert 70 < at - now < 78
        claims = [message.claim for message in found]
        await room.reader.settle(queue.arn, claims[:28], {claims[28]: 0.0, claims[29]: 500.0, "nonsense": 1.0})
        assert [message.body for message in await room.reader.receive(queue.arn, 10, 5.0)] == [found[28].body]
        await room.reader.settle(queue.arn, [claims[28]], {})  # a claim that is over: it was received again
        assert (await room.store.looking.counts(queue, now)).in_flight == 2

    run(tmp_path, scenario)


def test_watching(tmp_path: Path) -> None:
    async def scenario(room: Room) -> None:
        woken = asyncio.Event()

        async def told() -> bool:
            await asyncio.wait_for(woken.wait(), 20)
            woken.clear()
            return True

        async def not_told() -> bool:
            await asyncio.sleep(0.3)
            return not woken.is_set()

        unwatch = room.reader.watch(HOME.arn, woken.set)
        queue = await room.queue()
        assert await told()  # it was made
        await room.deliver(entry(queue))
        assert await told()
        (message,) = await room.reader.receive(queue.arn, 1)
        assert handles.decode(message.receipt_handle) == message.claim
        assert await not_told()
        await room.reader.settle(queue.arn, [], {message.claim: 0.0})
        assert await told()
        await room.store.queues.change(queue.key, lambda held: _with(held, {"VisibilityTimeout": "1"}))
        assert await told()
        await room.store.queues.delete(queue.key, SystemClock().now() - 100)
        assert await told()
        again = await room.queue()
        assert await told()
        assert again.id != queue.id
        await room.deliver(entry(again))
        assert await told()
        unwatch()
        await room.deliver(entry(again))
        assert await not_told()

    run(tmp_path, scenario)
