"""What happens at a tick: everything of it in the transaction in which the timer fires.

A tick writes the invocation into the outbox, waits for the next tick, and removes a schedule that is complete and wants
to be removed. With a flexible window the invocation gets a timer of its own, at a random time within the window, and
the schedule is removed by the last of these. After a time in which nobody looked all of it may be due at once: what
waited in a window is made before anything is removed. Groups that are being deleted lose a batch of schedules a tick.
"""

from collections.abc import Callable, Sequence
from typing import Any

import orjson
from sqlalchemy import Connection

from bulb.core.errors import NotSupported
from bulb.core.ids import hex_id, request_id
from bulb.delivery import timers
from bulb.delivery.timers import Due
from bulb.services.scheduler import inputs, store, targets, ticks
from bulb.services.scheduler.model import MAX_RETRIES, Schedule, group_arn
from bulb.storage import outbox

_PAGE = 500
_Entry = tuple[str, bytes, dict[str, Any]]


class Firing:
    """Fires the timers of all schedules.

    `find` says which service and operation of ours an action is (None: none any more); `chance` gives numbers from 0 up
    to 1; `asks_role`: policies are enforced, so every invocation is a call in the name of its role.
    """

    def __init__(
        self,
        find: Callable[[targets.Action], tuple[str, str] | None],
        chance: Callable[[], float],
        *,
        asks_role: bool,
    ) -> None:
        self._find = find
        self._chance = chance
        self._asks_role = asks_role

    def fire(self, connection: Connection, dues: Sequence[Due], now: float) -> None:
        """Timers of ticks, of invocations within windows and of groups."""
        by_kind: dict[str, list[Due]] = {store.TICK: [], store.INVOCATION: [], store.GROUP: []}
        for due in dues:
            by_kind[due.key[0]].append(due)
        entries = self._invoke(connection, by_kind[store.INVOCATION], now)
        entries += self._tick(connection, by_kind[store.TICK], now)
        outbox.add_all(connection, entries, now)
        for due in by_kind[store.GROUP]:
            _shrink(connection, int(due.key.partition(":")[2]), now)

    def rewound(self, connection: Connection, now: float, place: int) -> int | None:
        """The clock was set back: whoever waits for a tick that is not the next any more waits for the next."""
        found = store.ahead_of(connection, now, place, _PAGE)
        earlier = []
        for schedule in found:
            tick = ticks.following(schedule.definition, schedule.anchor, now)
            if tick is not None and (schedule.next_tick is None or tick < schedule.next_tick):
                earlier.append((schedule.id, tick))
        store.wait_for(connection, earlier)
        if found:
            return found[-1].id
        store.go_on_deleting(connection, now)
        return None

    def _tick(self, connection: Connection, dues: Sequence[Due], now: float) -> list[_Entry]:
        found = store.by_ids(connection, [int(due.key.partition(":")[2]) for due in dues]) if dues else {}
        entries: list[_Entry] = []
        following: list[tuple[int, float | None]] = []
        waiting: list[Due] = []
        complete: list[int] = []
        for schedule in found.values():
            if schedule.next_tick is None:
                continue
            due = ticks.due(schedule.definition, schedule.anchor, schedule.next_tick, now)
            at = now if due.fires is None else self._within_window(schedule, due.fires)
            if due.fires is not None and at > now:
                waiting.append(Due(f"{store.INVOCATION}:{schedule.id}:{schedule.revision}:{due.fires!r}", at))
            elif due.fires is not None:
                entries.append(self._entry(schedule, due.fires))
            is_over = due.following is None and _goes(schedule) and at <= now
            # What ticks once has no earlier tick that could wait: thousands may be over in one second.
            if is_over and (ticks.is_once(schedule.definition.expression) or not _waits(connection, schedule)):
                complete.append(schedule.id)
            else:
                following.append((schedule.id, due.following))
        store.wait_for(connection, following)
        timers.set_all(connection, store.OWNER, waiting)
        store.forget(connection, complete)
        return entries

    def _within_window(self, schedule: Schedule, tick: float) -> float:
        """When to invoke for a tick: in its window, and not after the schedule's end."""
        minutes, end = schedule.definition.window_minutes, schedule.definition.end_at
        if minutes is None:
            return tick
        at = tick + self._chance() * minutes * 60
        return at if end is None or ticks.is_once(schedule.definition.expression) else max(min(at, end), tick)

    def _invoke(self, connection: Connection, dues: Sequence[Due], now: float) -> list[_Entry]:
        """Invocations whose time in the window has come; not those that are too old, or whose times were changed."""
        waited = [(*_waited(due.key), due.due_at) for due in dues]
        found = store.by_ids(connection, [schedule_id for schedule_id, *_ in waited]) if waited else {}
        entries = []
        for schedule_id, revision, tick, at in waited:
            schedule = found.get(schedule_id)
            if schedule is None or schedule.revision != revision:
                continue
            if now - at <= ticks.max_age(schedule.definition):
                entries.append(self._entry(schedule, tick, at))
            is_last = schedule.next_tick is None and _goes(schedule)
            if is_last and not _waits(connection, schedule):
                store.remove(connection, [schedule_id])
        return entries

    def _entry(self, schedule: Schedule, tick: float, at: float | None = None) -> _Entry:
        """The invocation for a tick, for the outbox; `at` is its time in a window, from which its age counts."""
        name, target = schedule.name, schedule.definition.target
        execution = hex_id(16)
        template = target.get("Input") or inputs.default(name.arn, tick, request_id())
        text = inputs.filled(template, name.arn, tick, execution, 1)
        policy = target.get("RetryPolicy") or {}
        about: dict[str, Any] = {
            "source": "scheduler",
            "source_arn": name.arn,
            "account": name.account,
            "as_role": target["RoleArn"],
            "scheduled_at": tick,
            "execution_id": execution,
            "retry": [policy.get("MaximumRetryAttempts", MAX_RETRIES), ticks.max_age(schedule.definition)],
            "about": f"due {inputs.moment(tick)}",
        }
        if at is not None:
            about["since"] = at
        if "DeadLetterConfig" in target:
            about["dead_letter"] = target["DeadLetterConfig"].get("Arn")
        if inputs.ATTEMPT in template:
            about["template"] = template
        return self._addressed(schedule, text, about)

    def _addressed(self, schedule: Schedule, text: str, about: dict[str, Any]) -> _Entry:
        """Handed to the resource itself, or called through the API."""
        target = schedule.definition.target
        action = targets.universal(target["Arn"])
        if action is not None:
            service, operation = self._found(action)
            called = _called(about, schedule, service, operation, asks_role=self._asks_role)
            return target["Arn"], text.encode(), called
        parameters = targets.parameters(target)
        request = targets.request(target["Arn"], parameters, text)
        if self._asks_role or request.service == "events":
            called = _called(about, schedule, request.service, request.operation, asks_role=self._asks_role)
            if "template" in about:
                called["template"] = _document(targets.request(target["Arn"], parameters, about["template"]))
            return target["Arn"], _document(request).encode(), called
        if "MessageGroupId" in parameters:
            about |= {"message_group_id": parameters["MessageGroupId"], "parameters": parameters}
        return target["Arn"], text.encode(), about

    def _found(self, action: targets.Action) -> tuple[str, str]:
        """What the action was when the schedule was made; the courier says so where it is not there any more."""
        try:
            return self._find(action) or (action.service, action.name)
        except NotSupported:
            return action.service, action.name


