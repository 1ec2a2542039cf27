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
from typing import Protocol

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


class Keeper(Protocol):
    """Who provides for environments of its own (environments/provisioned.py)."""

    def take_back(self, environment: Environment) -> None:
        """Nobody uses it any more; it may be anything but fit for use."""


@dataclass(slots=True, eq=False)
class _Birth:
    """An environment that is being made; `retired` as with those that are."""

    spec: FunctionSpec
    retired: bool = False


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
        self._kept: dict[Environment, Keeper] = {}
        self._births: set[_Birth] = set()
        self._chores: set[asyncio.Task[None]] = set()
        self._looked_at_memory = (0.0, False)
        self._keeper: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to freeze and reap."""
        self._keeper = asyncio.create_task(self._keep())

    def __iter__(self) -> Iterator[Environment]:
        return iter(self._alive)

    def __len__(self) -> int:
        return len(self._alive) + len(self._births)

    def take_idle(self, spec: FunctionSpec) -> Environment | None:
        """An idle environment of exactly this revision, now the caller's."""
        idle = self._idle.get(spec.ref)
        while idle:
            environment = idle.pop()
            del self._by_age[environment]
            self._thawed.pop(environment, None)
            if environment.spec.revision == spec.revision:
                return environment
            self.end(environment, "update")
        return None

    async def create(self, spec: FunctionSpec, keeper: Keeper | None = None) -> Environment:
        """A new environment, its init phase over, now the caller's.

        One with a `keeper` is provisioned: `release` hands it back to its keeper, and it is never reaped here. Raises
        NoCapacityError, or what `EnvironmentFactory.create` raises.
        """
        self._make_room()
        birth = _Birth(spec)
        self._births.add(birth)
        try:
            environment = await self._factory.create(spec, "provisioned-concurrency" if keeper else "on-demand")
            environment.retired = birth.retired
            self._alive.add(environment)
            if keeper is not None:
                self._kept[environment] = keeper
        finally:
            self._births.discard(birth)
        try:
            await environment.initialize()
        except BaseException:
            self.end(environment, "failure")
            raise
        return environment

    def release(self, environment: Environment) -> None:
        """The caller is done with it. Its lease ends when its handler does."""
        if environment.state is State.FINISHING:
            self._do(self._release_finished(environment))
        else:
            self._take_back(environment)

    def _take_back(self, environment: Environment) -> None:
        environment.end_lease()
        if (keeper := self._kept.get(environment)) is not None:
            keeper.take_back(environment)
        elif environment.state is State.ENDED:
            self._alive.discard(environment)
        elif environment.retired:
            self.end(environment, "update")
        elif environment.state in (State.BUSY, State.INIT, State.FINISHING):
            self.end(environment, "failure")
        elif self.is_old(environment):
            self.end(environment, "idle")
        else:
            self._idle.setdefault(environment.spec.ref, []).append(environment)
            self._by_age[environment] = None
            self.rest(environment)

    def is_old(self, environment: Environment) -> bool:
        """It has lived as long as any may."""
        return self._clock.now() - environment.born_at > self._settings.max_age_s

    def rest(self, environment: Environment) -> None:
        """It is idle from now on, and frozen in a moment."""
        environment.idle_since = self._clock.now()
        self._thawed[environment] = None

    def unrest(self, environment: Environment) -> None:
        """It is about to get an event: leave it as it is."""
        self._thawed.pop(environment, None)

    async def _release_finished(self, environment: Environment) -> None:
        """Its caller has the answer; it is of use to others only when its handler has really ended."""
        try:
            await environment.finish()
        finally:
            self._take_back(environment)

    def expect(self, spec: FunctionSpec) -> None:
        """Environments of `spec` may be wanted soon: have its interpreter found and started meanwhile."""
        self._do(self._factory.expect(spec))

    def retire(self, function: FunctionRef, revision: str | None = None) -> None:
        """The function changed or is gone: end its idle environments now, its busy ones after their event.

        Those of `revision` stay: who heard of the change earlier may have begun to use it.
        """
        idle = self._idle.pop(function, [])
        if kept := [environment for environment in idle if environment.spec.revision == revision]:
            self._idle[function] = kept
        for environment in idle:
            if environment.spec.revision != revision:
                del self._by_age[environment]
                self._thawed.pop(environment, None)
                self.end(environment, "update")
        every: list[Environment | _Birth] = [*self._alive, *self._births]
        for one in every:
            if one.spec.ref == function and one.spec.revision != revision:
                one.retired = True

    def _make_room(self) -> None:
        if len(self) < self._settings.capacity and not self._memory_is_low():
            return
        if not self._by_age:
            raise NoCapacityError
        self.end(self._forget_longest_idle(), "idle")

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

    def end(self, environment: Environment, reason: str) -> None:
        """End an environment that is in nobody's hands; `reason` as in the fact EnvironmentEnded."""
        self._alive.discard(environment)
        self._kept.pop(environment, None)
        self._thawed.pop(environment, None)
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
                try:
                    environment.freeze()
                except OSError:
                    _log.exception("an idle environment could not be frozen; it stays as it is")
            while self._by_age and now - next(iter(self._by_age)).idle_since > self._settings.idle_s:
                self.end(self._forget_longest_idle(), "idle")

    async def close(self) -> None:
        """End every environment, busy or not."""
        if self._keeper is not None:
            self._keeper.cancel()
        for environment in list(self._alive):
            self.end(environment, "shutdown")
        self._idle.clear()
        self._by_age.clear()
        self._thawed.clear()
        while self._chores:
            await asyncio.gather(*self._chores, return_exceptions=True)
