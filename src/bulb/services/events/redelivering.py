"""An event once more to one target of a rule, which is what a dead letter needs; no operation of AWS's does that.

The target gets what the rule makes of the event for it, by the rule's way and with the rule's retries and dead letters.
Neither the pattern nor whether the rule is enabled is looked at: whoever asks means this event.
"""

from sqlalchemy import Connection

from bulb.services.events import errors
from bulb.services.events.envelope import event_of_payload, seconds
from bulb.services.events.matching import RuleView, Sending, Way, of_rule
from bulb.services.events.names import RuleName
from bulb.services.events.putting import entries
from bulb.services.events.store import rules
from bulb.storage import outbox
from bulb.storage.database import Database


class Redelivering:
    """Takes events for targets of rules."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def accept(self, name: RuleName, target_id: str, event: bytes, now: float) -> None:
        """Return when it is on disk that the target is to get the event.

        Raises AwsError ResourceNotFoundException for a rule or a target that is not there, and ValidationException for
        what is no event.
        """
        sendings = await self._database.read(lambda connection: _sendings(connection, name, target_id, event, now))
        await self._database.write(lambda connection: outbox.add_all(connection, entries(sendings), now))


def _sendings(connection: Connection, name: RuleName, target_id: str, payload: bytes, now: float) -> list[Sending]:
    rule = rules.needed(connection, name)
    targets = tuple(target for target in rules.targets_of(connection, name) if target.id == target_id)
    if not targets:
        raise errors.not_found(f"Rule {name.rule} has no target {target_id}.")
    event = event_of_payload(payload, name.on, name.account, now)
    if event is None:
        raise errors.validation("What is to be delivered is no event.")
    return of_rule(RuleView(rule, rule.name.arn, None, targets), event, Way(now, seconds(now)))
