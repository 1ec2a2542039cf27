"""Filter policies: checked when they are set, and asked for every message. Pure.

A policy looks at a message's attributes, or at its text where that is a JSON object. A message whose text is none
matches no policy about texts.
"""

from functools import lru_cache
from typing import Any

from bulb.delivery.patterns import (
    TOPICS_ATTRIBUTES,
    TOPICS_BODY,
    Pattern,
    PatternError,
    attributes_event,
    body_event,
    compile_pattern,
)
from bulb.services.sns import errors
from bulb.services.sns.model import Matches, Message, Subscription

BODY = "MessageBody"


def check(policy: str, scope: str) -> None:
    """Raise InvalidParameter for what is no filter policy."""
    try:
        _compiled(policy, scope)
    except PatternError as error:
        raise errors.invalid(error.reason) from error


def matcher(subscription: Subscription) -> Matches:
    """Which messages a subscription takes."""
    policy = subscription.attributes.get("FilterPolicy")
    if not policy:
        return _everything
    scope = subscription.attributes.get("FilterPolicyScope", "")
    pattern = _compiled(policy, scope)
    if scope != BODY:
        return lambda message: pattern.matches(attributes_event(message.attributes))

    def takes(message: Message) -> bool:
        event = _body(message.text_for(subscription.protocol))
        return event is not None and pattern.matches(event)

    return takes


@lru_cache(maxsize=4)
def _body(text: str) -> dict[str, Any] | None:
    """Read once for all subscriptions of a topic; nobody changes it."""
    return body_event(text)


@lru_cache(maxsize=4096)
def _compiled(policy: str, scope: str) -> Pattern:
    return compile_pattern(policy, TOPICS_BODY if scope == BODY else TOPICS_ATTRIBUTES)


def _everything(message: Message) -> bool:
    return True
