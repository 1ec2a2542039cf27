"""Provisioned concurrency: environments that are initialised before anybody asks, and kept so.

The keeper is told how many each version is to have and sees to it: it starts what is missing, replaces what died, broke
or grew old, and ends what is no longer wanted, though not before the function's other versions have what they want (an
alias that moves takes its environments along without a gap). What is decided is in `plan`, pure; what is busy, frozen
or counted against the machine is the pool's.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from bulb.core.clock import Clock, sleep_unless
from bulb.core.errors import AwsError, BulbError
from bulb.core.facts import ConcurrencyProvisioned, Facts, FunctionRef
from bulb.environments.environment import Environment
from bulb.environments.model import FunctionSpec
from bulb.environments.pool import EnvironmentPool, NoCapacityError
from bulb.environments.states import State

_log = logging.getLogger(__name__)
INIT_FAILURE = "FUNCTION_ERROR_INIT_FAILURE"
# What is provisioned is paid in pieces of five minutes.
PERIOD_S = 300
# How often the shelves are looked at without a reason, and when what failed is tried again: soon for want of room,
# later for a function whose init fails, which is not likely to change.
_TICK_S = 5.0
_ROOM_AGAIN_S, _FAILED_AGAIN_S = 1.0, 60.0
# Inits under way at once, of all functions together.
_PARALLEL = 16


@dataclass(frozen=True, slots=True)
class Allocation:
    """What a version was promised and what it has. `available` environments are initialised, `allocated` are those and
    the ones being started. `failure` is why there are no more, None while nothing failed.
    """

    wanted: int = 0
    allocated: int = 0
    available: int = 0
    failure: str | None = None

    @property
    def is_settled(self) -> bool:
        """Nothing better is to be expected soon."""
        return self.available >= self.wanted or self.failure is not None


@dataclass(frozen=True, slots=True)
class Plan:
    """How many environments of a version to start, and how many to end."""

    start: int
    end: int


def plan(allocation: Allocation, aged: int, settled: bool) -> Plan:
    """What a version needs now. `aged` of its available environments are too old and only stay until others have come.

    `settled`: all versions of the function are, so that a surplus is one.
    """
    start = max(allocation.wanted - (allocation.allocated - aged), 0)
    surplus = max(allocation.available - allocation.wanted, 0)
    return Plan(start, surplus if settled else 0)


@dataclass(frozen=True, slots=True)
class Paid:
    """How many environments have been paid for, until when (Unix seconds)."""

    environments: int = 0
    until: float = 0.0


def charge(paid: Paid, environments: int, now: float) -> tuple[int, Paid]:
    """How many environments to charge for five minutes from now, and what is paid then.

    Time is charged when it begins, so it is rounded up; further environments are charged when they come.
    """
    if now < paid.until:
        more = max(environments - paid.environments, 0)
        return more, Paid(paid.environments + more, paid.until)
    begun = paid.until if now - paid.until < PERIOD_S else now
    return environments, Paid(environments, begun + PERIOD_S) if environments else Paid()


@dataclass(slots=True)
class _Shelf:
    """The environments of one version. `idle` are those of `alive` that nobody uses; `again_at` is Unix seconds.

    `cramped`: the machine had no room for another. What the function's other versions hold may be that room.
    """

    spec: FunctionSpec
    wanted: int = 0
    starting: int = 0
    failure: str | None = None
    cramped: bool = False
    again_at: float = 0.0
    paid: Paid = Paid()
    alive: set[Environment] = field(default_factory=set)
    idle: list[Environment] = field(default_factory=list)

    def want(self, spec: FunctionSpec, count: int) -> None:
        """Version 1 of a function may be another one's: a function was deleted and made again."""
        if spec.revision != self.spec.revision:
            for environment in self.alive:
                environment.retired = True
        elif count == self.wanted:
            return
        self.spec, self.wanted = spec, count
        self.failure, self.cramped, self.again_at = None, False, 0.0

    @property
    def allocation(self) -> Allocation:
        return Allocation(self.wanted, len(self.alive) + self.starting, len(self.alive), self.failure)


