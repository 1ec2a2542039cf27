"""Which rules of a bus an event concerns, and what each of their targets gets. Pure.

A `BusView` is all that decides where the events of a bus go, compiled once a revision of the bus.
"""

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from bulb.core.arn import parse_arn
from bulb.delivery.patterns import EVENTS, Pattern, PatternError, compile_pattern
from bulb.services.events import inputs, requests
from bulb.services.events.envelope import Event
from bulb.services.events.inputs import Happening
from bulb.services.events.model import Archive, Rule, Target
from bulb.services.events.names import bus_of_arn

SOURCE = "events"
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RuleView:
    """A rule that is enabled. `pattern` None: it only ticks."""

    rule: Rule
    arn: str
    pattern: Pattern | None
    targets: tuple[Target, ...]


@dataclass(frozen=True, slots=True)
class ArchiveView:
    """An archive. `pattern` None: it keeps everything."""

    archive: Archive
    pattern: Pattern | None


@dataclass(frozen=True, slots=True)
class BusView:
    """One revision of a bus."""

    revision: str
    rules: tuple[RuleView, ...] = ()
    archives: tuple[ArchiveView, ...] = ()


@dataclass(frozen=True, slots=True)
class Sending:
    """An entry for the outbox."""

    arn: str
    payload: bytes
    attributes: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Way:
    """How an event came onto the bus. `from_bus`: a rule of another bus sent it; a third bus does not take it."""

    now: float
    ingested: str
    trace_header: str | None = None
    from_bus: bool = False


@lru_cache(maxsize=4096)  # A bus is read anew with each change of any of its rules.
def compiled(text: str | None) -> Pattern | None:
    """The pattern of a text that was checked when it was stored."""
    if text is None:
        return None
    try:
        return compile_pattern(text, EVENTS)
    except PatternError:
        _log.exception("a stored event pattern is none any more: it matches nothing")
        return compile_pattern('{"version": [{"exists": false}]}', EVENTS)


def view_of(
    revision: str, rules: Iterable[Rule], targets: Mapping[str, Sequence[Target]], archives: Iterable[Archive]
) -> BusView:
    """What a bus has, compiled."""
    enabled = (rule for rule in rules if rule.is_enabled)
    return BusView(
        revision,
        tuple(
            RuleView(one, one.name.arn, compiled(one.pattern), tuple(targets.get(one.name.rule, ()))) for one in enabled
        ),
        tuple(ArchiveView(one, compiled(one.pattern)) for one in archives),
    )


def sendings(view: BusView, event: Event, way: Way, only: frozenset[str] | None = None) -> list[Sending]:
    """What the event sends to whom. `only` has the ARNs of the rules that count, None where all do."""
    document = event.document
    return [
        sending
        for rule in view.rules
        if rule.pattern is not None and (only is None or rule.arn in only) and rule.pattern.matches(document)
        for sending in of_rule(rule, event, way)
    ]


def of_rule(rule: RuleView, event: Event, way: Way) -> list[Sending]:
    """What each target of a rule gets."""
    happening = Happening(event.document, event.payload, rule.arn, rule.rule.name.rule, way.ingested)
    return [_sending(rule, target, event, happening, way) for target in rule.targets]


def archived(view: BusView, event: Event) -> list[dict[str, Any]]:
    """The rows (of `events_archived`) that keep the event."""
    return [
        {"archive_id": one.archive.id, "at": event.at, "size": len(event.payload), "event": event.payload}
        for one in view.archives
        if one.pattern is None or one.pattern.matches(event.document)
    ]


def _sending(rule: RuleView, target: Target, event: Event, happening: Happening, way: Way) -> Sending:
    settings, arn = target.settings, parse_arn(target.arn)
    try:
        payload = inputs.payload_for(settings, happening)
    except RecursionError:  # an event may be nested more deeply than can be written anew
        payload = None
    attributes: dict[str, Any] = {
        "source": SOURCE,
        "source_arn": rule.arn,
        "account": rule.rule.name.account,
        "trace_header": way.trace_header,
        "about": f"{event.document['source']}: {event.document['detail-type']}",
        "retry": settings.get("RetryPolicy") or {},
    }
    if arn is not None and arn.service == "logs" and "InputTransformer" in settings:
        attributes["is_log_record"] = True
    is_api = arn is not None and arn.resource.startswith("api-destination/")
    takes_json = is_api or (arn is not None and arn.service == "lambda")
    if payload is None or (takes_json and not _is_document(settings, payload)):
        attributes["unsendable"] = True
    if (dead_letter := (settings.get("DeadLetterConfig") or {}).get("Arn")) is not None:
        attributes["dead_letter"] = dead_letter
        if payload != event.payload:
            attributes["event"] = event.payload.decode()
    if (role := settings.get("RoleArn") or rule.rule.role_arn) is not None:
        attributes["as_role"] = role
    if (group := (settings.get("SqsParameters") or {}).get("MessageGroupId")) is not None:
        attributes["message_group_id"] = group
    if way.from_bus and bus_of_arn(target.arn) is not None:
        attributes["from_bus"] = True
    if is_api:
        attributes["courier"] = requests.COURIER
        attributes["http"] = requests.resolved(settings.get("HttpParameters") or {}, event.document)
    elif attributes.get("unsendable"):
        attributes["courier"] = requests.REFUSING
    return Sending(target.arn, payload or b"", attributes)


def _is_document(settings: Mapping[str, Any], payload: bytes) -> bool:
    """Only what a template was filled in to can be something else than JSON."""
    return "InputTransformer" not in settings or inputs.is_json(payload)
