"""What other rooms send to log groups: each entry is an event, the entries of one sender are in one stream.

An entry is the text of its event, and comes now; but one that is marked as a record says both: `timestamp`, in ISO 8601
or in milliseconds, and `message`. One whose time PutLogEvents would not take is refused, as are times that are none.
"""

import json
import uuid
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection

from bulb.core.arn import parse_arn
from bulb.core.errors import AwsError
from bulb.delivery.model import Refusal
from bulb.services.logs.rules import accepted
from bulb.storage.outbox import Entry
from bulb.telemetry.buffer import Event, GroupName
from bulb.telemetry.log_store import LogStore

_GROUP = "log-group:"


class Arrivals:
    """The relay's destination for the ARNs of log groups."""

    def __init__(self, store: LogStore) -> None:
        self._store = store

    def take(self, connection: Connection, entry: Entry, now: float) -> Refusal | None:
        """The entry's text is in the group when the transaction commits; the group must be there."""
        arn = parse_arn(entry.destination_arn)
        if arn is None or not arn.resource.startswith(_GROUP):
            return Refusal("NO_RESOURCE", f"{entry.destination_arn} is no log group.")
        if arn.account != entry.attributes["account"]:
            # Log groups have no policies here, so nobody can have let the other account in.
            return Refusal("NO_PERMISSIONS", f"The log group {entry.destination_arn} is of another account.")
        name = GroupName(arn.account, arn.region, arn.resource.removeprefix(_GROUP).removesuffix(":*"))
        stream = str(uuid.uuid5(uuid.NAMESPACE_URL, entry.attributes["source_arn"]))
        event = _event(entry, int(now * 1000))
        if event is None:
            return Refusal("SDK_CLIENT_ERROR", "The log event's timestamp is no time that can be logged now.")
        try:
            self._store.add_events(connection, name, stream, [event])
        except AwsError as error:
            return Refusal("NO_RESOURCE", error.message)
        return None


def _event(entry: Entry, now_ms: int) -> Event | None:
    """The log event that an entry is; None for a record without a time that can be logged."""
    text = entry.payload.decode(errors="replace")
    record = _record(text) if entry.attributes.get("is_log_record") else None
    if record is None:
        return now_ms, text
    at_ms, message = _moment_ms(record["timestamp"]), record["message"]
    if not isinstance(message, str):
        message = json.dumps(message, ensure_ascii=False, separators=(",", ":"))
    return (at_ms, message) if at_ms is not None and accepted([(at_ms, message)], now_ms, None).events else None


def _record(text: str) -> dict[str, Any] | None:
    """The record that a text is; a target that was put before its form was looked at may have another text."""
    try:
        record = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return record if isinstance(record, dict) and record.keys() >= {"timestamp", "message"} else None


def _moment_ms(given: Any) -> int | None:
    text = str(given)
    try:
        if text.isascii() and text.isdigit():
            return int(text) if len(text) < len("1000000000000000") else None
        moment = datetime.fromisoformat(text)
        return int((moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)).timestamp() * 1000)
    except (ValueError, OverflowError):
        return None
