"""Putting events on a bus: all that follows from one (deliveries, archived copies) is written in one transaction.

Who puts works out what follows beforehand, outside the transaction, by what is known of the bus; inside it only looks
whether that is still so. Large events against many rules are worked out in a thread: a turn of the event loop is short.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection

from bulb.services.events.envelope import Event
from bulb.services.events.matching import BusView, Sending, Way, archived, sendings
from bulb.services.events.names import BusName
from bulb.services.events.store import archives
from bulb.services.events.store.views import Views
from bulb.storage import outbox

# Bytes of events times patterns; what is more takes over a millisecond.
_INLINE_WORK = 262_144


@dataclass(frozen=True, slots=True)
class Put:
    """An event on its way onto a bus. `is_replay`: it is in its archive already, and only some rules may count."""

    bus: BusName
    event: Event
    way: Way
    is_replay: bool = False
    only: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class _Consequences:
    """What follows from an event, by one revision of its bus."""

    revision: str
    sendings: list[Sending] = field(default_factory=list)
    kept: list[dict[str, Any]] = field(default_factory=list)


class Putting:
    """Puts events, by the views of the buses."""

    def __init__(self, views: Views) -> None:
        self._views = views

    async def prepare(self, puts: Sequence[Put]) -> "Prepared":
        """Work out what follows, as far as the buses are known."""
        known = [(put, self._views.peek(put.bus)) for put in puts]
        if sum(_work(put, view) for put, view in known) > _INLINE_WORK:
            return await asyncio.to_thread(_prepared, puts, known)
        return _prepared(puts, known)

    def write(self, connection: Connection, prepared: "Prepared") -> None:
        """Write what follows. What is meant for a bus that is not there is lost, as it is on AWS."""
        for put, known in zip(prepared.puts, prepared.consequences, strict=True):
            view = self._views.read(connection, put.bus)
            if view is None:
                continue
            consequences = known if known is not None and known.revision == view.revision else _follows(view, put)
            archives.keep(connection, consequences.kept)
            outbox.add_all(connection, entries(consequences.sendings), put.way.now)


@dataclass(frozen=True, slots=True)
class Prepared:
    """Events and what is known to follow from each."""

    puts: Sequence[Put]
    consequences: Sequence[_Consequences | None]


def _work(put: Put, view: BusView | None) -> int:
    """How much there is to be matched: each pattern may look at all of the event."""
    return 0 if view is None else len(put.event.payload) * (len(view.rules) + len(view.archives))


def _prepared(puts: Sequence[Put], known: Sequence[tuple[Put, BusView | None]]) -> Prepared:
    return Prepared(puts, [None if view is None else _follows(view, put) for put, view in known])


def entries(sendings_: Sequence[Sending]) -> list[tuple[str, bytes, Mapping[str, Any]]]:
    """As the outbox takes them."""
    return [(one.arn, one.payload, one.attributes) for one in sendings_]


def _follows(view: BusView, put: Put) -> _Consequences:
    kept = [] if put.is_replay else archived(view, put.event)
    return _Consequences(view.revision, sendings(view, put.event, put.way, put.only), kept)
