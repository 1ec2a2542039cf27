"""What a queue's policy lets others do. Pure.

Where policies are enforced the gateway has asked already. Where they are only stored, one thing is asked of them here:
whether another account may use the queue at all.
"""

import json
import re
from typing import Any

from bulb.core.calls import Caller
from bulb.core.errors import AwsError
from bulb.identity.documents import statements_of
from bulb.identity.evaluation import Principal, Verdict, evaluate
from bulb.services.sqs import errors
from bulb.services.sqs.model import Queue

_LABEL = re.compile(r"[A-Za-z0-9_-]{1,80}")
_ACCOUNT = re.compile(r"\d{12}")
_MOST_ACTIONS = 7
_MOST_STATEMENTS = 20
# What AddPermission can grant.
ACTIONS = frozenset(
    {
        "*",
        "ChangeMessageVisibility",
        "DeleteMessage",
        "GetQueueAttributes",
        "GetQueueUrl",
        "ListDeadLetterSourceQueues",
        "PurgeQueue",
        "ReceiveMessage",
        "SendMessage",
    }
)
# What is never granted to others.
AT_HOME = frozenset(
    {
        "AddPermission",
        "CancelMessageMoveTask",
        "CreateQueue",
        "DeleteQueue",
        "ListMessageMoveTasks",
        "ListQueueTags",
        "ListQueues",
        "RemovePermission",
        "SetQueueAttributes",
        "StartMessageMoveTask",
        "TagQueue",
        "UntagQueue",
    }
)
# What is asked for under another name than the operation's.
_ASKED_AS = {
    "SendMessageBatch": "SendMessage",
    "DeleteMessageBatch": "DeleteMessage",
    "ChangeMessageVisibilityBatch": "ChangeMessageVisibility",
}


def action_of(operation: str) -> str:
    """The action of policies that an operation needs."""
    return f"sqs:{_ASKED_AS.get(operation, operation)}"


def lets_in(queue: Queue, operation: str, caller: Caller) -> bool:
    """Does the queue's policy allow a caller of another account the operation?"""
    if queue.policy is None or _ASKED_AS.get(operation, operation) not in ACTIONS:
        return False
    principal = Principal(caller.arn, None if caller.is_anonymous else caller.account)
    says = evaluate(statements_of(queue.policy), action_of(operation), queue.arn, {}, principal)
    return says is Verdict.ALLOW


def with_permission(queue: Queue, label: str, accounts: list[str], actions: list[str]) -> str:
    """The queue's policy with one statement more. Raises AwsError."""
    if not _LABEL.fullmatch(label):
        reason = "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length"
        raise errors.invalid(label[:200], "Label", reason)
    if not accounts:
        raise errors.missing("AWSAccountIds")
    if not actions:
        raise errors.missing("Actions")
    for account in accounts:
        if not _ACCOUNT.fullmatch(account):
            reason = "Unable to verify."
            raise errors.invalid(f"[{account[:200]}]", "PrincipalId", reason)
    for action in actions:
        if action not in ACTIONS:
            reason = "Please refer to the appropriate WSDL for a list of valid actions."
            if action in AT_HOME:
                reason = "Only the queue owner is allowed to invoke this action."
            raise errors.invalid(f"SQS:{action[:200]}", "ActionName", reason)
    if len(actions) > _MOST_ACTIONS:
        message = f"{len(actions)} Actions were found, maximum allowed is {_MOST_ACTIONS}."
        raise errors.over_limit(message)
    document = _document(queue)
    statements = document["Statement"]
    if any(statement.get("Sid") == label for statement in statements):
        raise errors.invalid(label, "Label", "Already exists.")
    if len(statements) >= _MOST_STATEMENTS:
        raise errors.over_limit(f"{len(statements) + 1} statements were found, maximum allowed is {_MOST_STATEMENTS}.")
    principals = [f"arn:aws:iam::{account}:root" for account in accounts]
    named = [f"SQS:{action}" for action in actions]
    statements.append(
        {
            "Sid": label,
            "Effect": "Allow",
            "Principal": {"AWS": principals[0] if len(principals) == 1 else principals},
            "Action": named[0] if len(named) == 1 else named,
            "Resource": queue.arn,
        }
    )
    return json.dumps(document)


def without_permission(queue: Queue, label: str) -> str:
    """The queue's policy without the statement of that label, empty when nothing is left. Raises AwsError."""
    document = _document(queue)
    left = [statement for statement in document["Statement"] if statement.get("Sid") != label]
    if len(left) == len(document["Statement"]):
        raise errors.invalid(label[:200], "Label", "can't find label.")
    return json.dumps({**document, "Statement": left}) if left else ""


def refused(caller: Caller, operation: str, queue: str) -> AwsError:
    """403, for a caller of another account."""
    action = action_of(operation).lower()
    return AwsError(
        "AccessDenied",
        f"User: {caller.arn} is not authorized to perform: {action} on resource: {queue} because no resource-based "
        f"policy allows the {action} action",
        status=403,
    )


def _document(queue: Queue) -> dict[str, Any]:
    if queue.policy is None:
        return {"Version": "2008-10-17", "Id": f"{queue.arn}/SQSDefaultPolicy", "Statement": []}
    document: dict[str, Any] = json.loads(queue.policy)
    given = document["Statement"]
    return {**document, "Statement": [given] if isinstance(given, dict) else list(given)}
