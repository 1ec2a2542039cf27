"""Replays. A replay's state only makes the moves that are allowed (`model.REPLAY_MOVES`)."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, func, insert, select, update

from bulb.core.errors import AwsError
from bulb.services.events import errors
from bulb.services.events.model import REPLAY_MOVES, UNFINISHED, Archive, Replay
from bulb.services.events.names import Place, place_of_arn
from bulb.services.events.store import archives, rows
from bulb.services.events.store.paging import of_place, page
from bulb.storage.database import Database
from bulb.storage.schema.events import events_replays
from bulb.storage.signals import notify

# The channel of commits that leave something to do for whoever carries out replays.
CHANGED = "events:replays"
MOST_UNFINISHED = 10


def find(connection: Connection, place: Place) -> Replay | None:
    """One replay."""
    row = connection.execute(select(events_replays).where(*_is(place))).one_or_none()
    return rows.replay_of(row) if row is not None else None


def unfinished(connection: Connection) -> list[Replay]:
    """All there is to do, oldest first."""
    query = select(events_replays).where(events_replays.c.state.in_(UNFINISHED)).order_by(events_replays.c.started_at)
    return [rows.replay_of(row) for row in connection.execute(query)]


def move(connection: Connection, replay: Replay, state: str, values: Mapping[str, Any] | None = None) -> None:
    """Bring a replay into a state. Raises IllegalStatusException for a move that is not allowed."""
    if state != replay.state and state not in REPLAY_MOVES[replay.state]:
        raise AwsError(
            "IllegalStatusException", f"Replay {replay.place.name} is not in a valid state for this operation."
        )
    connection.execute(update(events_replays).where(*_is(replay.place)).values(state=state, **(values or {})))


class ReplayStore:
    """The replays of one database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def archive(self, place: Place) -> Archive | None:
        """The archive to be replayed."""
        return await self._database.read(lambda connection: archives.find(connection, place))

    async def start(self, replay: Replay) -> None:
        """Write a replay for the worker to find. Raises ResourceAlreadyExists-, LimitExceededException."""

        def write(connection: Connection) -> None:
            place = replay.place
            if find(connection, place) is not None:
                raise errors.exists(f"Replay {place.name}")
            own = of_place(events_replays, place.account, place.region).where(events_replays.c.state.in_(UNFINISHED))
            if connection.execute(select(func.count()).select_from(own.subquery())).scalar_one() >= MOST_UNFINISHED:
                raise errors.too_many()
            values = {
                "account": place.account,
                "region": place.region,
                "name": place.name,
                "archive_id": replay.archive_id,
                "archive_arn": replay.archive_arn,
                "bus": replay.bus.bus,
                "filter_arns": list(replay.filter_arns or ()),
                "has_filter": replay.filter_arns is not None,
                "description": replay.description,
                "event_start": replay.event_start,
                "event_end": replay.event_end,
                "state": replay.state,
                "started_at": replay.started_at,
                "last_id": 0,
            }
            connection.execute(insert(events_replays).values(**values))
            notify(connection, CHANGED)

        await self._database.write(write)

    async def find(self, place: Place) -> Replay:
        """One replay. Raises ResourceNotFoundException."""
        return await self._database.read(lambda connection: _needed(connection, place))

    async def cancel(self, place: Place) -> Replay:
        """Have a replay stopped. Raises ResourceNotFoundException, IllegalStatusException."""

        def write(connection: Connection) -> Replay:
            replay = _needed(connection, place)
            if replay.state == "CANCELLING":
                raise AwsError(
                    "IllegalStatusException", f"Replay {place.name} is not in a valid state for this operation."
                )
            move(connection, replay, "CANCELLING")
            notify(connection, CHANGED)
            return _needed(connection, place)

        return await self._database.write(write)

    async def listed(self, account: str, region: str, params: dict[str, Any]) -> tuple[list[Replay], str | None]:
        """One page, of one state or of one archive where that is asked for."""

        def read(connection: Connection) -> tuple[list[Replay], str | None]:
            query = of_place(events_replays, account, region)
            if (state := params.get("State")) is not None:
                query = query.where(events_replays.c.state == state)
            if (arn := params.get("EventSourceArn")) is not None:
                if place_of_arn(arn, "archive") is None:
                    raise errors.validation("Parameter EventSourceArn is not valid. Must contain an archive ARN.")
                query = query.where(events_replays.c.archive_arn == arn)
            found, token = page(connection, query, events_replays.c.name, params)
            return [rows.replay_of(row) for row in found], token

        return await self._database.read(read)


def _needed(connection: Connection, place: Place) -> Replay:
    replay = find(connection, place)
    if replay is None:
        raise errors.not_found(f"Replay {place.name} does not exist.")
    return replay


def _is(place: Place) -> tuple[Any, ...]:
    columns = events_replays.c
    return columns.account == place.account, columns.region == place.region, columns.name == place.name
