"""What other rooms send to functions: may it come in, then it waits in the asynchronous queue.

Everything here runs inside a write of somebody else (the relay's, or one that checks a destination), so the function
and its policy are those of that very moment. Of many deliveries in one transaction the first looks them up and the
others are told the same: who changes a policy meanwhile has not been answered yet.
"""

from typing import Protocol

from sqlalchemy import Connection

from bulb.core.errors import AwsError
from bulb.core.limits import ASYNC_REQUEST_BYTES
from bulb.delivery.doors import Doors
from bulb.delivery.model import Refusal
from bulb.invoke.model import AsyncEvent
from bulb.services.lambda_ import errors, names, payload
from bulb.services.lambda_.names import Target
from bulb.services.lambda_.store.policies import Guarded, guarded
from bulb.storage.outbox import Entry

_ACTION = "lambda:InvokeFunction"


class Accepts(Protocol):
    """Who takes events inside a transaction (invoke/asynchronous.py)."""

    def put(
        self,
        connection: Connection,
        account: str,
        region: str,
        name: str,
        qualifier: str | None,
        event: AsyncEvent,
        now: float,
    ) -> None:
        """The event is accepted when the transaction commits."""


class Arrivals:
    """The relay's destination for the ARNs of functions."""

    def __init__(self, events: Accepts, doors: Doors) -> None:
        self._events = events
        self._doors = doors
        # Used in the writer's thread only.
        self._transaction: object = None
        self._seen: dict[Target, Guarded | None] = {}

    def take(self, connection: Connection, entry: Entry, now: float) -> Refusal | None:
        """The entry's event is in the queue when the transaction commits; its request id is the delivery's."""
        target = names.function_of(entry.destination_arn)
        if target is None:
            return _unknown(entry)
        refusal = self._refusal(connection, target, entry)
        if refusal is None:
            event = AsyncEvent(entry.delivery_id, entry.payload or payload.EMPTY, entry.attributes.get("trace_header"))
            self._events.put(connection, *target.key, target.qualifier, event, now)
        return refusal

    def check(self, connection: Connection, entry: Entry) -> Refusal | None:
        """Why the entry would not be let in; asked inside a write."""
        target = names.function_of(entry.destination_arn)
        return _unknown(entry) if target is None else self._refusal(connection, target, entry)

    def _refusal(self, connection: Connection, target: Target, entry: Entry) -> Refusal | None:
        found = self._look_up(connection, target)
        if found is None:
            return _unknown(entry)
        return self._doors.refusal(entry, found.policy, _ACTION, target.key.account) or _unfit(entry.payload)

    def _look_up(self, connection: Connection, target: Target) -> Guarded | None:
        transaction = connection.get_transaction()
        if transaction is not self._transaction:
            self._transaction, self._seen = transaction, {}
        if target not in self._seen:
            self._seen[target] = guarded(connection, target.key, target.qualifier)
        return self._seen[target]


def _unknown(entry: Entry) -> Refusal:
    return Refusal("NO_RESOURCE", f"Function not found: {entry.destination_arn}")


def _unfit(event: bytes) -> Refusal | None:
    """Why Invoke would not take these bytes."""
    try:
        if len(event) > ASYNC_REQUEST_BYTES:
            raise errors.payload_too_large(len(event), "Event", ASYNC_REQUEST_BYTES)
        if event:
            payload.check_json(event)
    except AwsError as error:
        return Refusal("SDK_CLIENT_ERROR", error.message)
    return None
