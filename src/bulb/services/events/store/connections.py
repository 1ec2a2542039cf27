"""Connections and API destinations. A connection's `revision` is new with every change of how it authorizes."""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

from sqlalchemy import Connection as Transaction
from sqlalchemy import delete, insert, select, update

from bulb.services.events import errors
from bulb.services.events.model import ApiDestination, Connection
from bulb.services.events.names import Place
from bulb.services.events.store import rows
from bulb.services.events.store.paging import of_place, page
from bulb.storage.database import Database
from bulb.storage.schema.events import events_api_destinations, events_connections
from bulb.storage.signals import notify

# The channel of commits that change a connection or an API destination.
CHANGED = "events:connections"


def find(transaction: Transaction, place: Place) -> Connection | None:
    """One connection."""
    row = transaction.execute(select(events_connections).where(*_is(events_connections, place))).one_or_none()
    return rows.connection_of(row) if row is not None else None


def find_destination(transaction: Transaction, place: Place) -> ApiDestination | None:
    """One API destination."""
    query = select(events_api_destinations).where(*_is(events_api_destinations, place))
    row = transaction.execute(query).one_or_none()
    return rows.api_destination_of(row) if row is not None else None


class ConnectionStore:
    """The connections and API destinations of one database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def on_change(self, listener: Callable[[], None]) -> None:
        """Call `listener` after each commit that changes one."""
        self._database.on_commit(CHANGED, listener)

    async def create(self, connection: Connection) -> None:
        """Raises ResourceAlreadyExistsException."""

        def write(transaction: Transaction) -> None:
            if find(transaction, connection.place) is not None:
                raise errors.exists(f"Connection {connection.place.name}")
            transaction.execute(insert(events_connections).values(**_values(connection)))
            notify(transaction, CHANGED)

        await self._database.write(write)

    async def find(self, place: Place) -> Connection | None:
        """One connection."""
        return await self._database.read(lambda transaction: find(transaction, place))

    async def change(self, place: Place, decide: Callable[[Connection | None], Mapping[str, Any]]) -> Connection:
        """Give a connection the columns that `decide` answers; it raises where there is nothing to change."""

        def write(transaction: Transaction) -> Connection:
            values = dict(decide(find(transaction, place)))
            if values:
                at = _is(events_connections, place)
                transaction.execute(update(events_connections).where(*at).values(**values))
                notify(transaction, CHANGED)
            changed = find(transaction, place)
            assert changed is not None
            return changed

        return await self._database.write(write)

    async def authorized(self, connection: Connection, values: Mapping[str, Any]) -> None:
        """Write down how authorizing went, unless the connection was changed meanwhile."""

        def write(transaction: Transaction) -> None:
            now = find(transaction, connection.place)
            if now is not None and now.revision == connection.revision:
                at = _is(events_connections, connection.place)
                transaction.execute(update(events_connections).where(*at).values(**values))
                notify(transaction, CHANGED)

        await self._database.write(write)

    async def delete(self, place: Place) -> Connection | None:
        """Delete a connection; what it was. API destinations that use it stay, and are inactive."""

        def write(transaction: Transaction) -> Connection | None:
            found = find(transaction, place)
            transaction.execute(delete(events_connections).where(*_is(events_connections, place)))
            notify(transaction, CHANGED)
            return found

        return await self._database.write(write)

    async def unauthorized(self) -> list[Connection]:
        """Those that are to be authorized yet."""
        query = select(events_connections).where(events_connections.c.state == "AUTHORIZING")

        def read(transaction: Transaction) -> list[Connection]:
            return [rows.connection_of(row) for row in transaction.execute(query)]

        return await self._database.read(read)

    async def listed(self, account: str, region: str, params: dict[str, Any]) -> tuple[list[Connection], str | None]:
        """One page."""

        def read(transaction: Transaction) -> tuple[list[Connection], str | None]:
            query = of_place(events_connections, account, region)
            if (state := params.get("ConnectionState")) is not None:
                query = query.where(events_connections.c.state == state)
            found, token = page(transaction, query, events_connections.c.name, params)
            return [rows.connection_of(row) for row in found], token

        return await self._database.read(read)

    # API destinations.

    async def create_destination(self, destination: ApiDestination) -> None:
        """Raises ResourceAlreadyExistsException."""

        def write(transaction: Transaction) -> None:
            if find_destination(transaction, destination.place) is not None:
                raise errors.exists(f"An api-destination '{destination.place.name}'")
            transaction.execute(insert(events_api_destinations).values(**_values(destination)))
            notify(transaction, CHANGED)

        await self._database.write(write)

    async def find_destination(self, place: Place) -> ApiDestination | None:
        """One API destination."""
        return await self._database.read(lambda transaction: find_destination(transaction, place))

    async def change_destination(self, place: Place, values: Mapping[str, Any]) -> ApiDestination | None:
        """Give an API destination other columns; None where it is not there."""

        def write(transaction: Transaction) -> ApiDestination | None:
            at = _is(events_api_destinations, place)
            transaction.execute(update(events_api_destinations).where(*at).values(**values))
            notify(transaction, CHANGED)
            return find_destination(transaction, place)

        return await self._database.write(write)

    async def delete_destination(self, place: Place) -> bool:
        """Delete an API destination; False where there was none."""

        def write(transaction: Transaction) -> bool:
            gone = transaction.execute(delete(events_api_destinations).where(*_is(events_api_destinations, place)))
            notify(transaction, CHANGED)
            return bool(gone.rowcount)

        return await self._database.write(write)

    async def listed_destinations(
        self, account: str, region: str, params: dict[str, Any]
    ) -> tuple[list[tuple[ApiDestination, Connection | None]], str | None]:
        """One page, each with its connection."""

        def read(transaction: Transaction) -> tuple[list[tuple[ApiDestination, Connection | None]], str | None]:
            query = of_place(events_api_destinations, account, region)
            if (arn := params.get("ConnectionArn")) is not None:
                query = query.where(events_api_destinations.c.connection_arn == arn)
            found, token = page(transaction, query, events_api_destinations.c.name, params)
            own = transaction.execute(of_place(events_connections, account, region))
            by_arn = {one.arn: one for one in map(rows.connection_of, own)}
            destinations = [rows.api_destination_of(row) for row in found]
            return [(one, by_arn.get(one.connection_arn)) for one in destinations], token

        return await self._database.read(read)

    async def using(self, destination: ApiDestination) -> Connection | None:
        """The connection of an API destination, None where it is gone."""
        place = destination.place._replace(name=destination.connection_arn.split("/")[1])
        found = await self.find(place)
        return found if found is not None and found.arn == destination.connection_arn else None


def _values(thing: Connection | ApiDestination) -> dict[str, Any]:
    values = {key: value for key, value in asdict(thing).items() if key != "place"}
    return {"account": thing.place.account, "region": thing.place.region, "name": thing.place.name, **values}


def _is(table: Any, place: Place) -> tuple[Any, ...]:
    return table.c.account == place.account, table.c.region == place.region, table.c.name == place.name
