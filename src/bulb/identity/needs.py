"""What a call asks of policies: actions, the resources they are done to, and what is known of the request.

Each service says so of its own calls (`Needs`); a call of a service that does not needs the action of its operation's
name on everything.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from bulb.core.calls import Call
from bulb.core.ids import ACCOUNT_ID

_ACCOUNT = 4


@dataclass(frozen=True, slots=True)
class Need:
    """`action` on the ARN `resource`.

    `context` has the condition keys of this need alone, in lower case. `acts_there`: where the resource is another
    account's, the call is carried out in that account. `by_trust`: the policy of the resource must allow it too, also
    within one account (a role's trust policy).
    """

    action: str
    resource: str
    context: Mapping[str, str | Sequence[str]] = field(default_factory=dict)
    acts_there: bool = False
    by_trust: bool = False

    def owner(self, caller_account: str) -> str:
        """The account of the resource; the caller's where its ARN names none."""
        parts = self.resource.split(":", _ACCOUNT + 1)
        named = parts[_ACCOUNT] if len(parts) > _ACCOUNT else ""
        return named if ACCOUNT_ID.match(named) else caller_account


class Needs(Protocol):
    """A service's knowledge of its own actions."""

    async def __call__(self, call: Call) -> Sequence[Need]:
        """All that the caller must be allowed; nothing where AWS asks for no permission. Raises AwsError."""


async def of_operation(call: Call) -> Sequence[Need]:
    """The rule for services that have none of their own."""
    return (Need(f"{call.service}:{call.operation}", "*"),)
