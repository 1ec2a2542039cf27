"""The words of deliveries: what a destination answers, and what a source wants done about a refusal.

An outbox entry is delivered when its destination takes it. A destination that does not says why (`Refusal`), and
whoever wrote the entry has a rule for that (`AfterRefusal`): try again later, or give up and write dead letters.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection

from bulb.storage.outbox import Entry


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why an entry was not taken. `code` is one of EventBridge's (`NO_PERMISSIONS`, `NO_RESOURCE`, `THROTTLING`,
    `TIMEOUT`, `SDK_CLIENT_ERROR`, `INTERNAL_ERROR`, `ERROR_FROM_TARGET`, `INVALID_JSON`); `is_final` says that trying
    again would not help. `retry_after_s` is what the other side asked for, `error` the other side's own code.
    """

    code: str
    message: str
    is_final: bool = True
    retry_after_s: float | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Letter:
    """A dead letter, or whatever else is to be told: an entry for the outbox."""

    arn: str
    payload: bytes
    attributes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Again:
    """Try again at a Unix time, with another payload where one is given."""

    at: float
    payload: bytes | None = None


@dataclass(frozen=True, slots=True)
class GiveUp:
    """Never try again; `letters` are written in the transaction in which the entry goes."""

    letters: tuple[Letter, ...] = ()


# Takes an entry (at a Unix time) inside the transaction in which it leaves the outbox. What it raises is Bulb's own
# failure: nothing of the entry is done, and it is tried again.
Destination = Callable[[Connection, Entry, float], Refusal | None]
# The second half of a delivery that needed something on disk first.
Finish = Callable[[Connection], Refusal | None]
# For bytes too big for the database: puts them on disk, and answers what makes them count inside the transaction.
# It may be asked again for the same entry.
PreparedDestination = Callable[[Entry, float], Awaitable[Finish]]
# Takes an entry by talking to somebody who is no part of this database. It may be asked again for the same entry.
Courier = Callable[[Entry, float], Awaitable[Refusal | None]]
# Pure: an entry, the refusal, how many attempts were made with this one, and the time.
AfterRefusal = Callable[[Entry, Refusal, int, float], Again | GiveUp]
