"""Which code a name means, for the invoke path. Warm, a lookup is one dictionary access and no SQL.

The cache is told of each of our own commits. A version read before a commit is not kept if the commit came in between.
"""

import asyncio
import contextlib
import random
from collections.abc import Callable
from dataclasses import dataclass

from bulb.core.errors import AwsError, BulbError
from bulb.core.facts import FunctionRef
from bulb.environments.model import FunctionSpec
from bulb.invoke.model import Resolved
from bulb.runtimes.catalogue import RUNTIMES
from bulb.services.lambda_ import errors, outside, snapstart
from bulb.services.lambda_.activation import Activator
from bulb.services.lambda_.model import LATEST, Alias, Definition, FunctionKey, FunctionRecord, key_of
from bulb.services.lambda_.packages import Packages, UnreachableCodeError
from bulb.services.lambda_.store import LambdaStore

PENDING_PATIENCE_S = 1.0
MAX_CACHED = 10_000


@dataclass(frozen=True, slots=True)
class _Split:
    """An alias of two versions. `weight` is the share of the `other` one, of 1.0."""

    own: str
    other: str
    weight: float

    def pick(self, chance: float) -> str:
        """The version for a request that drew `chance`."""
        return self.other if chance < self.weight else self.own


Serving = Callable[[FunctionKey, Alias], Alias]
# A qualifier as callers name it; or an alias of two versions together with the one that was picked.
_Slot = str | None | tuple[str | None, str]


