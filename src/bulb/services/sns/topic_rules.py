"""Attributes of topics: which there are, what they may be, and how they are shown. Pure.

Each is acted upon, or refused by its name: see DESIGN.md.
"""

from collections.abc import Mapping
from typing import Any

from bulb.core.arn import parse_arn
from bulb.core.errors import AwsError, NotSupported
from bulb.services.sns import archives, delivery_policy, errors, policies
from bulb.services.sns.model import LARGEST_MESSAGE_BYTES, MESSAGE_BYTES, Topic

_FIFO_ONLY = frozenset({"ContentBasedDeduplication", "FifoThroughputScope", "ArchivePolicy"})
FEEDBACK = ("HTTP", "Lambda", "SQS")
_IDLE_FEEDBACK = ("Application", "Firehose")
_REFUSED = {
    "KmsMasterKeyId": "encrypting topics with KMS keys",
}
_CHOICES = {
    "TracingConfig": ("PassThrough",),
    "SignatureVersion": ("1", "2"),
    "FifoThroughputScope": ("Topic", "MessageGroup"),
}
_LEAST_MESSAGE_BYTES = 1_024
_DISPLAY_CHARACTERS = 100
_DEFAULTS = {
    "DisplayName": "",
    "FifoTopic": "false",
    "ContentBasedDeduplication": "false",
    "FifoThroughputScope": "Topic",
    "SignatureVersion": "1",
    "TracingConfig": "PassThrough",
    "MaximumMessageSize": str(MESSAGE_BYTES),
}


def created(given: Mapping[str, str]) -> tuple[dict[str, str], str | None]:
    """A new topic's attributes and policy. Raises InvalidParameter and NotSupported."""
    is_fifo = _is_true(given.get("FifoTopic", "false"), "FifoTopic", errors.ATTRIBUTES)
    kept: dict[str, str] = {"FifoTopic": "true"} if is_fifo else {}
    policy = None
    for name, value in given.items():
        if name == "FifoTopic":
            continue
        if not is_known(name):
            raise errors.invalid(f"{errors.ATTRIBUTES}Unknown attribute {name}")
        if name == "Policy":
            policy = policies.checked(value) if value else None
        elif (checked := _checked(name, value, is_fifo=is_fifo, where=errors.ATTRIBUTES)) is not None:
            kept[name] = checked
    return kept, policy


def changed(topic: Topic, name: str, value: str) -> tuple[dict[str, str], str | None]:
    """A topic's attributes and policy after a change. Raises InvalidParameter and NotSupported."""
    if not is_known(name) or name == "FifoTopic" or (name in _FIFO_ONLY and not topic.is_fifo):
        raise errors.invalid("AttributeName")
    if name == "Policy":
        return dict(topic.attributes), policies.checked(value)
    kept = {key: old for key, old in topic.attributes.items() if key != name}
    if (checked := _checked(name, value, is_fifo=topic.is_fifo, where="")) is not None:
        kept[name] = checked
    return kept, topic.policy


def is_known(name: str) -> bool:
    """Has AWS such an attribute that can be set?"""
    if name in _DEFAULTS or name in ("Policy", "DeliveryPolicy", "KmsMasterKeyId", "ArchivePolicy"):
        return True
    return _feedback_of(name) is not None


def differs(topic: Topic, attributes: Mapping[str, str], policy: str | None) -> bool:
    """Does a topic that is there differ from what CreateTopic asks for?"""
    if policy is not None and not policies.same(policy, policies.document(topic)):
        return True
    return any(topic.attributes.get(name, _DEFAULTS.get(name)) != value for name, value in attributes.items())


def shown(topic: Topic, counts: Mapping[str, int], now: float) -> dict[str, str]:
    """All attributes as GetTopicAttributes answers. `counts` are of its subscriptions, by state."""
    answer = {
        "TopicArn": topic.arn,
        "Owner": topic.key.account,
        "DisplayName": "",
        "Policy": policies.document(topic),
        "EffectiveDeliveryPolicy": delivery_policy.effective_topic_policy(topic.attributes.get("DeliveryPolicy")),
        "SubscriptionsConfirmed": str(counts.get("confirmed", 0)),
        "SubscriptionsPending": str(counts.get("pending", 0)),
        "SubscriptionsDeleted": str(counts.get("deleted", 0)),
    }
    if topic.is_fifo:
        answer["ContentBasedDeduplication"] = "false"
    if archives.has_archive(topic):
        return {**answer, **topic.attributes, archives.BEGINNING: archives.beginning(topic, now)}
    return {**answer, **topic.attributes}