def _goes(schedule: Schedule) -> bool:
    """It is removed once it is complete."""
    return schedule.definition.after_completion == "DELETE" and ticks.ends(schedule.definition)


def _waits(connection: Connection, schedule: Schedule) -> bool:
    """An invocation of the schedule as it is now is yet to be made in its window."""
    waiting = f"{store.INVOCATION}:{schedule.id}:{schedule.revision}:"
    return timers.any_of(connection, store.OWNER, waiting)


def _waited(key: str) -> tuple[int, int, float]:
    """The schedule, its revision and the tick of an invocation that waited in its window."""
    _, schedule_id, revision, tick = key.split(":")
    return int(schedule_id), int(revision), float(tick)


def _called(
    about: dict[str, Any], schedule: Schedule, service: str, operation: str, *, asks_role: bool
) -> dict[str, Any]:
    """What the courier of our own calls needs to know. A slow call holds up its own schedule's, nobody else's."""
    name = schedule.name
    call = {
        "service": service,
        "operation": operation,
        "for": "scheduler.amazonaws.com",
        "owner_arn": group_arn(name.account, name.region, name.group),
    }
    return {**about, "courier": "aws-call", "lane": name.arn, "call": call, "asks_role": asks_role}


def _document(request: targets.Request) -> str:
    return orjson.dumps(request.parameters).decode()


def _shrink(connection: Connection, group_id: int, now: float) -> None:
    """Take a batch of schedules out of a group that is being deleted, and the group when it is empty."""
    group = store.group_of_id(connection, group_id)
    if group is None:
        return
    limit = {"group": group.name, "prefix": "", "state": None, "after": None, "limit": _PAGE}
    found = store.page(connection, group.account, group.region, **limit)  # type: ignore[arg-type]  # as it names them
    store.remove(connection, [schedule.id for schedule in found])
    if len(found) < _PAGE:
        store.remove_group(connection, group_id)
    else:
        timers.set(connection, store.OWNER, f"{store.GROUP}:{group_id}", now)
