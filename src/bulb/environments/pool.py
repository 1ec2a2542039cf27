"""The pool: which environments live, which of them are idle, and how long they stay.

The most recently used idle environment is taken first, so that a surplus ages and is reaped. An idle environment is
frozen after a moment and ended after `idle_s`; at the machine's capacity the longest idle one of any function makes
room. Times are Unix seconds of the clock.
"""

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Coroutine, Iterator
from dataclasses import dataclass

from bulb.core.clock import Clock
from bulb.core.facts import FunctionRef
from bulb.environments.capacity import memory_is_low
from bulb.environments.environment import Environment
from bulb.environments.factory import EnvironmentFactory
from bulb.environments.model import FunctionSpec
from bulb.environments.states import State

_log = logging.getLogger(__name__)
_TICK_S = 0.1
_MEMORY_LOOK_S = 0.05


@dataclass(frozen=True, slots=True)
class Settings:
    """Room for environments, and the seconds one stays unfrozen, idle, and in use at all."""

    capacity: int
    freeze_after_s: float = 0.1
    idle_s: float = 600.0
    max_age_s: float = 6 * 3600.0


class NoCapacityError(Exception):
    """The machine holds as many environments as it can and all are busy."""


class EnvironmentPool:
    """Hands out environments and takes them back."""

    def __init__(self, factory: EnvironmentFactory, clock: Clock, settings: Settings) -> None:
        self._factory = factory
        self._clock = clock
        self._settings = settings
        self._idle: dict[FunctionRef, list[Environment]] = {}
        # Idle environments in the order they became idle: the longest idle first.
        self._by_age: OrderedDict[Environment, None] = OrderedDict()
        self._thawed: OrderedDict[Environment, None] = OrderedDict()
        self._alive: set[Environment] = set()
        self._births = 0
        self._chores: set[asyncio.Task[None]] = set()
        self._looked_at_memory = (0.0, False)
        self._keeper: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to freeze and reap."""
        self._keeper = asyncio.create_task(self._keep())

    def __iter__(self) -> Iterator[Environment]:
        return iter(self._alive)

    def __len__(self) -> int:
        return len(self._alive) + self._births

    def take_idle(self, spec: FunctionSpec) -> Environment | None:
        """An idle environment of exactly this revision, now the caller's."""
        idle = self._idle.get(spec.ref)
        while idle:
            environment = idle.pop()
            del self._by_age[environment]
            self._thawed.pop(environment, None)
            if environment.spec.revision == spec.revision:
                return environment
            self._end(environment, "update")
        return None

    async def create(self, spec: FunctionSpec) -> Environment:
        """A new environment, its init phase over, now the caller's.

        Raises NoCapacityError, or what `EnvironmentFactory.create` raises.
        """
        self._make_room()
        self._births += 1
        try:
            environment = await self._factory.create(spec)
            self._alive.add(environment)
        finally:
            self._births -= 1
        try:
            await environment.initialize()
        except BaseException:
            self._end(environment, "failure")
            raise
        return environment

    def release(self, environment: Environment) -> None:
        """The caller is done with it. Its lease ends when its handler does."""
        if environment.state is State.FINISHING:
            self._do(self._release_finished(environment))
            return
        environment.end_lease()
        if environment.state is State.ENDED:
            self._alive.discard(environment)
        elif environment.retired:
            self._end(environment, "update")
        elif environment.state in (State.BUSY, State.INIT):
            self._end(environment, "failure")
        elif self._clock.now() - environment.born_at > self._settings.max_age_s:
            self._end(environment, "idle")
        else:
            environment.idle_since = self._clock.now()
            self._idle.setdefault(environment.spec.ref, []).append(environment)
            self._by_age[environment] = None
            self._thawed[environment] = None

    async def _release_finished(self, environment: Environment) -> None:
        """Its caller has the answer; it is of use to others only when its handler has really ended."""
        try:
            await environment.finish()
        except BaseException:
            environment.end_lease()
            raise
        self.release(environment)

    def expect(self, spec: FunctionSpec) -> None:
        """Environments of `spec` may be wanted soon: have its interpreter found and started meanwhile."""
        self._do(self._factory.expect(spec))

    def retire(self, function: FunctionRef) -> None:
        """The function changed or is gone: end its idle environments now, its busy ones after their event."""
        for environment in self._idle.pop(function, ()):
            del self._by_age[environment]
            self._thawed.pop(environment, None)
            self._end(environment, "update")
        for environment in self._alive:
            if environment.spec.ref == function:
                environment.retired = True

    def _make_room(self) -> None:
        if len(self) < self._settings.capacity and not self._memory_is_low():
            return
        if not self._by_age:
            raise NoCapacityError
        self._end(self._forget_longest_idle(), "idle")

    def _memory_is_low(self) -> bool:
        looked_at, low = self._looked_at_memory
        if time.monotonic() - looked_at > _MEMORY_LOOK_S:
            low = memory_is_low()
            self._looked_at_memory = (time.monotonic(), low)
        return low

    def _forget_longest_idle(self) -> Environment:
        environment, _ = self._by_age.popitem(last=False)
        self._thawed.pop(environment, None)
        idle = self._idle[environment.spec.ref]
        idle.remove(environment)
        if not idle:
            del self._idle[environment.spec.ref]
        return environment

    def _end(self, environment: Environment, reason: str) -> None:
        self._alive.discard(environment)
        self._do(environment.end(reason))

    def _do(self, chore: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(chore)
        self._chores.add(task)
        task.add_done_callback(self._chore_done)

    def _chore_done(self, task: asyncio.Task[None]) -> None:
        self._chores.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("an environment could not be prepared, finished or ended: %s", error, exc_info=error)

    async def _keep(self) -> None:
        while True:
            await self._clock.sleep(_TICK_S)
            now = self._clock.now()
            while self._thawed:
                environment = next(iter(self._thawed))
                if now - environment.idle_since < self._settings.freeze_after_s:
                    break
                del self._thawed[environment]
                environment.freeze()
            while self._by_age and now - next(iter(self._by_age)).idle_since > self._settings.idle_s:
                self._end(self._forget_longest_idle(), "idle")

    async def close(self) -> None:
        """End every environment, busy or not."""
        if self._keeper is not None:
            self._keeper.cancel()
        for environment in list(self._alive):
            self._end(environment, "shutdown")
        self._idle.clear()
        self._by_age.clear()
        self._thawed.clear()
        while self._chores:
            await asyncio.gather(*self._chores, return_exceptions=True)
