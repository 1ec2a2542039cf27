"""Receiving: the messages that are due are claimed, in one transaction with the removal of those that are too old and
the move of those that were received too often.

What a receive costs is what it takes, whatever waits behind: a standard queue is read along the index of when messages
are visible, a FIFO queue along that of when groups are ready.

What is too old or was received too often may lie in front of the rest in any number. A transaction deals with some of
it and is then cut short, so that nobody waits for it long; a receive goes on in another one, so that it does not come
back with less than there is. A FIFO queue's messages are all claimed in the last one: a group gives some once.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Row, bindparam, func, select, update

from bulb.core.facts import Delivered, Facts
from bulb.core.ids import request_id
from bulb.services.sqs.model import Claimed, Queue, StoredMessage
from bulb.services.sqs.store import aging, attempts, batches, groups, moving
from bulb.services.sqs.store.fairness import Fairness
from bulb.services.sqs.store.numbers import Numbers
from bulb.services.sqs.store.queues import QueueStore
from bulb.services.sqs.store.rows import COLUMNS, SELECT, m, message_of
from bulb.storage import signals
from bulb.storage.database import Database
from bulb.storage.schema.sqs import messages

IN_FLIGHT = 120_000
_ROUNDS = 20
_ANY = (1 << 63) - 1

_DUE = (
    SELECT.where(m.queue_id == bindparam("queue"), m.visible_at <= bindparam("now"), m.id <= bindparam("last"))
    .order_by(m.visible_at, m.id)
    .limit(bindparam("limit"))
)
_FIRST = (
    SELECT.where(m.queue_id == bindparam("queue"), m.lane == bindparam("group"), m.id <= bindparam("last"))
    .order_by(m.id)
    .limit(bindparam("limit"))
)
_CLAIM = update(messages).values(
    visible_at=bindparam("until"),
    claim=bindparam("number"),
    claimed_at=bindparam("now"),
    receive_count=m.receive_count + 1,
    first_received_at=func.coalesce(m.first_received_at, bindparam("now")),
)
_CLAIM_ONE = _CLAIM.where(m.id == bindparam("message"))
_CLAIM_THESE = _CLAIM.where(m.id.in_(bindparam("ids", expanding=True))).returning(*COLUMNS)
# Finding and claiming in one statement, which is twice as fast as two.
_due = messages.alias("due")


def _claim_due(*further: ColumnElement[bool]) -> Any:
    due = select(_due.c.id).where(
        _due.c.queue_id == bindparam("queue"), _due.c.visible_at <= bindparam("now"), *further
    )
    first = due.order_by(_due.c.visible_at, _due.c.id).limit(bindparam("limit"))
    return _CLAIM.where(m.id.in_(first)).returning(*COLUMNS)


_CLAIM_DUE = _claim_due()
# Without what the same receive has already: hidden for no time, it is due again.
_CLAIM_OTHERS = _claim_due(_due.c.claim != bindparam("number"))
_NEXT = select(func.min(m.visible_at)).where(m.queue_id == bindparam("queue"))
_IN_FLIGHT = (
    select(func.count())
    .select_from(messages)
    .where(m.queue_id == bindparam("queue"), m.visible_at > bindparam("now"), m.claim != 0)
)


@dataclass(frozen=True, slots=True)
class Asked:
    """What a receive wants: at most `per_group` messages of one group. `attempt_id` of an earlier one: its messages
    again. Both are for FIFO queues.
    """

    limit: int
    visibility_s: float
    attempt_id: str | None = None
    per_group: int | None = None


class Found(NamedTuple):
    """Messages; `is_cut_short` where more of them may be behind others that were removed or moved."""

    messages: list[StoredMessage]
    is_cut_short: bool = False


class Receiving:
    """Claims messages. What it moves to dead-letter queues it says in facts."""

    def __init__(self, database: Database, queues: QueueStore, numbers: Numbers, facts: Facts) -> None:
        self._database = database
        self._queues = queues
        self._numbers = numbers
        self._facts = facts
        # What the transaction under way has moved: ids, and how often received. Only the writer's thread touches it.
        self._buried: list[tuple[str, int]] = []
        # Hardly fewer than are in flight, by queue (what a client hides anew is missing): counting them all is for when
        # that comes near the limit. Only the writer's thread touches it.
        self._at_most: dict[int, int] = {}
        self._fairness = Fairness()

    async def claim(self, queue: Queue, asked: Asked, now: float) -> Claimed:
        """Claim what is due. Messages are hidden for `visibility_s` from now on; on disk when this returns."""
        claimed = await self._claim_some(queue, asked, now)
        while claimed.is_cut_short and len(claimed.messages) < asked.limit:
            rest = replace(asked, limit=asked.limit - len(claimed.messages))
            more = await self._claim_some(queue, rest, now)
            messages = claimed.messages + more.messages
            claimed = replace(more, messages=messages, is_full=more.is_full and not messages)
        return claimed

    async def _claim_some(self, queue: Queue, asked: Asked, now: float) -> Claimed:
        """One transaction, and what it says about messages that were received too often."""
        claimed, buried = await self._database.write(partial(self._take_and_note, queue=queue, asked=asked, now=now))
        if buried and queue.dead_letters is not None:
            self._facts.emit(_told(queue, queue.dead_letters.arn, buried, now))
        return claimed

    def _take_and_note(
        self, connection: Connection, queue: Queue, asked: Asked, now: float
    ) -> tuple[Claimed, list[tuple[str, int]]]:
        self._buried = []
        return self._take(connection, queue, asked, now), self._buried

    def _take(self, connection: Connection, queue: Queue, asked: Asked, now: float) -> Claimed:
        if asked.attempt_id is not None:
            again = attempts.again(connection, queue, asked.attempt_id, asked.visibility_s, now)
            if again is not None:
                return Claimed(again)
        limit = min(asked.limit, self._room(connection, queue, now, asked.limit))
        if limit <= 0:
            return Claimed(next_at=now + 1.0, is_full=True)
        take = self._take_in_order if queue.is_fifo else self._take_due
        found, is_cut_short = take(connection, queue, replace(asked, limit=limit), now)
        if not found:
            return Claimed(next_at=next_at(connection, queue), is_cut_short=is_cut_short)
        self._at_most[queue.id] = self._at_most.get(queue.id, 0) + len(found)
        if not asked.visibility_s:
            signals.notify(connection, queue.channel)  # they are visible again already
        return Claimed(tuple(found), is_cut_short=is_cut_short)

    def waiting(
        self,
        connection: Connection,
        queue: Queue,
        limit: int,
        now: float,
        per_group: int | None = None,
        last: int | None = None,
    ) -> Found:
        """The messages that a receive would get, up to the number `last`; such as are too old or were received too
        often are dealt with.
        """
        if queue.is_fifo:
            return self._first_of_groups(connection, queue, limit, per_group or limit, now, last)
        return self._due(connection, queue, limit, now, last)

    def _due(self, connection: Connection, queue: Queue, limit: int, now: float, last: int | None) -> Found:
        place = {"queue": queue.id, "now": now, "limit": limit, "last": _ANY if last is None else last}
        kept: list[StoredMessage] = []
        for _ in range(_ROUNDS):
            rows = [message_of(row) for row in connection.execute(_DUE, place)]
            kept, is_cut_short = self._sorted_out(connection, queue, rows, now)
            if is_cut_short:
                break
            if len(kept) == len(rows) or len(rows) < limit:
                return Found(kept)
        return Found(kept, is_cut_short=True)

    def _first_of_groups(
        self, connection: Connection, queue: Queue, limit: int, each: int, now: float, last: int | None
    ) -> Found:
        """As many as possible of the group that is ready the longest, then of the next; cut short, nothing."""
        for _ in range(_ROUNDS):
            found: list[StoredMessage] = []
            removed = 0
            for group in groups.ready(connection, queue.id, now, limit, last):
                if len(found) >= limit:
                    break
                most = min(each, limit - len(found))
                place = {"queue": queue.id, "group": group, "limit": most, "last": _ANY if last is None else last}
                rows = list(_visible(connection.execute(_FIRST, place), now))
                if not rows:
                    groups.review(connection, queue.id, [group])
                kept, is_cut_short = self._sorted_out(connection, queue, rows, now)
                if is_cut_short:
                    return Found([], is_cut_short=True)
                removed += len(rows) - len(kept)
                found += kept
            if len(found) >= limit or not removed:
                return Found(found)
        return Found([], is_cut_short=True)

    def _sorted_out(
        self, connection: Connection, queue: Queue, found: list[StoredMessage], now: float, times: int = 0
    ) -> Found:
        """Without those that are too old, which go, and those that were received too often, which move.

        Where one is too old others are: of all that are in the queue as many go as one transaction should remove.
        `times`: how many of their receives are the one they are looked at for.
        """
        oldest = now - queue.retention_s
        kept = [message for message in found if message.sent_at > oldest]
        is_cut_short = len(kept) < len(found) and aging.remove_old(connection, queue, now) == batches.BATCH
        if is_cut_short:
            aging.remove_rows(connection, queue, [(one.id, one.lane) for one in found if one.sent_at <= oldest])
        letters = queue.dead_letters
        target = self._queues.named(letters.arn) if letters is not None else None
        if letters is None or target is None:
            return Found(kept, is_cut_short)
        most = letters.max_receive_count + times
        worn = [message for message in kept if message.receive_count - message.received_elsewhere >= most]
        if not worn:
            return Found(kept, is_cut_short)
        moving.bury(connection, self._numbers, worn, queue, target, now, times)
        self._buried += [(message.message_id, message.receive_count - times) for message in worn]
        if queue.is_fifo:
            groups.review(connection, queue.id, [one.lane for one in worn if one.lane is not None])
        gone = {message.id for message in worn}
        return Found([message for message in kept if message.id not in gone], is_cut_short)

    def _take_due(self, connection: Connection, queue: Queue, asked: Asked, now: float) -> Found:
        """Claims first and sorts out what should not have been, which is rare; what takes its place is claimed next."""
        claim = {"now": now, "until": now + asked.visibility_s, "number": self._numbers.next()}
        taken: list[StoredMessage] = []
        is_cut_short = False
        first = self._fairness.quiet(connection, queue, asked.limit, now)
        if first:
            found = [message_of(row) for row in connection.execute(_CLAIM_THESE, {**claim, "ids": first})]
            taken, is_cut_short = self._sorted_out(connection, queue, found, now, times=1)
        for number in range(_ROUNDS):
            limit = asked.limit - len(taken)
            if limit <= 0 or is_cut_short:
                break
            statement = _CLAIM_OTHERS if number or first else _CLAIM_DUE
            place = {**claim, "queue": queue.id, "limit": limit}
            found = [message_of(row) for row in connection.execute(statement, place)]
            kept, is_cut_short = self._sorted_out(connection, queue, found, now, times=1)
            taken += kept
            if len(found) < limit or len(kept) == len(found):
                break
        else:
            is_cut_short = True
        self._fairness.saw(queue, taken)
        return Found(sorted(taken), is_cut_short)  # by id, which is by age

    def _take_in_order(self, connection: Connection, queue: Queue, asked: Asked, now: float) -> Found:
        found, is_cut_short = self.waiting(connection, queue, asked.limit, now, asked.per_group)
        if not found:
            return Found([], is_cut_short)
        number, until = self._numbers.next(), now + asked.visibility_s
        claim = {"until": until, "number": number, "now": now}
        connection.execute(_CLAIM_ONE, [{"message": message.id, **claim} for message in found])
        claimed = [_claimed(message, number, until, now) for message in found]
        for group in dict.fromkeys(message.lane for message in claimed):
            assert group is not None
            groups.held(connection, queue.id, group, until)
        if asked.attempt_id is not None:
            attempts.remember(connection, queue, asked.attempt_id, claimed, now)
        return Found(claimed)

    def _room(self, connection: Connection, queue: Queue, now: float, wanted: int) -> int:
        """How many more may be in flight; anything from `wanted` up where there is no need to count."""
        at_most = self._at_most.get(queue.id)
        if at_most is None or at_most + wanted > IN_FLIGHT:
            at_most = int(connection.execute(_IN_FLIGHT, {"queue": queue.id, "now": now}).scalar_one())
            self._at_most[queue.id] = at_most
        return IN_FLIGHT - at_most


def next_at(connection: Connection, queue: Queue) -> float | None:
    """When the next message of `queue` may be received (may be past); None when it has none."""
    if queue.is_fifo:
        return groups.next_ready_at(connection, queue.id)
    at: float | None = connection.execute(_NEXT, {"queue": queue.id}).scalar()
    return at


def _visible(rows: Iterable[Row[Any]], now: float) -> Iterator[StoredMessage]:
    """The first ones, as far as they are visible."""
    for row in rows:
        message = message_of(row)
        if message.visible_at > now:
            return
        yield message


def _claimed(message: StoredMessage, number: int, until: float, now: float) -> StoredMessage:
    return message._replace(
        visible_at=until,
        claim=number,
        claimed_at=now,
        receive_count=message.receive_count + 1,
        first_received_at=now if message.first_received_at is None else message.first_received_at,
    )


def _told(queue: Queue, letters: str, buried: Sequence[tuple[str, int]], now: float) -> Delivered:
    (message_id, receives), count = buried[0], len(buried)
    one = f"message {message_id} received {receives} time{'s' if receives != 1 else ''}"
    return Delivered(
        source="sqs",
        source_arn=queue.arn,
        destination_arn=letters,
        # Not that of the message, by which its way into the queue is known.
        delivery_id=request_id(),
        created_at=now,
        at=now,
        outcome="delivered",
        attempts=1,
        about=one if count == 1 else f"{count} messages received too often",
    )
