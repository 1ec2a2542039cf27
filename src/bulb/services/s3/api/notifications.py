"""PutBucketNotificationConfiguration, GetBucketNotificationConfiguration.

Only what will be acted on is stored: functions as destinations, and events that Bulb emits.
"""

import secrets
from typing import Any

from bulb.core.arn import parse_arn
from bulb.core.calls import Answer, Call
from bulb.core.errors import AwsError
from bulb.services.s3 import errors
from bulb.services.s3.api.base import Operations
from bulb.services.s3.filters import EMITTED, overlap
from bulb.services.s3.model import Bucket, LambdaNotification

_ABSENT = {
    "TopicConfigurations": "SNS topics as destinations of bucket notifications",
    "QueueConfigurations": "SQS queues as destinations of bucket notifications",
    "EventBridgeConfiguration": "EventBridge as a destination of bucket notifications",
}
_MAX_CONFIGURATIONS = 100


class NotificationOperations(Operations):
    """What a bucket calls when its objects change."""

    async def put_bucket_notification_configuration(self, call: Call) -> Answer:
        """Replace the configuration, after asking whether each function may be called."""
        bucket = await self._bucket(call)
        configuration = call.params["NotificationConfiguration"] or {}
        for member, what in _ABSENT.items():
            if configuration.get(member) not in (None, []):
                raise AwsError("NotImplemented", f"Bulb does not support {what} yet.", status=501)
        notifications = tuple(map(_notification, configuration.get("LambdaFunctionConfigurations") or ()))
        _check_together(notifications)
        if not call.params.get("SkipDestinationValidation"):
            await self._check_destinations(bucket, notifications)
        await self._store.buckets.set_notifications(bucket.name, notifications)
        return {}

    async def get_bucket_notification_configuration(self, call: Call) -> Answer:
        """The configuration, as it was given."""
        bucket = await self._bucket(call)
        told = [_told(each) for each in bucket.notifications]
        return {"LambdaFunctionConfigurations": told} if told else {}

    async def _check_destinations(self, bucket: Bucket, notifications: tuple[LambdaNotification, ...]) -> None:
        for notification in notifications:
            refusal = await self._targets.refusal(bucket.arn, bucket.account, notification.function_arn)
            if refusal is not None:
                raise AwsError(
                    "InvalidArgument",
                    "Unable to validate the following destination configurations",
                    members={"ArgumentName1": notification.function_arn, "ArgumentValue1": refusal},
                )


def _notification(entry: dict[str, Any]) -> LambdaNotification:
    function_arn, events = entry.get("LambdaFunctionArn") or "", tuple(entry.get("Events") or ())
    parsed = parse_arn(function_arn)
    if parsed is None or parsed.service != "lambda" or not parsed.resource.startswith("function:"):
        raise errors.invalid_argument("The ARN could not be parsed", "Function", function_arn)
    if not events:
        raise errors.malformed_xml()
    for event in events:
        if event not in EMITTED:
            raise AwsError("NotImplemented", f"Bulb does not emit the event {event} yet.", status=501)
    rules = ((entry.get("Filter") or {}).get("Key") or {}).get("FilterRules") or ()
    bounds = _bounds(rules)
    return LambdaNotification(
        entry.get("Id") or secrets.token_hex(24), function_arn, events, bounds["prefix"], bounds["suffix"]
    )


def _bounds(rules: Any) -> dict[str, str]:
    bounds: dict[str, str] = {}
    for rule in rules:
        name = (rule.get("Name") or "").lower()
        if name not in ("prefix", "suffix"):
            raise errors.invalid_argument("filter rule name must be either prefix or suffix", "FilterRule.Name", name)
        if name in bounds:
            raise errors.invalid_argument(f"Cannot specify more than one {name} rule in a filter.", "FilterRule", name)
        bounds[name] = rule.get("Value") or ""
    return {"prefix": "", "suffix": "", **bounds}


def _check_together(notifications: tuple[LambdaNotification, ...]) -> None:
    if len(notifications) > _MAX_CONFIGURATIONS:
        message = f"The number of notification configurations cannot be greater than {_MAX_CONFIGURATIONS}."
        raise errors.invalid_argument(message)
    if len({each.id for each in notifications}) != len(notifications):
        raise errors.invalid_argument("Same ID used for multiple configurations. IDs must be unique", "Id")
    if overlap(notifications):
        message = "Configurations overlap. Configurations on the same bucket cannot share a common event type."
        raise errors.invalid_argument(message)


def _told(notification: LambdaNotification) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "Id": notification.id,
        "LambdaFunctionArn": notification.function_arn,
        "Events": list(notification.events),
    }
    bounds = (("Prefix", notification.prefix), ("Suffix", notification.suffix))
    rules = [{"Name": name, "Value": value} for name, value in bounds if value]
    if rules:
        entry["Filter"] = {"Key": {"FilterRules": rules}}
    return entry
