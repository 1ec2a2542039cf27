"""Names and ARNs of what EventBridge has. Pure.

A rule of the default bus is `rule/NAME`, one of another bus `rule/BUS/NAME`. What a connection and an API destination
are called ends with an identifier of their own, so that one made again under an old name is not the old one.
"""

from typing import NamedTuple

from bulb.core.arn import arn, parse_arn
from bulb.core.calls import Call
from bulb.core.ids import ACCOUNT_ID
from bulb.services.events import errors

DEFAULT_BUS = "default"
_BUS = "event-bus/"


class BusName(NamedTuple):
    """Where a bus is."""

    account: str
    region: str
    bus: str

    @property
    def arn(self) -> str:
        """Its ARN."""
        return arn("events", self.region, self.account, f"{_BUS}{self.bus}")

    @property
    def is_default(self) -> bool:
        """It is there without being made."""
        return self.bus == DEFAULT_BUS


class RuleName(NamedTuple):
    """Where a rule is."""

    account: str
    region: str
    bus: str
    rule: str

    @property
    def on(self) -> BusName:
        """Its bus."""
        return BusName(self.account, self.region, self.bus)

    @property
    def arn(self) -> str:
        """Its ARN."""
        path = self.rule if self.bus == DEFAULT_BUS else f"{self.bus}/{self.rule}"
        return arn("events", self.region, self.account, f"rule/{path}")


class Place(NamedTuple):
    """Where an archive, a replay, a connection or an API destination is: names of each kind are of their own."""

    account: str
    region: str
    name: str


def bus_of(call: Call, given: str | None) -> BusName:
    """The bus of a name or an ARN; the default one where nothing is given."""
    if not given:
        return BusName(call.account, call.region, DEFAULT_BUS)
    named = bus_of_arn(given)
    return named if named is not None else BusName(call.account, call.region, given)


def own_bus_of(call: Call, given: str | None) -> BusName:
    """A bus of the caller's account and region. Raises ResourceNotFoundException for one of another."""
    name = bus_of(call, given)
    if (name.account, name.region) != (call.account, call.region):
        raise errors.no_such_bus(name.bus)
    return name


def bus_of_arn(text: str) -> BusName | None:
    """The bus of an ARN, None for any other text."""
    parsed = parse_arn(text)
    if parsed is None or parsed.service != "events" or not parsed.resource.startswith(_BUS):
        return None
    name = parsed.resource.removeprefix(_BUS)
    if not name or not ACCOUNT_ID.match(parsed.account) or not parsed.region:
        return None
    return BusName(parsed.account, parsed.region, name)


def rule_of(call: Call, rule: str, bus: str | None) -> RuleName:
    """A rule of one of the caller's buses."""
    return RuleName(*own_bus_of(call, bus), rule)


def rule_of_arn(text: str) -> RuleName | None:
    """The rule of an ARN, None for any other text."""
    parsed = parse_arn(text)
    if parsed is None or parsed.service != "events" or not parsed.resource.startswith("rule/"):
        return None
    bus, _, rule = parsed.resource.removeprefix("rule/").rpartition("/")
    return RuleName(parsed.account, parsed.region, bus or DEFAULT_BUS, rule)


def place(call: Call, name: str) -> Place:
    """What the caller has under a name."""
    return Place(call.account, call.region, name)


def arn_of(kind: str, at: Place, identifier: str | None = None) -> str:
    """The ARN of an `archive`, `replay`, `connection` or `api-destination`."""
    tail = f"/{identifier}" if identifier is not None else ""
    return arn("events", at.region, at.account, f"{kind}/{at.name}{tail}")


def place_of_arn(text: str, kind: str) -> Place | None:
    """What an ARN of that kind names, without looking at the identifier at its end."""
    parsed = parse_arn(text)
    if parsed is None or parsed.service != "events" or not parsed.resource.startswith(f"{kind}/"):
        return None
    return Place(parsed.account, parsed.region, parsed.resource.split("/")[1])
