"""The operations: one coroutine method each, named as boto3 names them. One without a method is one Bulb lacks."""

from bulb.services.sns.api.base import Parts
from bulb.services.sns.api.confirming import ConfirmingOperations
from bulb.services.sns.api.permissions import PermissionOperations
from bulb.services.sns.api.publishing import PublishingOperations
from bulb.services.sns.api.subscriptions import SubscriptionOperations
from bulb.services.sns.api.tags import TagOperations
from bulb.services.sns.api.topics import TopicOperations


class SnsApi(
    ConfirmingOperations,
    PermissionOperations,
    PublishingOperations,
    SubscriptionOperations,
    TagOperations,
    TopicOperations,
):
    """Amazon SNS."""


__all__ = ["Parts", "SnsApi"]