def feedback(topic: Topic, protocol: str) -> dict[str, Any] | None:
    """Which deliveries of a protocol are to be logged: a percentage of those that succeed, and whether failures."""
    prefix = {"http": "HTTP", "https": "HTTP", "lambda": "Lambda", "sqs": "SQS"}[protocol]
    attributes = topic.attributes
    rate = 0
    if attributes.get(f"{prefix}SuccessFeedbackRoleArn"):
        rate = int(attributes.get(f"{prefix}SuccessFeedbackSampleRate", "0"))
    failures = bool(attributes.get(f"{prefix}FailureFeedbackRoleArn"))
    return {"rate": rate, "failures": failures} if rate or failures else None


def _checked(name: str, value: str, *, is_fifo: bool, where: str) -> str | None:
    """The value as it is kept, None for what is as if it were not set."""
    if name in _FIFO_ONLY and not is_fifo:
        raise errors.invalid(f"{where}{name} is only valid for FIFO topics")
    if (feedback_kind := _feedback_of(name)) is not None:
        return _checked_feedback(name, value, feedback_kind, where)
    if name in _REFUSED:
        if value and value.strip() != "{}":
            raise NotSupported(f"{_REFUSED[name]} ({name})")
        return None
    if name in _CHOICES:
        if (name, value) == ("TracingConfig", "Active"):
            raise NotSupported("sending X-Ray segments for topics (TracingConfig Active)")
        return _one_of(name, value, _CHOICES[name], where)
    match name:
        case "DeliveryPolicy":
            kept = delivery_policy.topic_policy(value) if value else None
        case archives.POLICY:
            kept = _archive_policy(value, where)
        case "ContentBasedDeduplication":
            kept = "true" if _is_true(value, name, where) else "false"
        case "MaximumMessageSize":
            kept = str(_number(name, value, _LEAST_MESSAGE_BYTES, LARGEST_MESSAGE_BYTES, where))
        case _:
            kept = _display_name(value, where)
    return kept


def _archive_policy(value: str, where: str) -> str | None:
    try:
        return archives.checked_policy(value)
    except AwsError as error:
        raise errors.invalid(where + error.message.removeprefix("Invalid parameter: ")) from error


def _feedback_of(name: str) -> str | None:
    """The kind of endpoint an attribute about feedback is for."""
    for kind in (*FEEDBACK, *_IDLE_FEEDBACK):
        for rest in ("SuccessFeedbackRoleArn", "SuccessFeedbackSampleRate", "FailureFeedbackRoleArn"):
            if name == kind + rest:
                return kind
    return None


def _checked_feedback(name: str, value: str, kind: str, where: str) -> str | None:
    if not value:
        return None
    if kind in _IDLE_FEEDBACK:
        raise NotSupported(f"telling of deliveries to {kind} endpoints ({name})")
    if name.endswith("Rate"):
        return str(_number(name, value, 0, 100, where))
    parsed = parse_arn(value)
    if parsed is None or parsed.service != "iam" or not parsed.resource.startswith("role/"):
        raise errors.invalid(f"{where}{name}")
    return value


def _number(name: str, value: str, least: int, most: int, where: str) -> int:
    if not (value.isascii() and value.isdigit() and len(value) <= 10 and least <= int(value) <= most):  # noqa: PLR2004 - digits enough
        raise errors.invalid(f"{where}{name} must be an integer from {least} to {most}")
    return int(value)


def _one_of(name: str, value: str, choices: tuple[str, ...], where: str) -> str:
    if value not in choices:
        raise errors.invalid(f"{where}{name}: Invalid value [{value}]. Must be {' or '.join(choices)}.")
    return value


def _display_name(value: str, where: str) -> str:
    if len(value) > _DISPLAY_CHARACTERS or not value.isprintable():
        raise errors.invalid(f"{where}DisplayName")
    return value


def _is_true(value: str, name: str, where: str) -> bool:
    if value.lower() not in ("true", "false"):
        raise errors.invalid(f"{where}{name}: Invalid value [{value}]. Must be true or false.")
    return value.lower() == "true"


def tags_of(given: list[dict[str, str]]) -> dict[str, str]:
    """Tags as a mapping. Raises InvalidParameter."""
    tags = {tag["Key"]: tag["Value"] for tag in given}
    if len(tags) != len(given):
        raise errors.invalid("Duplicated keys are not allowed.")
    if any(key.lower().startswith("aws:") for key in tags):
        raise errors.invalid("aws: prefixed tag key names are not allowed for external use.")
    return tags
