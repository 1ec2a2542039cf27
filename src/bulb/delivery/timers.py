"""Durable timers: one loop for everything that is to happen later.

Rules:
1. A timer is set and cancelled in the transaction of whatever needs it. It fires in the transaction that removes it, so
   what it causes (an outbox entry, its next setting) is on disk exactly when the timer is not.
2. Due timers are taken in order, at most `BATCH` a transaction; owners take turns.
3. The loop sleeps until the earliest is due, by the injected clock, and is woken by a commit that set one.
4. What an owner raises undoes its batch. Then its timers are fired one by one, and one that fails is looked at again
   after a while; other timers, of the same owner or not, do not wait for it.
5. Clocks are set forward: everything due by then fires, in order. Clocks are set back: timers stay at their times, and
   owners that asked to be told (`rewound`) set theirs anew, a page a transaction.
6. The latest time is written down with whatever fires, every `_WRITTEN_EVERY_S` while a timer is set, and at the end: a
   clock that was ahead and is set back while nobody runs is noticed at the next start.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial

from sqlalchemy import Connection, bindparam, delete, func, select, text

from bulb.core.clock import TRIMMED_S, Clock, sleep_unless
from bulb.storage.database import Database
from bulb.storage.schema.delivery import delivery_clock, delivery_timers
from bulb.storage.signals import notify

_log = logging.getLogger(__name__)

CHANNEL = "timers"
BATCH = 500
# A machine's clock may be set while the loop sleeps, which counts seconds that pass: so look at it now and then.
_LONGEST_SLEEP_S = 1.0
_RETRY_S = 5.0
_FIRST_BACKOFF_S, _LAST_BACKOFF_S = 5.0, 600.0
_WRITTEN_EVERY_S = 300.0

_table = delivery_timers.c
# Spelt the same by both engines, which SQLAlchemy has no word for.
_SET = text(
    "INSERT INTO delivery_timers (owner, key, due_at, try_at) VALUES (:owner, :key, :due_at, :due_at) "
    "ON CONFLICT (owner, key) DO UPDATE SET due_at = excluded.due_at, try_at = excluded.try_at"
)
_SEEN = text(
    "INSERT INTO delivery_clock (id, latest) VALUES (1, :now) ON CONFLICT (id) DO UPDATE SET latest = excluded.latest"
)
_ONE = (_table.owner == bindparam("of")) & (_table.key == bindparam("named"))
_CANCEL = delete(delivery_timers).where(
    _table.owner == bindparam("of"), _table.key.in_(bindparam("named", expanding=True))
)
_PUT_OFF = delivery_timers.update().where(_ONE).values(try_at=bindparam("at"))
# By a clock that was ahead: no wait of ours is so long.
_PUT_OFF_TOO_LONG = (
    delivery_timers.update()
    .where(_table.try_at > _table.due_at, _table.try_at > bindparam("latest"))
    .values(try_at=_table.due_at)
)
_DUE = (
    select(_table.key, _table.due_at)
    .where(_table.owner == bindparam("of"), _table.try_at <= bindparam("now"))
    .order_by(_table.try_at, _table.key)
    .limit(BATCH)
)
_EARLIEST = select(func.min(_table.try_at)).where(_table.owner == bindparam("of"))


@dataclass(frozen=True, slots=True)
class Due:
    """A timer that fires. `due_at` is what it was set to, in Unix seconds."""

    key: str
    due_at: float


# Does what is due, inside the transaction that removed these timers (at a Unix time). It may set and cancel timers.
Fire = Callable[[Connection, Sequence[Due], float], None]
# Is told that the clock was set back to a time, inside a transaction: timers may be much too late now. It is given the
# place where to go on, 0 at first, and gives the next one; None where it is done.
Rewound = Callable[[Connection, float, int], int | None]


def set(connection: Connection, owner: str, key: str, due_at: float) -> None:
    """Have `owner`'s timer `key` fire at `due_at` (Unix s) if this transaction commits; it has one time at most."""
    set_all(connection, owner, [Due(key, due_at)])


def set_all(connection: Connection, owner: str, dues: Iterable[Due]) -> None:
    """Set many."""
    rows = [{"owner": owner, "key": due.key, "due_at": due.due_at} for due in dues]
    if rows:
        connection.execute(_SET, rows)
        notify(connection, CHANNEL)


def cancel(connection: Connection, owner: str, key: str) -> None:
    """Forget a timer, if there is one."""
    cancel_all(connection, owner, [key])


def cancel_all(connection: Connection, owner: str, keys: Sequence[str]) -> None:
    """Forget many."""
    if keys:
        connection.execute(_CANCEL, {"of": owner, "named": keys})


def due_at(connection: Connection, owner: str, key: str) -> float | None:
    """When a timer fires; None where there is none."""
    found: float | None = connection.execute(select(_table.due_at).where(_ONE), {"of": owner, "named": key}).scalar()
    return found


def any_of(connection: Connection, owner: str, prefix: str) -> bool:
    """Whether a timer is set whose key begins with `prefix` (ASCII)."""
    named = select(_table.key).where(_table.owner == owner, _table.key >= prefix, _table.key < prefix + "\x7f")
    return connection.execute(named.limit(1)).first() is not None


@dataclass(frozen=True, slots=True)
class _Owner:
    name: str
    fire: Fire
    rewound: Rewound | None


