"""A poller over a queue in memory and a function that answers as told."""

import asyncio
import dataclasses
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from tests.support.clock import MovableClock, StoppedClock

from bulb.core.errors import AwsError
from bulb.core.facts import BatchFinished, Fact, Facts, FunctionRef, MappingEvents
from bulb.delivery.polling import QueueFacts, QueueMappings, QueueMessage
from bulb.environments.model import FunctionSpec
from bulb.invoke.model import Invocation, Outcome, Resolved

QUEUE = "arn:aws:sqs:us-east-1:000000000000:q"
FIFO = QUEUE + ".fifo"
ROLE = "arn:aws:iam::000000000000:role/r"
SPEC = FunctionSpec(
    FunctionRef("000000000000", "us-east-1", "f", "$LATEST"),
    "1", "python3.11", "a.b", ROLE, Path("/nowhere"), 128, 512, 3, "x86_64", "/aws/lambda/f",
)  # fmt: skip


class Key(NamedTuple):
    account: str
    region: str
    name: str


KEY = Key("000000000000", "us-east-1", "f")


@dataclass(frozen=True)
class Mapped:
    event_source_arn: str | None = QUEUE
    settings: Mapping[str, Any] = field(default_factory=lambda: {"BatchSize": 10})
    qualifier: str | None = None
    uuid: str = "u"
    arn: str = "arn:aws:lambda:us-east-1:000000000000:event-source-mapping:u"
    function: Key = KEY


@dataclass
class Message:
    number: int
    group: str | None
    body: str
    trace: str | None
    visible_at: float
    receives: int = 0


class Queue:
    """A queue in memory, with the rules of claims."""

    def __init__(self, clock: MovableClock, *, visibility_s: float = 30.0, policy: str | None = None) -> None:
        self._clock = clock
        self.facts: QueueFacts | None = QueueFacts(visibility_s, False, policy)
        self.messages: dict[int, Message] = {}
        self.deleted: list[int] = []
        self.released: dict[int, float] = {}
        self.unclaimed: list[int] = []
        self.claims: list[int] = []
        self._wakes: list[Callable[[], None]] = []
        self._sent = 0

    def send(self, *bodies: str, group: str | None = None, trace: str | None = None) -> None:
        for body in bodies:
            self._sent += 1
            self.messages[self._sent] = Message(self._sent, group, body, trace, self._clock.now())
        self.wake()

    def wake(self) -> None:
        for wake in self._wakes:
            wake()

    async def describe(self, queue_arn: str) -> QueueFacts | None:
        return self.facts

    async def receive(
        self,
        queue_arn: str,
        limit: int,
        visibility_s: float | None = None,
        attempt_id: str | None = None,
        *,
        per_group: int | None = None,
    ) -> list[QueueMessage]:
        await asyncio.sleep(0)
        self.claims.append(limit)
        now = self._clock.now()
        if self.facts is None:
            return []
        until = now + (self.facts.visibility_timeout_s if visibility_s is None else visibility_s)
        found: list[Message] = []
        closed = set()
        for message in self.messages.values():
            if message.visible_at > now:
                closed.add(message.group)
            of_group = [one for one in found if one.group == message.group]
            if message.group is not None and (message.group in closed or len(of_group) == per_group):
                continue
            if message.visible_at <= now and len(found) < limit:
                found.append(message)
        for message in found:
            message.visible_at = until
            message.receives += 1
        return [_claimed(message) for message in found]

    async def settle(self, queue_arn: str, delete: Sequence[Hashable], release: Mapping[Hashable, float]) -> None:
        await asyncio.sleep(0)
        for claim in _numbers(delete):
            self.messages.pop(claim, None)
            self.deleted.append(claim)
        for claim in _numbers(release):
            seconds = self.released[claim] = release[claim]
            if claim in self.messages:
                self.messages[claim].visible_at = self._clock.now() + seconds
        if release or queue_arn == FIFO:  # a message less makes no other available, but in its group
            self.wake()

    async def unclaim(self, queue_arn: str, claims: Sequence[Hashable]) -> None:
        await asyncio.sleep(0)
        for claim in _numbers(claims):
            self.messages[claim].receives -= 1
            self.messages[claim].visible_at = self._clock.now()
            self.unclaimed.append(claim)
        self.wake()

    def watch(self, queue_arn: str, wake: Callable[[], None]) -> Callable[[], None]:
        self._wakes.append(wake)
        return lambda: self._wakes.remove(wake)

    async def next_visible_at(self, queue_arn: str) -> float | None:
        return min((message.visible_at for message in self.messages.values()), default=None)


