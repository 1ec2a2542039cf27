"""What SNS's calls ask of policies where these are enforced. Source: the Service Authorization Reference.

A call that names a topic needs the action of its operation's name on the topic. Subscriptions are no resources: whose
they are is looked at besides. What links in messages do, which nobody signs, is proved by what is in the link.
"""

from collections.abc import Sequence

from bulb.core.arn import arn, parse_arn
from bulb.core.calls import Call
from bulb.identity.needs import Need

_ACTIONS = {"PublishBatch": "Publish"}
# What a topic's policy may let other accounts do.
_ACROSS_ACCOUNTS = frozenset(
    {
        "AddPermission",
        "ConfirmSubscription",
        "DeleteTopic",
        "GetTopicAttributes",
        "ListSubscriptionsByTopic",
        "Publish",
        "PublishBatch",
        "RemovePermission",
        "SetTopicAttributes",
        "Subscribe",
    }
)
_OF_LINKS = frozenset({"ConfirmSubscription", "Unsubscribe"})
# Parameters that are condition keys too.
_KEYS = {"Protocol": "sns:protocol", "Endpoint": "sns:endpoint"}


async def needs(call: Call) -> Sequence[Need]:
    """All that the caller must be allowed; nothing for what is done by a link in a message."""
    if call.caller.is_anonymous and call.operation in _OF_LINKS:
        return ()
    action = f"sns:{_ACTIONS.get(call.operation, call.operation)}"
    context = {key: str(call.params[name]) for name, key in _KEYS.items() if call.params.get(name)}
    resource = _resource(call)
    needed = [Need(action, resource, context, acts_there=call.operation in _ACROSS_ACCOUNTS)]
    if call.operation == "CreateTopic" and call.params.get("Tags"):
        needed.append(Need("sns:TagResource", resource, context))
    return needed


def _resource(call: Call) -> str:
    for find in (_created, _named_topic, _published_to):
        if (found := find(call)) is not None:
            return found
    return "*"


def _created(call: Call) -> str | None:
    if call.operation != "CreateTopic":
        return None
    return arn("sns", call.region, call.account, call.params["Name"])


def _named_topic(call: Call) -> str | None:
    return _anew(call.params.get("TopicArn") or call.params.get("ResourceArn"))


def _published_to(call: Call) -> str | None:
    return _anew(call.params.get("TargetArn"))


def _anew(given: str | None) -> str | None:
    """An ARN of ours, whichever partition it names: a policy must not be evaded by another way to write it."""
    parsed = parse_arn(given) if given else None
    return arn(parsed.service, parsed.region, parsed.account, parsed.resource) if parsed is not None else None
