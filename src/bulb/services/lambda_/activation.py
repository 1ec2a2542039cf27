"""The work behind Pending and InProgress: make the code ready, then let invocations use it.

It runs in the background, a few milliseconds for code that was just unpacked. What a crash interrupts is found in the
database at the next start and done then.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Coroutine
from itertools import chain, repeat
from typing import Any, Protocol

from bulb.core.clock import Clock, SystemClock
from bulb.core.errors import AwsError, BulbError
from bulb.core.facts import FunctionRef
from bulb.core.ids import request_id
from bulb.services.lambda_ import snapstart
from bulb.services.lambda_.model import Code, FunctionRecord
from bulb.services.lambda_.packages import Packages, UnreachableCodeError
from bulb.services.lambda_.store import LambdaStore
from bulb.storage.errors import DatabaseClosedError

FunctionChanged = Callable[[FunctionRef, str | None], None]


class Snapshots(Protocol):
    """Who keeps the snapshots that versions start from (environments)."""

    async def make(self, record: FunctionRecord) -> str | None:
        """Run the version's init and keep the moment after it. Why that failed, or None."""

    def forget(self, ref: FunctionRef) -> None:
        """The version is gone."""


# Waits between attempts when the database refuses (a full disk, say). The last one goes on as long as it takes.
RETRY_DELAYS_S = (1.0, 5.0, 30.0)

_log = logging.getLogger(__name__)


class Activator:
    """Brings versions from Pending to Active and updates from InProgress to Successful.

    `changed` is called after the commit from which on a version runs another definition, of this identity, or none:
    environments of the old one must end. It returns at once.
    """

    def __init__(
        self,
        store: LambdaStore,
        packages: Packages,
        changed: FunctionChanged,
        clock: Clock | None = None,
        snapshots: Snapshots | None = None,
    ) -> None:
        self._store = store
        self._clock = clock or SystemClock()
        self._packages = packages
        self._changed = changed
        self._snapshots = snapshots
        self._tasks: dict[FunctionRef, asyncio.Task[None]] = {}

    async def resume(self) -> None:
        """Take up what an earlier process left unfinished, and clear away unpacked code that nothing uses any more.

        Called once at start, before anything runs.
        """
        await self._packages.sweep(await self._store.codes_in_use())
        for ref in await self._store.unsettled():
            self.begin(ref)

    def begin(self, ref: FunctionRef) -> None:
        """The version has a new definition: make it ready in the background."""
        self._start(ref, self._after(self._tasks.get(ref), ref))

    def restore(self, ref: FunctionRef) -> None:
        """Somebody wants to invoke an Inactive version: look in the background whether its code is there again."""
        if ref not in self._tasks:
            self._start(ref, self._restore(ref))

    async def lost(self, ref: FunctionRef, code: Code, why: str) -> None:
        """The code that the version runs cannot be had any more: it becomes Inactive."""

        def decide(current: FunctionRecord) -> FunctionRecord:
            return current.deactivated(code, why, request_id())

        record = await self._store.find(ref)
        if record is None or record.state != "Active":
            return  # somebody else found out first
        _log.warning("%s:%s is inactive: %s", ref.arn, ref.version, why)
        with contextlib.suppress(AwsError):  # deleted meanwhile
            await self._store.change(ref, decide)
        self._changed(ref, None)

    async def settled(self, ref: FunctionRef, patience_s: float) -> None:
        """Return when no work on the version is under way, or after `patience_s`."""
        if (task := self._tasks.get(ref)) is not None:
            await asyncio.wait({task}, timeout=patience_s)

    def removed(self, refs: list[FunctionRef]) -> None:
        """The versions are gone: whoever runs them must stop."""
        for ref in refs:
            self._changed(ref, None)
            if self._snapshots is not None:
                self._snapshots.forget(ref)

    async def close(self) -> None:
        """Stop. What is not finished is taken up by `resume` in the next process."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _start(self, ref: FunctionRef, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks[ref] = task
        task.add_done_callback(lambda done: self._forget(ref, done))

    def _forget(self, ref: FunctionRef, done: asyncio.Task[None]) -> None:
        if self._tasks.get(ref) is done:
            del self._tasks[ref]

    async def _after(self, earlier: asyncio.Task[None] | None, ref: FunctionRef) -> None:
        """A function deleted and created again at once has two of these: one after the other."""
        if earlier is not None:
            await asyncio.wait({earlier})
        for delay_s in chain(RETRY_DELAYS_S, repeat(RETRY_DELAYS_S[-1])):
            try:
                await self._activate(ref)
                break
            except DatabaseClosedError:
                break
            except Exception:
                _log.exception("%s could not be activated; trying again in %g s", ref.arn, delay_s)
            await self._clock.sleep(delay_s)

    async def _restore(self, ref: FunctionRef) -> None:
        try:
            await self._store.change(ref, lambda current: current.restoring(request_id()))
        except (AwsError, DatabaseClosedError):
            return  # deleted meanwhile
        await self._after(None, ref)

    async def _activate(self, ref: FunctionRef) -> None:
        record = await self._store.find(ref)
        if record is None or record.is_settled:
            return
        failure = await self._prepare(record)
        identity = record.definition.identity

        def decide(current: FunctionRecord) -> FunctionRecord:
            if current.definition.identity != identity:
                return current
            return current.activated(request_id()) if failure is None else current.failed(failure, request_id())

        try:
            await self._store.change(ref, decide)
        except AwsError:
            return  # deleted meanwhile
        self._changed(ref, identity if failure is None else None)

    async def _prepare(self, record: FunctionRecord) -> str | None:
        """Why the definition cannot run, or None when its code is in place."""
        try:
            for code in record.definition.codes:
                await self._packages.check(code)
                await self._packages.folder(code)
        except UnreachableCodeError as error:
            return error.message
        except (AwsError, BulbError, OSError) as error:
            _log.exception("The code of %s cannot be unpacked", record.ref.arn)
            return f"The function's code cannot be unpacked: {error}"
        if self._snapshots is not None and snapstart.starts_from_snapshot(record):
            return await self._snapshots.make(record)
        return None
