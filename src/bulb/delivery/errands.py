"""Errands: deliveries that wait for somebody outside the database, or for their next attempt.

They are in the durable queue, one lane a target, so that a slow or failing target delays nobody else's. An attempt that
was under way when the process died is made again: at least once, never not at all.
"""

import logging
from collections.abc import Callable

from sqlalchemy import Connection

from bulb.core.clock import Clock
from bulb.delivery.handing import ERRANDS, Ended, Handing, again, put_errand
from bulb.delivery.model import Again, Finish, Refusal
from bulb.storage import queue
from bulb.storage.database import Database
from bulb.storage.outbox import Entry
from bulb.storage.queue import Message
from bulb.storage.workers import LONGEST_WAIT_S, Workers

_log = logging.getLogger(__name__)

# How many attempts are made at once: in all, and in one lane.
_AT_ONCE, _PER_LANE = 256, 16
# After a failure of Bulb's own the next attempt comes after as long as the errand has waited, within these bounds.
_FIRST_BACKOFF_S, _LAST_BACKOFF_S = 1.0, 60.0


class Errands:
    """Works off what waits."""

    def __init__(self, database: Database, handing: Handing, clock: Clock) -> None:
        self._database = database
        self._handing = handing
        self._clock = clock
        self._workers = Workers(database, ERRANDS, clock, self._look, self._work)

    def start(self) -> None:
        """Begin, with what waits from before a restart too."""
        self._workers.start()

    async def close(self) -> None:
        """Stop, and abandon what is under way: it is tried again at the next start."""
        await self._workers.close()

    async def _look(self) -> float:
        """Start what is due and has room. Seconds until it is worth looking again."""
        running = self._workers.running
        left = _AT_ONCE - running.total()
        if left <= 0:
            return LONGEST_WAIT_S  # the end of any of them wakes us
        room = {lane: _PER_LANE - count for lane, count in running.items()}
        _, wait = await self._workers.take(self._clock.now(), left, room, _PER_LANE)
        return wait

    async def _work(self, message: Message) -> None:
        try:
            ended = await self._attempt(message)
            self._handing.tell(ended, self._clock.now())
        except Exception:
            _log.exception("nothing could be delivered to %s; trying again", message.attributes["destination"])
            await self._put_off(message)

    async def _attempt(self, message: Message) -> Ended:
        """One attempt and its consequences, on disk. Raises what went wrong on our side."""
        entry = _entry(message)
        courier, now = self._handing.courier(entry), self._clock.now()
        if courier is not None:
            refusal = await courier(entry, now)
            return await self._database.write(self._concluding(message, entry, lambda connection: refusal))
        finish = (await self._handing.prepare([entry], now)).get(entry.id)
        return await self._database.write(self._concluding(message, entry, self._delivering(entry, finish, now)))

    def _delivering(self, entry: Entry, finish: Finish | None, now: float) -> Callable[[Connection], Refusal | None]:
        return lambda connection: self._handing.deliver(connection, entry, finish, now)

    def _concluding(
        self, message: Message, entry: Entry, attempt: Callable[[Connection], Refusal | None]
    ) -> Callable[[Connection], Ended]:
        """The transaction in which an attempt is made or written down, and the errand ends or waits for the next."""
        generation, now, attempts = self._database.generation, self._clock.now(), message.attempts + 1

        def conclude(connection: Connection) -> Ended:
            refusal = attempt(connection)
            if refusal is None:
                queue.complete(connection, [message.id], generation)
                return Ended(entry, attempts)
            verdict = self._handing.verdict(entry, refusal, attempts, now)
            if isinstance(verdict, Again):
                if verdict.payload is None:
                    queue.retry(connection, message.id, generation, visible_at=verdict.at, attempts=attempts)
                else:
                    queue.complete(connection, [message.id], generation)
                    put_errand(connection, again(entry, verdict), now, at=verdict.at, attempts=attempts)
                return Ended(entry, attempts, refusal, next_at=verdict.at)
            queue.complete(connection, [message.id], generation)
            return Ended(entry, attempts, refusal, letters=self._handing.give_up(connection, verdict, now))

        return conclude

    async def _put_off(self, message: Message) -> None:
        """Until this succeeds the errand is leased, so nobody else tries it."""
        while not await self._is_put_off(message):
            await self._clock.sleep(_FIRST_BACKOFF_S)

    async def _is_put_off(self, message: Message) -> bool:
        generation, now = self._database.generation, self._clock.now()
        at = now + min(max(now - message.enqueued_at, _FIRST_BACKOFF_S), _LAST_BACKOFF_S)

        def put_off(connection: Connection) -> None:
            queue.retry(connection, message.id, generation, visible_at=at, attempts=message.attempts)

        try:
            await self._database.write(put_off)
        except Exception:
            _log.exception("an errand could not be put off; trying again")
            return False
        return True


def _entry(message: Message) -> Entry:
    about = message.attributes
    return Entry(
        id=message.id,
        destination_arn=about["destination"],
        payload=message.payload,
        attributes=about["attributes"],
        created_at=about["created_at"],
        delivery_id=about["delivery_id"],
    )
