"""What other rooms send to log groups: each entry is an event, the entries of one sender are in one stream."""

import uuid

from sqlalchemy import Connection

from bulb.core.arn import parse_arn
from bulb.core.errors import AwsError
from bulb.delivery.model import Refusal
from bulb.storage.outbox import Entry
from bulb.telemetry.buffer import GroupName
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
        event = (int(now * 1000), entry.payload.decode(errors="replace"))
        try:
            self._store.add_events(connection, name, stream, [event])
        except AwsError as error:
            return Refusal("NO_RESOURCE", error.message)
        return None