def _numbers(claims: Iterable[Hashable]) -> list[int]:
    return [claim for claim in claims if isinstance(claim, int)]


def _claimed(of: Message) -> QueueMessage:
    attributes = {"ApproximateReceiveCount": str(of.receives)}
    if of.trace is not None:
        attributes["AWSTraceHeader"] = of.trace
    return QueueMessage(
        f"m{of.number}", of.number, str(of.number), of.body, attributes, {}, "md5", None, of.group, of.visible_at
    )


Answer = Callable[[list[str]], Awaitable[Any]]


@dataclass
class Function:
    """The far side: `answer` is given the bodies of a batch; what it raises as ValueError is a function error."""

    answer: Answer
    batches: list[list[str]] = field(default_factory=list)
    traces: list[str | None] = field(default_factory=list)
    is_there: bool = True
    missed: int = 0
    running: int = 0
    most: int = 0

    async def resolve(self, account: str, region: str, name: str, qualifier: str | None) -> Resolved:
        if not self.is_there:
            self.missed += 1
            raise AwsError("ResourceNotFoundException", "Function not found", status=404)
        ref = FunctionRef(account, region, name, "$LATEST")
        return Resolved(dataclasses.replace(SPEC, ref=ref), ref.arn)

    async def invoke(self, invocation: Invocation) -> Outcome:
        bodies = [record["body"] for record in json.loads(invocation.payload)["Records"]]
        self.batches.append(bodies)
        self.traces.append(invocation.trace_header)
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            return Outcome(json.dumps(await self.answer(bodies)).encode(), "$LATEST")
        except ValueError as error:
            return Outcome(json.dumps({"errorMessage": str(error)}).encode(), "$LATEST", "Unhandled")
        finally:
            self.running -= 1

    async def stream(self, invocation: Invocation) -> Any:
        raise NotImplementedError


async def succeed(bodies: list[str]) -> None:
    await asyncio.sleep(0)


@dataclass
class Bench:
    clock: MovableClock
    queue: Queue
    function: Function
    mappings: QueueMappings
    facts: list[Fact]

    @property
    def endings(self) -> list[BatchFinished]:
        return [fact for fact in self.facts if isinstance(fact, BatchFinished)]

    async def until(self, look: Callable[[], Any], seconds: float = 20.0) -> None:
        async with asyncio.timeout(seconds):
            while not look():  # noqa: ASYNC110 - what is looked at is a plain value
                await asyncio.sleep(0.002)

    async def quiet(self) -> None:
        """Long enough for anything that is about to happen."""
        await asyncio.sleep(0.05)


@asynccontextmanager
async def bench(
    answer: Answer = succeed,
    mapped: Mapped | None = None,
    *,
    visibility_s: float = 30.0,
    clock: MovableClock | None = None,
) -> AsyncIterator[Bench]:
    clock, told, facts = clock or MovableClock(), [], Facts()
    facts.add(told.append)
    queue, function = Queue(clock, visibility_s=visibility_s), Function(answer)
    mappings = QueueMappings(queue, function, function, facts, clock)
    mappings.open()
    await mappings.begin(mapped or Mapped())
    try:
        yield Bench(clock, queue, function, mappings, told)
    finally:
        await mappings.close()


