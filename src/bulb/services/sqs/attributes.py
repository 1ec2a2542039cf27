"""The attributes of queues: which there are, what they may be, what they are when nobody set them. Pure."""

import json
import re
from collections.abc import Mapping
from typing import Any

from bulb.core.arn import parse_arn
from bulb.core.errors import AwsError, NotSupported
from bulb.identity.policy import check_resource_policy
from bulb.services.sqs import errors
from bulb.services.sqs.model import DEFAULTS, FIFO_DEFAULTS, Counts, Queue, key_of_arn

_RANGES = {
    "VisibilityTimeout": (0, 43_200),
    "MaximumMessageSize": (1_024, 1_048_576),
    "MessageRetentionPeriod": (60, 1_209_600),
    "DelaySeconds": (0, 900),
    "ReceiveMessageWaitTimeSeconds": (0, 20),
    "KmsDataKeyReusePeriodSeconds": (60, 86_400),
}
_CHOICES = {
    "FifoQueue": ("true", "false"),
    "ContentBasedDeduplication": ("true", "false"),
    "SqsManagedSseEnabled": ("true", "false"),
    "DeduplicationScope": ("queue", "messageGroup"),
    "FifoThroughputLimit": ("perQueue", "perMessageGroupId"),
}
_DOCUMENTS = ("Policy", "RedrivePolicy", "RedriveAllowPolicy")
_KEYS = ("KmsMasterKeyId", "KmsDataKeyReusePeriodSeconds")
_ONLY_FIFO = frozenset({"FifoQueue", "ContentBasedDeduplication"})
# Those that came later have words of their own.
_LATER_FIFO = frozenset({"DeduplicationScope", "FifoThroughputLimit"})
SETTABLE = frozenset({*_RANGES, *_CHOICES, *_DOCUMENTS, *_KEYS})
COUNTED = {
    "ApproximateNumberOfMessages": "visible",
    "ApproximateNumberOfMessagesNotVisible": "in_flight",
    "ApproximateNumberOfMessagesDelayed": "delayed",
}
READABLE = frozenset({"All", *SETTABLE, *COUNTED, "CreatedTimestamp", "LastModifiedTimestamp", "QueueArn"})
_NAME = re.compile(r"[A-Za-z0-9_-]{1,80}")
_FIFO_NAME = re.compile(r"[A-Za-z0-9_-]{1,75}\.fifo")
_NUMBER = re.compile(r"[0-9]{1,10}")
_POLICY_BYTES, _POLICY_STATEMENTS, _STATEMENT_ACTIONS = 8_192, 20, 7
_MOST_SOURCES = 10
_MOST_RECEIVES = 1_000


def check_name(name: str, *, is_fifo: bool) -> None:
    """Raise InvalidParameterValue for what cannot be a queue's name."""
    if is_fifo and not _FIFO_NAME.fullmatch(name):
        raise errors.invalid_plainly(
            "The name of a FIFO queue can only include alphanumeric characters, hyphens, or underscores, "
            "must end with .fifo suffix and be 1 to 80 in length."
        )
    if not is_fifo and not _NAME.fullmatch(name):
        raise errors.invalid_plainly(
            "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length"
        )


def checked(given: Mapping[str, str], *, is_fifo: bool) -> dict[str, str]:
    """The attributes as they are kept: numbers without leading zeros, and that of a redrive policy a number even if it
    was given as a text. An empty document or key is taken back.

    Raises InvalidAttributeName, InvalidAttributeValue, OverLimit, and NotSupported for keys of KMS.
    """
    return {name: _checked(name, value, is_fifo=is_fifo) for name, value in given.items()}


