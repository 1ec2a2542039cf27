"""Makes what is stored about concurrency true: in the books of the invoke path, and in environments that stand ready.

After each commit to a function what it has is read again and applied, one reading of a function at a time, so the last
commit wins. At a start everything is read once.
"""

import asyncio
import logging
from collections.abc import Coroutine, Iterable
from dataclasses import dataclass
from typing import Any, Protocol
from weakref import WeakValueDictionary

from bulb.core.errors import AwsError, BulbError
from bulb.core.facts import FunctionRef
from bulb.environments.model import FunctionSpec
from bulb.environments.provisioned import Allocation
from bulb.invoke.concurrency import Concurrency as Books
from bulb.services.lambda_.catalog import Catalog
from bulb.services.lambda_.concurrency import NOT_PUBLISHED, Concurrency
from bulb.services.lambda_.model import LATEST, Alias, FunctionKey
from bulb.services.lambda_.store import ConcurrencyStore, LambdaStore

_log = logging.getLogger(__name__)


class Keeper(Protocol):
    """Who keeps provisioned environments (environments/provisioned.py)."""

    def arrange(self, function: tuple[str, str, str], wanted: Iterable[tuple[FunctionSpec, int]]) -> None:
        """From now on the versions of a function are to have as many as `wanted` says."""

    def allocation(self, ref: FunctionRef) -> Allocation:
        """What a version has now."""

    async def settled(self, function: tuple[str, str, str]) -> None:
        """Return when every version of the function has what it was promised, or will not get it soon."""


@dataclass(frozen=True, slots=True)
class _Served:
    """An alias with something provisioned: what it means `now`, and `then`, when environments of that are ready."""

    now: Alias
    then: Alias

    @property
    def moves(self) -> bool:
        return self.now != self.then


class Allotments:
    """Between the store, the books and the keeper of provisioned environments."""

    def __init__(self, store: LambdaStore, catalog: Catalog, books: Books, keeper: Keeper) -> None:
        self._versions = store
        self._store: ConcurrencyStore = store.concurrency
        self._catalog = catalog
        self._books = books
        self._keeper = keeper
        self._locks: WeakValueDictionary[FunctionKey, asyncio.Lock] = WeakValueDictionary()
        self._tasks: set[asyncio.Task[None]] = set()
        self._served: dict[FunctionKey, dict[str, _Served]] = {}
        store.on_change(self._changed)
        catalog.serve_aliases(self._serving)

    async def load(self) -> None:
        """Apply everything that is stored: reservations before this returns, environments in the background."""
        for key, executions in await self._store.reservations():
            self._books.reserve(key, executions)
        for key in await self._store.provisioned():
            self._changed(key)

    async def refresh(self, key: FunctionKey) -> None:
        """Apply what a function has now; it counts when this returns, and environments are on their way."""
        lock = self._locks.setdefault(key, asyncio.Lock())
        async with lock:
            function = await self._store.find(key)
            if function is None:
                self._books.forget(key)
            elif function.reserved != self._books.reserved(key):
                self._books.reserve(key, function.reserved)
            await self._serve(key, function)
            self._keeper.arrange(key, [] if function is None else await self._wanted(key, function))
            if any(one.moves for one in self._served.get(key, {}).values()):
                self._do(self._switch(key), key)

    def allocations(self, key: FunctionKey, shares: dict[str, int]) -> dict[str, Allocation]:
        """What there is for each version of `shares`: for `$LATEST`, where an alias has moved to it, nothing."""
        return {
            version: Allocation(failure=NOT_PUBLISHED)
            if version == LATEST
            else self._keeper.allocation(key.version(version))
            for version in shares
        }

    def unreserved(self, account: str, region: str) -> int:
        """The size of the pool that functions without a reservation share."""
        return self._books.unreserved(account, region)

    async def close(self) -> None:
        """Stop."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _changed(self, key: FunctionKey) -> None:
        self._do(self.refresh(key), key)

    def _do(self, work: Coroutine[Any, Any, None], key: FunctionKey) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(lambda done: self._done(done, key))

    def _done(self, task: asyncio.Task[None], key: FunctionKey) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None and not isinstance(error, BulbError):
            _log.error("the concurrency of %s could not be applied", key.arn, exc_info=error)

    async def _wanted(self, key: FunctionKey, function: Concurrency) -> list[tuple[FunctionSpec, int]]:
        wanted = []
        for version, count in function.wanted().items():
            try:
                resolved = await self._catalog.look_up(key, version)
            except AwsError:
                continue  # a version that cannot run; it is told when it changes
            wanted.append((resolved.spec, count))
        return wanted

    def _serving(self, key: FunctionKey, alias: Alias) -> Alias:
        served = self._served.get(key, {}).get(alias.name)
        return alias if served is None else served.now

    async def _serve(self, key: FunctionKey, function: Concurrency | None) -> None:
        """What each provisioned alias means from here on."""
        before = self._served.get(key, {})
        served: dict[str, _Served] = {}
        for provision in () if function is None else function.provisions:
            if function is not None and (alias := function.alias(provision.qualifier)) is not None:
                was = before.get(alias.name)
                served[alias.name] = _Served(alias if was is None else await self._still(key, was.now, alias), alias)
        self._served.pop(key, None)
        if served:
            self._served[key] = served
        if any(was.moves for was in before.values()):
            self._catalog.forget(key)

    async def _still(self, key: FunctionKey, meant: Alias, stored: Alias) -> Alias:
        """What an alias means now: what it meant, as long as those versions are there."""
        if meant.versions == stored.versions:
            return stored
        there = [await self._versions.find(key.version(version)) for version in meant.versions]
        return meant if all(there) else stored

    async def _switch(self, key: FunctionKey) -> None:
        """The aliases mean what is stored as soon as that is ready, or will not be."""
        await self._keeper.settled(key)
        if (served := self._served.get(key)) is not None:
            self._served[key] = {name: _Served(one.then, one.then) for name, one in served.items()}
        self._catalog.forget(key)
