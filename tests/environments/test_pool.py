"""Which environments the pool keeps when their function changes; they have no processes here."""

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from tests.support.clock import MovableClock

from bulb.core.clock import SystemClock
from bulb.core.facts import FunctionRef
from bulb.environments.factory import EnvironmentFactory
from bulb.environments.model import FunctionSpec
from bulb.environments.pool import EnvironmentPool, Settings
from bulb.environments.states import State
from bulb.sandbox.model import SandboxError

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

    def freeze(self) -> None:
        raise OSError(19, "its group is gone")

    async def finish(self) -> None:
        raise OSError(19, "its group is gone")


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


def test_an_environment_that_cannot_be_finished_takes_nobody_room() -> None:
    async def story() -> None:
        stands = Stands()
        stands.gate.set()
        pool = pool_of(stands)
        environment = await pool.create(NEW)
        cast("Stand", environment).state = State.FINISHING
        pool.release(environment)
        await asyncio.gather(*pool._chores, return_exceptions=True)
        assert len(pool) == 0
        await pool.close()
        assert cast("Stand", environment).ended == "failure"

    told(story())


def test_a_blank_that_ends_in_the_instant_it_is_claimed_is_nobodys_trouble() -> None:
    """Another sandbox is made in its stead, and nothing of the blank is left."""

    class Blank:
        closed = False

        async def claim(self, *_: object) -> None:
            raise SandboxError("it is gone")

        async def close(self) -> None:
            self.closed = True

    async def story() -> None:
        blank, made = Blank(), object()

        async def start(*_: object, **__: object) -> object:
            return made

        async def image(_: object) -> object:
            return SimpleNamespace(supervised=False, name="python")

        nothing: Any = None
        sandboxes: Any = SimpleNamespace(start=start)
        materials: Any = SimpleNamespace(image=image)
        stock: Any = SimpleNamespace(take=lambda _: blank, keep=lambda _: None)
        factory = EnvironmentFactory(sandboxes, materials, stock, *(nothing,) * 5)
        assert await factory._sandbox(NEW, nothing, has_extensions=False) is made
        assert blank.closed

    told(story())


def test_an_environment_that_cannot_be_frozen_keeps_no_other_from_its_end() -> None:
    async def story() -> None:
        stands, clock = Stands(), MovableClock()
        stands.gate.set()
        pool = EnvironmentPool(cast("EnvironmentFactory", stands), clock, Settings(capacity=10, idle_s=60))
        pool.start()
        pool.release(await pool.create(NEW))
        for _ in range(1_000):
            clock.advance(1)
            await asyncio.sleep(0.001)
            if not len(pool):
                break
        assert len(pool) == 0
        await pool.close()

    told(story())
