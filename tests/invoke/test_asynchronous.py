"""Asynchronous events over the real durable queue; the function is the far side of the `Invoker` port."""

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from tests.support.clock import MovableClock

from bulb.core.errors import AwsError
from bulb.core.facts import AsyncEventDropped, Fact, Facts, FunctionRef
from bulb.environments.model import FunctionSpec
from bulb.invoke.asynchronous import QUEUE, AsyncInvocations
from bulb.invoke.model import AsyncEvent, AsyncRules, Invocation, Outcome, Resolved
from bulb.storage import queue
from bulb.storage.database import Database

SPEC = FunctionSpec(
    FunctionRef("000000000000", "us-east-1", "f", "$LATEST"),
    "1", "python3.11", "a.b", "role", Path("/nowhere"), 128, 512, 3, "x86_64", "/aws/lambda/f",
)  # fmt: skip


class Catalog:
    async def resolve(self, account: str, region: str, name: str, qualifier: str | None) -> Resolved:
        if name == "gone":
            raise AwsError("ResourceNotFoundException", "Function not found", status=404)
        ref = FunctionRef(account, region, name, "$LATEST")
        return Resolved(dataclasses.replace(SPEC, ref=ref), ref.arn)


class Settings:
    async def rules(self, account: str, region: str, name: str, qualifier: str | None) -> AsyncRules:
        return AsyncRules()

    async def may_recurse(self, account: str, region: str, name: str) -> bool:
        return False


class Function:
    """Answers as told; remembers every invocation."""

    def __init__(self, *answers: str) -> None:
        self.answers = list(answers)
        self.seen: list[Invocation] = []
        self.called = asyncio.Event()
        self.hold: dict[str, asyncio.Event] = {}

    async def invoke(self, invocation: Invocation) -> Outcome:
        self.seen.append(invocation)
        self.called.set()
        if (held := self.hold.get(invocation.spec.ref.name)) is not None:
            await held.wait()
        answer = self.answers.pop(0) if self.answers else "ok"
        if answer == "throttle":
            raise AwsError("TooManyRequestsException", "Rate Exceeded.", status=429)
        return Outcome(b"null", "$LATEST", "Unhandled" if answer == "fail" else None)

    async def wait_for(self, count: int) -> None:
        while len(self.seen) < count:
            self.called.clear()
            await asyncio.wait_for(self.called.wait(), 30)


@dataclasses.dataclass
class House:
    database: Database
    function: Function
    clock: MovableClock
    events: AsyncInvocations
    facts: list[Fact]

    async def accept(self, request_id: str, name: str = "f") -> None:
        await self.events.accept("000000000000", "us-east-1", name, None, AsyncEvent(request_id, b'{"n":1}', "Root=1"))

    async def left(self) -> int:
        return await self.database.read(lambda c: queue.depth(c, QUEUE))

    async def empty(self) -> None:
        for _ in range(3_000):
            if await self.left() == 0:
                return
            await asyncio.sleep(0.01)
        pytest.fail("the queue did not empty")

    async def dropped(self) -> AsyncEventDropped:
        """The fact comes a moment after the commit."""
        for _ in range(3_000):
            if found := [fact for fact in self.facts if isinstance(fact, AsyncEventDropped)]:
                return found[0]
            await asyncio.sleep(0.01)
        pytest.fail("nothing was dropped")


def run(folder: Path, function: Function, test: Callable[[House], Awaitable[None]]) -> None:
    async def main() -> None:
        database = await Database.open(folder / "bulb.db")
        clock, facts, heard = MovableClock(), Facts(), []
        facts.add(heard.append)
        events = AsyncInvocations(database, Catalog(), Settings(), function, lambda name: None, facts, clock)
        events.start()
        try:
            await test(House(database, function, clock, events, heard))
        finally:
            await events.close()
            await database.close()

    asyncio.run(asyncio.wait_for(main(), 90))


def test_an_event_runs_once_and_leaves_the_queue(tmp_path: Path) -> None:
    async def test(house: House) -> None:
        await house.accept("id-1")
        await house.function.wait_for(1)
        await house.empty()
        [invocation] = house.function.seen
        assert (invocation.request_id, invocation.payload, invocation.trace_header) == ("id-1", b'{"n":1}', "Root=1")

    run(tmp_path, Function(), test)


def test_failures_are_retried_after_one_and_two_minutes_with_the_same_id_then_dropped(tmp_path: Path) -> None:
    async def test(house: House) -> None:
        await house.accept("id-1")
        await house.function.wait_for(1)
        for attempt, wait in ((2, 60), (3, 120)):
            await asyncio.sleep(0.1)
            house.clock.advance(wait - 5)
            await asyncio.sleep(0.1)
            assert len(house.function.seen) == attempt - 1, "too early"
            house.clock.advance(6)
            await house.function.wait_for(attempt)
        await house.empty()
        assert {seen.request_id for seen in house.function.seen} == {"id-1"}
        dropped = await house.dropped()
        assert (dropped.request_id, dropped.condition) == ("id-1", "RetriesExhausted")

    run(tmp_path, Function("fail", "fail", "fail"), test)


def test_throttles_use_no_attempt(tmp_path: Path) -> None:
    async def test(house: House) -> None:
        await house.accept("id-1")
        for count in range(1, 6):
            await house.function.wait_for(count)
            await asyncio.sleep(0.05)
            house.clock.advance(310)
        await house.function.wait_for(6)
        await house.empty()
        assert not [fact for fact in house.facts if isinstance(fact, AsyncEventDropped)]

    run(tmp_path, Function(*["throttle"] * 5), test)


def test_a_function_that_hangs_delays_nobody_else(tmp_path: Path) -> None:
    async def test(house: House) -> None:
        house.function.hold["slow"] = asyncio.Event()
        for number in range(40):
            await house.accept(f"slow-{number}", "slow")
        await house.accept("quick", "quick")
        for _ in range(3_000):
            if any(seen.request_id == "quick" for seen in house.function.seen):
                break
            await asyncio.sleep(0.01)
        else:
            pytest.fail("the other function's event waited")
        house.function.hold["slow"].set()
        await house.empty()
        assert len(house.function.seen) == 41

    run(tmp_path, Function(), test)


def test_an_event_for_a_missing_function_is_dropped(tmp_path: Path) -> None:
    async def test(house: House) -> None:
        await house.accept("id-1", "gone")
        await house.empty()
        dropped = await house.dropped()
        assert dropped.condition == "FunctionNotFound"

    run(tmp_path, Function(), test)


def test_what_was_under_way_when_the_process_ended_runs_again(tmp_path: Path) -> None:
    function = Function()

    async def first(house: House) -> None:
        house.function.hold["f"] = asyncio.Event()
        await house.accept("id-1")
        await house.function.wait_for(1)

    async def second(house: House) -> None:
        house.function.hold.clear()
        await house.function.wait_for(2)
        await house.empty()
        assert [seen.request_id for seen in house.function.seen] == ["id-1", "id-1"]

    run(tmp_path, function, first)
    function.called = asyncio.Event()  # the first one belongs to a loop that has ended
    run(tmp_path, function, second)