class Timers:
    """Fires the timers of owners that registered. Those of others stay where they are."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._owners: list[_Owner] = []
        self._latest: float | None = None
        self._written: float | None = None
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        database.on_commit(CHANNEL, self._wake.set)

    def register(self, owner: str, fire: Fire, rewound: Rewound | None = None) -> None:
        """Have `fire` do what is due of `owner`'s. Before `start`."""
        self._owners.append(_Owner(owner, fire, rewound))

    def start(self) -> None:
        """Begin, with what became due while nobody looked."""
        self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        """Stop; timers stay set."""
        if self._task is None:
            return
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        now = self._clock.now()
        if self._written is not None and now > self._written:
            await self._write_down(max(now, self._latest or now))

    async def _run(self) -> None:
        while True:
            self._wake.clear()
            try:
                earliest = await self._turn()
            except Exception:
                _log.exception("the timers could not be read; trying again")
                await self._clock.sleep(_RETRY_S)
                continue
            if earliest is None:
                await self._wake.wait()
            else:
                await self._sleep_until(earliest)

    async def _sleep_until(self, earliest: float) -> None:
        """Or until a timer is set, or the clock."""
        while not self._wake.is_set():
            now = self._clock.now()
            if now >= earliest or self._is_set_back(now) or self._is_ahead(now):
                return
            await sleep_unless(self._wake, self._clock, min(earliest - now, _LONGEST_SLEEP_S))

    def _is_set_back(self, now: float) -> bool:
        """The clock shows an earlier time than it has."""
        latest, self._latest = self._latest, now if self._latest is None else max(now, self._latest)
        return latest is not None and now < latest - TRIMMED_S

    def _is_ahead(self, now: float) -> bool:
        """It is time to write down what the clock shows."""
        return self._written is None or now > self._written + _WRITTEN_EVERY_S

    async def _turn(self) -> float | None:
        """Fire a batch of each owner's. When to look again; None where no timer is set."""
        now = self._clock.now()
        if self._latest is None:
            self._latest = self._written = await self._database.read(_latest)
        if self._is_set_back(now):
            await self._tell_of_set_back(now)
        elif self._is_ahead(now):
            await self._write_down(now)
        names = [owner.name for owner in self._owners]
        earliest = await self._database.read(lambda connection: _earliest(connection, names))
        for owner in self._owners:
            if earliest.get(owner.name, now + 1) <= now:
                await self._fire(owner, now)
                earliest[owner.name] = now  # There may be more; the next turn knows.
        return min(earliest.values()) if earliest else None

    async def _tell_of_set_back(self, now: float) -> None:
        _log.warning("the clock was set back")
        for owner in self._owners:
            if owner.rewound is not None:
                try:
                    await self._rewind(owner.rewound, now)
                except Exception:
                    _log.exception("the timers of %s could not be set anew", owner.name)
        await self._database.write(partial(_try_by, latest=now + _LAST_BACKOFF_S))
        await self._write_down(now)
        self._latest = now

    async def _rewind(self, rewound: Rewound, now: float) -> None:
        place: int | None = 0
        while place is not None:
            place = await self._database.write(partial(_rewind, rewound=rewound, now=now, place=place))

    async def _write_down(self, now: float) -> None:
        await self._database.write(partial(_see, now=now))
        self._written = now

    async def _fire(self, owner: _Owner, now: float) -> None:
        try:
            await self._database.write(lambda connection: _fire(connection, owner, now))
            self._written = now
        except Exception:
            _log.exception("what %s had to do could not be done; trying one by one", owner.name)
            await self._fire_each(owner, now)

    async def _fire_each(self, owner: _Owner, now: float) -> None:
        for due in await self._database.read(lambda connection: _due(connection, owner.name, now)):
            try:
                await self._database.write(partial(_fire_one, owner=owner, due=due, now=now))
            except Exception:
                _log.exception("what %s had to do at %s for %s could not be done", owner.name, due.due_at, due.key)
                wait = min(max(now - due.due_at, _FIRST_BACKOFF_S), _LAST_BACKOFF_S)
                await self._database.write(partial(_put_off, owner=owner.name, key=due.key, until=now + wait))


def _latest(connection: Connection) -> float | None:
    found: float | None = connection.execute(select(delivery_clock.c.latest)).scalar()
    return found


def _earliest(connection: Connection, owners: Sequence[str]) -> dict[str, float]:
    found = {owner: connection.execute(_EARLIEST, {"of": owner}).scalar() for owner in owners}
    return {owner: at for owner, at in found.items() if at is not None}


def _due(connection: Connection, owner: str, now: float) -> list[Due]:
    return [Due(row.key, row.due_at) for row in connection.execute(_DUE, {"of": owner, "now": now})]


def _fire(connection: Connection, owner: _Owner, now: float) -> None:
    _fire_these(connection, owner, _due(connection, owner.name, now), now)


def _fire_one(connection: Connection, owner: _Owner, due: Due, now: float) -> None:
    """It may have been set anew or cancelled since it was read."""
    if due_at(connection, owner.name, due.key) == due.due_at:
        _fire_these(connection, owner, [due], now)


def _fire_these(connection: Connection, owner: _Owner, dues: Sequence[Due], now: float) -> None:
    if not dues:  # cancelled meanwhile
        return
    cancel_all(connection, owner.name, [due.key for due in dues])
    owner.fire(connection, dues, now)
    _see(connection, now)


def _see(connection: Connection, now: float) -> None:
    connection.execute(_SEEN, {"now": now})


def _rewind(connection: Connection, rewound: Rewound, now: float, place: int) -> int | None:
    return rewound(connection, now, place)


def _try_by(connection: Connection, latest: float) -> None:
    connection.execute(_PUT_OFF_TOO_LONG, {"latest": latest})


def _put_off(connection: Connection, owner: str, key: str, until: float) -> None:
    connection.execute(_PUT_OFF, {"of": owner, "named": key, "at": until})
