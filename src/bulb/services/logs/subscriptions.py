"""Subscription filters at work: events that match go into the outbox in the transaction that stores them.

The filters of all groups are in memory, by the number of their group, so a group without any costs one look. A change
is in memory before it is answered. A group that is made again under its name has another number: nobody follows it.
"""

from collections.abc import Callable
from typing import Protocol

from sqlalchemy import Connection

from bulb.core.arn import arn
from bulb.core.clock import Clock
from bulb.core.errors import AwsError
from bulb.core.ids import request_id
from bulb.delivery.model import Refusal
from bulb.services.logs import messages, store
from bulb.services.logs.field_patterns import extractor
from bulb.services.logs.messages import LogEvent, Source
from bulb.services.logs.model import MOST_FILTERS, SubscriptionFilter
from bulb.services.logs.names import invalid
from bulb.services.logs.patterns import Matcher, compile_pattern
from bulb.storage import outbox
from bulb.storage.database import Database
from bulb.storage.outbox import Entry
from bulb.telemetry.buffer import GroupName
from bulb.telemetry.followers import Written

_UNREACHABLE = (
    "Could not execute the lambda function. "
    "Make sure you have given CloudWatch Logs permission to execute your function."
)


class Targets(Protocol):
    """Whoever knows the functions that can be told."""

    def check(self, connection: Connection, entry: Entry) -> Refusal | None:
        """Inside a write: why a function would not take the entry."""


class Subscriptions:
    """The filters of one database; `Followers` of the telemetry room."""

    def __init__(self, database: Database, targets: Targets, clock: Clock) -> None:
        self._database = database
        self._targets = targets
        self._clock = clock
        # Replaced whole, because the writer's thread reads it.
        self._filters: dict[int, tuple[SubscriptionFilter, ...]] = {}

    async def load(self) -> None:
        """Know what is in the database; before anything is written to a group, and after each change."""
        self._filters = await self._database.read(store.of_all)

    async def put(self, name: GroupName, new: SubscriptionFilter) -> None:
        """Follow a group, and tell the destination so.

        Raises ResourceNotFoundException, LimitExceededException, and InvalidParameterException where the destination
        does not take what it would be sent.
        """

        def write(connection: Connection) -> None:
            group = store.group_id(connection, name)
            others = [old for old in store.of_group(connection, group) if old.name != new.name]
            if len(others) >= MOST_FILTERS:
                raise AwsError("LimitExceededException", "Resource limit exceeded.")
            store.put(connection, group, new)
            self._greet(connection, name, new)

        await self._change(write)

    async def remove(self, name: GroupName, filter_name: str) -> None:
        """Follow no longer. Raises ResourceNotFoundException."""
        await self._change(lambda connection: store.remove(connection, store.group_id(connection, name), filter_name))

    async def of_group(self, name: GroupName) -> list[SubscriptionFilter]:
        """The filters of a group, by name. Raises ResourceNotFoundException."""
        return await self._database.read(
            lambda connection: store.of_group(connection, store.group_id(connection, name))
        )

    def follow(self, group_id: int) -> bool:
        """Some filter follows this group."""
        return group_id in self._filters

    def take(self, connection: Connection, written: Written, now_ms: int) -> None:
        """Tell everybody whose filter some of the events match."""
        for each in self._filters.get(written.group_id, ()):
            source = Source(written.group.account, written.group.group, written.stream, each.name)
            for payload in messages.data(source, _matching(each, written)):
                _send(connection, written.group, each, payload, now_ms / 1000)

    async def _change(self, write: Callable[[Connection], None]) -> None:
        await self._database.write(write)
        await self.load()

    def _greet(self, connection: Connection, name: GroupName, new: SubscriptionFilter) -> None:
        now = self._clock.now()
        payload = messages.control("Lambda", int(now * 1000))
        about = _about(name, new, "CONTROL_MESSAGE")
        entry = Entry(0, new.destination_arn, payload, about, now, request_id())
        if self._targets.check(connection, entry) is not None:
            raise invalid(_UNREACHABLE)
        outbox.add(connection, new.destination_arn, payload, about, now)


def _matching(each: SubscriptionFilter, written: Written) -> list[LogEvent]:
    matches: Matcher = compile_pattern(each.pattern)
    fields = extractor(each.pattern)
    return [
        LogEvent(position.event_id, position.timestamp_ms, message, fields(message) if fields is not None else None)
        for position, message in written.events
        if matches(message)
    ]


def _send(connection: Connection, group: GroupName, each: SubscriptionFilter, payload: bytes, now: float) -> None:
    outbox.add(connection, each.destination_arn, payload, _about(group, each, each.name), now)


def _about(group: GroupName, each: SubscriptionFilter, about: str) -> dict[str, str | None]:
    return {
        "source": "logs",
        "source_arn": arn("logs", group.region, group.account, f"log-group:{group.group}:*"),
        "account": group.account,
        "trace_header": None,
        "about": about[:200],
    }
