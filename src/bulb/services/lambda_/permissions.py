"""Resource policies: from AddPermission's arguments to a statement, and from statements to a document. Pure."""

import json
import re
from collections.abc import Mapping
from typing import Any

from bulb.core.errors import AwsError
from bulb.identity.policy import check_resource_policy
from bulb.services.lambda_ import errors
from bulb.services.lambda_.model import Policy

MAX_POLICY_CHARACTERS = 20_480
_ACCOUNT = re.compile(r"\A\d{12}\Z")
_SERVICE = re.compile(r"\A[a-z0-9][a-z0-9.-]*\.amazon(aws)?\.com(\.cn)?\Z")
_IAM = re.compile(r"\Aarn:aws[a-zA-Z-]*:(iam|sts)::(\d{12}|cloudfront):\S+\Z")

# AddPermission's argument -> (operator, condition key). The casing of the keys is AWS's.
_CONDITIONS = {
    "SourceAccount": ("StringEquals", "AWS:SourceAccount"),
    "PrincipalOrgID": ("StringEquals", "aws:PrincipalOrgID"),
    "FunctionUrlAuthType": ("StringEquals", "lambda:FunctionUrlAuthType"),
    "EventSourceToken": ("StringEquals", "lambda:EventSourceToken"),
    "SourceArn": ("ArnLike", "AWS:SourceArn"),
}


def statement(function_arn: str, params: Mapping[str, Any]) -> dict[str, Any]:
    """The statement AddPermission writes for the function as `function_arn` names it.

    Raises InvalidParameterValueException for a principal that is none.
    """
    written: dict[str, Any] = {
        "Sid": params["StatementId"],
        "Effect": "Allow",
        "Principal": principal(params["Principal"]),
        "Action": params["Action"],
        "Resource": function_arn,
    }
    condition: dict[str, dict[str, str]] = {}
    for argument, (operator, name) in _CONDITIONS.items():
        if params.get(argument):
            condition.setdefault(operator, {})[name] = params[argument]
    if params.get("InvokedViaFunctionUrl"):
        condition["Bool"] = {"lambda:InvokedViaFunctionUrl": "true"}
    if condition:
        written["Condition"] = condition
    return written


def principal(text: str) -> str | dict[str, str]:
    """A principal as policies have it. Raises InvalidParameterValueException."""
    if text == "*":
        return text
    if _SERVICE.match(text):
        return {"Service": text}
    if _ACCOUNT.match(text):
        return {"AWS": f"arn:aws:iam::{text}:root"}
    if _IAM.match(text):
        return {"AWS": text}
    raise errors.invalid("The provided principal was invalid. Please check the principal and try again.")


def document(policy: Policy) -> str:
    """The policy as GetPolicy shows it."""
    return compact({**policy.head, "Statement": list(policy.statements)})


def compact(value: Mapping[str, Any]) -> str:
    """JSON without spaces."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def added(policy: Policy | None, new: Mapping[str, Any], revision_id: str, expected: str | None) -> Policy:
    """The policy with one more statement.

    Raises PreconditionFailedException, ResourceConflictException (the Sid is taken), PolicyLengthExceededException.
    """
    check_revision(policy, expected)
    before = policy.statements if policy is not None else ()
    if any(old.get("Sid") == new["Sid"] for old in before):
        raise errors.conflict(
            f"The statement id ({new['Sid']}) provided already exists. "
            "Please provide a new statement id, or remove the existing statement."
        )
    after = Policy(revision_id, (*before, new))
    if (size := len(document(after))) > MAX_POLICY_CHARACTERS:
        raise errors.policy_too_long(size, MAX_POLICY_CHARACTERS)
    return after


def removed(policy: Policy | None, sid: str, revision_id: str, expected: str | None) -> Policy | None:
    """The policy without one statement; None when none is left.

    Raises ResourceNotFoundException and PreconditionFailedException.
    """
    if policy is None:
        raise errors.not_found("No policy is associated with the given resource.")
    check_revision(policy, expected)
    rest = tuple(old for old in policy.statements if old.get("Sid") != sid)
    if len(rest) == len(policy.statements):
        raise errors.not_found(f"Statement {sid} is not found in resource policy.")
    return Policy(revision_id, rest) if rest else None


def replaced(policy: Policy | None, text: str, revision_id: str, expected: str | None) -> Policy:
    """The policy whose whole document is `text`. Raises PreconditionFailedException, InvalidParameterValueException."""
    check_revision(policy, expected, "GetResourcePolicy")
    try:
        statements = check_resource_policy(text)
    except AwsError as error:
        raise errors.invalid(error.message) from error
    head = {name: value for name, value in json.loads(text).items() if name != "Statement"}
    return Policy(revision_id, tuple(statements), head)


def check_revision(policy: Policy | None, expected: str | None, read_with: str = "GetPolicy") -> None:
    """Raises PreconditionFailedException when the caller saw another policy."""
    if expected is not None and (policy is None or policy.revision_id != expected):
        raise errors.stale_revision(read_with)
