"""The work behind `Creating`, `Updating`, `Deleting` and the like: the source does it, then the state says so.

What a crash interrupts is found by its state at the next start and done then; sources of enabled mappings begin anew.
"""

import asyncio
import logging

from bulb.core.clock import Clock
from bulb.services.lambda_.mappings import NEXT, EventSourceMapping, EventSources
from bulb.services.lambda_.store import LambdaStore
from bulb.storage.errors import DatabaseClosedError

RETRY_DELAY_S = 5.0

_log = logging.getLogger(__name__)


class MappingWork:
    """Brings mappings to where their state says they are going, one piece of work a mapping at a time."""

    def __init__(self, store: LambdaStore, sources: EventSources, clock: Clock) -> None:
        self._store = store.mappings
        self._sources = sources
        self._clock = clock
        self._tasks: dict[str, asyncio.Task[None]] = {}

    async def resume(self) -> None:
        """Take up what an earlier process left. Called once at start, when all sources are registered."""
        for mapping in await self._store.at_work():
            self.begin(mapping)

    def begin(self, mapping: EventSourceMapping) -> None:
        """The mapping has a new state or settings: let its source act in the background."""
        task = asyncio.get_running_loop().create_task(self._after(self._tasks.get(mapping.uuid), mapping))
        self._tasks[mapping.uuid] = task
        task.add_done_callback(lambda done: self._forget(mapping.uuid, done))

    async def close(self) -> None:
        """Stop. What is not finished is taken up by `resume` in the next process."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _forget(self, uuid: str, done: asyncio.Task[None]) -> None:
        if self._tasks.get(uuid) is done:
            del self._tasks[uuid]

    async def _after(self, earlier: asyncio.Task[None] | None, mapping: EventSourceMapping) -> None:
        if earlier is not None:
            await asyncio.wait({earlier})
        while mapping.is_as(await self._store.find(mapping.uuid)):  # else a later change has work of its own
            try:
                await self._act(mapping)
                break
            except DatabaseClosedError:
                break
            except Exception:
                _log.exception("The event source mapping %s cannot leave %s", mapping.uuid, mapping.state)
            await self._clock.sleep(RETRY_DELAY_S)

    async def _act(self, mapping: EventSourceMapping) -> None:
        source = self._sources.find(mapping.kind)
        ends = mapping.state in ("Disabling", "Deleting")
        if source is not None:
            await (source.end(mapping) if ends else source.begin(mapping))
        elif not ends:
            # Made by a Bulb that had the source: it stays as it is until one starts that has it again.
            _log.error("Nothing here reads for the event source mapping %s", mapping.uuid)
            return
        if mapping.state not in NEXT:
            return
        state = NEXT[mapping.state]

        def settle(current: EventSourceMapping | None) -> EventSourceMapping | None:
            if current is None or current.state != mapping.state:
                return current
            return None if state is None else current.moved(state)

        await self._store.change(mapping.uuid, settle)
