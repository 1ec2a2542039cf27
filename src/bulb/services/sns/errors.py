"""SNS's refusals, in AWS's own codes and words. The codes are those of the query protocol, which clients match on."""

from bulb.core.errors import AwsError

# For `Subscribe` and `CreateTopic`, which are given all attributes at once; setting one of them leaves this out.
ATTRIBUTES = "Attributes Reason: "


def invalid(what: str) -> AwsError:
    """InvalidParameter."""
    return AwsError("InvalidParameter", f"Invalid parameter: {what}")


def invalid_value(what: str) -> AwsError:
    """ParameterValueInvalid, of message attributes."""
    return AwsError("ParameterValueInvalid", what)


def no_such_topic() -> AwsError:
    """NotFound, of a topic."""
    return AwsError("NotFound", "Topic does not exist", status=404)


def no_such_subscription() -> AwsError:
    """NotFound, of a subscription."""
    return AwsError("NotFound", "Subscription does not exist", status=404)


def no_such_resource() -> AwsError:
    """ResourceNotFound, of what tags are put on."""
    return AwsError("ResourceNotFound", "Resource does not exist", status=404)


def not_authorized(what: str) -> AwsError:
    """AuthorizationError."""
    return AwsError("AuthorizationError", what, status=403)
