"""Which environments the pool keeps when their function changes; they have no processes here."""

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

from bulb.core.clock import SystemClock
from bulb.core.facts import FunctionRef
from bulb.environments.factory import EnvironmentFactory
from bulb.environments.model import FunctionSpec
from bulb.environments.pool import EnvironmentPool, Settings
from bulb.environments.states import State

REF = FunctionRef("000000000000", "us-east-1", "f", "1")
OLD = FunctionSpec(REF, "old", "python3.11", "m.h", "role", Path("/"), 128, 512, 3, "x86_64", "/aws/lambda/f")
NEW = replace(OLD, revision="new")


@dataclass(eq=False)
class Stand:
    """What the pool looks at of an environment; `ended` is why it was ended."""

    spec: FunctionSpec
    state: State = State.READY
    retired: bool = False
    born_at: float = field(default_factory=SystemClock().now)
    idle_since: float = 0.0
    ended: str | None = None

    async def initialize(self) -> None:
        """It is ready."""

    def end_lease(self) -> None:
        """Nobody counts."""

    async def end(self, reason: str) -> None:
        self.ended = reason


class Stands:
    """A factory that is asked, and answers when its gate is open."""

    def __init__(self) -> None:
        self.asked = asyncio.Semaphore(0)
        self.gate = asyncio.Event()

    async def create(self, spec: FunctionSpec, _initialization: str) -> Stand:
        self.asked.release()
        await self.gate.wait()
        return Stand(spec)


def told(story: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(story, 30))


def pool_of(stands: Stands) -> EnvironmentPool:
    return EnvironmentPool(cast("EnvironmentFactory", stands), SystemClock(), Settings(capacity=10))


def test_an_environment_that_is_made_while_its_function_changes_ends_after_its_event() -> None:
    async def story() -> None:
        stands = Stands()
        pool = pool_of(stands)
        making = asyncio.create_task(pool.create(OLD))
        await stands.asked.acquire()
        pool.retire(REF)
        stands.gate.set()
        environment = await making
        assert len(pool) == 1
        pool.release(environment)
        assert len(pool) == 0
        await pool.close()
        assert cast("Stand", environment).ended == "update"

    told(story())


def test_a_change_ends_those_of_other_revisions_and_leaves_those_of_its_own() -> None:
    async def story() -> None:
        stands = Stands()
        stands.gate.set()
        pool = pool_of(stands)
        old, new, busy = await pool.create(OLD), await pool.create(NEW), await pool.create(NEW)
        pool.release(old)
        pool.release(new)
        pool.retire(REF, "new")
        assert len(pool) == 2
        pool.release(busy)
        assert pool.take_idle(NEW) is busy
        assert pool.take_idle(NEW) is new
        assert pool.take_idle(NEW) is None
        await pool.close()
        assert cast("Stand", old).ended == "update"

    told(story())
