"""Queues: all of them are kept in memory, for every call names one; what is on disk is the truth.

A deleted queue stays as a row until its messages are gone and its name is free again; nobody but the sweep sees it.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any, TypeVar

from sqlalchemy import Connection, Row, delete, func, insert, select, update

from bulb.services.sqs import errors
from bulb.services.sqs.model import Queue, QueueKey, key_of_arn
from bulb.storage import signals
from bulb.storage.database import Database
from bulb.storage.schema.sqs import messages, queues

NAME_REST_S = 60.0

T = TypeVar("T")
Change = Callable[[Queue], Queue]


class QueueStore:
    """Makes, finds, changes and removes queues."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._by_key: dict[QueueKey, Queue] = {}
        self._by_id: dict[int, Queue] = {}
        self._watchers: list[Callable[[Queue], None]] = []

    async def load(self) -> None:
        """Read what is on disk; once, before anything else is asked."""
        query = select(queues).where(queues.c.deleted_at == 0)
        for queue in await self._database.read(lambda connection: [_queue(row) for row in connection.execute(query)]):
            self._keep(queue)

    def on_change(self, watcher: Callable[[Queue], None]) -> None:
        """Tell `watcher` of queues that were made, changed or removed, after the commit."""
        self._watchers.append(watcher)

    # Looking: from any thread, without waiting.

    def find(self, key: QueueKey) -> Queue | None:
        """The queue of that name."""
        return self._by_key.get(key)

    def named(self, arn: str) -> Queue | None:
        """The queue of that ARN."""
        key = key_of_arn(arn)
        return None if key is None else self._by_key.get(key)

    def by_id(self, id_: int) -> Queue | None:
        """The queue of that id."""
        return self._by_id.get(id_)

    def all(self) -> Iterator[Queue]:
        """Every queue there is."""
        return iter(tuple(self._by_id.values()))

    def sources_of(self, arn: str) -> list[Queue]:
        """The queues whose dead letters go to `arn`, by name."""
        found = [queue for queue in self.all() if queue.dead_letters is not None and queue.dead_letters.arn == arn]
        return sorted(found, key=lambda queue: queue.key)

    # Changing.

    async def create(self, queue: Queue) -> Queue:
        """Make a queue, or find the one that has the name already, unchanged. Raises QueueDeletedRecently."""

        def write(connection: Connection) -> Queue:
            found = _find(connection, queue.key)
            if found is not None:
                return found
            account, region, name = queue.key
            last = select(queues.c.deleted_at).where(
                queues.c.account == account, queues.c.region == region, queues.c.name == name
            )
            # Also one that a clock that was ahead has deleted is no more than the past.
            if any(abs(queue.created_at - at) < NAME_REST_S for at in connection.execute(last).scalars()):
                raise errors.deleted_recently()
            values = {
                "account": account,
                "region": region,
                "name": name,
                "is_fifo": queue.is_fifo,
                "created_at": queue.created_at,
                "modified_at": queue.modified_at,
                "purged_at": 0.0,
                "deleted_at": 0.0,
                "attributes": json.dumps(dict(queue.attributes)),
                "tags": json.dumps(dict(queue.tags)),
            }
            made = connection.execute(insert(queues).values(values).returning(queues.c.id))
            return replace(queue, id=made.scalar_one())

        return await self._applied(self._database.write(write))

    async def change(
        self, key: QueueKey, change: Change, also: Callable[[Connection, Queue], None] = lambda connection, queue: None
    ) -> Queue:
        """Replace what `change` changes, and do `also` in the same transaction. Raises QueueDoesNotExist."""

        def write(connection: Connection) -> Queue:
            found = _find(connection, key)
            if found is None:
                raise errors.no_queue()
            changed = change(found)
            values = {
                "modified_at": changed.modified_at,
                "purged_at": changed.purged_at,
                "attributes": json.dumps(dict(changed.attributes)),
                "tags": json.dumps(dict(changed.tags)),
            }
            connection.execute(update(queues).where(queues.c.id == found.id).values(values))
            also(connection, changed)
            return changed

        return await self._applied(self._database.write(write))

    async def delete(self, key: QueueKey, now: float) -> Queue:
        """Remove a queue; its messages are never seen again, and swept later. Raises QueueDoesNotExist."""

        def write(connection: Connection) -> Queue:
            found = _find(connection, key)
            if found is None:
                raise errors.no_queue()
            connection.execute(update(queues).where(queues.c.id == found.id).values(deleted_at=now))
            signals.notify(connection, found.channel)  # nobody need wait any longer
            return found

        return await self._applied(self._database.write(write), self._forget)

    # What the sweep does.

    async def deleted(self) -> list[int]:
        """The ids of queues that were deleted and are not swept yet."""
        query = select(queues.c.id).where(queues.c.deleted_at != 0)
        return await self._database.read(lambda connection: list(connection.execute(query).scalars()))

    async def erase(self, id_: int, now: float) -> None:
        """Forget that there was a queue, once nothing is left of it and its name is free again."""

        def write(connection: Connection) -> None:
            left = select(messages.c.id).where(messages.c.queue_id == id_).limit(1)
            if connection.execute(left).first() is None:
                rested = func.abs(now - queues.c.deleted_at) >= NAME_REST_S
                connection.execute(delete(queues).where(queues.c.id == id_, queues.c.deleted_at != 0, rested))

        await self._database.write(write)

    # Memory follows the disk.

    async def _applied(self, written: Awaitable[Queue], apply: Callable[[Queue], None] | None = None) -> Queue:
        """Also when the caller is cancelled meanwhile: memory must not miss what is on disk."""

        async def both() -> Queue:
            queue = await written
            (apply or self._keep)(queue)
            for watcher in self._watchers:
                watcher(queue)
            return queue

        return await asyncio.shield(asyncio.ensure_future(both()))

    def _keep(self, queue: Queue) -> None:
        self._by_key[queue.key] = self._by_id[queue.id] = queue

    def _forget(self, queue: Queue) -> None:
        self._by_id.pop(queue.id, None)
        if (held := self._by_key.get(queue.key)) is not None and held.id == queue.id:
            del self._by_key[queue.key]


def _find(connection: Connection, key: QueueKey) -> Queue | None:
    account, region, name = key
    here = (queues.c.account == account, queues.c.region == region, queues.c.name == name, queues.c.deleted_at == 0)
    row = connection.execute(select(queues).where(*here)).one_or_none()
    return None if row is None else _queue(row)


def _queue(row: Row[Any]) -> Queue:
    attributes: Mapping[str, str] = json.loads(row.attributes)
    return Queue(
        id=row.id,
        key=QueueKey(row.account, row.region, row.name),
        is_fifo=row.is_fifo,
        created_at=row.created_at,
        modified_at=row.modified_at,
        purged_at=row.purged_at,
        attributes=attributes,
        tags=json.loads(row.tags),
    )