def _checked(name: str, value: str, *, is_fifo: bool) -> str:
    if name in _LATER_FIFO and not is_fifo:
        raise AwsError("InvalidAttributeName", f"You can specify the {name} only when FifoQueue is set to true.")
    if name not in SETTABLE or (name in _ONLY_FIFO and not is_fifo):
        raise errors.unknown_attribute(name)
    if name == "KmsMasterKeyId" and value:
        raise NotSupported("encryption of queues with keys of KMS (KmsMasterKeyId)")
    if name in _RANGES:
        low, high = _RANGES[name]
        if not _NUMBER.fullmatch(value) or not low <= int(value) <= high:
            raise bad_value(name)
        return str(int(value))
    if name in _CHOICES:
        text = value.lower() if value.lower() in ("true", "false") else value
        if text not in _CHOICES[name]:
            raise bad_value(name, " Reason: not a supported value." if name in _LATER_FIFO else "")
        return text
    if value and name == "Policy":
        _check_policy(value)
    if value and name == "RedrivePolicy":
        arn, most = check_redrive(value)
        return json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": most}, separators=(",", ":"))
    if value and name == "RedriveAllowPolicy":
        _check_allow(value)
    return value


def bad_value(name: str, reason: str = "") -> AwsError:
    """The value of an attribute is refused."""
    return AwsError("InvalidAttributeValue", f"Invalid value for the parameter {name}.{reason}")


def check_together(attributes: Mapping[str, str]) -> None:
    """Raise what is wrong with attributes that depend on each other."""
    by_group = attributes.get("FifoThroughputLimit") == "perMessageGroupId"
    if by_group and attributes.get("DeduplicationScope") != "messageGroup":
        raise bad_value(
            "FifoThroughputLimit",
            " Reason: To set FifoThroughputLimit to perMessageGroupId, the DeduplicationScope must be messageGroup.",
        )


def merged(held: Mapping[str, str], given: Mapping[str, str]) -> dict[str, str]:
    """What is set after `given` was: an empty text takes an attribute back."""
    return {name: value for name, value in {**held, **given}.items() if value != ""}


def differing(queue: Queue, given: Mapping[str, str]) -> str | None:
    """The first of the attributes that `queue` has with another value."""
    for name, value in given.items():
        if not _is_same(name, _effective(queue).get(name, ""), value):
            return name
    return None


def _is_same(name: str, one: str, other: str) -> bool:
    if name in _DOCUMENTS and one and other:
        return bool(json.loads(one) == json.loads(other))
    return one == other


def _effective(queue: Queue) -> dict[str, str]:
    shown = {**DEFAULTS, "SqsManagedSseEnabled": "true"}
    if queue.is_fifo:
        shown |= {**FIFO_DEFAULTS, "FifoQueue": "true"}
    return {**shown, **queue.attributes}


def described(queue: Queue, counts: Counts) -> dict[str, str]:
    """All attributes as GetQueueAttributes shows them."""
    counted = {name: str(getattr(counts, member)) for name, member in COUNTED.items()}
    return {
        "QueueArn": queue.arn,
        **counted,
        "CreatedTimestamp": str(int(queue.created_at)),
        "LastModifiedTimestamp": str(int(queue.modified_at)),
        **_effective(queue),
    }


# The documents.


def _check_policy(text: str) -> None:
    """Raise OverLimit and InvalidAttributeValue."""
    if len(text.encode("utf-8", "replace")) > _POLICY_BYTES:
        raise errors.over_limit("Submitted policy is over max allowed size.")
    try:
        statements = check_resource_policy(text)
    except AwsError:
        raise bad_value("Policy") from None
    if len(statements) > _POLICY_STATEMENTS:
        found = f"{len(statements)} statements were found in the submitted policy"
        raise errors.over_limit(f"{found}, max allowed is {_POLICY_STATEMENTS}")
    for statement in statements:
        actions = statement.get("Action", statement.get("NotAction"))
        if isinstance(actions, list) and len(actions) > _STATEMENT_ACTIONS:
            found = f"{len(actions)} actions were found in a statement from the submitted policy"
            raise errors.over_limit(f"{found}, max allowed is {_STATEMENT_ACTIONS}")


def _parsed(parameter: str, words: str, text: str) -> dict[str, Any]:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        raise errors.invalid(text, parameter, f"{words} is not a valid JSON map.")
    return document


