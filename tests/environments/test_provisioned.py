"""What the keeper of provisioned environments decides."""

import asyncio
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self, cast

import pytest

from bulb.core.clock import SystemClock
from bulb.core.facts import Facts, FunctionRef
from bulb.environments.model import FunctionSpec
from bulb.environments.pool import EnvironmentPool
from bulb.environments.provisioned import Allocation, Paid, Plan, ProvisionedEnvironments, charge, plan
from bulb.environments.states import State

REF = FunctionRef("000000000000", "us-east-1", "f", "1")
SPEC = FunctionSpec(REF, "r", "python3.11", "m.h", "role", Path("/"), 128, 512, 3, "x86_64", "/aws/lambda/f")


@pytest.mark.parametrize(
    ("allocation", "aged", "settled", "decided"),
    [
        (Allocation(3), 0, False, Plan(3, 0)),
        (Allocation(3, allocated=2, available=0), 0, False, Plan(1, 0)),
        (Allocation(3, allocated=3, available=3), 0, True, Plan(0, 0)),
        # Old ones stay until as many young ones are there.
        (Allocation(2, allocated=2, available=2), 2, True, Plan(2, 0)),
        (Allocation(2, allocated=4, available=2), 2, True, Plan(0, 0)),
        (Allocation(2, allocated=4, available=4), 2, True, Plan(0, 2)),
        # What is no longer wanted waits for the other versions of its function.
        (Allocation(0, allocated=2, available=2), 0, False, Plan(0, 0)),
        (Allocation(0, allocated=2, available=2), 0, True, Plan(0, 2)),
        (Allocation(1, allocated=3, available=2), 0, True, Plan(0, 1)),
    ],
)
def test_what_is_missing_is_started_and_a_surplus_ends_when_all_is_settled(
    allocation: Allocation, aged: int, settled: bool, decided: Plan
) -> None:
    assert plan(allocation, aged, settled) == decided


def test_settled_is_what_has_everything_or_has_failed() -> None:
    assert Allocation(2, 2, 2).is_settled
    assert Allocation(0).is_settled
    assert not Allocation(2, 2, 1).is_settled
    assert Allocation(2, 0, 0, "FUNCTION_ERROR_INIT_FAILURE").is_settled


def test_time_is_charged_five_minutes_at_a_time_when_it_begins() -> None:
    charged, paid = charge(Paid(), 2, 1000.0)
    assert (charged, paid) == (2, Paid(2, 1300.0))
    assert charge(paid, 2, 1299.0) == (0, paid)
    assert charge(paid, 3, 1200.0) == (1, Paid(3, 1300.0))
    assert charge(paid, 1, 1200.0) == (0, paid)
    assert charge(paid, 1, 1304.0) == (1, Paid(1, 1600.0))
    assert charge(paid, 1, 9000.0) == (1, Paid(1, 9300.0))
    assert charge(paid, 0, 1300.0) == (0, Paid())


@dataclass(eq=False)
class Stand:
    """What the keeper looks at of an environment, all well."""

    spec: FunctionSpec
    state: State = State.READY
    can_take_event: bool = True
    retired: bool = False
    runtime_exited: "asyncio.Future[None]" = field(default_factory=asyncio.Future)

    @property
    def sandbox(self) -> Self:
        return self


class Stands:
    """A pool that makes them as soon as its gate is open; `ended` are those it was told to end."""

    def __init__(self) -> None:
        self.ended: list[Any] = []
        self.asked = asyncio.Semaphore(0)
        self.gate = asyncio.Event()
        self.gate.set()

    async def create(self, spec: FunctionSpec, _keeper: object) -> Stand:
        self.asked.release()
        await self.gate.wait()
        return Stand(spec)

    def is_old(self, _environment: object) -> bool:
        return False

    def rest(self, _environment: object) -> None:
        """They need no rest."""

    unrest = rest

    def end(self, environment: object, _reason: str) -> None:
        self.ended.append(environment)


def test_what_is_no_longer_wanted_gets_no_event_from_that_instant() -> None:
    async def story() -> None:
        stands = Stands()
        kept = ProvisionedEnvironments(
            cast("EnvironmentPool", stands), Facts(), SystemClock(), lambda _ref, _count: None
        )
        kept.start()
        try:
            function = (REF.account, REF.region, REF.name)
            kept.arrange(function, [(SPEC, 3)])
            await asyncio.wait_for(kept.settled(function), 20)
            first, second = kept.take(SPEC), kept.take(SPEC)
            assert first is not None
            assert second is not None
            kept.arrange(function, [(SPEC, 1)])
            assert len(stands.ended) == 1
            assert kept.take(SPEC) is None
            kept.take_back(first)
            assert stands.ended[1:] == [first]
            kept.take_back(second)
            assert kept.take(SPEC) is second
            kept.arrange(function, [])
            kept.take_back(second)
            assert stands.ended[2:] == [second]
            assert kept.take(SPEC) is None
        finally:
            await kept.close()

    asyncio.run(story())


def test_what_is_no_longer_wanted_when_it_has_started_ends_without_an_event() -> None:
    async def story() -> None:
        stands = Stands()
        stands.gate.clear()
        kept = ProvisionedEnvironments(
            cast("EnvironmentPool", stands), Facts(), SystemClock(), lambda _ref, _count: None
        )
        kept.start()
        try:
            function = (REF.account, REF.region, REF.name)
            kept.arrange(function, [(SPEC, 2)])
            for _ in range(2):
                await stands.asked.acquire()
            kept.arrange(function, [(SPEC, 1)])
            stands.gate.set()
            while kept.allocation(REF).allocated > 1:
                assert kept.allocation(REF).available <= 1
                await asyncio.sleep(0)
            assert len(stands.ended) == 1
            assert kept.take(SPEC) is not None
            assert kept.take(SPEC) is None
        finally:
            await kept.close()

    asyncio.run(story())
