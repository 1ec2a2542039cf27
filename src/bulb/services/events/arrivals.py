"""What other rooms put on a bus: an entry of the outbox becomes an event, with all that follows, in one transaction.

A bus lets in whoever is of its own account; others by its policy, whatever is enforced elsewhere. An event that went
from bus to bus already is refused: so no chain of buses goes round, and who builds one is told by the dead letters.
"""

from sqlalchemy import Connection

from bulb.core.arn import parse_arn
from bulb.delivery.model import Finish, Refusal
from bulb.identity.documents import statements_of
from bulb.identity.evaluation import Principal, Verdict, evaluate
from bulb.services.events.envelope import abroad, event_of_payload, seconds
from bulb.services.events.matching import SOURCE, Way
from bulb.services.events.names import BusName, bus_of_arn
from bulb.services.events.putting import Put, Putting
from bulb.services.events.store import buses
from bulb.storage.outbox import Entry

_PUT_EVENTS = "events:PutEvents"
_ONLY_ONCE = (
    "Event ingestion rejected for event {} because an event can be sent to an event bus target only once. This event "
    "was previously delivered to an event bus target."
)


class Arrivals:
    """Takes entries for event buses."""

    def __init__(self, putting: Putting) -> None:
        self._putting = putting

    async def prepare(self, entry: Entry, now: float) -> Finish:
        """Work out what follows. What is returned puts the event on the bus, if there is one that lets it in."""
        name, about = bus_of_arn(entry.destination_arn), entry.attributes
        if name is None:
            return _refusing("NO_RESOURCE", f"{entry.destination_arn} is no event bus.")
        event = event_of_payload(entry.payload, name, about["account"], now)
        if event is None:
            return _refusing("INVALID_JSON", "What was sent to the event bus is no event.")
        if about.get("from_bus"):
            return _refusing("THIRD_ACCOUNT_HOP_DETECTED", _ONLY_ONCE.format(event.id))
        is_from_bus = about.get("source") == SOURCE
        way = Way(now, seconds(now), about.get("trace_header"), from_bus=is_from_bus)
        if is_from_bus and _region(about["source_arn"]) != name.region:
            try:
                event = abroad(event)
            except RecursionError:
                return _refusing("INVALID_JSON", "The event is nested too deeply.")
        prepared = await self._putting.prepare([Put(name, event, way)])

        def finish(connection: Connection) -> Refusal | None:
            refusal = _refusal(connection, entry, name)
            if refusal is None:
                self._putting.write(connection, prepared)
            return refusal

        return finish


def _region(arn: str) -> str:
    parsed = parse_arn(arn)
    return "" if parsed is None else parsed.region


def _refusing(code: str, message: str) -> Finish:
    return lambda connection: Refusal(code, message)


def _refusal(connection: Connection, entry: Entry, name: BusName) -> Refusal | None:
    bus = buses.find(connection, name)
    if bus is None and not name.is_default:
        return Refusal("NO_RESOURCE", f"Event bus {name.bus} does not exist.")
    policy = bus.policy if bus is not None else None
    if entry.attributes["account"] != name.account and not _lets_in(policy, entry, name):
        return Refusal("NO_PERMISSIONS", f"The policy of {entry.destination_arn} does not allow {_PUT_EVENTS}.")
    return None


def _lets_in(policy: str | None, entry: Entry, name: BusName) -> bool:
    """Somebody of another account: its role where it has one, and the account as a whole."""
    if policy is None:
        return False
    about = entry.attributes
    account = about["account"]
    asking = Principal(about.get("as_role") or f"arn:aws:iam::{account}:root", account)
    context = {
        "aws:sourcearn": about["source_arn"],
        "aws:sourceaccount": account,
        "aws:principalaccount": account,
        "aws:principalarn": asking.arn or "",
    }
    return evaluate(statements_of(policy), _PUT_EVENTS, name.arn, context, asking) is Verdict.ALLOW
