"""Whether a target's own policy lets a service in that delivers on somebody's behalf.

The rule is the same for every target. Within one account the policy counts where credentials are required; where
anybody may call as anybody, it keeps nobody out. Between accounts it always counts. A delivery in a role's name
(`as_role`), and what Lambda tells of its own functions, goes by the role instead.
"""

from bulb.core.arn import parse_arn
from bulb.delivery.model import Refusal
from bulb.identity.documents import statements_of
from bulb.identity.evaluation import Principal, Statement, Verdict, evaluate
from bulb.storage.outbox import Entry

Policy = str | tuple[Statement, ...] | None


class Doors:
    """Decides for all targets. `enforced`: policies count within an account too."""

    def __init__(self, *, enforced: bool) -> None:
        self._enforced = enforced

    def refusal(self, entry: Entry, policy: Policy, action: str, owner: str) -> Refusal | None:
        """Why the entry's destination does not take it, None if it does. It is `owner`'s and guarded by `policy`."""
        about = entry.attributes
        if about.get("as_role") or about["source"] == "lambda":
            return None
        service = f"{about['source']}.amazonaws.com"
        if self.lets_in(service, about["source_arn"], about["account"], policy, action, entry.destination_arn, owner):
            return None
        return Refusal("NO_PERMISSIONS", f"{service} is not authorized to perform {action} on {entry.destination_arn}")

    def lets_in(
        self,
        service: str,
        source_arn: str,
        source_account: str,
        policy: Policy,
        action: str,
        target_arn: str,
        owner: str,
    ) -> bool:
        """May `service`, acting for `source_arn` of `source_account`, do `action` with the target of `owner`?

        `policy` is the document of the target's policy or its statements, None where it has none.
        """
        if source_account == owner and not self._enforced:
            return True
        if policy is None:
            return False
        statements = statements_of(policy) if isinstance(policy, str) else policy
        region = parsed.region if (parsed := parse_arn(source_arn)) is not None else ""
        context = {"aws:sourcearn": source_arn, "aws:sourceaccount": source_account}
        asking = [Principal(service=service)]
        if region:  # some policies name the service in a region
            asking.append(Principal(service=service.replace(".", f".{region}.", 1)))
        verdicts = {evaluate(statements, action, target_arn, context, one) for one in asking}
        return Verdict.ALLOW in verdicts and Verdict.DENY not in verdicts
