"""The log store: groups, streams, events.

Lines of functions are gathered in memory and written a few times a second (`open_stream`); a crash loses the last of
them, as it does on AWS, whose functions do not wait for their log either. Everything else is on disk when it is
answered. Who reads sees also what was still gathered: reading flushes first.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from sqlalchemy import Connection, update

from bulb.core.clock import Clock
from bulb.core.errors import AwsError
from bulb.storage.database import Database
from bulb.storage.schema.telemetry import log_groups
from bulb.storage.writebehind import Part, WriteBehind
from bulb.telemetry import listings, reading, rows
from bulb.telemetry.buffer import Buffer, Event, GroupName, LogStream, StreamName
from bulb.telemetry.cursor import Position
from bulb.telemetry.followers import Followers
from bulb.telemetry.listings import StreamOrder
from bulb.telemetry.model import Found, Group, Page, Stream, no_such_group, no_such_stream

T = TypeVar("T")
SWEEP_S = 3600.0

_log = logging.getLogger(__name__)


class LogStore:
    """All log groups of all accounts. Between `start` and `close` it acts on retention by itself.

    Methods raise AwsError ResourceNotFoundException for a group or stream that is not there.
    """

    def __init__(self, database: Database, writebehind: WriteBehind, clock: Clock) -> None:
        self._database = database
        self._writebehind = writebehind
        self._clock = clock
        self._buffer = Buffer(writebehind.hurry)
        self._task: asyncio.Task[None] | None = None
        self._followers: Followers | None = None
        writebehind.register(self._collect)

    def start(self) -> None:
        """Begin to sweep."""
        self._task = asyncio.get_running_loop().create_task(self._sweep_forever(), name="log retention")

    async def close(self) -> None:
        """Stop sweeping. What is gathered is written by the write-behind's own close."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    def tell(self, followers: Followers) -> None:
        """From now on `followers` hear of what is stored."""
        self._followers = followers

    # Functions' lines.

    def open_stream(self, account: str, region: str, group: str, stream: str) -> LogStream:
        """A stream to write to. It and its group come into being with the first line."""
        return LogStream(self._buffer, StreamName(account, region, group, stream))

    # Groups.

    async def create_group(
        self,
        name: GroupName,
        *,
        log_class: str = "STANDARD",
        is_protected: bool = False,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        """Make a group. Raises AwsError ResourceAlreadyExistsException."""
        now_ms = self._now_ms()

        def create(connection: Connection) -> None:
            if rows.find_group(connection, name) is not None:
                raise AwsError("ResourceAlreadyExistsException", "The specified log group already exists")
            rows.add_group(connection, name, now_ms, log_class=log_class, is_protected=is_protected, tags=tags)

        await self._write(create)

    async def delete_group(self, name: GroupName) -> None:
        """Delete a group with all in it. Raises AwsError ValidationException for a protected one."""

        def remove(connection: Connection) -> None:
            group = rows.find_group(connection, name)
            if group is None:
                raise no_such_group()
            if group.is_protected:
                message = "Deletion protection is enabled on the log group; disable it first."
                raise AwsError("ValidationException", message)
            rows.delete_group(connection, group.id)

        await self._write(remove)

    async def group(self, name: GroupName) -> Group:
        """One group."""
        return await self._read(lambda connection: listings.group(connection, name))

    async def describe_groups(
        self,
        account: str,
        region: str,
        *,
        prefix: str = "",
        pattern: str = "",
        log_class: str | None = None,
        after: str = "",
        limit: int = 50,
    ) -> list[Group]:
        """Groups by name, those behind `after`. `pattern` is found anywhere in a name."""
        return await self._read(
            lambda connection: listings.groups(
                connection,
                account,
                region,
                prefix=prefix,
                pattern=pattern,
                log_class=log_class,
                after=after,
                limit=limit,
            )
        )

    async def set_retention(self, name: GroupName, days: int | None) -> None:
        """Keep events for `days`; None keeps them for ever. Acts at once on reads, within the hour on the disk."""
        await self._change_group(name, {"retention_days": days})

    async def set_protection(self, name: GroupName, is_protected: bool) -> None:
        """Refuse or allow deletion."""
        await self._change_group(name, {"is_protected": is_protected})

    async def change_tags(self, name: GroupName, change: Callable[[dict[str, str]], dict[str, str]]) -> None:
        """Replace a group's tags by what `change` makes of them; what it raises is raised here."""

        def apply(connection: Connection) -> None:
            group = rows.find_group(connection, name)
            if group is None:
                raise no_such_group()
            tags = change(dict(group.tags))
            connection.execute(update(log_groups).where(log_groups.c.id == group.id).values(tags=tags))

        await self._database.write(apply)

    # Streams.

    async def create_stream(self, name: GroupName, stream: str) -> None:
        """Make a stream. Raises AwsError ResourceAlreadyExistsException."""
        now_ms = self._now_ms()

        def create(connection: Connection) -> None:
            group = rows.find_group(connection, name)
            if group is None:
                raise no_such_group()
            if rows.find_stream(connection, group.id, stream) is not None:
                raise AwsError("ResourceAlreadyExistsException", "The specified log stream already exists")
            rows.add_stream(connection, group.id, stream, now_ms)

        await self._write(create)

    async def delete_stream(self, name: GroupName, stream: str) -> None:
        """Delete a stream with all in it."""

        def remove(connection: Connection) -> None:
            rows.delete_stream(connection, _stream_of(connection, name, stream)[1])

        await self._write(remove)

    async def describe_streams(
        self,
        name: GroupName,
        *,
        prefix: str = "",
        order: StreamOrder = "LogStreamName",
        descending: bool = False,
        offset: int = 0,
        limit: int = 50,
    ) -> list[Stream]:
        """Streams of a group in the order asked for, without the first `offset`."""
        return await self._read(
            lambda connection: listings.streams(
                connection, name, prefix=prefix, order=order, descending=descending, offset=offset, limit=limit
            )
        )

    # Events.

    async def put_events(self, name: GroupName, stream: str, events: Sequence[Event]) -> None:
        """Append events to a stream that exists; they are on disk when this returns."""
        now_ms = self._now_ms()

        def put(connection: Connection) -> None:
            group_id, stream_id = _stream_of(connection, name, stream)
            parts = [(stream_id, stream, events)]
            rows.append_known(connection, name, group_id, parts, now_ms, self._followers)

        await self._database.write(put)

    def add_events(self, connection: Connection, name: GroupName, stream: str, events: Sequence[Event]) -> None:
        """Append events to a stream inside somebody else's transaction; the stream is made if it is not there."""
        if rows.find_group(connection, name) is None:
            raise no_such_group()
        rows.append(connection, [(StreamName(*name, stream), events)], self._now_ms(), self._followers)

    async def get_events(
        self,
        name: GroupName,
        stream: str,
        *,
        start_ms: int,
        end_ms: int,
        limit: int,
        behind: Position | None = None,
        before: Position | None = None,
        from_head: bool = False,
    ) -> Page:
        """At most `limit` events (and about 1 MB) of a stream.

        Those next `behind` a place, or next `before` one; otherwise the first ones (`from_head`) or the last ones.
        """
        wanted = reading.Range(start_ms, end_ms, limit)
        now_ms = self._now_ms()

        def get(connection: Connection) -> Page:
            group = rows.find_group(connection, name)
            if group is None:
                raise no_such_group()
            found = rows.find_stream(connection, group.id, stream)
            if found is None:
                raise no_such_stream()
            within = wanted.kept_for(group.retention_days, now_ms)
            if before is not None or (behind is None and not from_head):
                return reading.page_before(connection, found.id, within, before)
            return reading.page_behind(connection, found.id, within, behind)

        return await self._read(get)

    async def filter_events(
        self,
        name: GroupName,
        *,
        start_ms: int,
        end_ms: int,
        limit: int,
        matches: Callable[[str], bool],
        streams: Sequence[str] | None = None,
        prefix: str = "",
        start: Position | None = None,
    ) -> Found:
        """At most `limit` events (and about 1 MB) of a group whose messages match, from `start` on.

        One call looks through a bounded number of events, so it may find none and yet not be at the end.
        """
        wanted = reading.Range(start_ms, end_ms, limit)
        now_ms = self._now_ms()

        def find(connection: Connection) -> Found:
            group = rows.find_group(connection, name)
            if group is None:
                raise no_such_group()
            if streams is not None and any(rows.find_stream(connection, group.id, s) is None for s in streams):
                raise no_such_stream()
            within = wanted.kept_for(group.retention_days, now_ms)
            which = reading.of_group(group.id, streams, prefix)
            return reading.matching(connection, which, within, start, matches)

        return await self._read(find)

    async def sweep(self) -> int:
        """Delete what the groups' retention has let go. The number of chunks deleted."""
        now_ms = self._now_ms()
        return await self._write(lambda connection: rows.sweep(connection, now_ms))

    def _collect(self) -> Part | None:
        taken = self._buffer.take()
        if not taken:
            return None
        now_ms = self._now_ms()
        return lambda connection: rows.append(connection, taken, now_ms, self._followers)

    async def _change_group(self, name: GroupName, values: Mapping[str, object]) -> None:
        def change(connection: Connection) -> None:
            group = rows.find_group(connection, name)
            if group is None:
                raise no_such_group()
            connection.execute(update(log_groups).where(log_groups.c.id == group.id).values(**values))

        await self._write(change)

    async def _write(self, function: Callable[[Connection], T]) -> T:
        await self._writebehind.flush()
        return await self._database.write(function)

    async def _read(self, function: Callable[[Connection], T]) -> T:
        await self._writebehind.flush()
        return await self._database.read(function)

    def _now_ms(self) -> int:
        return int(self._clock.now() * 1000)

    async def _sweep_forever(self) -> None:
        while True:
            try:
                await self.sweep()
            except Exception:
                _log.exception("Old log events could not be deleted; trying again in an hour")
            await self._clock.sleep(SWEEP_S)


def _stream_of(connection: Connection, name: GroupName, stream: str) -> tuple[int, int]:
    group = rows.find_group(connection, name)
    if group is None:
        raise no_such_group()
    found = rows.find_stream(connection, group.id, stream)
    if found is None:
        raise no_such_stream()
    return group.id, found.id