def check_redrive(text: str) -> tuple[str, int]:
    """The target's ARN and the most receives of a redrive policy. Raises InvalidParameterValue."""
    document = _parsed("RedrivePolicy", "Redrive policy", text)
    if not document.keys() <= {"deadLetterTargetArn", "maxReceiveCount"}:
        reason = "Only following attributes are supported: [deadLetterTargetArn, maxReceiveCount]."
        raise errors.invalid(text, "RedrivePolicy", reason)
    for name in ("deadLetterTargetArn", "maxReceiveCount"):
        if name not in document:
            reason = f"Redrive policy does not contain mandatory attribute: {name}."
            raise errors.invalid(text, "RedrivePolicy", reason)
    arn, count = document["deadLetterTargetArn"], document["maxReceiveCount"]
    is_number = (isinstance(count, int) and not isinstance(count, bool)) or (
        isinstance(count, str) and _NUMBER.fullmatch(count)
    )
    if not is_number or not 1 <= int(count) <= _MOST_RECEIVES:
        reason = f"Invalid value for maxReceiveCount: {count}, valid values are from 1 to 1000 both inclusive."
        raise errors.invalid(text, "RedrivePolicy", reason)
    parsed = parse_arn(arn) if isinstance(arn, str) else None
    if parsed is not None and parsed.service != "sqs":
        raise errors.invalid(text, "RedrivePolicy", "Only SQS queues are valid resources for deadLetterTargetArn")
    if not isinstance(arn, str) or key_of_arn(arn) is None:
        raise errors.invalid(text, "RedrivePolicy", "Invalid value for deadLetterTargetArn.")
    return arn, int(count)


def check_target(text: str, arn: str, source: Queue, target: Queue | None) -> None:
    """Raise InvalidParameterValue unless `source` may send its dead letters to `target`, which has the ARN `arn`."""
    key = key_of_arn(arn)
    reason = None
    if key is not None and key.region != source.key.region:
        reason = "Dead-letter target must be in same region as the source."
    elif key is None or key.account != source.key.account:
        reason = "Dead letter target owner should be same as the source."
    elif key == source.key:
        reason = "Dead-letter queue cannot be the source queue itself."
    elif target is None:
        reason = "Dead letter target does not exist."
    elif target.is_fifo != source.is_fifo:
        reason = "Dead-letter queue must be same type of queue as the source."
    elif not allows(target, source.arn):
        reason = "Queue does not have permission to use the dead-letter queue."
    if reason is not None:
        raise errors.invalid(text, "RedrivePolicy", reason)


def check_sources(text: str, target: Queue) -> None:
    """Raise InvalidParameterValue where a redrive allow policy of `target` names queues of other regions."""
    named = json.loads(text).get("sourceQueueArns") or ()
    if any(key is not None and key.region != target.key.region for key in map(key_of_arn, named)):
        reason = "All source queue ARNs must be in the same region as the current SQS queue."
        raise errors.invalid(text, "RedriveAllowPolicy", reason)


def _check_allow(text: str) -> None:
    document = _parsed("RedriveAllowPolicy", "Amazon SQS can't create the redrive allow policy. It", text)
    permission, sources = document.get("redrivePermission"), document.get("sourceQueueArns")
    reason = None
    if not document.keys() <= {"redrivePermission", "sourceQueueArns"}:
        reason = "Amazon SQS can't create the redrive allow policy, as it has unknown attributes."
    elif permission not in ("allowAll", "denyAll", "byQueue"):
        reason = "Amazon SQS can't create the redrive allow policy, as it’s in an unsupported format."
    elif permission == "byQueue":
        named = isinstance(sources, list) and all(isinstance(one, str) and key_of_arn(one) for one in sources)
        if not named or not 1 <= len(sources or ()) <= _MOST_SOURCES:
            reason = "Amazon SQS can't create the redrive allow policy. When you specify the byQueue permission type, "
            reason += f"you must also specify between 1 and {_MOST_SOURCES} source queue ARNs."
    elif sources is not None:
        reason = "Amazon SQS can't create the redrive allow policy. You can specify source queue ARNs only when the "
        reason += "permission type is byQueue."
    if reason is not None:
        raise errors.invalid(text, "RedriveAllowPolicy", reason)


def allows(target: Queue, source_arn: str) -> bool:
    """Does the redrive allow policy of `target` let a queue send its dead letters there?"""
    given = target.attributes.get("RedriveAllowPolicy")
    if given is None:
        return True
    document = json.loads(given)
    permission = document["redrivePermission"]
    return permission == "allowAll" or (permission == "byQueue" and source_arn in document["sourceQueueArns"])
