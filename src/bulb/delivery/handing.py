"""One attempt to deliver one entry, and what follows from how it went. The relay makes first attempts, the errands all
further ones; both hand on and conclude here, so that nothing depends on which of them it was.
"""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from sqlalchemy import Connection

from bulb.core.arn import parse_arn
from bulb.core.facts import Delivered, DeliveryFailed, Facts
from bulb.delivery.model import (
    AfterRefusal,
    Again,
    Courier,
    Destination,
    Finish,
    GiveUp,
    PreparedDestination,
    Refusal,
)
from bulb.storage import outbox, queue
from bulb.storage.outbox import Entry

ERRANDS = "delivery:errands"
# For sources that say nothing of their own: waits double up to five minutes, for a day.
_LONGEST_AGE_S, _LONGEST_WAIT_S = 86_400.0, 300.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Routes:
    """Who takes what. `destinations` and `prepared` go by the service in an ARN, `couriers` by the entry's attribute of
    that name, `after` (the rules about refusals) by the entry's source.
    """

    destinations: Mapping[str, Destination]
    prepared: Mapping[str, PreparedDestination] = field(default_factory=dict)
    couriers: Mapping[str, Courier] = field(default_factory=dict)
    after: Mapping[str, AfterRefusal] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Ended:
    """How one attempt went, to be told once it is committed. `next_at` is when the next one is made."""

    entry: Entry
    attempts: int
    refusal: Refusal | None = None
    next_at: float | None = None
    letters: tuple[str, ...] = ()


def lane(entry: Entry) -> str:
    """Entries of one lane may hold up each other, and nobody else."""
    return str(entry.attributes.get("lane") or entry.destination_arn)


def put_errand(connection: Connection, entry: Entry, now: float, *, at: float, attempts: int) -> None:
    """Have the entry tried (again) at a time, by the errands."""
    about = {
        "destination": entry.destination_arn,
        "attributes": dict(entry.attributes),
        "created_at": entry.created_at,
        "delivery_id": entry.delivery_id,
    }
    queue.put(connection, ERRANDS, lane(entry), entry.payload, about, now, visible_at=at, attempts=attempts)


def again(entry: Entry, verdict: Again) -> Entry:
    """The entry as its next attempt is to be made."""
    return entry if verdict.payload is None else replace(entry, payload=verdict.payload)


class Handing:
    """Hands entries on by `routes` and tells `facts` how it went."""

    def __init__(self, routes: Routes, facts: Facts) -> None:
        self._routes = routes
        self._facts = facts

    def courier(self, entry: Entry) -> Courier | None:
        """Who carries the entry, if it is for somebody outside the database."""
        name = entry.attributes.get("courier")
        return self._routes.couriers[name] if name is not None else None

    def is_prepared(self, entry: Entry) -> bool:
        """Something has to be on disk before the entry is delivered."""
        return _service(entry) in self._routes.prepared

    async def prepare(self, entries: Sequence[Entry], now: float) -> Mapping[int, Finish]:
        """Put on disk what has to be there before the transaction; by the ids of the entries."""
        large = [entry for entry in entries if _service(entry) in self._routes.prepared]
        done = await asyncio.gather(*[self._routes.prepared[_service(entry)](entry, now) for entry in large])
        return {entry.id: finish for entry, finish in zip(large, done, strict=True)}

    def deliver(self, connection: Connection, entry: Entry, finish: Finish | None, now: float) -> Refusal | None:
        """One attempt, inside a transaction. Raises what a destination raises."""
        if finish is not None:
            return finish(connection)
        destination = self._routes.destinations.get(_service(entry))
        if destination is None:
            return Refusal("NO_RESOURCE", f"There is no destination {entry.destination_arn}.")
        return destination(connection, entry, now)

    def verdict(self, entry: Entry, refusal: Refusal, attempts: int, now: float) -> Again | GiveUp:
        """What the entry's source wants done."""
        rule = self._routes.after.get(entry.attributes.get("source", ""), after_refusal)
        return rule(entry, refusal, attempts, now)

    def give_up(self, connection: Connection, verdict: GiveUp, now: float) -> tuple[str, ...]:
        """Write the letters of the verdict; where they go."""
        for letter in verdict.letters:
            outbox.add(connection, letter.arn, letter.payload, letter.attributes, now)
        return tuple(letter.arn for letter in verdict.letters)

    def tell(self, ended: Ended, now: float) -> None:
        """What happened is on disk: say so."""
        entry, about, refusal, outcome = ended.entry, ended.entry.attributes, ended.refusal, _outcome(ended)
        if refusal is not None and outcome == "dropped":
            _log.error(
                "%s did not take what was meant for it: %s. It is dropped.",
                entry.destination_arn,
                refusal.message.removesuffix("."),
            )
            if "kind" in about:
                self._facts.emit(
                    DeliveryFailed(about["source_arn"], about["request_id"], now, about["kind"], entry.destination_arn)
                )
        self._facts.emit(
            Delivered(
                source=about.get("source", ""),
                source_arn=about.get("source_arn", ""),
                destination_arn=entry.destination_arn,
                delivery_id=entry.delivery_id,
                created_at=entry.created_at,
                at=now,
                outcome=outcome,
                attempts=ended.attempts,
                code=None if refusal is None else refusal.code,
                message=None if refusal is None else refusal.message,
                letters=ended.letters,
                about=about.get("about"),
                cause=about.get("request_id"),
                details=about.get("details"),
                next_at=ended.next_at,
            )
        )


def _outcome(ended: Ended) -> Literal["delivered", "retrying", "dead-lettered", "dropped"]:
    if ended.refusal is None:
        return "delivered"
    if ended.next_at is not None:
        return "retrying"
    return "dead-lettered" if ended.letters else "dropped"


def after_refusal(entry: Entry, refusal: Refusal, attempts: int, now: float) -> Again | GiveUp:
    """The rule for sources without one of their own."""
    if refusal.is_final:
        return GiveUp()
    wait = refusal.retry_after_s or min(2.0 ** min(attempts, 30), _LONGEST_WAIT_S)
    return Again(now + wait) if now + wait <= entry.created_at + _LONGEST_AGE_S else GiveUp()


def _service(entry: Entry) -> str:
    arn = parse_arn(entry.destination_arn)
    return "" if arn is None else arn.service