def run(test: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(asyncio.wait_for(test(), 60))  # type: ignore[arg-type] # a coroutine


def test_messages_are_deleted_once_their_batch_succeeded() -> None:
    async def test() -> None:
        async with bench() as b:
            b.queue.send("one", "two")
            await b.until(lambda: not b.queue.messages)
            await b.until(lambda: b.endings)
            assert b.function.batches == [["one", "two"]]
            (ending,) = b.endings
            assert (ending.status, ending.count, ending.deleted, ending.failed) == ("success", 2, 2, 0)
            assert ending.message_ids == ("m1", "m2")
            assert ending.function == SPEC.ref

    run(test)


def test_a_failed_batch_comes_again_when_its_visibility_timeout_is_over() -> None:
    async def fail_once(bodies: list[str]) -> None:
        if len(b.function.batches) == 1:
            raise ValueError("no")

    b: Bench

    async def test() -> None:
        nonlocal b
        async with bench(fail_once) as b:
            b.queue.send("one")
            await b.until(lambda: b.endings)
            assert (b.endings[0].status, b.endings[0].error) == ("error", "no")
            await b.quiet()
            assert len(b.function.batches) == 1
            b.clock.advance(31)
            await b.until(lambda: not b.queue.messages)
            assert len(b.function.batches) == 2

    run(test)


def test_only_what_is_reported_stays() -> None:
    async def report(bodies: list[str]) -> Any:
        return {"batchItemFailures": [{"itemIdentifier": "m2"}]}

    async def test() -> None:
        mapped = Mapped(settings={"BatchSize": 10, "FunctionResponseTypes": ["ReportBatchItemFailures"]})
        async with bench(report, mapped) as b:
            b.queue.send("one", "two", "three")
            await b.until(lambda: b.endings)
            assert sorted(b.queue.deleted) == [1, 3]
            assert b.queue.messages[2].visible_at > b.clock.now() + 20, "it stays hidden"
            assert (b.endings[0].status, b.endings[0].deleted, b.endings[0].failed) == ("partial", 2, 1)

    run(test)


def test_no_more_than_allowed_run_together_and_a_slow_one_holds_up_no_other_mapping() -> None:
    async def hold(bodies: list[str]) -> None:
        if bodies[0].startswith("slow"):
            await gate.wait()

    gate = asyncio.Event()

    async def test() -> None:
        mapped = Mapped(settings={"BatchSize": 1, "ScalingConfig": {"MaximumConcurrency": 3}})
        async with bench(hold, mapped) as b:
            b.queue.send(*(f"slow{n}" for n in range(9)))
            await b.until(lambda: b.function.running == 3)
            for _ in range(3):
                b.clock.advance(2)
                await b.quiet()
            assert b.function.most == 3
            other = Queue(b.clock)
            mappings = QueueMappings(other, b.function, b.function, Facts(), b.clock)
            mappings.open()
            await mappings.begin(Mapped(uuid="v"))
            other.send("quick")
            await b.until(lambda: other.deleted)
            gate.set()
            await b.until(lambda: not b.queue.messages)
            assert b.function.most <= 4
            await mappings.close()

    run(test)


def test_throttled_batches_are_tried_again_and_then_go_back() -> None:
    async def throttle(bodies: list[str]) -> None:
        if not room.is_set():
            raise AwsError("TooManyRequestsException", "Rate Exceeded.", status=429)

    room = asyncio.Event()

    async def test() -> None:
        async with bench(throttle) as b:
            b.queue.send("one")
            await b.until(lambda: len(b.function.batches) >= 2)
            for _ in range(40):
                b.clock.advance(1)
                await asyncio.sleep(0.004)
            await b.until(lambda: b.endings)
            assert (b.endings[0].status, b.endings[0].deleted) == ("throttled", 0)
            assert b.queue.released[1] == 0.0
            await b.until(lambda: b.queue.messages[1].receives >= 2)  # it came again
            room.set()
            for _ in range(35):
                b.clock.advance(1)
                await asyncio.sleep(0.004)
            await b.until(lambda: not b.queue.messages)

    run(test)


def test_a_batch_that_finds_no_room_does_not_hold_up_the_end_of_its_mapping() -> None:
    async def throttle(bodies: list[str]) -> None:
        raise AwsError("TooManyRequestsException", "Rate Exceeded.", status=429)

    async def test() -> None:
        async with bench(throttle, visibility_s=36_000.0) as b:
            b.queue.send("one")
            await b.until(lambda: b.function.batches)
            await asyncio.wait_for(b.mappings.end(Mapped()), 20)
            assert b.queue.released == {1: 0.0}
            assert [ending.status for ending in b.endings] == ["throttled"]

    run(test)


def test_what_waits_here_for_too_long_goes_back_as_if_it_had_not_been_received() -> None:
    async def hold(bodies: list[str]) -> None:
        if bodies[0] == "slow":
            await gate.wait()

    gate = asyncio.Event()

    async def test() -> None:
        settings = {"BatchSize": 1, "ScalingConfig": {"MaximumConcurrency": 2}}
        async with bench(hold, Mapped(settings=settings), clock=StoppedClock()) as b:
            b.queue.send(*["quick"] * 20)
            await b.until(lambda: not b.queue.messages)  # so quick that messages are claimed ahead now
            b.queue.send(*["slow"] * 20)
            waiting = b.queue.messages
            await b.until(lambda: sum(message.receives for message in waiting.values()) > 2)
            b.clock.advance(29.9)
            await b.until(lambda: b.queue.unclaimed)
            b.clock.advance(2)
            await b.quiet()
            assert sum(message.receives > 1 for message in waiting.values()) <= 2, "but those the function has"
            gate.set()
            await b.until(lambda: not waiting)

    run(test)


def test_a_window_gathers() -> None:
    async def test() -> None:
        mapped = Mapped(settings={"BatchSize": 100, "MaximumBatchingWindowInSeconds": 5})
        async with bench(mapped=mapped) as b:
            b.queue.send("one")
            await b.quiet()
            b.queue.send("two")
            await b.until(lambda: sum(message.receives for message in b.queue.messages.values()) == 2)
            assert b.function.batches == []
            b.clock.advance(5)
            await b.until(lambda: not b.queue.messages)
            assert b.function.batches == [["one", "two"]]
            b.queue.send(*(str(n) for n in range(100)))
            await b.until(lambda: not b.queue.messages)
            assert len(b.function.batches[1]) == 100, "full is not waited with"

    run(test)


def test_filtered_messages_are_deleted_and_counted() -> None:
    async def test() -> None:
        settings = {
            "BatchSize": 10,
            "FilterCriteria": {"Filters": [{"Pattern": '{"body": {"n": [1]}}'}]},
            "MetricsConfig": {"Metrics": ["EventCount"]},
        }
        async with bench(mapped=Mapped(settings=settings)) as b:
            b.queue.send('{"n": 1}', '{"n": 2}', "plain", '{"n": 1, "m": 3}')
            await b.until(lambda: not b.queue.messages)
            assert b.function.batches == [['{"n": 1}', '{"n": 1, "m": 3}']]
            await b.until(lambda: len(b.endings) == 2)
            assert {(e.status, e.count, e.filtered, e.deleted) for e in b.endings} == {
                ("filtered", 2, 2, 2),
                ("success", 2, 0, 2),
            }
            counts = [dataclasses.astuple(fact)[3:] for fact in b.facts if isinstance(fact, MappingEvents)]
            assert [sum(column) for column in zip(*counts, strict=True)] == [4, 2, 2, 0, 4]

    run(test)


@pytest.mark.parametrize("fails", [False, True])
def test_a_group_is_in_one_batch_at_a_time_in_order(fails: bool) -> None:
    async def look(bodies: list[str]) -> None:
        names = {body[0] for body in bodies}
        assert not names & busy, f"{names & busy} in two batches"
        busy.update(names)
        await asyncio.sleep(0.002)
        busy.difference_update(names)
        if fails and (bad := next((body for body in bodies if int(body[1:]) % 7 == 3 and body not in failed), None)):
            failed.add(bad)
            raise ValueError("no")
        for body in bodies:
            done.setdefault(body[0], []).append(int(body[1:]))

    busy: set[str] = set()
    failed: set[str] = set()
    done: dict[str, list[int]] = {}

    async def test() -> None:
        async with bench(look, Mapped(FIFO, {"BatchSize": 3}), visibility_s=30.0) as b:
            for n in range(20):
                for group in "abcde":
                    b.queue.send(f"{group}{n}", group=group)
            for _ in range(3_000):
                if not b.queue.messages:
                    break
                b.clock.advance(0.5 if fails else 0)
                await asyncio.sleep(0.01)
            assert done == {group: list(range(20)) for group in "abcde"}
            assert len(failed) == (15 if fails else 0)
            assert b.function.most > 1, "groups go in parallel"

    run(test)


def test_what_has_not_begun_goes_back_when_the_mapping_ends() -> None:
    async def hold(bodies: list[str]) -> None:
        await gate.wait()

    gate = asyncio.Event()

    async def test() -> None:
        mapped = Mapped(settings={"BatchSize": 10, "MaximumBatchingWindowInSeconds": 20})
        async with bench(hold, mapped) as b:
            b.queue.send(*(str(n) for n in range(13)))
            await b.until(lambda: b.function.running == 1)
            await b.until(lambda: all(message.receives for message in b.queue.messages.values()))
            await b.quiet()
            ending = asyncio.create_task(b.mappings.end(mapped))
            await b.until(lambda: len(b.queue.unclaimed) == 3)
            await b.quiet()
            assert not ending.done(), "what is under way is waited for"
            gate.set()
            await ending
            assert len(b.queue.deleted) == 10
            await b.mappings.end(mapped)

    run(test)


def test_what_is_abandoned_begins_nothing_new() -> None:
    async def hold(bodies: list[str]) -> None:
        if bodies != ["quick"]:
            await gate.wait()

    gate = asyncio.Event()

    async def test() -> None:
        async with bench(hold, Mapped(settings={"BatchSize": 1})) as b:
            b.queue.send("quick")  # where batches are quick, messages are claimed ahead
            await b.until(lambda: b.endings)
            b.queue.send(*(str(n) for n in range(9)))
            await b.until(lambda: b.function.running == 5)
            await b.until(lambda: all(message.receives for message in b.queue.messages.values()))
            await b.mappings.close()
            await b.quiet()
            assert len(b.function.batches) == 6
            assert len(b.queue.messages) == 9

    run(test)


def test_a_function_that_is_gone_leaves_messages_alone_until_it_is_back() -> None:
    async def test() -> None:
        async with bench() as b:
            b.function.is_there = False
            b.queue.send("one")
            await b.quiet()
            assert b.queue.claims == []
            assert await b.mappings.problem(Mapped()) == "PROBLEM: Function not found"
            b.function.is_there = True
            b.clock.advance(31)
            await b.until(lambda: not b.queue.messages)
            assert await b.mappings.problem(Mapped()) is None
            b.queue.facts = None
            assert "NonExistentQueue" in (await b.mappings.problem(Mapped()) or "")

    run(test)


def test_messages_are_hidden_for_as_long_as_the_function_may_take() -> None:
    async def hold(bodies: list[str]) -> None:
        await gate.wait()

    gate = asyncio.Event()

    async def test() -> None:
        async with bench(hold, visibility_s=0.0) as b:
            sent = b.clock.now()
            b.queue.send("one")
            await b.until(lambda: b.function.running == 1)
            assert b.queue.messages[1].visible_at >= sent + SPEC.timeout_s
            gate.set()
            await b.until(lambda: not b.queue.messages)

    run(test)


def test_a_function_that_is_made_again_is_noticed() -> None:
    async def test() -> None:
        async with bench() as b:
            b.function.is_there = False
            b.queue.send("one")
            # Missed so often that it is looked for every half a minute only.
            await b.until(lambda: b.clock.advance(5) or b.function.missed > 5)
            b.function.is_there = True
            b.mappings.function_changed(KEY._replace(name="other"))
            await b.quiet()
            assert b.queue.messages
            b.mappings.function_changed(KEY)
            await b.until(lambda: not b.queue.messages)

    run(test)


def test_what_is_behind_a_failure_waits_for_it() -> None:
    """Two of three fit into one invocation; they fail, and the third, claimed with them, must not overtake."""

    async def fail_once(bodies: list[str]) -> None:
        if len(b.function.batches) == 1:
            raise ValueError("no")

    b: Bench

    async def test() -> None:
        nonlocal b
        async with bench(fail_once, Mapped(FIFO)) as b:
            b.queue.send(*(f"{n}" + "x" * 2_500_000 for n in range(3)), group="g")
            await b.until(lambda: b.endings)
            await b.quiet()
            assert [[body[0] for body in batch] for batch in b.function.batches] == [["0", "1"]]
            assert (b.queue.unclaimed, b.queue.messages[3].receives) == ([3], 0), "the function has not seen it"
            b.clock.advance(31)
            await b.until(lambda: not b.queue.messages)
            assert [[body[0] for body in batch] for batch in b.function.batches[1:]] == [["0", "1"], ["2"]]

    run(test)


def test_a_maximum_that_is_lowered_holds_at_once() -> None:
    async def hold(bodies: list[str]) -> None:
        await gate.wait()

    gate = asyncio.Event()

    async def test() -> None:
        async with bench(hold, Mapped(settings={"BatchSize": 1})) as b:
            b.queue.send(*(str(n) for n in range(5)))
            await b.until(lambda: b.function.running == 5)
            await b.mappings.begin(Mapped(settings={"BatchSize": 1, "ScalingConfig": {"MaximumConcurrency": 2}}))
            gate.set()
            await b.until(lambda: not b.queue.messages)
            gate.clear()
            b.queue.send(*(str(n) for n in range(5)))
            await b.until(lambda: b.function.running == 2)
            await b.quiet()
            assert b.function.running == 2
            gate.set()
            await b.until(lambda: not b.queue.messages)

    run(test)


def test_provisioned_pollers_carry_so_much_and_no_more() -> None:
    """Two of them: two hundred messages at once, then two hundred a second; or two megabytes, and two a second."""

    async def test(bodies: list[str], seconds: float, step: float) -> None:
        settings = {"BatchSize": 10, "ProvisionedPollerConfig": {"MinimumPollers": 2, "MaximumPollers": 2}}
        async with bench(mapped=Mapped(settings=settings)) as b:
            b.queue.send(*bodies)
            began = b.clock.now()
            await b.until(lambda: b.queue.claims)
            await b.until(lambda: b.clock.advance(step) or not b.queue.messages)
            assert b.clock.now() - began >= seconds
            assert b.function.most <= 20

    run(lambda: test(["x"] * 450, 1.2, 0.02))
    run(lambda: test(["x" * 1_000_000] * 21, 8.5, 0.2))  # the first claim is of twenty, and is made up for


def test_messages_that_waited_are_hidden_anew_and_go_back_when_the_function_goes() -> None:
    async def test() -> None:
        mapped = Mapped(settings={"BatchSize": 10, "MaximumBatchingWindowInSeconds": 20})
        async with bench(mapped=mapped, visibility_s=10.0, clock=StoppedClock()) as b:
            b.queue.send("one")
            await b.until(lambda: b.queue.messages[1].receives)
            b.clock.advance(8.1)  # four fifths of the claim: less than the function's three seconds are left
            await b.until(lambda: not b.queue.messages)
            assert b.queue.released == {1: pytest.approx(10.0)}
            b.queue.send("two")
            await b.until(lambda: b.queue.messages[2].receives)
            b.function.is_there = False
            b.clock.advance(8.1)
            await b.until(lambda: b.endings[1:])
            assert (b.endings[1].status, b.queue.released[2]) == ("error", 0.0)
            assert len(b.function.batches) == 1

    run(test)


def test_settings_change_at_once() -> None:
    async def test() -> None:
        async with bench() as b:
            b.queue.send("one", "two")
            await b.until(lambda: not b.queue.messages)
            await b.mappings.begin(Mapped(settings={"BatchSize": 1}))
            b.queue.send("three", "four")
            await b.until(lambda: not b.queue.messages)
            assert b.function.batches == [["one", "two"], ["three"], ["four"]]

    run(test)


def test_chains_of_requests_go_on() -> None:
    async def test() -> None:
        async with bench() as b:
            b.queue.send("alone", trace="Root=1;Sampled=1")
            await b.until(lambda: not b.queue.messages)
            b.queue.send("one", trace="Root=2")
            b.queue.send("two", trace="Root=3")
            await b.until(lambda: not b.queue.messages)
            assert b.function.traces[0] == "Root=1;Sampled=1"

    run(test)


def test_nothing_is_claimed_before_the_server_answers() -> None:
    async def test() -> None:
        clock = MovableClock()
        queue, function = Queue(clock), Function(succeed)
        mappings = QueueMappings(queue, function, function, Facts(), clock)
        await mappings.begin(Mapped())
        queue.send("one")
        await asyncio.sleep(0.05)
        assert queue.claims == []
        mappings.open()
        await Bench(clock, queue, function, mappings, []).until(lambda: not queue.messages)
        await mappings.drain(1)

    run(test)


def test_what_is_checked_when_a_mapping_is_made() -> None:
    class Roles:
        def __init__(self, *allowed: str) -> None:
            self._allowed = allowed

        async def role_may(self, role_arn: str, action: str, resource: str) -> bool:
            return action in self._allowed

    reading = ("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes")
    policy = json.dumps(
        {
            "Version": "2012-10-17",
            "Statement": [{"Effect": "Allow", "Principal": {"AWS": ROLE}, "Action": "sqs:*", "Resource": "*"}],
        }
    )

    async def refusal(queue: Queue, mapped: Mapped, timeout_s: int = 30, roles: Roles | None = None) -> str:
        mappings = QueueMappings(queue, Function(succeed), Function(succeed), Facts(), MovableClock(), roles)
        try:
            await mappings.check(mapped, timeout_s, ROLE)
        except AwsError as error:
            assert error.code == "InvalidParameterValueException"
            return error.message
        return ""

    async def test() -> None:
        clock = MovableClock()
        queue, elsewhere = Queue(clock), Queue(clock, policy=policy)
        assert await refusal(queue, Mapped()) == ""
        assert await refusal(queue, Mapped(), 31) == (
            "Queue visibility timeout: 30 seconds is less than Function timeout: 31 seconds"
        )
        assert await refusal(queue, Mapped(), roles=Roles(*reading)) == ""
        assert await refusal(queue, Mapped(), roles=Roles(reading[0])) == (
            "The provided execution role does not have permissions to call DeleteMessage on SQS"
        )
        other = Mapped(QUEUE.replace("000000000000", "111122223333"))
        assert "call ReceiveMessage on SQS" in await refusal(queue, other)
        assert await refusal(elsewhere, other) == ""
        assert "call ReceiveMessage on SQS" in await refusal(elsewhere, other, roles=Roles())
        assert "not in the function's region" in await refusal(queue, Mapped(QUEUE.replace("us-east", "eu-west")))
        queue.facts = None
        assert await refusal(queue, Mapped()) == (
            "Error occurred while ReceiveMessage. SQS Error Code: AWS.SimpleQueueService.NonExistentQueue. "
            "SQS Error Message: The specified queue does not exist."
        )

    run(test)
