"""Schedules and groups in the database. Every function runs inside a transaction and takes its connection.

What is kept of a schedule and the timer that waits for its next tick are changed together. Lists go by name, and their
pages begin behind the last name of the page before.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import orjson
from sqlalchemy import ColumnElement, Connection, Row, and_, bindparam, delete, or_, select, tuple_, update

from bulb.delivery import timers
from bulb.delivery.timers import Due
from bulb.services.scheduler import ticks
from bulb.services.scheduler.model import DEFAULT_GROUP, Definition, Group, Name, Schedule
from bulb.storage.schema.scheduler import scheduler_groups, scheduler_schedules, scheduler_tombstones

OWNER = "scheduler"
# What the keys of timers begin with: a schedule's next tick, an invocation inside its window, a group that goes.
TICK, INVOCATION, GROUP = "t", "i", "g"
_TOMBSTONE_S = 86_400.0

_s, _g, _t = scheduler_schedules.c, scheduler_groups.c, scheduler_tombstones.c
_NEXT = update(scheduler_schedules).where(_s.id == bindparam("schedule")).values(next_tick=bindparam("tick"))
# Compiled once: building a statement costs as much as running it.
_FIND = select(scheduler_schedules).where(
    _s.account == bindparam("account"),
    _s.region == bindparam("region"),
    _s.group_name == bindparam("group"),
    _s.name == bindparam("name"),
)
_INSERT = scheduler_schedules.insert()
_BY_IDS = select(scheduler_schedules).where(_s.id.in_(bindparam("ids", expanding=True)))
_GONE = delete(scheduler_schedules).where(_s.id.in_(bindparam("ids", expanding=True)))


# Schedules.


def find(connection: Connection, name: Name) -> Schedule | None:
    """The schedule of that name."""
    named = {"account": name.account, "region": name.region, "group": name.group, "name": name.name}
    row = connection.execute(_FIND, named).one_or_none()
    return _schedule(row) if row is not None else None


def by_ids(connection: Connection, ids: Sequence[int]) -> dict[int, Schedule]:
    """Those of the schedules that are still there."""
    return {row.id: _schedule(row) for row in connection.execute(_BY_IDS, {"ids": list(ids)})}


def insert(connection: Connection, name: Name, definition: Definition, now: float, request: str | None) -> Schedule:
    """A new schedule, waiting for its first tick."""
    anchor = definition.start_at if definition.start_at is not None else now
    tick = ticks.first(definition, anchor, now) if definition.is_enabled else None
    values = {
        **_columns(definition),
        "account": name.account,
        "region": name.region,
        "group_name": name.group,
        "name": name.name,
        "created_at": now,
        "modified_at": now,
        "anchor": anchor,
        "next_tick": tick,
        "revision": 1,
        "request": request,
    }
    key = connection.execute(_INSERT, values).inserted_primary_key
    assert key is not None
    made = Schedule(int(key[0]), name, definition, now, now, anchor, tick, 1, request)
    if tick is not None:
        timers.set(connection, OWNER, tick_key(made.id), tick)
    return made


def replace(connection: Connection, old: Schedule, definition: Definition, now: float, request: str | None) -> None:
    """Everything a client says of a schedule, anew. A rate goes on counting unless its times were changed.

    What waits in a window is made as the schedule is then, unless its times were changed or it was disabled.
    """
    before = old.definition
    is_same = before.expression == definition.expression
    is_same &= before.start_at == definition.start_at or ticks.is_once(definition.expression)
    anchor = old.anchor if is_same else definition.start_at if definition.start_at is not None else now
    tick = None
    is_going_on = is_same and before.timezone == definition.timezone
    if definition.is_enabled:
        tick = ticks.following(definition, anchor, now) if is_going_on else ticks.first(definition, anchor, now)
        if is_going_on and before.is_enabled and old.next_tick is not None and old.next_tick <= now:
            tick = old.next_tick  # It is due at this moment, and its timer is about to fire.
    keeps_waiting = is_going_on and before.is_enabled and definition.is_enabled
    values = {**_columns(definition), "modified_at": now, "anchor": anchor, "next_tick": tick, "request": request}
    values["revision"] = old.revision if keeps_waiting else old.revision + 1
    connection.execute(update(scheduler_schedules).where(_s.id == old.id).values(**values))
    if tick is not None:
        timers.set(connection, OWNER, tick_key(old.id), tick)
    else:
        timers.cancel(connection, OWNER, tick_key(old.id))


def forget(connection: Connection, ids: Sequence[int]) -> None:
    """Schedules that wait for nothing any more, gone."""
    if ids:
        connection.execute(_GONE, {"ids": list(ids)})


def remove(connection: Connection, ids: Sequence[int]) -> None:
    """Schedules and their timers, gone. Invocations that wait in a window find nobody when they fire."""
    if ids:
        forget(connection, ids)
        timers.cancel_all(connection, OWNER, [tick_key(schedule_id) for schedule_id in ids])


def wait_for(connection: Connection, following: Iterable[tuple[int, float | None]]) -> None:
    """The next ticks of schedules whose timers have fired; None: no tick is left."""
    following = list(following)
    if following:
        connection.execute(_NEXT, [{"schedule": schedule_id, "tick": tick} for schedule_id, tick in following])
        waiting = [Due(tick_key(schedule_id), tick) for schedule_id, tick in following if tick is not None]
        timers.set_all(connection, OWNER, waiting)


def ahead_of(connection: Connection, moment: float, after_id: int, limit: int) -> list[Schedule]:
    """Enabled schedules that wait for a tick after `moment`, or for none since they were changed after it; by id."""
    waits = or_(_s.next_tick > moment, and_(_s.next_tick.is_(None), _s.modified_at > moment))
    query = select(scheduler_schedules).where(_s.id > after_id, _s.state == "ENABLED", waits)
    return [_schedule(row) for row in connection.execute(query.order_by(_s.id).limit(limit))]


def page(
    connection: Connection,
    account: str,
    region: str,
    *,
    group: str | None,
    prefix: str,
    state: str | None,
    after: tuple[str, str] | None,
    limit: int,
) -> list[Schedule]:
    """Schedules of a group, or of all, by group and name."""
    query = select(scheduler_schedules).where(_s.account == account, _s.region == region)
    if group is not None:
        query = query.where(_s.group_name == group)
    if prefix:
        query = query.where(_begins(_s.name, prefix))
    if state is not None:
        query = query.where(_s.state == state)
    if after is not None:
        query = query.where(tuple_(_s.group_name, _s.name) > tuple_(*after))
    rows = connection.execute(query.order_by(_s.group_name, _s.name).limit(limit))
    return [_schedule(row) for row in rows]


def tick_key(schedule_id: int) -> str:
    """The key of the timer that waits for a schedule's next tick."""
    return f"{TICK}:{schedule_id}"


