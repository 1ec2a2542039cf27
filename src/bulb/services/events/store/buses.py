"""Buses. Every change of what decides where a bus' events go gives it a new revision (`touch`)."""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

from sqlalchemy import Connection, bindparam, delete, func, insert, select, update

from bulb.core.ids import hex_id
from bulb.services.events import errors
from bulb.services.events.model import Bus, Tags
from bulb.services.events.names import DEFAULT_BUS, BusName
from bulb.services.events.store import rows
from bulb.services.events.store.paging import of_place, page
from bulb.storage.database import Database
from bulb.storage.schema.events import events_archives, events_buses, events_rules
from bulb.storage.signals import notify

# The channel of commits that change a bus, its policy or its rules.
CHANGED = "events:buses"
MOST_BUSES = 100
_REVISION = select(events_buses.c.revision).where(
    events_buses.c.account == bindparam("in_account"),
    events_buses.c.region == bindparam("in_region"),
    events_buses.c.name == bindparam("named"),
)


def find(connection: Connection, name: BusName) -> Bus | None:
    """The bus' row; an account's default bus may have none."""
    row = connection.execute(select(events_buses).where(*_is(name))).one_or_none()
    return rows.bus_of(row) if row is not None else None


def revision(connection: Connection, name: BusName) -> str | None:
    """Which state of the bus this is, None where it has no row. Asked with every event: one short statement."""
    at = {"in_account": name.account, "in_region": name.region, "named": name.bus}
    found: str | None = connection.execute(_REVISION, at).scalar()
    return found


def needed(connection: Connection, name: BusName, now: float) -> Bus:
    """The bus, to be changed: the default one gets its row. Raises ResourceNotFoundException."""
    found = find(connection, name)
    if found is not None:
        return found
    if not name.is_default:
        raise errors.no_such_bus(name.bus)
    bus = Bus(name, created_at=now, modified_at=now, revision=hex_id())
    add(connection, bus)
    return bus


def touch(connection: Connection, name: BusName) -> None:
    """Something of the bus changed."""
    connection.execute(update(events_buses).where(*_is(name)).values(revision=hex_id()))
    notify(connection, CHANGED)


def add(connection: Connection, bus: Bus) -> None:
    """Write a bus that is not there."""
    values = {name: value for name, value in asdict(bus).items() if name != "name"}
    at = {"account": bus.name.account, "region": bus.name.region, "name": bus.name.bus}
    connection.execute(insert(events_buses).values(**at, **values))
    notify(connection, CHANGED)


class BusStore:
    """The buses of one database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def on_change(self, listener: Callable[[], None]) -> None:
        """Call `listener` after each commit that changes a bus."""
        self._database.on_commit(CHANGED, listener)

    async def find(self, name: BusName, now: float) -> Bus:
        """The bus. Raises ResourceNotFoundException."""
        found = await self._database.read(lambda connection: find(connection, name))
        if found is None:
            found = await self._database.write(lambda connection: needed(connection, name, now))
        return found

    async def peek(self, name: BusName) -> Bus | None:
        """The bus' row, None where it has none."""
        return await self._database.read(lambda connection: find(connection, name))

    async def create(self, bus: Bus) -> None:
        """Raises ResourceAlreadyExistsException and LimitExceededException."""

        def write(connection: Connection) -> None:
            name = bus.name
            if name.is_default or find(connection, name) is not None:
                raise errors.exists(f"Event bus {name.bus}")
            own = of_place(events_buses, name.account, name.region).where(events_buses.c.name != DEFAULT_BUS)
            count = connection.execute(select(func.count()).select_from(own.subquery())).scalar_one()
            if count >= MOST_BUSES - 1:  # the default one counts
                raise errors.too_many()
            add(connection, bus)

        await self._database.write(write)

    async def change(self, name: BusName, now: float, decide: Callable[[Bus], Mapping[str, Any]]) -> Bus:
        """Give a bus what `decide` makes of it. What it raises is raised here; ResourceNotFoundException."""

        def write(connection: Connection) -> Bus:
            values = dict(decide(needed(connection, name, now)))
            connection.execute(update(events_buses).where(*_is(name)).values(**values))
            notify(connection, CHANGED)
            changed = find(connection, name)
            assert changed is not None
            return changed

        return await self._database.write(write)

    async def change_tags(self, name: BusName, now: float, decide: Callable[[Tags], Tags]) -> None:
        """Replace a bus' tags."""
        await self.change(name, now, lambda bus: {"tags": dict(decide(bus.tags))})

    async def delete(self, name: BusName) -> None:
        """Delete a bus; one that is not there is no error. Raises ValidationException while it has rules."""

        def write(connection: Connection) -> None:
            in_bus = (
                events_rules.c.account == name.account,
                events_rules.c.region == name.region,
                events_rules.c.bus == name.bus,
            )
            if connection.execute(select(events_rules.c.name).where(*in_bus).limit(1)).first() is not None:
                raise errors.validation("Event bus can't be deleted since it has rules.")
            of_bus = (
                events_archives.c.account == name.account,
                events_archives.c.region == name.region,
                events_archives.c.bus == name.bus,
            )
            if connection.execute(select(events_archives.c.id).where(*of_bus).limit(1)).first() is not None:
                raise errors.validation("Event bus can't be deleted since it has rules.")
            connection.execute(delete(events_buses).where(*_is(name)))
            notify(connection, CHANGED)

        await self._database.write(write)

    async def listed(
        self, account: str, region: str, params: dict[str, Any], now: float
    ) -> tuple[list[Bus], str | None]:
        """One page."""
        await self.find(BusName(account, region, DEFAULT_BUS), now)

        def read(connection: Connection) -> tuple[list[Bus], str | None]:
            found, token = page(connection, of_place(events_buses, account, region), events_buses.c.name, params)
            return [rows.bus_of(row) for row in found], token

        return await self._database.read(read)


def _is(name: BusName) -> tuple[Any, ...]:
    return (
        events_buses.c.account == name.account,
        events_buses.c.region == name.region,
        events_buses.c.name == name.bus,
    )
