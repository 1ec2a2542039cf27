"""Names and ARNs of topics and subscriptions: read, made and refused. Pure."""

import re

from bulb.core.arn import arn, parse_arn
from bulb.services.sns import errors
from bulb.services.sns.model import TopicKey

_NAME = re.compile(r"[A-Za-z0-9_-]{1,256}")
_FIFO = ".fifo"
_PARTS = 6
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def check_topic_name(name: str, *, is_fifo: bool) -> None:
    """Raise InvalidParameter for a name a topic cannot have."""
    if is_fifo and not name.endswith(_FIFO):
        raise errors.invalid(
            "Fifo Topic names must end with .fifo and must be made up of only uppercase and lowercase "
            "ASCII letters, numbers, underscores, and hyphens, and must be between 1 and 256 characters "
            "long."
        )
    plain = name.removesuffix(_FIFO) if is_fifo else name
    if not _NAME.fullmatch(plain) or len(name) > 256:  # noqa: PLR2004 - the bound in the pattern, with the suffix
        raise errors.invalid("Topic Name")


def topic_key(given: str, region: str | None, parameter: str = "TopicArn") -> TopicKey:
    """The topic an ARN names. Raises InvalidParameter for what is no topic's ARN, or another region's."""
    check_arn(given, parameter)
    parsed = parse_arn(given)
    if parsed is None or parsed.service != "sns" or ":" in parsed.resource or not parsed.account:
        raise errors.invalid(parameter)
    if region is not None and parsed.region != region:
        raise errors.invalid(parameter)
    return TopicKey(parsed.account, parsed.region, parsed.resource)


def find_topic_key(given: str) -> TopicKey | None:
    """The topic an ARN names, None when it names none."""
    parsed = parse_arn(given)
    if parsed is None or parsed.service != "sns" or ":" in parsed.resource or "/" in parsed.resource:
        return None
    return TopicKey(parsed.account, parsed.region, parsed.resource)


def check_subscription_arn(given: str, region: str) -> str:
    """The ARN as it is. Raises InvalidParameter for what is no subscription's ARN."""
    if not given:
        raise errors.invalid("SubscriptionArn Reason: no value for required parameter")
    check_arn(given, "SubscriptionArn")
    parsed = parse_arn(given)
    if parsed is None or parsed.service != "sns" or parsed.region != region:
        raise errors.invalid("SubscriptionArn")
    _, _, subscription_id = parsed.resource.partition(":")
    if not _UUID.fullmatch(subscription_id):
        raise errors.invalid("SubscriptionId")
    return given


def check_arn(given: str, parameter: str) -> None:
    """Raise InvalidParameter for a text with too few parts."""
    if (parts := given.count(":") + 1) < _PARTS:
        raise errors.invalid(f"{parameter} Reason: An ARN must have at least 6 elements, not {parts}")


def subscription_arn(topic: TopicKey, subscription_id: str) -> str:
    """A subscription's ARN."""
    return arn("sns", topic.region, topic.account, f"{topic.name}:{subscription_id}")
