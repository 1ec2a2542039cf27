import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from sqlalchemy import Connection
from tests.support.clock import MovableClock

from bulb.core.facts import Delivered, Fact, Facts
from bulb.delivery.errands import Errands
from bulb.delivery.handing import ERRANDS, Handing, Routes, after_refusal
from bulb.delivery.model import AfterRefusal, Again, GiveUp, Letter, Refusal
from bulb.delivery.relay import Relay
from bulb.services import events, sns
from bulb.storage import outbox, queue
from bulb.storage.database import Database
from bulb.storage.outbox import Entry

TARGET, GRAVE = "arn:aws:sqs:us-east-1:000000000000:q", "arn:aws:sns:us-east-1:000000000000:grave"
SLOW = "https://example.test/slow"
FROM = {"source": "toys", "source_arn": "arn:aws:toys:::box", "account": "000000000000"}


@dataclass
class House:
    database: Database
    clock: MovableClock
    facts: list[Fact] = field(default_factory=list)
    taken: list[Entry] = field(default_factory=list)
    buried: list[Entry] = field(default_factory=list)
    answers: list[Refusal | Exception | None] = field(default_factory=list)
    tried_at: list[float] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)
    slow: bool = True

    def take(self, connection: Connection, entry: Entry, now: float) -> Refusal | None:
        self.tried_at.append(now)
        answer = self.answers.pop(0) if self.answers else None
        if isinstance(answer, Exception):
            raise answer
        if answer is None:
            self.taken.append(entry)
        return answer

    def bury(self, connection: Connection, entry: Entry, now: float) -> None:
        self.buried.append(entry)

    async def carry(self, entry: Entry, now: float) -> Refusal | None:
        if entry.destination_arn == SLOW and self.slow:
            await asyncio.sleep(60)
        return self.take(None, entry, now)  # type: ignore[arg-type]

    async def send(self, arn: str, **attributes: object) -> None:
        def add(connection: Connection) -> None:
            outbox.add(connection, arn, b"x", {**FROM, **attributes}, self.clock.now())

        await self.database.write(add)

    async def until(self, condition: Callable[[], bool]) -> None:
        for _ in range(3_000):
            if condition():
                return
            await asyncio.sleep(0.01)
        raise AssertionError(f"never: {self.taken} {self.buried} {self.facts}")

    def outcomes(self) -> list[tuple[str, int]]:
        return [(fact.outcome, fact.attempts) for fact in self.facts if isinstance(fact, Delivered)]


def rule(entry: Entry, refusal: Refusal, attempts: int, now: float) -> Again | GiveUp:
    if refusal.is_final or attempts == 3:
        return GiveUp((Letter(GRAVE, entry.payload, {**FROM, "code": refusal.code}),))
    return Again(now + 100.0, b"attempt %d" % (attempts + 1) if entry.attributes.get("counts") else None)


@asynccontextmanager
async def house(folder: Path, *, slow: bool = True, after: AfterRefusal = rule) -> AsyncIterator[House]:
    database = await Database.open(folder / "bulb.db")
    opened = House(database, MovableClock(), slow=slow)
    facts = Facts()
    facts.add(opened.facts.append)

    def noted(entry: Entry, refusal: Refusal, attempts: int, now: float) -> Again | GiveUp:
        verdict = after(entry, refusal, attempts, now)
        if isinstance(verdict, Again):
            opened.waits.append(verdict.at - now)
        return verdict

    routes = Routes({"sqs": opened.take, "sns": opened.bury}, couriers={"slowly": opened.carry}, after={"toys": noted})
    handing = Handing(routes, facts)
    parts = (Relay(database, handing, opened.clock), Errands(database, handing, opened.clock))
    for part in parts:
        part.start()
    yield opened
    for part in parts:
        await part.close()
    await database.close()


def test_a_refusal_is_tried_again_at_its_time_and_given_up_with_a_letter(tmp_path: Path) -> None:
    async def main() -> None:
        async with house(tmp_path) as it:
            busy = Refusal("THROTTLING", "not now", is_final=False)
            it.answers = [busy, busy, busy]
            await it.send(TARGET)
            for attempt in (1, 2):
                await it.until(lambda n=attempt: len(it.outcomes()) == n)
                await asyncio.sleep(0.05)
                assert it.outcomes() == [("retrying", n + 1) for n in range(attempt)], "not before its time"
                it.clock.advance(100.0)
            await it.until(lambda: len(it.outcomes()) == 4)
            assert it.outcomes()[2] == ("dead-lettered", 3)
            assert it.taken == [] and it.buried[0].attributes["code"] == "THROTTLING"
            ids = {fact.delivery_id for fact in it.facts if isinstance(fact, Delivered) and fact.source_arn}
            assert len(ids) == 2, "one for all attempts, one for the letter"

    asyncio.run(main())


def test_an_attempt_may_have_another_payload_than_the_one_before(tmp_path: Path) -> None:
    async def main() -> None:
        async with house(tmp_path) as it:
            busy = Refusal("THROTTLING", "not now", is_final=False)
            it.answers = [busy, busy, None]
            await it.send(TARGET, counts=True)
            for attempt in (1, 2):
                await it.until(lambda n=attempt: len(it.outcomes()) == n)
                it.clock.advance(100.0)
            await it.until(lambda: it.outcomes() == [("retrying", 1), ("retrying", 2), ("delivered", 3)])
            assert [entry.payload for entry in it.taken] == [b"attempt 3"]
            assert len({fact.delivery_id for fact in it.facts if isinstance(fact, Delivered)}) == 1
            assert await it.database.read(lambda c: queue.depth(c, ERRANDS)) == 0

    asyncio.run(main())


