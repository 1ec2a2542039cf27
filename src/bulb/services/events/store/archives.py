"""Archives, and the events in them.

Events leave when their retention ends: at once for whoever looks, within the hour on the disk.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select, tuple_, update

from bulb.services.events import errors
from bulb.services.events.model import DAY_S, Archive, Kept
from bulb.services.events.names import BusName, Place
from bulb.services.events.store import buses, rows
from bulb.services.events.store.paging import of_place, page
from bulb.storage.database import Database
from bulb.storage.schema.events import events_archived, events_archives

_SWEPT_AT_ONCE = 1_000


def find(connection: Connection, place: Place) -> Archive | None:
    """One archive."""
    row = connection.execute(select(events_archives).where(*_is(place))).one_or_none()
    return rows.archive_of(row) if row is not None else None


def by_id(connection: Connection, archive_id: int) -> Archive | None:
    """The archive of that id, None once it was deleted."""
    row = connection.execute(select(events_archives).where(events_archives.c.id == archive_id)).one_or_none()
    return rows.archive_of(row) if row is not None else None


def all_of(connection: Connection, bus: BusName) -> list[Archive]:
    """Every archive of a bus."""
    columns = events_archives.c
    on = (columns.account == bus.account, columns.region == bus.region, columns.bus == bus.bus)
    return [rows.archive_of(row) for row in connection.execute(select(events_archives).where(*on))]


def keep(connection: Connection, kept: Sequence[Mapping[str, Any]]) -> None:
    """Write events (rows of `events_archived`)."""
    if kept:
        connection.execute(insert(events_archived), list(kept))


def oldest_kept(archive: Archive, now: float) -> float:
    """Events from before this time are gone."""
    return now - archive.retention_days * DAY_S if archive.retention_days else float("-inf")


def next_events(
    connection: Connection, archive: Archive, behind: tuple[float, int], end: float, now: float, limit: int
) -> list[tuple[int, float, bytes]]:
    """Events in the order of their times, those behind a place and before `end`: id, time, document."""
    columns = events_archived.c
    query = (
        select(columns.id, columns.at, columns.event)
        .where(
            columns.archive_id == archive.id,
            tuple_(columns.at, columns.id) > tuple_(*behind),
            columns.at < end,
        )
        .order_by(columns.at, columns.id)
        .limit(limit)
    )
    if archive.retention_days:
        query = query.where(columns.at >= oldest_kept(archive, now))
    return [(row.id, row.at, bytes(row.event)) for row in connection.execute(query)]


class ArchiveStore:
    """The archives of one database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(self, archive: Archive, check: Callable[[Sequence[Archive]], None]) -> None:
        """Raises ResourceNotFoundException (the bus), ResourceAlreadyExistsException, and what `check` does."""

        def write(connection: Connection) -> None:
            place, bus = archive.place, archive.bus
            buses.needed(connection, bus, archive.created_at)
            if find(connection, place) is not None:
                raise errors.exists(f"Archive {place.name}")
            check(all_of(connection, bus))
            values = {
                "account": place.account,
                "region": place.region,
                "name": place.name,
                "bus": bus.bus,
                "description": archive.description,
                "pattern": archive.pattern,
                "retention_days": archive.retention_days,
                "created_at": archive.created_at,
            }
            connection.execute(insert(events_archives).values(**values))
            buses.touch(connection, bus)

        await self._database.write(write)

    async def find(self, place: Place, now: float) -> tuple[Archive, Kept]:
        """One archive and how much it has. Raises ResourceNotFoundException."""

        def read(connection: Connection) -> tuple[Archive, Kept]:
            archive = _needed(connection, place)
            return archive, _kept(connection, archive, now)

        return await self._database.read(read)

    async def change(self, place: Place, values: Mapping[str, Any]) -> Archive:
        """Change an archive's columns. Raises ResourceNotFoundException."""

        def write(connection: Connection) -> Archive:
            archive = _needed(connection, place)
            if values:
                connection.execute(update(events_archives).where(*_is(place)).values(**values))
                buses.touch(connection, archive.bus)
            return _needed(connection, place)

        return await self._database.write(write)

    async def delete(self, place: Place) -> None:
        """Delete an archive; its events go with it, those of a large one a little later. Raises
        ResourceNotFoundException.
        """

        def write(connection: Connection) -> None:
            archive = _needed(connection, place)
            connection.execute(delete(events_archives).where(events_archives.c.id == archive.id))
            buses.touch(connection, archive.bus)

        await self._database.write(write)

    async def listed(
        self, account: str, region: str, bus: BusName | None, params: dict[str, Any], now: float
    ) -> tuple[list[tuple[Archive, Kept]], str | None]:
        """One page. Raises ResourceNotFoundException for a bus that is not there."""

        def read(connection: Connection) -> tuple[list[tuple[Archive, Kept]], str | None]:
            query = of_place(events_archives, account, region)
            if bus is not None:
                if not bus.is_default and buses.find(connection, bus) is None:
                    raise errors.no_such_bus(bus.bus)
                query = query.where(events_archives.c.bus == bus.bus)
            found, token = page(connection, query, events_archives.c.name, params)
            archives = [rows.archive_of(row) for row in found]
            return [(one, _kept(connection, one, now)) for one in archives], token

        return await self._database.read(read)

    async def sweep(self, now: float) -> None:
        """Remove from the disk what is past its retention, and what was in archives that are gone."""
        while await self._database.write(lambda connection: _sweep(connection, now)) >= _SWEPT_AT_ONCE:
            pass


def _needed(connection: Connection, place: Place) -> Archive:
    archive = find(connection, place)
    if archive is None:
        raise errors.not_found(f"Archive {place.name} does not exist.")
    return archive


def _kept(connection: Connection, archive: Archive, now: float) -> Kept:
    columns = events_archived.c
    query = select(func.count(), func.coalesce(func.sum(columns.size), 0)).where(columns.archive_id == archive.id)
    if archive.retention_days:
        query = query.where(columns.at >= oldest_kept(archive, now))
    events, size = connection.execute(query).one()
    return Kept(int(events), int(size))


def _sweep(connection: Connection, now: float) -> int:
    columns = events_archived.c
    archives = {row.id: rows.archive_of(row) for row in connection.execute(select(events_archives))}
    gone: list[int] = []
    for archive_id in connection.execute(select(columns.archive_id).distinct()).scalars().all():
        archive = archives.get(archive_id)
        if archive is not None and not archive.retention_days:
            continue
        query = select(columns.id).where(columns.archive_id == archive_id).limit(_SWEPT_AT_ONCE - len(gone))
        if archive is not None:
            query = query.where(columns.at < oldest_kept(archive, now))
        gone += connection.execute(query).scalars().all()
        if len(gone) >= _SWEPT_AT_ONCE:
            break
    if gone:
        connection.execute(delete(events_archived).where(columns.id.in_(gone)))
    return len(gone)


def _is(place: Place) -> tuple[Any, ...]:
    columns = events_archives.c
    return columns.account == place.account, columns.region == place.region, columns.name == place.name
