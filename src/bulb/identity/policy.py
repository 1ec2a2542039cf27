"""Policy documents: are they well-formed. Pure; what they allow is decided elsewhere.

The grammar is IAM's JSON policy language. A managed or inline policy has resources and no principals; a trust policy
has principals and no resources; a resource policy has both.
"""

import json
from typing import Any

from bulb.core.errors import AwsError
from bulb.identity.conditions import is_operator

_VERSIONS = ("2012-10-17", "2008-10-17")
_TOP = {"Version", "Id", "Statement"}
_STATEMENT = {
    "Sid",
    "Effect",
    "Principal",
    "NotPrincipal",
    "Action",
    "NotAction",
    "Resource",
    "NotResource",
    "Condition",
}
_PRINCIPALS = {"AWS", "Service", "Federated", "CanonicalUser"}


def check_policy(text: str) -> None:
    """Raise AwsError MalformedPolicyDocument unless `text` is a policy that can be attached to somebody."""
    for statement in _statements(text):
        if "Principal" in statement or "NotPrincipal" in statement:
            raise _malformed("Policy document should not specify a principal.")
        _check_statement(statement)
        if ("Resource" in statement) == ("NotResource" in statement):
            raise _malformed("Policy statement must contain resources.")


def check_trust_policy(text: str) -> None:
    """Raise AwsError MalformedPolicyDocument unless `text` is a policy that says who may assume a role."""
    for statement in _statements(text):
        if "Resource" in statement or "NotResource" in statement:
            raise _malformed("Has prohibited field Resource")
        _check_statement(statement)
        if "Principal" not in statement and "NotPrincipal" not in statement:
            raise _malformed("Missing required field Principal")
        _check_principal(statement.get("Principal", statement.get("NotPrincipal")))
        for action in _actions(statement):
            if action != "*" and not action.lower().startswith("sts:"):
                raise _malformed("AssumeRole policy may only specify STS AssumeRole actions.")


def check_resource_policy(text: str) -> list[dict[str, Any]]:
    """The statements of `text`, a policy that is attached to a resource and says who may do what with it.

    Raises AwsError MalformedPolicyDocument.
    """
    statements = _statements(text)
    for statement in statements:
        _check_statement(statement)
        if ("Principal" in statement) == ("NotPrincipal" in statement):
            raise _malformed("Missing required field Principal")
        _check_principal(statement.get("Principal", statement.get("NotPrincipal")))
        if ("Resource" in statement) == ("NotResource" in statement):
            raise _malformed("Policy statement must contain resources.")
    return statements


def _statements(text: str) -> list[dict[str, Any]]:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        raise _malformed("This policy contains invalid Json") from None
    if not isinstance(document, dict) or not document.keys() <= _TOP:
        raise _malformed("Syntax errors in policy.")
    if document.get("Version", _VERSIONS[1]) not in _VERSIONS:
        raise _malformed("Syntax errors in policy.")
    given = document.get("Statement")
    statements = [given] if isinstance(given, dict) else given
    if not isinstance(statements, list) or not statements or not all(isinstance(one, dict) for one in statements):
        raise _malformed("Syntax errors in policy.")
    sids = [one["Sid"] for one in statements if "Sid" in one]
    if not all(isinstance(sid, str) for sid in sids):
        raise _malformed("Syntax errors in policy.")
    if len(set(sids)) != len(sids):
        raise _malformed("Statement IDs (SID) in a single policy must be unique.")
    return statements


def _check_statement(statement: dict[str, Any]) -> None:
    if not statement.keys() <= _STATEMENT or statement.get("Effect") not in ("Allow", "Deny"):
        raise _malformed("Syntax errors in policy.")
    if ("Action" in statement) == ("NotAction" in statement):
        raise _malformed("Policy statement must contain actions.")
    for name in ("Action", "NotAction", "Resource", "NotResource"):
        if name in statement and not _is_texts(statement[name]):
            raise _malformed("Syntax errors in policy.")
    condition = statement.get("Condition", {})
    if not isinstance(condition, dict) or not all(isinstance(test, dict) for test in condition.values()):
        raise _malformed("Syntax errors in policy.")
    for operator in condition:
        if not is_operator(operator):
            raise _malformed(f"Invalid Condition type : {operator}.")
    for action in _actions(statement):
        if action != "*" and not all(action.partition(":")[::2]):
            raise _malformed("Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.")


def _actions(statement: dict[str, Any]) -> list[str]:
    actions = statement.get("Action", statement.get("NotAction"))
    return [actions] if isinstance(actions, str) else list(actions or [])


def _check_principal(principal: Any) -> None:
    if principal == "*":
        return
    if not isinstance(principal, dict) or not principal or not principal.keys() <= _PRINCIPALS:
        raise _malformed("Invalid principal in policy.")
    if not all(_is_texts(names) for names in principal.values()):
        raise _malformed("Invalid principal in policy.")


def _is_texts(value: Any) -> bool:
    if isinstance(value, list):
        return bool(value) and all(isinstance(one, str) for one in value)
    return isinstance(value, str)


def _malformed(message: str) -> AwsError:
    return AwsError("MalformedPolicyDocument", message)
