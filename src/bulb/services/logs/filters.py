"""Subscription filters: put, describe, delete."""

from typing import Any

from bulb.core.arn import parse_arn
from bulb.core.calls import Answer, Call
from bulb.core.errors import AwsError, NotSupported
from bulb.services.logs.model import SubscriptionFilter
from bulb.services.logs.names import invalid, named, token, untoken
from bulb.services.logs.patterns import compile_pattern
from bulb.services.logs.subscriptions import Subscriptions

_PAGE = 50
_ABSENT = {
    "kinesis": "Kinesis streams as destinations of subscription filters",
    "firehose": "Firehose streams as destinations of subscription filters",
    "logs": "CloudWatch Logs destinations of subscription filters",
}
_ACROSS = (
    "Cross-account lambda invocation passing is not allowed. "
    "You must use DestinationPolicies to create cross account lambda triggers."
)
_UNUSED = ("applyOnTransformedLogs", "fieldSelectionCriteria", "emitSystemFields")


class SubscriptionFilters:
    """Operations on subscription filters."""

    _subscriptions: Subscriptions

    async def put_subscription_filter(self, call: Call) -> Answer:
        """PutSubscriptionFilter. Lambda functions are the only destination."""
        params = call.params
        for name in _UNUSED:
            if params.get(name):
                raise NotSupported(f"PutSubscriptionFilter with {name}")
        compile_pattern(params["filterPattern"])
        _check_destination(call, params["destinationArn"], params.get("roleArn"))
        new = SubscriptionFilter(
            name=params["filterName"],
            pattern=params["filterPattern"],
            destination_arn=params["destinationArn"],
            distribution=params.get("distribution", "ByLogStream"),
            created_ms=int(call.now * 1000),
        )
        await self._subscriptions.put(named(call, params["logGroupName"]), new)
        return {}

    async def describe_subscription_filters(self, call: Call) -> Answer:
        """DescribeSubscriptionFilters, by name."""
        params = call.params
        group, prefix = params["logGroupName"], params.get("filterNamePrefix", "")
        after = untoken(params.get("nextToken"), str) or ""
        limit = params.get("limit", _PAGE)
        found = [
            each
            for each in await self._subscriptions.of_group(named(call, group))
            if each.name.startswith(prefix) and each.name > after
        ]
        answer: Answer = {"subscriptionFilters": [_shown(group, each) for each in found[:limit]]}
        if len(found) > limit:
            answer["nextToken"] = token(found[limit - 1].name)
        return answer

    async def delete_subscription_filter(self, call: Call) -> Answer:
        """DeleteSubscriptionFilter."""
        await self._subscriptions.remove(named(call, call.params["logGroupName"]), call.params["filterName"])
        return {}


def _check_destination(call: Call, destination: str, role: str | None) -> None:
    """Raises InvalidParameter- and AccessDeniedException, and NotSupported for what AWS takes and Bulb does not."""
    parsed = parse_arn(destination)
    if parsed is None:
        raise invalid("Invalid destinationArn specified.")
    if parsed.service in _ABSENT:
        if role is None and parsed.service != "logs":
            raise invalid(f"destinationArn for vendor {parsed.service} cannot be used without roleArn")
        raise NotSupported(_ABSENT[parsed.service])
    if parsed.service != "lambda" or not parsed.resource.startswith("function:"):
        raise invalid(f"PutSubscriptionFilter operation cannot work with destinationArn for vendor {parsed.service}")
    if role is not None:
        raise invalid("destinationArn for vendor lambda cannot be used with roleArn")
    if parsed.account != call.account:
        raise AwsError("AccessDeniedException", _ACROSS)
    if parsed.region != call.region:
        raise invalid("destinationArn must be in the region of the log group.")


def _shown(group: str, each: SubscriptionFilter) -> dict[str, Any]:
    return {
        "filterName": each.name,
        "logGroupName": group,
        "filterPattern": each.pattern,
        "destinationArn": each.destination_arn,
        "distribution": each.distribution,
        "applyOnTransformedLogs": False,
        "creationTime": each.created_ms,
    }
