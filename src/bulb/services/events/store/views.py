"""What a bus does with its events, kept in memory by the revision it was read at.

A view that was read inside a transaction which then failed does no harm: no other transaction makes that revision.
"""

from sqlalchemy import Connection

from bulb.services.events.matching import BusView, view_of
from bulb.services.events.names import BusName
from bulb.services.events.store import archives, buses, rules

MAX_CACHED = 10_000
_EMPTY = BusView("")


class Views:
    """The views of one database. Used from the writer's thread, and peeked at from the event loop."""

    def __init__(self) -> None:
        self._kept: dict[BusName, BusView] = {}

    def peek(self, name: BusName) -> BusView | None:
        """What was last seen of a bus: it may have changed."""
        return self._kept.get(name)

    def read(self, connection: Connection, name: BusName) -> BusView | None:
        """What the transaction sees of a bus; None where there is none."""
        revision = buses.revision(connection, name)
        if revision is None:
            return _EMPTY if name.is_default else None
        kept = self._kept.get(name)
        if kept is not None and kept.revision == revision:
            return kept
        found = view_of(
            revision,
            rules.all_of(connection, name),
            rules.targets_on(connection, name),
            archives.all_of(connection, name),
        )
        if len(self._kept) >= MAX_CACHED:
            self._kept.clear()
        self._kept[name] = found
        return found