def test_a_courier_is_asked_until_it_succeeds_also_after_a_failure_of_ours(tmp_path: Path) -> None:
    async def main() -> None:
        async with house(tmp_path) as it:
            it.answers = [OSError("no descriptors left"), Refusal("TIMEOUT", "late", is_final=False), None]
            await it.send("https://example.test/", courier="slowly")
            await it.until(lambda: len(it.answers) == 2)
            it.clock.advance(2.0)
            await it.until(lambda: it.outcomes() == [("retrying", 1)])
            it.clock.advance(100.0)
            await it.until(lambda: len(it.taken) == 1)
            await it.until(lambda: it.outcomes() == [("retrying", 1), ("delivered", 2)])
            assert await it.database.read(lambda c: queue.depth(c, ERRANDS)) == 0

    asyncio.run(main())


def test_a_slow_target_holds_up_no_other(tmp_path: Path) -> None:
    async def main() -> None:
        async with house(tmp_path) as it:
            for _ in range(40):
                await it.send(SLOW, courier="slowly")
            await it.send("https://example.test/quick", courier="slowly")
            await it.until(lambda: len(it.taken) == 1)

    asyncio.run(main())


def test_an_attempt_that_was_under_way_is_made_again_after_a_restart(tmp_path: Path) -> None:
    async def main() -> None:
        async with house(tmp_path) as it:
            await it.send(SLOW, courier="slowly")
            for _ in range(3_000):
                held = await it.database.read(lambda c: queue.next_visible_at(c, ERRANDS))
                if held is None and await it.database.read(lambda c: queue.depth(c, ERRANDS)):
                    break
                await asyncio.sleep(0.01)
            assert it.taken == []
        async with house(tmp_path, slow=False) as it:
            await it.until(lambda: len(it.taken) == 1)

    asyncio.run(main())


# The rules of those who send, from the first attempt to the last, by a clock that goes from one to the next. Targets in
# the house take what they are given or refuse it for good, so that these are not seen through a whole server.

BUSY = Refusal("THROTTLING", "not now", is_final=False)


async def busy(it: House, most: int, **attributes: object) -> list[float]:
    """Send to a target that is busy for so many attempts; the waits before each further one that was made."""
    it.answers = [BUSY] * most
    await it.send(TARGET, **attributes)

    def told() -> list[Delivered]:
        return [fact for fact in it.facts if isinstance(fact, Delivered) and fact.destination_arn == TARGET]

    seen = 0
    while seen == 0 or told()[seen - 1].next_at is not None:
        await it.until(lambda seen=seen: len(told()) > seen)
        seen += 1
        if (due := told()[seen - 1].next_at) is not None:
            it.clock.advance(max(due - it.clock.now(), 0.0))
    planned_at = [fact.next_at or 0.0 for fact in told()[:-1]]
    assert all(at >= planned for at, planned in zip(it.tried_at[1:], planned_at, strict=True)), "none before its time"
    return it.waits


def test_buckets_log_groups_and_ends_of_events_are_tried_for_a_day(tmp_path: Path) -> None:
    async def main() -> None:
        async with house(tmp_path, after=after_refusal) as it:
            found = await busy(it, 1_000)
            assert found[:9] == pytest.approx([2, 4, 8, 16, 32, 64, 128, 256, 300], abs=1e-4)
            assert found[8:] == pytest.approx([300] * len(found[8:]), abs=1e-4)
            assert it.outcomes()[-1] == ("dropped", len(found) + 1)
            assert 86_400 - 300 < it.tried_at[-1] - it.tried_at[0] <= 86_400

    asyncio.run(main())


def test_queues_and_functions_behind_topics_are_tried_at_once_and_then_less_often(tmp_path: Path) -> None:
    async def main() -> None:
        async with house(tmp_path, after=sns.after_refusal) as it:
            found = await busy(it, 20)
            assert found[:6] == pytest.approx([0, 0, 0, 1, 1, 1], abs=1e-4)
            assert found[5:15] == sorted(found[5:15]), "backing off"
            assert found[14:] == pytest.approx([20] * 6, abs=1e-4)
            assert it.outcomes()[-1] == ("delivered", 21)

    asyncio.run(main())


def test_targets_of_rules_are_tried_185_times_more(tmp_path: Path) -> None:
    async def main() -> None:
        async with house(tmp_path, after=events.after_refusal(lambda: 0.5)) as it:
            found = await busy(it, 1_000, dead_letter=GRAVE)
            assert found == pytest.approx([0.75 * min(2.0**n, 600.0) for n in range(185)], abs=1e-4)
            await it.until(lambda: len(it.buried) == 1)
            said = it.buried[0].attributes["message_attributes"]
            assert {name: value["StringValue"] for name, value in said.items()} == {
                "RULE_ARN": FROM["source_arn"],
                "TARGET_ARN": TARGET,
                "ERROR_CODE": "THROTTLING",
                "ERROR_MESSAGE": "not now",
                "RETRY_ATTEMPTS": "185",
                "EXHAUSTED_RETRY_CONDITION": "MaximumRetryAttempts",
            }
            assert it.buried[0].payload == b"x"

    asyncio.run(main())
