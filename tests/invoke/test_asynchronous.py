"""Asynchronous events over the real durable queue; the function is the far side of the `Invoker` port."""

import asyncio
import dataclasses
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from tests.support.clock import MovableClock

from bulb.core.errors import AwsError
from bulb.core.facts import AsyncEventDropped, AsyncEventTried, Fact, Facts, FunctionRef
from bulb.environments.model import FunctionSpec
from bulb.invoke.asynchronous import QUEUE, AsyncInvocations
from bulb.invoke.model import AsyncEvent, AsyncRules, Invocation, Outcome, Resolved
from bulb.storage import outbox, queue
from bulb.storage.database import Database

SPEC = FunctionSpec(
    FunctionRef("000000000000", "us-east-1", "f", "$LATEST"),
    "1", "python3.11", "a.b", "role", Path("/nowhere"), 128, 512, 3, "x86_64", "/aws/lambda/f",
)  # fmt: skip


LETTERS, LETTERS_OF_LATEST, FAILURES = (f"arn:aws:sqs:us-east-1:000000000000:{name}" for name in "abc")


class Catalog:
    """`missing` are names that are gone, and qualifiers; `unfit` names whose version cannot run."""

    def __init__(self) -> None:
        self.missing = {"gone"}
        self.unfit: set[str] = set()

    async def resolve(self, account: str, region: str, name: str, qualifier: str | None) -> Resolved:
        if self.missing & {name, qualifier}:
            raise AwsError("ResourceNotFoundException", f"Function not found: {name}:{qualifier}", status=404)
        if name in self.unfit:
            raise AwsError("ResourceConflictException", "It is Inactive.", status=409)
        ref = FunctionRef(account, region, name, "$LATEST")
        return Resolved(dataclasses.replace(SPEC, ref=ref), ref.arn, LETTERS)

    async def dead_letter(self, account: str, region: str, name: str, qualifier: str | None) -> str | None:
        if name in self.missing:
            raise AwsError("ResourceNotFoundException", f"Function not found: {name}", status=404)
        return LETTERS_OF_LATEST if qualifier in self.missing else LETTERS


class Settings:
    def __init__(self) -> None:
        self.of: dict[str | None, AsyncRules] = {}

    async def rules(self, account: str, region: str, name: str, qualifier: str | None) -> AsyncRules:
        return self.of.get(qualifier, AsyncRules())

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
        if answer == "fail":
            return Outcome(b'{"errorMessage":"no"}', "$LATEST", "Unhandled")
        return Outcome(b"null", "$LATEST")

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
    catalog: Catalog
    settings: Settings

    async def accept(self, request_id: str, name: str = "f", qualifier: str | None = None) -> None:
        event = AsyncEvent(request_id, b'{"n":1}', "Root=1")
        await self.events.accept("000000000000", "us-east-1", name, qualifier, event)

    async def left(self) -> int:
        return await self.database.read(lambda c: queue.depth(c, QUEUE))

    async def empty(self) -> None:
        for _ in range(3_000):
            if await self.left() == 0:
                return
            await asyncio.sleep(0.01)
        pytest.fail("the queue did not empty")

    async def tried(self, count: int) -> None:
        """So many attempts are on disk."""
        for _ in range(3_000):
            if sum(isinstance(fact, AsyncEventTried) for fact in self.facts) >= count:
                return
            await asyncio.sleep(0.01)
        pytest.fail("it was not tried")

    async def told(self) -> dict[str, Any]:
        """What the outbox has: a dead letter's code and message, the members of a record that tell how it ended."""
        told: dict[str, Any] = {}
        for entry in await self.database.read(lambda c: outbox.pending(c, 9)):
            if entry.attributes["kind"] == "DeadLetter":
                about = entry.attributes["message_attributes"]
                found = [about[name]["StringValue"] for name in ("ErrorCode", "ErrorMessage")]
            else:
                record = json.loads(entry.payload)
                context = record["requestContext"]
                found = [
                    context["condition"],
                    context["approximateInvokeCount"],
                    record.get("responseContext"),
                    record.get("responsePayload"),
                ]
            told[entry.destination_arn] = found
        return told

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
        catalog, settings = Catalog(), Settings()
        events = AsyncInvocations(database, catalog, settings, function, lambda name: None, facts, clock)
        events.start()
        try:
            await test(House(database, function, clock, events, heard, catalog, settings))
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
        assert not await house.told()

    run(tmp_path, Function(), test)


