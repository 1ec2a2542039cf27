"""What EventBridge keeps: the only files of this room that touch the database."""

from dataclasses import dataclass

from bulb.services.events.store.archives import ArchiveStore
from bulb.services.events.store.buses import BusStore
from bulb.services.events.store.connections import ConnectionStore
from bulb.services.events.store.replays import ReplayStore
from bulb.services.events.store.rules import RuleStore, SetClock
from bulb.services.events.store.views import Views
from bulb.storage.database import Database


@dataclass(frozen=True, slots=True)
class EventsStore:
    """The stores of one database."""

    database: Database
    views: Views
    buses: BusStore
    rules: RuleStore
    archives: ArchiveStore
    replays: ReplayStore
    connections: ConnectionStore

    @classmethod
    def over(cls, database: Database, set_clock: SetClock) -> "EventsStore":
        """The stores over `database`; `set_clock` is told of rules whose schedule is new or gone."""
        return cls(
            database=database,
            views=Views(),
            buses=BusStore(database),
            rules=RuleStore(database, set_clock),
            archives=ArchiveStore(database),
            replays=ReplayStore(database),
            connections=ConnectionStore(database),
        )