class Catalog:
    """Implements `FunctionCatalog` of the invoke room."""

    def __init__(
        self,
        store: LambdaStore,
        packages: Packages,
        activator: Activator,
        expected: Callable[[FunctionSpec], None] = lambda spec: None,
        chance: Callable[[], float] = random.random,
    ) -> None:
        """`expected` is told what is prefetched; it returns at once.

        `chance` gives numbers from 0.0 up to 1.0: a request to an alias of two versions draws one, and which version
        the last request got does not matter.
        """
        self._expected = expected
        self._chance = chance
        self._store = store
        self._packages = packages
        self._activator = activator
        self._cache: dict[FunctionKey, dict[_Slot, Resolved | _Split]] = {}
        self._changes = 0
        self._prefetching: set[asyncio.Task[None]] = set()
        self._serving: Serving = lambda key, alias: alias
        store.on_change(self.forget)

    async def resolve(self, account: str, region: str, name: str, qualifier: str | None) -> Resolved:
        """The version to run.

        A function that is still Pending is waited for up to a second; one that is Inactive is restored, if it can be,
        for those who ask later. Raises ResourceNotFoundException, and ResourceConflictException when it is not Active.
        """
        key = FunctionKey(account, region, name)
        cached = self._cache.get(key)
        if cached is not None and (found := cached.get(qualifier)) is not None:
            if type(found) is Resolved:
                return found
            if type(found) is _Split:
                return await self._resolve_split(key, qualifier, found)
        return await self._load(key, qualifier, self._chance())

    async def dead_letter(self, account: str, region: str, name: str, qualifier: str | None) -> str | None:
        """The ARN that gets failed events of a version in whatever state, of `$LATEST` if it is gone; or None.

        Raises ResourceNotFoundException when there is no such function.
        """
        key = FunctionKey(account, region, name)
        try:
            _, record = await self._found(key, qualifier, self._chance())
        except AwsError:
            _, record = await self._found(key, None, 0.0)
        return (record.running or record.definition).dead_letter

    async def look_up(self, key: FunctionKey, qualifier: str | None) -> Resolved:
        """The same for somebody who only prepares for invocations: what is Inactive stays so."""
        return await self._load(key, qualifier, self._chance(), restores=False)

    async def _resolve_split(self, key: FunctionKey, qualifier: str | None, split: _Split) -> Resolved:
        """One draw a request: if the version drawn is not known yet, drawing again would favour the known one."""
        chance = self._chance()
        found = self._cache[key].get((qualifier, split.pick(chance)))
        return found if type(found) is Resolved else await self._load(key, qualifier, chance)

    def prefetch(self, ref: FunctionRef) -> None:
        """The version is likely to be invoked soon: look it up before somebody waits for it."""
        task = asyncio.get_running_loop().create_task(self._prefetch(ref))
        self._prefetching.add(task)
        task.add_done_callback(self._prefetching.discard)

    async def _prefetch(self, ref: FunctionRef) -> None:
        # Whoever invokes is told what is wrong; a database that is being closed is nobody's business here.
        with contextlib.suppress(AwsError, BulbError):
            qualifier = None if ref.version == LATEST else ref.version
            self._expected((await self.look_up(key_of(ref), qualifier)).spec)

    async def _load(self, key: FunctionKey, qualifier: str | None, chance: float, *, restores: bool = True) -> Resolved:
        changes = self._changes
        slot, record = await self._found(key, qualifier, chance)
        if record.state == "Pending":
            await self._activator.settled(record.ref, PENDING_PATIENCE_S)
            changes = self._changes
            slot, record = await self._found(key, qualifier, chance)
        if record.state == "Inactive" and restores:
            self._activator.restore(record.ref)
        resolved = Resolved(
            await self._running_spec(record),
            key.qualified_arn(qualifier),
            record.running.dead_letter if record.running is not None else None,
        )
        if changes == self._changes:
            self._keep(key, slot, resolved)
        return resolved

    async def _meant(self, key: FunctionKey, qualifier: str | None, chance: float) -> tuple[_Slot, str]:
        """Where the answer is kept, and which version it is this time."""
        if qualifier is None or qualifier == LATEST:
            return qualifier, LATEST
        if qualifier.isdecimal():
            return qualifier, qualifier
        changes = self._changes
        alias = await self._store.aliases.find(key, qualifier)
        if alias is None:
            raise errors.function_not_found(key, qualifier)
        alias = self._serving(key, alias)
        for other, weight in alias.weights.items():
            split = _Split(alias.version, other, weight)
            if changes == self._changes:
                self._keep(key, qualifier, split)
            version = split.pick(chance)
            return (qualifier, version), version
        return qualifier, alias.version

    async def _found(self, key: FunctionKey, qualifier: str | None, chance: float) -> tuple[_Slot, FunctionRecord]:
        slot, version = await self._meant(key, qualifier, chance)
        record = await self._store.find(key.version(version))
        if record is None:
            raise errors.function_not_found(key, qualifier)
        return slot, record

    async def _running_spec(self, record: FunctionRecord) -> FunctionSpec:
        running = record.running
        if running is None or record.state in ("Pending", "Inactive"):
            if record.state == "Pending" and snapstart.starts_from_snapshot(record):
                raise errors.snapshot_not_ready(record.ref)
            raise errors.wrong_state(record.state)
        try:
            return await self.spec(record.ref, running)
        except UnreachableCodeError as error:
            await self._activator.lost(record.ref, running.code, error.message)
            raise errors.wrong_state("Inactive") from error

    async def spec(self, ref: FunctionRef, running: Definition) -> FunctionSpec:
        """What environments of a definition are made from."""
        outside.check_runnable(running.vpc, running.file_systems)
        _check_pin(running, ref.region)
        code = await self._packages.folder(running.code)
        layers = tuple([await self._packages.folder(layer.code) for layer in running.layers])
        return FunctionSpec(
            ref=ref,
            revision=running.identity,
            runtime=running.runtime,
            handler=running.handler,
            role=running.role,
            code=code,
            layers=layers,
            uses_sdk=await self._packages.mentions_sdk(code, *layers),
            snap_start=running.snap_start and ref.version != LATEST,
            memory_mb=running.memory_mb,
            ephemeral_mb=running.ephemeral_mb,
            timeout_s=running.timeout_s,
            architecture=running.architecture,
            log_group=running.logging.log_group,
            log_format=running.logging.log_format,
            application_log_level=running.logging.application_log_level,
            system_log_level=running.logging.system_log_level,
            variables=running.variables or {},
            active_tracing=running.tracing == "Active",
        )

    def _keep(self, key: FunctionKey, slot: _Slot, found: Resolved | _Split) -> None:
        if len(self._cache) >= MAX_CACHED:
            self._cache.clear()
        self._cache.setdefault(key, {})[slot] = found

    def serve_aliases(self, serving: Serving) -> None:
        """`serving` is shown each alias that is looked up, and says what it means for the moment."""
        self._serving = serving

    def forget(self, key: FunctionKey) -> None:
        """Look everything about a function up again."""
        self._changes += 1
        self._cache.pop(key, None)


def _check_pin(running: Definition, region: str) -> None:
    """Raises InvalidRuntimeException when the function insists on a build of its runtime that is not here."""
    if running.runtime_pin not in (None, RUNTIMES[running.runtime].version_arn(region)):
        raise AwsError(
            "InvalidRuntimeException",
            f"The function is pinned to the runtime version {running.runtime_pin}, which is not the one of "
            f"{running.runtime} that is here. Change it with PutRuntimeManagementConfig.",
            status=502,
        )