class ProvisionedEnvironments:
    """Keeps them. `counted` is told the number of initialised environments of a version whenever it changes."""

    def __init__(
        self, pool: EnvironmentPool, facts: Facts, clock: Clock, counted: Callable[[FunctionRef, int], None]
    ) -> None:
        self._pool = pool
        self._facts = facts
        self._clock = clock
        self._counted = counted
        self._shelves: dict[FunctionRef, _Shelf] = {}
        self._slots = asyncio.Semaphore(_PARALLEL)
        self._starts: set[asyncio.Task[None]] = set()
        self._wake = asyncio.Event()
        self._changed = asyncio.Event()
        self._keeper: asyncio.Task[None] | None = None
        self._closed = False

    def start(self) -> None:
        """Begin to keep."""
        self._keeper = asyncio.create_task(self._keep())

    def arrange(self, function: tuple[str, str, str], wanted: Iterable[tuple[FunctionSpec, int]]) -> None:
        """From now on the versions of a function (account, region, name) are to have as many as `wanted` says.

        No event goes any more to an environment that is no longer wanted.
        """
        promised = {spec.ref: (spec, count) for spec, count in wanted}
        for shelf in self._of(function):
            if shelf.spec.ref not in promised:
                shelf.wanted = 0
        for spec, count in promised.values():
            shelf = self._shelves.setdefault(spec.ref, _Shelf(spec))
            shelf.want(spec, count)
        for shelf in self._of(function):
            self._end_surplus(shelf)
        self._look()

    def allocation(self, ref: FunctionRef) -> Allocation:
        """What a version has now."""
        shelf = self._shelves.get(ref)
        return Allocation() if shelf is None else shelf.allocation

    async def settled(self, function: tuple[str, str, str]) -> None:
        """Return when every version of the function has what it was promised, or failed."""
        while not _all_settled(self._of(function)):
            self._changed.clear()
            await self._changed.wait()

    def take(self, spec: FunctionSpec) -> Environment | None:
        """An idle environment of exactly this revision, now the caller's; it goes back by the pool's `release`."""
        shelf = self._shelves.get(spec.ref)
        while shelf is not None and shelf.idle:
            environment = shelf.idle.pop()
            if _is_good(environment) and environment.spec.revision == spec.revision:
                self._pool.unrest(environment)
                return environment
            self._drop(shelf, environment, "failure")
        return None

    def take_back(self, environment: Environment) -> None:
        """Nobody uses it any more."""
        shelf = self._shelves.get(environment.spec.ref)
        if shelf is None or environment not in shelf.alive:
            self._pool.end(environment, "idle")
        elif not _is_good(environment):
            self._drop(shelf, environment, "update" if environment.retired else "failure")
        else:
            shelf.idle.append(environment)
            self._pool.rest(environment)
            if len(shelf.alive) > shelf.wanted:
                self._end_surplus(shelf)

    async def close(self) -> None:
        """Start no more. The pool ends what there is."""
        self._closed = True
        tasks = [*self._starts, *([self._keeper] if self._keeper is not None else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _of(self, function: tuple[str, str, str]) -> list[_Shelf]:
        return [
            shelf for ref, shelf in self._shelves.items() if (ref.account, ref.region, ref.name) == function
        ]  # fmt: skip

    def _look(self) -> None:
        self._wake.set()
        self._changed.set()

    async def _keep(self) -> None:
        while True:
            self._wake.clear()
            try:
                self._tidy()
            except Exception:
                _log.exception("provisioned environments could not be looked after; trying again")
            await sleep_unless(self._wake, self._clock, min([_TICK_S, *self._waits()]))

    def _waits(self) -> Iterable[float]:
        now = self._clock.now()
        return [max(shelf.again_at - now, 0.02) for shelf in self._shelves.values() if shelf.again_at > now]

    def _tidy(self) -> None:
        for ref, shelf in list(self._shelves.items()):
            for environment in [one for one in shelf.idle if not _is_good(one)]:
                shelf.idle.remove(environment)
                self._drop(shelf, environment, "update" if environment.retired else "failure")
            if self._clock.now() >= shelf.again_at:
                for _ in range(self._plan(shelf).start):
                    self._start(shelf)
            self._end_surplus(shelf)
            self._charge(shelf)
            if not (shelf.wanted or shelf.alive or shelf.starting):
                del self._shelves[ref]

    def _charge(self, shelf: _Shelf) -> None:
        now = self._clock.now()
        count, shelf.paid = charge(shelf.paid, min(shelf.wanted, len(shelf.alive)), now)
        if count:
            spec = shelf.spec
            self._facts.emit(ConcurrencyProvisioned(spec.ref, spec.architecture, spec.memory_mb, count, now, PERIOD_S))

    def _plan(self, shelf: _Shelf) -> Plan:
        ref = shelf.spec.ref
        settled = _all_settled(self._of((ref.account, ref.region, ref.name)))
        return plan(shelf.allocation, sum(map(self._pool.is_old, shelf.alive)), settled)

    def _end_surplus(self, shelf: _Shelf) -> None:
        """The old ones first, then the longest idle; busy ones when they come back."""
        count = self._plan(shelf).end
        ending = sorted(shelf.idle, key=lambda environment: not self._pool.is_old(environment))[:count]
        for environment in ending:
            shelf.idle.remove(environment)
            self._drop(shelf, environment, "idle")

    def _drop(self, shelf: _Shelf, environment: Environment, reason: str) -> None:
        shelf.alive.discard(environment)
        self._pool.end(environment, reason)
        self._counted(shelf.spec.ref, len(shelf.alive))
        self._look()

    def _start(self, shelf: _Shelf) -> None:
        shelf.starting += 1
        task = asyncio.create_task(self._born(shelf))
        self._starts.add(task)
        task.add_done_callback(self._starts.discard)

    async def _born(self, shelf: _Shelf) -> None:
        try:
            async with self._slots:
                if self._lacks(shelf):
                    await self._make(shelf)
        finally:
            shelf.starting -= 1
            self._look()

    def _lacks(self, shelf: _Shelf) -> bool:
        """It has fewer than it is to have; old ones do not count."""
        return len(shelf.alive) < shelf.wanted + sum(map(self._pool.is_old, shelf.alive))

    async def _make(self, shelf: _Shelf) -> None:
        spec = shelf.spec
        try:
            environment = await self._pool.create(spec, self)
        except NoCapacityError:
            shelf.cramped, shelf.again_at = True, self._clock.now() + _ROOM_AGAIN_S
            return
        except (AwsError, BulbError, OSError) as error:
            _log.warning("no environment could be provisioned for %s: %s", shelf.spec.ref.arn, error)
            self._failed(shelf, error.message if isinstance(error, AwsError) else str(error))
            return
        if spec.revision != shelf.spec.revision:
            self._pool.end(environment, "update")
            return
        if environment.state is not State.READY:
            self._pool.end(environment, "failure")
            self._failed(shelf, INIT_FAILURE)
            return
        shelf.failure, shelf.cramped = None, False
        if not self._lacks(shelf):  # no longer wanted: it gets no event
            self._pool.end(environment, "idle")
            return
        shelf.alive.add(environment)
        shelf.idle.append(environment)
        self._pool.rest(environment)
        environment.sandbox.runtime_exited.add_done_callback(lambda _: self._look())
        self._counted(shelf.spec.ref, len(shelf.alive))

    def _failed(self, shelf: _Shelf, why: str) -> None:
        shelf.failure, shelf.again_at = why, self._clock.now() + _FAILED_AGAIN_S


def _all_settled(shelves: Iterable[_Shelf]) -> bool:
    return all(shelf.cramped or shelf.allocation.is_settled for shelf in shelves)


def _is_good(environment: Environment) -> bool:
    """It can take an event at once."""
    return environment.can_take_event and not environment.retired