# Groups.


def group(connection: Connection, account: str, region: str, name: str) -> Group | None:
    """The group of that name."""
    query = select(scheduler_groups).where(_g.account == account, _g.region == region, _g.name == name)
    row = connection.execute(query).one_or_none()
    return _group(row) if row is not None else None


def group_of_id(connection: Connection, group_id: int) -> Group | None:
    """The group of that id."""
    row = connection.execute(select(scheduler_groups).where(_g.id == group_id)).one_or_none()
    return _group(row) if row is not None else None


def insert_group(
    connection: Connection,
    account: str,
    region: str,
    name: str,
    *,
    tags: Mapping[str, str],
    now: float,
    request: str | None = None,
) -> Group:
    """A new group."""
    values = {
        "account": account,
        "region": region,
        "name": name,
        "state": "ACTIVE",
        "tags": dict(tags),
        "created_at": now,
        "modified_at": now,
        "request": request,
    }
    key = connection.execute(scheduler_groups.insert(), values).inserted_primary_key
    assert key is not None
    return Group(int(key[0]), account, region, name, "ACTIVE", tags, now, now, request)


def default_group(connection: Connection, account: str, region: str, now: float) -> Group:
    """The group that is always there: made when it is first looked at."""
    found = group(connection, account, region, DEFAULT_GROUP)
    return found or insert_group(connection, account, region, DEFAULT_GROUP, tags={}, now=now)


