"""Subscriptions: which endpoints there are, and what their attributes may be. Pure.

Each attribute is acted upon, or refused by its name: see DESIGN.md.
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit

from bulb.core.arn import Arn, parse_arn
from bulb.core.errors import AwsError, NotSupported
from bulb.core.ids import ACCOUNT_ID
from bulb.services.sns import archives, delivery_policy, errors, filters
from bulb.services.sns.model import MESSAGE_BYTES, Subscription, Topic

_ELSEWHERE = {
    "email": "email subscriptions",
    "email-json": "email subscriptions",
    "sms": "SMS subscriptions",
    "application": "mobile push subscriptions",
    "firehose": "Amazon Data Firehose subscriptions",
}
HTTP = ("http", "https")
_ATTRIBUTES = frozenset(
    {"DeliveryPolicy", "FilterPolicy", "FilterPolicyScope", "RawMessageDelivery", "RedrivePolicy", "ReplayPolicy"}
)
_REFUSED = {
    "SubscriptionRoleArn": "Amazon Data Firehose subscriptions (SubscriptionRoleArn)",
}
SCOPES = ("MessageAttributes", "MessageBody")
_DEFAULTS = {"RawMessageDelivery": "false", "FilterPolicyScope": SCOPES[0]}
_FUNCTION = re.compile(r"function:[A-Za-z0-9_-]{1,140}(:[$A-Za-z0-9_-]{1,129})?")
_QUEUE = re.compile(r"[A-Za-z0-9_-]{1,80}(\.fifo)?")
_MOST_SUBSCRIPTIONS = 100
_URL_CHARACTERS = 2_048


@dataclass(frozen=True, slots=True)
class Wanted:
    """A checked request to subscribe. `account` is whose the endpoint is, None for URLs."""

    protocol: str
    endpoint: str
    account: str | None
    attributes: Mapping[str, str]


def wanted(topic: Topic, protocol: str, endpoint: str, given: Mapping[str, str], now: float) -> Wanted:
    """What is asked for. Raises InvalidParameter and NotSupported."""
    if protocol in _ELSEWHERE:
        raise NotSupported(_ELSEWHERE[protocol])
    if protocol not in ("lambda", "sqs", *HTTP):
        raise errors.invalid(f"Amazon SNS does not support this protocol string: {protocol}")
    if not endpoint:
        raise errors.invalid("Endpoint Reason: no value for required parameter")
    _check_endpoint(protocol, endpoint)
    if topic.is_fifo and protocol != "sqs":
        raise errors.invalid("Invalid parameter: Endpoint Reason: Please use FIFO SQS queue")
    if topic.message_bytes > MESSAGE_BYTES and protocol in HTTP:
        raise errors.invalid("Protocol Reason: topics with large messages have SQS and Lambda subscriptions only")
    parsed = parse_arn(endpoint)
    if protocol == "sqs" and parsed is not None and parsed.resource.endswith(".fifo") and not topic.is_fifo:
        raise errors.invalid(
            "Invalid parameter: Endpoint Reason: FIFO SQS Queues can not be subscribed to standard SNS topics"
        )
    attributes: dict[str, str] = {}
    for name, value in sorted(given.items(), reverse=True):  # the scope of a filter before the filter itself
        attributes = changed(topic, protocol, endpoint, attributes, name, value, now, where=errors.ATTRIBUTES)
    account = parsed.account if parsed is not None and protocol not in HTTP else None
    return Wanted(protocol, endpoint, account, attributes)


def changed(
    topic: Topic,
    protocol: str,
    endpoint: str,
    attributes: Mapping[str, str],
    name: str,
    value: str,
    now: float,
    *,
    where: str = "",
) -> dict[str, str]:
    """Attributes after one was set. Raises InvalidParameter and NotSupported."""
    if name in _REFUSED:
        raise NotSupported(_REFUSED[name])
    if name not in _ATTRIBUTES:
        raise errors.invalid("AttributeName" if not where else f"{where}Unknown attribute {name}")
    kept = {key: old for key, old in attributes.items() if key != name}
    try:
        if (checked := _checked(topic, protocol, endpoint, name, value, now)) is not None:
            kept[name] = checked
        if "FilterPolicy" in kept and name in ("FilterPolicy", "FilterPolicyScope"):
            kept.setdefault("FilterPolicyScope", SCOPES[0])
            filters.check(kept["FilterPolicy"], kept["FilterPolicyScope"])
    except AwsError as error:
        if not where or error.code != "InvalidParameter":
            raise
        raise errors.invalid(where + error.message.removeprefix("Invalid parameter: ")) from error
    return kept


def differs(existing: Subscription, given: Iterable[str], wanted: Mapping[str, str]) -> bool:
    """Does a subscription that is there differ from what is asked for in the attributes `given` by name?

    `wanted` are those as they are kept, so that each is compared with what was kept of the same request before.
    """
    return any(_comparable(existing.attributes, name) != _comparable(wanted, name) for name in given)


def shown_endpoint(endpoint: str) -> str:
    """An endpoint without the password in it."""
    try:
        parts = urlsplit(endpoint)
        if parts.password is None:
            return endpoint
    except ValueError:
        return endpoint
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{parts.username}:****@{host}"))


def dead_letter_queue(attributes: Mapping[str, str]) -> str | None:
    """The ARN of the queue for what cannot be delivered."""
    policy = attributes.get("RedrivePolicy")
    return str(json.loads(policy)["deadLetterTargetArn"]) if policy else None


def check_audience(topic: Topic, protocols: Mapping[str, int]) -> None:
    """Raise InvalidParameter where a topic with large messages has subscriptions it may not have."""
    if topic.message_bytes <= MESSAGE_BYTES:
        return
    if any(protocols.get(protocol) for protocol in HTTP):
        raise errors.invalid("MaximumMessageSize Reason: the topic has HTTP/S subscriptions")
    if sum(protocols.values()) > _MOST_SUBSCRIPTIONS:
        raise errors.invalid(f"MaximumMessageSize Reason: the topic has more than {_MOST_SUBSCRIPTIONS} subscriptions")


def _check_endpoint(protocol: str, endpoint: str) -> None:
    if protocol in HTTP:
        if not _is_url(protocol, endpoint):
            raise errors.invalid("Endpoint must match the specified protocol")
        return
    parsed = parse_arn(endpoint)
    if protocol == "sqs":
        if parsed is None or not _is_queue(parsed):
            raise errors.invalid("SQS endpoint ARN")
    elif parsed is None or not _is_function(parsed):
        raise errors.invalid("Lambda endpoint ARN")


def _is_queue(parsed: Arn) -> bool:
    return parsed.service == "sqs" and _has_place(parsed) and _QUEUE.fullmatch(parsed.resource) is not None


def _is_function(parsed: Arn) -> bool:
    return parsed.service == "lambda" and _has_place(parsed) and _FUNCTION.fullmatch(parsed.resource) is not None


def _has_place(parsed: Arn) -> bool:
    return bool(parsed.region) and ACCOUNT_ID.match(parsed.account) is not None


def _is_url(protocol: str, endpoint: str) -> bool:
    """Is it a URL that can be posted to? Nothing in it may reach the head of a request unescaped."""
    if (
        len(endpoint) > _URL_CHARACTERS
        or not endpoint.isascii()
        or any(one <= " " or one == "\x7f" for one in endpoint)
    ):
        return False
    try:
        parts = urlsplit(endpoint)
        _ = parts.port
    except ValueError:
        return False
    return parts.scheme == protocol and bool(parts.hostname)


def _checked(topic: Topic, protocol: str, endpoint: str, name: str, value: str, now: float) -> str | None:
    """The value as it is kept, None for what is as if it were not set."""
    match name:
        case "RawMessageDelivery":
            if value.lower() not in ("true", "false"):
                raise errors.invalid(f"RawMessageDelivery: Invalid value [{value}]. Must be true or false.")
            if value.lower() == "true" and protocol == "lambda":
                raise errors.invalid("Delivery protocol [lambda] does not support raw message delivery.")
            return value.lower()
        case "FilterPolicyScope":
            if value not in SCOPES:
                raise errors.invalid(
                    f"FilterPolicyScope: Invalid value [{value}]. Please use either MessageBody or MessageAttributes"
                )
            return value
        case "FilterPolicy":
            return value or None
        case "DeliveryPolicy":
            if value and protocol not in HTTP:
                raise errors.invalid(f"DeliveryPolicy: Delivery protocol [{protocol}] does not support it.")
            return delivery_policy.subscription_policy(value) if value else None
        case "ReplayPolicy":
            return archives.checked_replay(topic, value, now)
    return _checked_redrive(topic, endpoint, value) if value else None


def _checked_redrive(topic: Topic, endpoint: str, value: str) -> str | None:
    try:
        policy = json.loads(value)
    except (ValueError, RecursionError):
        raise errors.invalid("RedrivePolicy: failed to parse JSON.") from None
    if policy == {}:
        return None
    if isinstance(policy, dict) and "deadLetterTargetArn" not in policy:
        raise errors.invalid("RedrivePolicy: Missing deadLetterTargetArn attribute")
    target = policy["deadLetterTargetArn"] if isinstance(policy, dict) else None
    parsed = parse_arn(target) if isinstance(target, str) else None
    if parsed is not None and parsed.service != "sqs":
        raise errors.invalid("RedrivePolicy: deadLetterTargetArn must be a SQS queue")
    if parsed is None or not _is_queue(parsed):
        raise errors.invalid("RedrivePolicy: deadLetterTargetArn is an invalid arn")
    if parsed.region != topic.key.region:
        raise errors.invalid("RedrivePolicy: deadLetterTargetArn must be in the same region as the subscription")
    is_fifo = parsed.resource.endswith(".fifo")
    if is_fifo != endpoint.endswith(".fifo") and topic.is_fifo and not is_fifo:
        raise errors.invalid("RedrivePolicy: must use a FIFO queue as DLQ for a FIFO Subscription to a FIFO Topic.")
    if is_fifo and not topic.is_fifo:
        raise errors.invalid("RedrivePolicy: must use a standard queue as DLQ for a Subscription to a standard Topic.")
    return value


def _comparable(attributes: Mapping[str, str], name: str) -> object:
    """Documents that say the same are the same, however they are written; what is not there is as it is at first."""
    value = attributes.get(name, _DEFAULTS.get(name))
    if value is None or not value.startswith("{"):
        return value
    try:
        return json.loads(value)
    except ValueError:
        return value
