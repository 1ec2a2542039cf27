"""What becomes of received messages: they are deleted, or visible at another time.

A receipt handle is good for the receive it is of. Rules, where it is not the last receive any more, or the message is
gone: a delete succeeds and does nothing, as SQS documents; a change of visibility says what is the matter. In a FIFO
queue a message that is visible again can neither be deleted nor hidden with the old handle; in a standard queue it can
be both, until somebody else receives it.
"""

from collections.abc import Iterable, Mapping, Sequence
from enum import Enum
from functools import partial
from typing import Any

from sqlalchemy import Connection, bindparam, case, delete, select, update

from bulb.services.sqs.handles import Handle
from bulb.services.sqs.model import Queue
from bulb.services.sqs.store import groups
from bulb.services.sqs.store.rows import m
from bulb.storage import signals
from bulb.storage.database import Database
from bulb.storage.schema.sqs import messages

MOST_HIDDEN_S = 43_200.0
_PIECE = 500

_HELD = (m.id == bindparam("message"), m.claim == bindparam("number"))
_DELETE = delete(messages).where(*_HELD)
_CHANGE = update(messages).where(*_HELD).values(visible_at=bindparam("at"))


class Ending(Enum):
    """What became of one handle."""

    DONE = "done"
    GONE = "gone"  # there is no such message any more
    STALE = "stale"  # it was received again since
    VISIBLE = "visible"  # it is not in flight, in a FIFO queue
    TOO_LONG = "too long"  # it would be hidden for longer than twelve hours after its receive


class Settling:
    """Ends receives."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def delete(self, queue: Queue, handles: Sequence[Handle], now: float) -> list[Ending]:
        """Delete messages; what became of each."""
        return await self._database.write(partial(_delete, queue=queue, handles=handles, now=now))

    async def change(self, queue: Queue, timeouts: Sequence[tuple[Handle, float]], now: float) -> list[Ending]:
        """Have messages visible in so many seconds from now; what became of each."""
        return await self._database.write(partial(_change, queue=queue, timeouts=timeouts, now=now))

    async def settle(self, queue: Queue, done: Sequence[Handle], release: Mapping[Handle, float], now: float) -> None:
        """Both at once. Handles that are not good any more are passed over."""

        def write(connection: Connection) -> None:
            if done:
                _delete(connection, queue, done, now, even_if_visible=True)
            if release:
                _change(connection, queue, tuple(release.items()), now)

        await self._database.write(write)

    async def unclaim(self, queue: Queue, claimed: Sequence[tuple[int, int]], now: float) -> None:
        """As if messages (id and claim) had never been received: whoever asked for them has left."""

        def write(connection: Connection) -> None:
            soonest = case((m.visible_at < now, m.visible_at), else_=now)  # the clock may be ahead of what it was
            back = update(messages).where(*_HELD).values(visible_at=soonest, receive_count=m.receive_count - 1)
            connection.execute(back, [{"message": id_, "number": claim} for id_, claim in claimed])
            if queue.is_fifo:
                found = _found(connection, [id_ for id_, _ in claimed])
                groups.review(connection, queue.id, _lanes(found.values()))
            signals.notify(connection, queue.channel)

        await self._database.write(write)


def _delete(
    connection: Connection, queue: Queue, handles: Sequence[Handle], now: float, *, even_if_visible: bool = False
) -> list[Ending]:
    if not queue.is_fifo:
        connection.execute(_DELETE, [{"message": one.id, "number": one.claim} for one in handles])
        return [Ending.DONE] * len(handles)
    found = _found(connection, [handle.id for handle in handles])
    endings = [_fifo_ending(found.get(one.id), one, now, even_if_visible=even_if_visible) for one in handles]
    done = [one for one, ending in zip(handles, endings, strict=True) if ending is Ending.DONE and one.id in found]
    if done:
        connection.execute(_DELETE, [{"message": one.id, "number": one.claim} for one in done])
        groups.review(connection, queue.id, _lanes(found[one.id] for one in done))
        signals.notify(connection, queue.channel)  # others of the group may be received now
    return endings


def _fifo_ending(row: Any, handle: Handle, now: float, *, even_if_visible: bool) -> Ending:
    if row is None:
        return Ending.DONE
    if row.claim != handle.claim:
        return Ending.STALE
    return Ending.DONE if even_if_visible or row.visible_at > now else Ending.VISIBLE


def _change(connection: Connection, queue: Queue, timeouts: Sequence[tuple[Handle, float]], now: float) -> list[Ending]:
    found = _found(connection, [handle.id for handle, _ in timeouts])
    endings = [
        _change_ending(found.get(handle.id), handle, timeout, now, is_fifo=queue.is_fifo)
        for handle, timeout in timeouts
    ]
    changed = [pair for pair, ending in zip(timeouts, endings, strict=True) if ending is Ending.DONE]
    if changed:
        rows = [{"message": one.id, "number": one.claim, "at": now + timeout} for one, timeout in changed]
        connection.execute(_CHANGE, rows)
        if queue.is_fifo:
            groups.review(connection, queue.id, _lanes(found[one.id] for one, _ in changed))
        signals.notify(connection, queue.channel)
    return endings


def _change_ending(row: Any, handle: Handle, timeout: float, now: float, *, is_fifo: bool) -> Ending:
    if row is None:
        return Ending.GONE
    if row.claim != handle.claim:
        return Ending.STALE
    if row.visible_at <= now and is_fifo:
        return Ending.VISIBLE
    return Ending.TOO_LONG if now + timeout > row.claimed_at + MOST_HIDDEN_S else Ending.DONE


def _found(connection: Connection, ids: Sequence[int]) -> dict[int, Any]:
    """What there is of these messages: claim, visible_at, claimed_at, lane."""
    found: dict[int, Any] = {}
    for start in range(0, len(ids), _PIECE):
        query = select(m.id, m.claim, m.visible_at, m.claimed_at, m.lane).where(m.id.in_(ids[start : start + _PIECE]))
        found |= {row.id: row for row in connection.execute(query)}
    return found


def _lanes(rows: Iterable[Any]) -> set[str]:
    return {row.lane for row in rows if row.lane is not None}
