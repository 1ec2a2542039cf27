"""Rules and their targets. A change of either is a new revision of their bus, and sets or stops the rule's clock."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select, update

from bulb.services.events import errors
from bulb.services.events.model import Rule, Tags, Target
from bulb.services.events.names import BusName, RuleName
from bulb.services.events.store import buses, rows
from bulb.services.events.store.paging import of_place, page
from bulb.storage.database import Database
from bulb.storage.schema.events import events_rules, events_targets

MOST_TARGETS = 5
# Sets the clock of a rule whose schedule is new, and stops that of one that has none any more: inside the transaction.
SetClock = Callable[[Connection, Rule, float], None]


def find(connection: Connection, name: RuleName) -> Rule | None:
    """One rule."""
    row = connection.execute(select(events_rules).where(*_is(name))).one_or_none()
    return rows.rule_of(row) if row is not None else None


def needed(connection: Connection, name: RuleName) -> Rule:
    """One rule. Raises ResourceNotFoundException for it or its bus."""
    rule = find(connection, name)
    if rule is None:
        if not name.on.is_default and buses.find(connection, name.on) is None:
            raise errors.no_such_bus(name.bus)
        raise errors.no_such_rule(name.rule, name.bus)
    return rule


def all_of(connection: Connection, bus: BusName) -> list[Rule]:
    """Every rule of a bus."""
    return [rows.rule_of(row) for row in connection.execute(select(events_rules).where(*_on(bus)))]


def targets_of(connection: Connection, name: RuleName) -> list[Target]:
    """The targets of a rule."""
    query = select(events_targets).where(*_targets_of(name)).order_by(events_targets.c.id)
    return [rows.target_of(row) for row in connection.execute(query)]


def targets_on(connection: Connection, bus: BusName) -> dict[str, list[Target]]:
    """The targets of all rules of a bus, by rule."""
    columns = events_targets.c
    on = (columns.account == bus.account, columns.region == bus.region, columns.bus == bus.bus)
    found: dict[str, list[Target]] = {}
    for row in connection.execute(select(events_targets).where(*on).order_by(columns.rule, columns.id)):
        found.setdefault(row.rule, []).append(rows.target_of(row))
    return found


class RuleStore:
    """The rules of one database."""

    def __init__(self, database: Database, set_clock: SetClock) -> None:
        self._database = database
        self._set_clock = set_clock

    async def put(self, rule: Rule, now: float, check: Callable[[Sequence[str | None]], None]) -> None:
        """Write a rule in place of any of its name, whose tags stay. `check` sees the patterns of the bus' others."""

        def write(connection: Connection) -> None:
            name = rule.name
            buses.needed(connection, name.on, now)
            before = find(connection, name)
            if before is None or before.pattern != rule.pattern:
                columns = events_rules.c
                others = select(columns.pattern).where(*_on(name.on), columns.name != name.rule)
                check(connection.execute(others).scalars().all())
            new = rule if before is None else replace(rule, tags=before.tags, created_by=before.created_by)
            values = {key: value for key, value in asdict(new).items() if key != "name"}
            if before is None:
                at = {"account": name.account, "region": name.region, "bus": name.bus, "name": name.rule}
                connection.execute(insert(events_rules).values(**at, **values))
            else:
                connection.execute(update(events_rules).where(*_is(name)).values(**values))
            if before is None or before.ticks != new.ticks:
                self._set_clock(connection, new, now)
            buses.touch(connection, name.on)

        await self._database.write(write)

    async def find(self, name: RuleName) -> Rule:
        """One rule. Raises ResourceNotFoundException."""
        return await self._database.read(lambda connection: needed(connection, name))

    async def set_state(self, name: RuleName, state: str, now: float) -> None:
        """Enable or disable."""

        def write(connection: Connection) -> None:
            before = needed(connection, name)
            new = replace(before, state=state)
            connection.execute(update(events_rules).where(*_is(name)).values(state=state))
            if before.ticks != new.ticks:
                self._set_clock(connection, new, now)
            buses.touch(connection, name.on)

        await self._database.write(write)

    async def change_tags(self, name: RuleName, decide: Callable[[Tags], Tags]) -> None:
        """Replace a rule's tags."""

        def write(connection: Connection) -> None:
            tags = dict(decide(needed(connection, name).tags))
            connection.execute(update(events_rules).where(*_is(name)).values(tags=tags))

        await self._database.write(write)

    async def delete(self, name: RuleName, now: float) -> None:
        """Delete a rule; one that is not there is no error. Raises ValidationException while it has targets."""

        def write(connection: Connection) -> None:
            rule = find(connection, name)
            if rule is None:
                if not name.on.is_default and buses.find(connection, name.on) is None:
                    raise errors.no_such_bus(name.bus)
                return
            if targets_of(connection, name):
                raise errors.validation("Rule can't be deleted since it has targets.")
            connection.execute(delete(events_rules).where(*_is(name)))
            self._set_clock(connection, replace(rule, schedule=None), now)
            buses.touch(connection, name.on)

        await self._database.write(write)

    async def listed(self, bus: BusName, params: dict[str, Any]) -> tuple[list[Rule], str | None]:
        """One page. Raises ResourceNotFoundException."""

        def read(connection: Connection) -> tuple[list[Rule], str | None]:
            _check_bus(connection, bus)
            query = of_place(events_rules, bus.account, bus.region).where(events_rules.c.bus == bus.bus)
            found, token = page(connection, query, events_rules.c.name, params)
            return [rows.rule_of(row) for row in found], token

        return await self._database.read(read)

    async def put_targets(self, name: RuleName, targets: Sequence[Target]) -> None:
        """Write targets in place of any of their ids. Raises ResourceNotFoundException, LimitExceededException."""

        def write(connection: Connection) -> None:
            needed(connection, name)
            new = {target.id: target for target in targets}
            of_rule = _targets_of(name)
            connection.execute(delete(events_targets).where(*of_rule, events_targets.c.id.in_(list(new))))
            kept = select(func.count()).select_from(events_targets).where(*of_rule)
            if connection.execute(kept).scalar_one() + len(new) > MOST_TARGETS:
                raise errors.too_many()
            at = {"account": name.account, "region": name.region, "bus": name.bus, "rule": name.rule}
            rows_ = [{**at, "id": one.id, "arn": one.arn, "settings": dict(one.settings)} for one in new.values()]
            connection.execute(insert(events_targets), rows_)
            buses.touch(connection, name.on)

        await self._database.write(write)

    async def remove_targets(self, name: RuleName, ids: Sequence[str]) -> None:
        """Remove targets; ids that are not there are no error. Raises ResourceNotFoundException."""

        def write(connection: Connection) -> None:
            needed(connection, name)
            connection.execute(delete(events_targets).where(*_targets_of(name), events_targets.c.id.in_(list(ids))))
            buses.touch(connection, name.on)

        await self._database.write(write)

    async def targets(self, name: RuleName, params: dict[str, Any]) -> tuple[list[Target], str | None]:
        """One page of a rule's targets. Raises ResourceNotFoundException."""

        def read(connection: Connection) -> tuple[list[Target], str | None]:
            needed(connection, name)
            found, token = page(
                connection, select(events_targets).where(*_targets_of(name)), events_targets.c.id, params
            )
            return [rows.target_of(row) for row in found], token

        return await self._database.read(read)

    async def names_by_target(
        self, bus: BusName, target_arn: str, params: dict[str, Any]
    ) -> tuple[list[str], str | None]:
        """One page of the names of rules of a bus with that target. Raises ResourceNotFoundException."""

        def read(connection: Connection) -> tuple[list[str], str | None]:
            _check_bus(connection, bus)
            columns = events_targets.c
            on = (columns.account == bus.account, columns.region == bus.region, columns.bus == bus.bus)
            query = select(columns.rule).where(*on, columns.arn == target_arn).distinct()
            found, token = page(connection, query, columns.rule, params)
            return [row.rule for row in found], token

        return await self._database.read(read)


def _check_bus(connection: Connection, bus: BusName) -> None:
    if not bus.is_default and buses.find(connection, bus) is None:
        raise errors.no_such_bus(bus.bus)


def _on(bus: BusName) -> tuple[Any, ...]:
    columns = events_rules.c
    return columns.account == bus.account, columns.region == bus.region, columns.bus == bus.bus


def _is(name: RuleName) -> tuple[Any, ...]:
    return (*_on(name.on), events_rules.c.name == name.rule)


def _targets_of(name: RuleName) -> tuple[Any, ...]:
    columns = events_targets.c
    return (
        columns.account == name.account,
        columns.region == name.region,
        columns.bus == name.bus,
        columns.rule == name.rule,
    )
