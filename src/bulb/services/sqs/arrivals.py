"""What other services deliver to queues: the relay's destination for their ARNs.

Everything here runs inside the transaction in which a delivery leaves the outbox: it becomes a message in the same
commit. A message's id is the delivery's.
"""

import base64
import binascii
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection

from bulb.core.errors import AwsError
from bulb.delivery.doors import Doors
from bulb.delivery.model import Refusal
from bulb.services.sqs import contents
from bulb.services.sqs.model import NewMessage, Queue
from bulb.services.sqs.store import SqsStore
from bulb.storage.outbox import Entry

_ACTION = "sqs:SendMessage"


class Arrivals:
    """Takes deliveries for the queues of one store."""

    def __init__(self, store: SqsStore, doors: Doors) -> None:
        self._store = store
        self._doors = doors

    def take(self, connection: Connection, entry: Entry, now: float) -> Refusal | None:
        """The entry is a message of its queue when the transaction commits."""
        found = self._look(entry)
        if isinstance(found, Refusal):
            return found
        queue, message = found
        self._store.sending.put(connection, queue, [message], now)
        return None

    def check(self, connection: Connection, entry: Entry) -> Refusal | None:
        """Why the entry would not be taken; asked inside a write."""
        del connection  # queues are in memory
        found = self._look(entry)
        return found if isinstance(found, Refusal) else None

    def _look(self, entry: Entry) -> tuple[Queue, NewMessage] | Refusal:
        queue = self._store.queues.named(entry.destination_arn)
        if queue is None:
            return Refusal("NO_RESOURCE", f"The specified queue does not exist: {entry.destination_arn}")
        refusal = self._doors.refusal(entry, queue.policy, _ACTION, queue.key.account)
        if refusal is not None:
            return refusal
        try:
            return queue, _message(entry, queue)
        except AwsError as error:
            return Refusal("SDK_CLIENT_ERROR", error.message)


def _message(entry: Entry, queue: Queue) -> NewMessage:
    """Raises the AwsError that SendMessage would answer."""
    about = entry.attributes
    given = {
        "MessageBody": _text(entry.payload),
        "MessageAttributes": {
            name: _attribute(value) for name, value in (about.get("message_attributes") or {}).items()
        },
        "MessageGroupId": about.get("message_group_id"),
        "MessageDeduplicationId": about.get("message_deduplication_id") if queue.is_fifo else None,
    }
    sender = f"{about.get('source', 'bulb')}.amazonaws.com"
    message, _ = contents.message_of(given, queue, entry.delivery_id, sender, about.get("trace_header"))
    return message


def _text(payload: bytes) -> str:
    try:
        return payload.decode()
    except UnicodeDecodeError:
        raise AwsError("InvalidMessageContents", "The message is not UTF-8.") from None


def _attribute(value: Mapping[str, Any]) -> dict[str, Any]:
    """A message attribute as SendMessage takes it: binary values are bytes."""
    if "BinaryValue" not in value:
        return dict(value)
    try:
        return {**value, "BinaryValue": base64.b64decode(value["BinaryValue"])}
    except (binascii.Error, ValueError):
        return {**value, "BinaryValue": b""}
