"""Rules with a schedule: each has one timer, set in the transaction that gives it a schedule or takes it.

A tick goes to the targets of its own rule and to nobody else. Ticks that were missed (the server was not there) come
once, late, with the time of the first; a rate then goes on in step with its old times, not anew.
"""

from collections.abc import Sequence

from sqlalchemy import Connection, select

from bulb.delivery import timers
from bulb.delivery.schedules import Rate, Schedule, parse_rule
from bulb.delivery.timers import Due
from bulb.services.events.envelope import scheduled, seconds
from bulb.services.events.matching import Way, of_rule
from bulb.services.events.model import Rule
from bulb.services.events.names import rule_of_arn
from bulb.services.events.putting import entries
from bulb.services.events.store import rows
from bulb.services.events.store.views import Views
from bulb.storage import outbox
from bulb.storage.schema.events import events_rules

OWNER = "events:rules"


def set_clock(connection: Connection, rule: Rule, now: float, since: float | None = None) -> None:
    """Set the rule's timer to its next tick, in step with the one at `since`, or cancel it."""
    due = _next(parse_rule(rule.ticks), now, since) if rule.ticks is not None else None
    if due is None:
        timers.cancel(connection, OWNER, rule.name.arn)
    else:
        timers.set(connection, OWNER, rule.name.arn, due)


def _next(what: Schedule, now: float, since: float | None) -> float | None:
    return what.in_step(now, since) if isinstance(what, Rate) and since is not None else what.next_after(now)


class Ticks:
    """What happens when a rule's time has come."""

    def __init__(self, views: Views) -> None:
        self._views = views

    def fire(self, connection: Connection, dues: Sequence[Due], now: float) -> None:
        """Send each rule's event to its targets, and set its next tick."""
        for due in dues:
            self._tick(connection, due, now)

    def rewound(self, connection: Connection, now: float, place: int) -> int | None:
        """The clock was set back: every rule's next tick by the new time, a rate's in step with those it had."""
        query = select(events_rules).where(events_rules.c.schedule.is_not(None))
        for rule in map(rows.rule_of, connection.execute(query).all()):
            set_clock(connection, rule, now, timers.due_at(connection, OWNER, rule.name.arn))
        return None

    def _tick(self, connection: Connection, due: Due, now: float) -> None:
        name = rule_of_arn(due.key)
        view = self._views.read(connection, name.on) if name is not None else None
        found = next((one for one in view.rules if one.arn == due.key), None) if view is not None else None
        if found is None or found.rule.ticks is None:
            return
        event = scheduled(found.rule.name.on, found.arn, due.due_at)
        outbox.add_all(connection, entries(of_rule(found, event, Way(now, seconds(now)))), now)
        set_clock(connection, found.rule, now, due.due_at)
