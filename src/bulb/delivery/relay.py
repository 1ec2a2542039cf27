"""The relay: from the outbox to wherever each entry is meant to go, in one transaction a batch.

An entry leaves the outbox in the same commit in which it arrives at its destination, so it is neither lost nor, by the
relay, doubled. What a courier carries, and what is to be tried again, leaves it for the errands (`errands.py`).
"""

import asyncio
import logging
from collections.abc import Mapping
from functools import partial

from sqlalchemy import Connection

from bulb.core.clock import Clock
from bulb.delivery.handing import Ended, Handing, again, put_errand
from bulb.delivery.model import Again, Finish
from bulb.storage import outbox
from bulb.storage.database import Database
from bulb.storage.gathering import gathering
from bulb.storage.outbox import Entry

_log = logging.getLogger(__name__)
_BATCH = 400
_RETRY_S = 1.0


class Relay:
    """Empties the outbox as soon as something is in it, and once at start."""

    def __init__(self, database: Database, handing: Handing, clock: Clock) -> None:
        self._database = database
        self._handing = handing
        self._clock = clock
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        database.on_commit(outbox.CHANNEL, self._wake.set)

    def start(self) -> None:
        """Begin to relay."""
        self._wake.set()  # what was left of before a restart
        self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        """Stop; what is in the outbox stays there."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            try:
                while await self._move_batch() == _BATCH:
                    pass
            except Exception:
                _log.exception("the outbox could not be relayed as a whole; trying entry by entry")
                await self._move_each()

    async def _move_batch(self) -> int:
        """Hand on what is at the head of the outbox; how many entries left it.

        Read where it is written, because somebody waits for what happens next: only what has to be put on disk before
        its transaction takes another step. Entries for one destination are all of one kind, so their order stays.
        """
        now = self._clock.now()

        def move(connection: Connection) -> tuple[list[Entry], list[Entry], list[Ended]]:
            entries = outbox.pending(connection, _BATCH)
            later = [entry for entry in entries if self._handing.is_prepared(entry)]
            ready = [entry for entry in entries if not self._handing.is_prepared(entry)] if later else entries
            return entries, later, self._hand_on(connection, ready, {}, now)

        entries, later, ended = await self._database.write(move)
        self._tell(ended, now)
        await self._move(later)
        return len(entries)

    async def _move_each(self) -> None:
        """An entry fails: all for its destination go behind the others, in order, and are tried again in a moment."""
        failed: set[str] = set()
        try:
            for entry in await self._database.read(lambda connection: outbox.pending(connection, _BATCH)):
                if entry.destination_arn in failed:
                    continue
                try:
                    await self._move([entry])
                except Exception:
                    _log.exception("nothing could be delivered to %s; trying again", entry.destination_arn)
                    failed.add(entry.destination_arn)
                    await self._database.write(partial(outbox.postpone, destination_arn=entry.destination_arn))
        except Exception:
            _log.exception("the outbox could not be read or written; trying again")
        await asyncio.sleep(_RETRY_S)
        self._wake.set()

    async def _move(self, entries: list[Entry]) -> None:
        """Hand on `entries` in one transaction. Raises what a destination raises, and then none has moved."""
        if not entries:
            return
        now = self._clock.now()
        finishes = await self._handing.prepare(entries, now)

        self._tell(await self._database.write(lambda c: self._hand_on(c, entries, finishes, now)), now)

    def _hand_on(
        self, connection: Connection, entries: list[Entry], finishes: Mapping[int, Finish], now: float
    ) -> list[Ended]:
        """How the first attempts that were made went; the entries have left the outbox."""
        with gathering(connection):
            ended = [self._move_one(connection, entry, finishes.get(entry.id), now) for entry in entries]
        outbox.remove(connection, [entry.id for entry in entries])
        return [one for one in ended if one is not None]

    def _tell(self, ended: list[Ended], now: float) -> None:
        for one in ended:
            self._handing.tell(one, now)

    def _move_one(self, connection: Connection, entry: Entry, finish: Finish | None, now: float) -> Ended | None:
        """How the entry's first attempt went; None where it is yet to be made."""
        if self._handing.courier(entry) is not None:
            put_errand(connection, entry, now, at=now, attempts=0)
            return None
        refusal = self._handing.deliver(connection, entry, finish, now)
        if refusal is None:
            return Ended(entry, 1)
        verdict = self._handing.verdict(entry, refusal, 1, now)
        if isinstance(verdict, Again):
            put_errand(connection, again(entry, verdict), now, at=verdict.at, attempts=1)
            return Ended(entry, 1, refusal, next_at=verdict.at)
        return Ended(entry, 1, refusal, letters=self._handing.give_up(connection, verdict, now))