def begin_deleting(connection: Connection, found: Group, now: float) -> None:
    """From now on the group goes, schedule by schedule."""
    connection.execute(update(scheduler_groups).where(_g.id == found.id).values(state="DELETING", modified_at=now))
    timers.set(connection, OWNER, f"{GROUP}:{found.id}", now)


def go_on_deleting(connection: Connection, now: float) -> None:
    """Groups that are being deleted go on with it, whenever they were to."""
    found = connection.execute(select(_g.id).where(_g.state == "DELETING")).scalars()
    timers.set_all(connection, OWNER, [Due(f"{GROUP}:{group_id}", now) for group_id in found])


def remove_group(connection: Connection, group_id: int) -> None:
    """A group, gone."""
    connection.execute(delete(scheduler_groups).where(_g.id == group_id))


def set_tags(connection: Connection, group_id: int, tags: Mapping[str, str], now: float) -> None:
    """The tags of a group, anew."""
    values = {"tags": dict(tags), "modified_at": now}
    connection.execute(update(scheduler_groups).where(_g.id == group_id).values(**values))


def group_page(
    connection: Connection, account: str, region: str, *, prefix: str, after: str, limit: int
) -> list[Group]:
    """Groups by name."""
    query = select(scheduler_groups).where(_g.account == account, _g.region == region, _g.name > after)
    if prefix:
        query = query.where(_begins(_g.name, prefix))
    return [_group(row) for row in connection.execute(query.order_by(_g.name).limit(limit))]


# What a request deleted.


def bury(connection: Connection, account: str, region: str, resource: str, token: str, now: float) -> None:
    """Remember for a day that the request with this token deleted the resource."""
    where = and_(_t.account == account, _t.region == region, _t.resource == resource)
    connection.execute(delete(scheduler_tombstones).where(or_(where, _t.at < now - _TOMBSTONE_S)))
    values = {"account": account, "region": region, "resource": resource, "token": token, "at": now}
    connection.execute(scheduler_tombstones.insert(), values)


def was_deleted_by(connection: Connection, account: str, region: str, resource: str, token: str | None) -> bool:
    """Whether the request with this token deleted the resource."""
    query = select(_t.token).where(_t.account == account, _t.region == region, _t.resource == resource)
    return token is not None and connection.execute(query).scalar_one_or_none() == token


def _begins(column: Any, prefix: str) -> ColumnElement[bool]:
    """A range of the index; names are ASCII."""
    return and_(column >= prefix, column < prefix + "\x7f")


def _columns(definition: Definition) -> dict[str, Any]:
    return {
        "state": definition.state,
        "expression": definition.expression,
        "timezone": definition.timezone,
        "start_at": definition.start_at,
        "end_at": definition.end_at,
        "description": definition.description,
        "target": orjson.dumps(definition.target).decode(),
        "window_minutes": definition.window_minutes,
        "after_completion": definition.after_completion,
    }


def _schedule(row: Row[Any]) -> Schedule:
    definition = Definition(
        state=row.state,
        expression=row.expression,
        timezone=row.timezone,
        start_at=row.start_at,
        end_at=row.end_at,
        description=row.description,
        target=orjson.loads(row.target),
        window_minutes=row.window_minutes,
        after_completion=row.after_completion,
    )
    return Schedule(
        id=row.id,
        name=Name(row.account, row.region, row.group_name, row.name),
        definition=definition,
        created_at=row.created_at,
        modified_at=row.modified_at,
        anchor=row.anchor,
        next_tick=row.next_tick,
        revision=row.revision,
        request=row.request,
    )


def _group(row: Row[Any]) -> Group:
    return Group(
        row.id, row.account, row.region, row.name, row.state, row.tags, row.created_at, row.modified_at, row.request
    )
