"""The policies of topics: the one each begins with, what AddPermission writes, and checking a whole one. Pure."""

import json
from collections.abc import Sequence
from typing import Any

from bulb.core.errors import AwsError
from bulb.core.ids import ACCOUNT_ID
from bulb.identity.policy import check_resource_policy
from bulb.services.sns import errors
from bulb.services.sns.model import Topic, TopicKey

# What a policy may let others do.
ACTIONS = (
    "GetTopicAttributes",
    "SetTopicAttributes",
    "AddPermission",
    "RemovePermission",
    "DeleteTopic",
    "Subscribe",
    "ListSubscriptionsByTopic",
    "Publish",
)
_FURTHER_ACTIONS = ("GetDataProtectionPolicy", "PutDataProtectionPolicy", "ListTagsForResource", "TagResource")
_MOST_STATEMENTS = 100
_MOST_BYTES = 30_720


def document(topic: Topic) -> str:
    """A topic's policy."""
    return topic.policy if topic.policy is not None else default(topic.key)


def default(key: TopicKey) -> str:
    """The policy AWS gives to a new topic: its owner may do everything."""
    statement = {
        "Sid": "__default_statement_ID",
        "Effect": "Allow",
        "Principal": {"AWS": "*"},
        "Action": [f"SNS:{action}" for action in ACTIONS],
        "Resource": key.arn,
        "Condition": {"StringEquals": {"AWS:SourceOwner": key.account}},
    }
    return _compact({"Version": "2008-10-17", "Id": "__default_policy_ID", "Statement": [statement]})


def checked(text: str) -> str:
    """A whole policy. Raises InvalidParameter."""
    try:
        statements = check_resource_policy(text)
    except AwsError as error:
        raise errors.invalid(f"Policy Error: {error.message}") from error
    if len(text.encode()) > _MOST_BYTES or len(statements) > _MOST_STATEMENTS:
        raise errors.invalid("Policy too large")
    for statement in statements:
        given = statement.get("Action", statement.get("NotAction"))
        for action in [given] if isinstance(given, str) else given or []:
            if action != "*" and not action.lower().startswith("sns:"):
                raise errors.invalid("Policy statement action out of service scope!")
    return text


def with_permission(topic: Topic, label: str, accounts: Sequence[str], actions: Sequence[str]) -> str:
    """The policy with one more statement. Raises InvalidParameter."""
    if not label or len(label) > 80 or not all(one.isalnum() or one in "-_" for one in label):  # noqa: PLR2004 - AWS's bound
        raise errors.invalid("Label")
    if not accounts or not all(ACCOUNT_ID.match(account) for account in accounts):
        raise errors.invalid("AWSAccountId")
    allowed = {*ACTIONS, *_FURTHER_ACTIONS, "*"}
    if not actions or not allowed.issuperset(actions):
        raise errors.invalid("Policy statement action out of service scope!")
    policy, statements = _parsed(topic)
    if any(statement.get("Sid") == label for statement in statements):
        raise errors.invalid("Statement already exists")
    principals = [f"arn:aws:iam::{account}:root" for account in accounts]
    names = [f"SNS:{action}" for action in actions]
    statement = {
        "Sid": label,
        "Effect": "Allow",
        "Principal": {"AWS": principals if len(principals) > 1 else principals[0]},
        "Action": names if len(names) > 1 else names[0],
        "Resource": topic.arn,
    }
    return _compact({**policy, "Statement": [*statements, statement]})


def without_permission(topic: Topic, label: str) -> str:
    """The policy without one statement. Raises NotFound."""
    policy, statements = _parsed(topic)
    left = [statement for statement in statements if statement.get("Sid") != label]
    if len(left) == len(statements):
        raise AwsError("NotFound", "Statement does not exist", status=404)
    return _compact({**policy, "Statement": left})


def same(one: str, other: str) -> bool:
    """Do two documents say the same?"""
    return bool(json.loads(one) == json.loads(other))


def _parsed(topic: Topic) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    policy = json.loads(document(topic))
    statements = policy["Statement"]
    return policy, [statements] if isinstance(statements, dict) else list(statements)


def _compact(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))