YOUNG = AsyncRules(max_age_s=60, on_failure=FAILURES)
LIVE_IS_GONE = "Function not found: f:live"


@pytest.mark.parametrize(
    ("answers", "ended", "letter"),
    [
        (["throttle"], [{"statusCode": 429}, None], ["429", "Rate Exceeded."]),
        (["fail", "throttle"], [{"statusCode": 429}, None], ["429", "Rate Exceeded."]),
        (
            ["throttle", "fail"],
            [
                {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"},
                {"errorMessage": "no"},
            ],
            ["200", "no"],
        ),
    ],
)
def test_what_is_taken_up_too_late_tells_how_its_last_attempt_ended(
    tmp_path: Path, answers: list[str], ended: list[Any], letter: list[str]
) -> None:
    async def test(house: House) -> None:
        await house.accept("id-1")
        for count in range(1, len(answers)):
            await house.tried(count)
            house.clock.advance(61)
        await house.tried(len(answers))
        house.settings.of[None] = YOUNG  # it is too late for the next attempt now
        house.clock.advance(63)
        await house.empty()
        assert await house.told() == {
            FAILURES: ["EventAgeExceeded", answers.count("fail"), *ended],
            LETTERS: letter,
        }

    run(tmp_path, Function(*answers), test)


def test_what_is_too_old_before_its_first_attempt_has_nothing_else_to_tell(tmp_path: Path) -> None:
    async def test(house: House) -> None:
        house.settings.of[None] = YOUNG
        await house.events.stop()
        await house.accept("id-1")
        house.clock.advance(63)
        house.events.start()
        await house.empty()
        assert await house.told() == {
            FAILURES: ["EventAgeExceeded", 0, None, None],
            LETTERS: ["500", "EventAgeExceeded"],
        }

    run(tmp_path, Function(), test)


def test_an_alias_that_is_deleted_while_events_wait_has_them_told_where_it_said(tmp_path: Path) -> None:
    async def test(house: House) -> None:
        house.settings.of["live"] = AsyncRules(max_retries=0, on_failure=FAILURES)
        await house.accept("id-1", qualifier="live")
        await house.tried(1)
        del house.settings.of["live"]
        house.catalog.missing.add("live")
        house.clock.advance(2)
        await house.empty()
        assert await house.told() == {
            FAILURES: ["RetriesExhausted", 1, {"statusCode": 404}, None],
            LETTERS: ["404", LIVE_IS_GONE],
        }
        assert (await house.dropped()).condition == "RetriesExhausted"

    run(tmp_path, Function("throttle"), test)


def test_an_alias_that_comes_back_gets_the_events_that_waited(tmp_path: Path) -> None:
    async def test(house: House) -> None:
        house.catalog.missing.add("live")
        await house.accept("id-1", qualifier="live")
        await house.tried(1)
        house.catalog.missing.remove("live")
        house.clock.advance(61)
        await house.function.wait_for(1)
        await house.empty()
        assert not await house.told()

    run(tmp_path, Function(), test)


def test_an_alias_that_is_gone_before_the_first_attempt_leaves_its_events_to_the_function(tmp_path: Path) -> None:
    async def test(house: House) -> None:
        house.catalog.missing.add("live")
        await house.accept("id-1", qualifier="live")
        for count, wait in ((1, 61), (2, 121)):
            await house.tried(count)
            house.clock.advance(wait)
        await house.empty()
        assert await house.told() == {LETTERS_OF_LATEST: ["404", LIVE_IS_GONE]}

    run(tmp_path, Function(), test)


def test_the_dead_letters_of_a_function_that_was_never_fit_to_run_are_sent_too(tmp_path: Path) -> None:
    async def test(house: House) -> None:
        house.settings.of[None] = YOUNG
        house.catalog.unfit.add("f")
        await house.accept("id-1")
        await house.tried(1)
        house.clock.advance(61)
        await house.empty()
        assert await house.told() == {
            FAILURES: ["EventAgeExceeded", 0, {"statusCode": 409}, None],
            LETTERS: ["409", "It is Inactive."],
        }

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
