"""Settlements of one queue: those that come while one is being written go together in the next."""

import asyncio
import logging
from collections.abc import Hashable, Mapping, Sequence

from bulb.core.clock import Clock
from bulb.delivery.polling.queues import QueueReader
from bulb.storage.errors import DatabaseClosedError

_log = logging.getLogger(__name__)
_RETRY_S = 1.0


class Settlements:
    """Writes down what became of claimed messages. Until that succeeds they stay claimed, then they come again."""

    def __init__(self, reader: QueueReader, queue_arn: str, clock: Clock) -> None:
        self._reader = reader
        self._queue_arn = queue_arn
        self._clock = clock
        self._delete: list[Hashable] = []
        self._release: dict[Hashable, float] = {}
        self._next: asyncio.Future[None] | None = None
        self._writing: asyncio.Task[None] | None = None

    async def settle(self, delete: Sequence[Hashable], release: Mapping[Hashable, float] | None = None) -> None:
        """Return when these messages are deleted and those are visible again in so many seconds."""
        self._delete += delete
        self._release.update(release or {})
        loop = asyncio.get_running_loop()
        if self._next is None:
            self._next = loop.create_future()
        mine = self._next
        if self._writing is None or self._writing.done():
            self._writing = loop.create_task(self._write())
        await asyncio.shield(mine)

    async def _write(self) -> None:
        while self._next is not None:
            answered, self._next = self._next, None
            delete, self._delete = self._delete, []
            release, self._release = self._release, {}
            try:
                await self._write_one(delete, release)
            except DatabaseClosedError as error:
                answered.set_exception(error)
                answered.exception()  # seen: whoever asked may be gone
            else:
                answered.set_result(None)

    async def _write_one(self, delete: Sequence[Hashable], release: Mapping[Hashable, float]) -> None:
        while True:
            try:
                await self._reader.settle(self._queue_arn, delete, release)
            except DatabaseClosedError:
                raise
            except Exception:
                _log.exception("messages of %s could not be settled; trying again", self._queue_arn)
                await self._clock.sleep(_RETRY_S)
            else:
                return
