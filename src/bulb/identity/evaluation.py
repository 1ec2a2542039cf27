"""What the statements of a policy say to a request. Pure.

One policy at a time: how the verdicts of several are weighed against each other is the caller's. Statements are taken
as they were stored, in IAM's JSON; one that cannot be judged allows nothing, and denies where it is a Deny.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from bulb.identity.conditions import Context, UnknownOperatorError, filled_in, holds, texts, wildcard

Statement = Mapping[str, Any]

_ASSUMED_ROLE = re.compile(r"arn:(aws[a-z-]*):sts::(\d{12}):assumed-role/([^/]+)/.+")


class Verdict(Enum):
    """What a policy says. One that says nothing is None."""

    ALLOW = "Allow"
    DENY = "Deny"


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks: a user, role session or root user by its ARN, a service by its name, or nobody in particular.

    `account` is the account of `arn`.
    """

    arn: str | None = None
    account: str | None = None
    service: str | None = None


ANYBODY = Principal()


def evaluate(
    statements: Iterable[Statement],
    action: str,
    resource: str,
    context: Context,
    principal: Principal | None = None,
) -> Verdict | None:
    """Deny if any statement that applies denies, else Allow if any allows, else None.

    `principal` is for policies of resources, whose statements name principals; those of an identity (None) do not.
    `context` has condition keys in lower case.
    """
    verdict = None
    for statement in statements:
        effect = statement.get("Effect")
        if effect not in ("Allow", "Deny") or (verdict is Verdict.ALLOW and effect == "Allow"):
            continue
        if _applies(statement, action, resource, context, principal):
            verdict = Verdict(effect)
            if verdict is Verdict.DENY:
                return verdict
    return verdict


def _applies(statement: Statement, action: str, resource: str, context: Context, principal: Principal | None) -> bool:
    if principal is not None and not _names_principal(statement, principal):
        return False
    if not _named(statement, "Action", lambda patterns: _is_action(patterns, action)):
        return False
    if not _named(statement, "Resource", lambda patterns: _is_resource(patterns, resource, context)):
        return False
    try:
        return holds(statement.get("Condition") or {}, context)
    except UnknownOperatorError:
        return bool(statement["Effect"] == "Deny")


def _named(statement: Statement, element: str, matches: Callable[[Any], bool]) -> bool:
    """By the element or by its opposite (`NotAction`); one of the two is in every statement."""
    if element in statement:
        return matches(statement[element])
    negated = f"Not{element}"
    return negated in statement and not matches(statement[negated])


def _is_action(patterns: Any, name: str) -> bool:
    for pattern in texts(patterns):  # a loop, because every statement asks with every call
        if pattern == "*" or wildcard(pattern, any_case=True).fullmatch(name) is not None:
            return True
    return False


def _is_resource(patterns: Any, name: str, context: Context) -> bool:
    return any(wildcard(filled_in(one, context)).fullmatch(name) is not None for one in texts(patterns))


def _names_principal(statement: Statement, principal: Principal) -> bool:
    if "Principal" in statement:
        return _is_among(statement["Principal"], principal)
    return "NotPrincipal" in statement and not _is_among(statement["NotPrincipal"], principal)


def _is_among(named: Any, principal: Principal) -> bool:
    if named == "*":
        return True
    if not isinstance(named, Mapping):
        return False
    if "*" in texts(named.get("AWS", ())):
        return True  # another way to write the same
    if principal.service is not None:
        return principal.service in texts(named.get("Service", ()))
    return any(_is_one(name, principal) for name in texts(named.get("AWS", ())))


def _is_one(name: str, principal: Principal) -> bool:
    """A name of the AWS kind: an account (all in it), or the ARN of a user, a role or a session."""
    if principal.arn is None:
        return False
    if name in (principal.arn, principal.account):
        return True
    if re.fullmatch(rf"arn:aws[a-z-]*:iam::{principal.account}:root", name):
        return True
    session = _ASSUMED_ROLE.fullmatch(principal.arn)
    if session is None:
        return False
    # A session's ARN has the role's name without its path.
    role, _, path = name.partition(":role/")
    return role == f"arn:{session[1]}:iam::{session[2]}" and path.rpartition("/")[2] == session[3]
