"""From what each kind of policy says to whether a call may be carried out. Pure.

In order: an explicit Deny of any kind; then, within one account, the caller's own policies or the resource's; across
accounts, both. Session policies limit all of it. What the caller's account as a whole is allowed by the policy of a
resource counts in another account only: at home it merely leaves the decision to the caller's own policies.
"""

from dataclasses import dataclass, replace
from enum import Enum

from bulb.core.errors import AwsError
from bulb.identity.conditions import Context
from bulb.identity.evaluation import Principal, Statement, Verdict, evaluate
from bulb.identity.needs import Need

Statements = tuple[Statement, ...]


class Kind(Enum):
    """The kinds of policies, as refusals name them."""

    IDENTITY = "identity-based"
    RESOURCE = "resource-based"
    SESSION = "session"


@dataclass(frozen=True, slots=True)
class Refusal:
    """Which kind of policy denies, or fails to allow. `kind` is None where that is not told."""

    kind: Kind | None
    is_explicit: bool = False

    def because(self, action: str) -> str:
        """The end of the sentence, from its first space; empty where nothing is told."""
        if self.kind is None:
            return ""
        if self.is_explicit:
            article = "an" if self.kind is Kind.IDENTITY else "a"
            return f" with an explicit deny in {article} {self.kind.value} policy"
        return f" because no {self.kind.value} policy allows the {action} action"


@dataclass(frozen=True, slots=True)
class Asking:
    """Who asks, with the statements of its own policies. `session` has those of the session, None without any.

    `is_root`: everything is allowed in the account, whatever policies say. `account` is None where nobody signed.
    """

    arn: str
    account: str | None
    own: Statements = ()
    session: Statements | None = None
    is_root: bool = False


def decide(asking: Asking, need: Need, guard: Statements, context: Context) -> Refusal | None:
    """None when the need is met. `guard` has the statements of the policy of the resource."""
    at_home = asking.account is not None and need.owner(asking.account) == asking.account
    if asking.is_root and at_home and not need.by_trust:
        return None
    own = Verdict.ALLOW if asking.is_root else evaluate(asking.own, need.action, need.resource, context)
    resource, is_direct = _guard_says(asking, need, guard, context, at_home=at_home)
    session: Verdict | None = Verdict.ALLOW
    if asking.session is not None:
        session = evaluate(asking.session, need.action, need.resource, context)
    for verdict, kind in ((own, Kind.IDENTITY), (resource, Kind.RESOURCE), (session, Kind.SESSION)):
        if verdict is Verdict.DENY:
            return Refusal(kind, is_explicit=True)
    if need.by_trust and resource is not Verdict.ALLOW:
        return Refusal(None)
    if not at_home and resource is not Verdict.ALLOW:
        return Refusal(Kind.RESOURCE)
    if own is not Verdict.ALLOW and not is_direct:
        return Refusal(Kind.IDENTITY)
    return Refusal(Kind.SESSION) if session is not Verdict.ALLOW else None


def _guard_says(
    asking: Asking, need: Need, guard: Statements, context: Context, *, at_home: bool
) -> tuple[Verdict | None, bool]:
    """What the policy of the resource says, and whether its word is enough: to nobody in particular, or at home to
    more than the account as a whole.
    """
    if not guard:
        return None, False
    principal = Principal(asking.arn, asking.account) if asking.account is not None else Principal()
    says = evaluate(guard, need.action, need.resource, context, principal)
    if says is not Verdict.ALLOW or asking.account is None:
        return says, says is Verdict.ALLOW
    if not at_home:
        return says, False
    itself = replace(principal, account=_NO_ACCOUNT)
    return says, evaluate(guard, need.action, need.resource, context, itself) is Verdict.ALLOW


_NO_ACCOUNT = "-"


def refused(caller_arn: str, need: Need, refusal: Refusal, service: str, *, is_query: bool) -> AwsError:
    """The refusal as the service words it."""
    resource = f'"{need.resource}"' if service == "s3" else need.resource
    action = need.action.replace("sns:", "SNS:", 1) if service == "sns" else need.action
    message = f"User: {caller_arn} is not authorized to perform: {action} on resource: {resource}"
    message += refusal.because(action)
    if service == "sns":
        return AwsError("AuthorizationError", message, status=403)
    if service == "s3" or is_query:
        return AwsError("AccessDenied", message, status=403)
    return AwsError("AccessDeniedException", message, status=403, members={"Message": message})
