"""Which code a name means, for the invoke path. Warm, a lookup is one dictionary access and no SQL.

The cache is told of each of our own commits. A version read before a commit is not kept if the commit came in between.
"""

import asyncio
import contextlib
from collections.abc import Callable

from bulb.core.errors import AwsError, BulbError
from bulb.core.facts import FunctionRef
from bulb.environments.model import FunctionSpec
from bulb.invoke.model import Resolved
from bulb.services.lambda_ import errors
from bulb.services.lambda_.activation import Activator
from bulb.services.lambda_.model import LATEST, FunctionKey, FunctionRecord
from bulb.services.lambda_.packages import Packages
from bulb.services.lambda_.store import LambdaStore

PENDING_PATIENCE_S = 1.0
MAX_CACHED = 10_000


class Catalog:
    """Implements `FunctionCatalog` of the invoke room."""

    def __init__(
        self,
        store: LambdaStore,
        packages: Packages,
        activator: Activator,
        expected: Callable[[FunctionSpec], None] = lambda spec: None,
    ) -> None:
        """`expected` is told what is prefetched; it returns at once."""
        self._expected = expected
        self._store = store
        self._packages = packages
        self._activator = activator
        self._cache: dict[FunctionKey, dict[str | None, Resolved]] = {}
        self._changes = 0
        self._prefetching: set[asyncio.Task[None]] = set()
        store.on_change(self._forget)

    async def resolve(self, account: str, region: str, name: str, qualifier: str | None) -> Resolved:
        """The version to run.

        A function that is still Pending is waited for up to a second. Raises ResourceNotFoundException, and
        ResourceConflictException when it is not Active.
        """
        key = FunctionKey(account, region, name)
        cached = self._cache.get(key)
        if cached is not None and (found := cached.get(qualifier)) is not None:
            return found
        return await self._load(key, qualifier)

    def prefetch(self, ref: FunctionRef) -> None:
        """The version is likely to be invoked soon: look it up before somebody waits for it."""
        task = asyncio.get_running_loop().create_task(self._prefetch(ref))
        self._prefetching.add(task)
        task.add_done_callback(self._prefetching.discard)

    async def _prefetch(self, ref: FunctionRef) -> None:
        # Whoever invokes is told what is wrong; a database that is being closed is nobody's business here.
        with contextlib.suppress(AwsError, BulbError):
            self._expected((await self.resolve(ref.account, ref.region, ref.name, None)).spec)

    async def _load(self, key: FunctionKey, qualifier: str | None) -> Resolved:
        changes = self._changes
        record = await self._record(key, qualifier)
        if record.state == "Pending":
            await self._activator.settled(record.ref, PENDING_PATIENCE_S)
            changes = self._changes
            record = await self._record(key, qualifier)
        resolved = Resolved(await self._spec(record), key.qualified_arn(qualifier))
        if changes == self._changes:
            self._keep(key, qualifier, resolved)
        return resolved

    async def _record(self, key: FunctionKey, qualifier: str | None) -> FunctionRecord:
        """`$LATEST` is the only version there is; numbers and aliases will be looked up here."""
        record = None
        if qualifier in (None, LATEST):
            record = await self._store.find(key.version(LATEST))
        if record is None:
            raise errors.function_not_found(key, qualifier)
        return record

    async def _spec(self, record: FunctionRecord) -> FunctionSpec:
        running = record.running
        if running is None:
            raise errors.wrong_state(record.state)
        code = await self._packages.folder(running.code)
        return FunctionSpec(
            ref=record.ref,
            revision=running.identity,
            runtime=running.runtime,
            handler=running.handler,
            role=running.role,
            code=code,
            uses_sdk=await self._packages.mentions_sdk(code),
            memory_mb=running.memory_mb,
            ephemeral_mb=running.ephemeral_mb,
            timeout_s=running.timeout_s,
            architecture=running.architecture,
            log_group=running.logging.log_group,
            log_format=running.logging.log_format,
            application_log_level=running.logging.application_log_level,
            system_log_level=running.logging.system_log_level,
            variables=running.variables or {},
        )

    def _keep(self, key: FunctionKey, qualifier: str | None, resolved: Resolved) -> None:
        if len(self._cache) >= MAX_CACHED:
            self._cache.clear()
        self._cache.setdefault(key, {})[qualifier] = resolved

    def _forget(self, key: FunctionKey) -> None:
        self._changes += 1
        self._cache.pop(key, None)
