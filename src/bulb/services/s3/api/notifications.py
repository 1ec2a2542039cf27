"""PutBucketNotificationConfiguration, GetBucketNotificationConfiguration.

Only what will be acted on is stored: functions, queues and topics that take what the bucket sends, the account's
default bus, and events that Bulb emits. Queues and topics are sent a test event in the transaction that stores them.
"""

import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from bulb.core.arn import parse_arn
from bulb.core.calls import Answer, Call
from bulb.core.errors import AwsError
from bulb.core.ids import request_id
from bulb.delivery.model import Finish, Refusal
from bulb.services.s3 import errors
from bulb.services.s3.api.base import Operations
from bulb.services.s3.events import attributes, test_document
from bulb.services.s3.filters import EMITTED, NEVER_EMITTED, overlap
from bulb.services.s3.model import Bucket, Notification, Origin
from bulb.storage.outbox import Entry

_MAX_CONFIGURATIONS = 100


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of destination: its member of the configuration, the member of its ARN, and how refusals call it.

    `named` is how one that does not take what it is sent is named.
    """

    member: str
    arn_member: str
    argument: str
    service: str
    prefix: str
    absent: str
    forbidden: str
    named: str = "{arn}"


# In the order in which they are shown.
_KINDS = (
    Kind(
        member="TopicConfigurations",
        arn_member="TopicArn",
        argument="Topic",
        service="sns",
        prefix="",
        absent="The destination topic does not exist",
        forbidden="Permissions on the destination topic do not allow S3 to publish notifications from this bucket",
    ),
    Kind(
        member="QueueConfigurations",
        arn_member="QueueArn",
        argument="Queue",
        service="sqs",
        prefix="",
        absent="The destination queue does not exist",
        forbidden="Permissions on the destination queue do not allow S3 to publish notifications from this bucket",
    ),
    Kind(
        member="LambdaFunctionConfigurations",
        arn_member="LambdaFunctionArn",
        argument="CloudFunction",
        service="lambda",
        prefix="function:",
        absent="Not authorized to invoke function [{arn}]",
        forbidden="Not authorized to invoke function [{arn}]",
        named="{arn}, null",  # As AWS is seen to do.
    ),
)
_OVERLAPPING = "Configurations overlap. Configurations on the same bucket cannot share a common event type."
_AMBIGUOUS = (
    "Configuration is ambiguously defined. "
    "Cannot have overlapping suffixes in two rules if the prefixes are overlapping for the same event type."
)
_FIFO = {"sqs": "FIFO SQS queues are not supported.", "sns": "FIFO SNS topics are not supported."}


class NotificationOperations(Operations):
    """Whom a bucket tells when its objects change."""

    async def put_bucket_notification_configuration(self, call: Call) -> Answer:
        """Replace the configuration, if every destination takes what it would be sent."""
        bucket = await self._bucket(call)
        configuration = call.params["NotificationConfiguration"] or {}
        notifications = tuple(_notifications(bucket, configuration))
        _check_together(notifications)
        tests: list[tuple[Notification, Finish]] = []
        if not call.params.get("SkipDestinationValidation"):
            tests = [(each, await self._test(bucket, each, self._origin(call))) for each in notifications]

        def check(connection: Connection) -> None:
            _try_out(connection, tests)

        on_bus = configuration.get("EventBridgeConfiguration") is not None
        await self._store.buckets.set_notifications(bucket.name, notifications, on_bus, check)
        return {}

    async def get_bucket_notification_configuration(self, call: Call) -> Answer:
        """The configuration, as it was given."""
        bucket = await self._bucket(call)
        answer: Answer = {}
        for kind in _KINDS:
            told = [_told(kind, each) for each in bucket.notifications if _kind_of(each) is kind]
            if told:
                answer[kind.member] = told
        if bucket.event_bridge:
            answer["EventBridgeConfiguration"] = {}
        return answer

    async def _test(self, bucket: Bucket, notification: Notification, origin: Origin) -> Finish:
        entry = Entry(
            id=0,
            destination_arn=notification.target_arn,
            payload=test_document(bucket, origin),
            attributes=attributes(bucket, origin, "s3:TestEvent"),
            created_at=origin.now,
            delivery_id=request_id(),
        )
        return await self._targets.prepare(entry, origin.now)


def _try_out(connection: Connection, tests: Sequence[tuple[Notification, Finish]]) -> None:
    """Raises InvalidArgument with all destinations that refuse; what others took is undone with the transaction."""
    refused: dict[str, str] = {}
    for notification, test in tests:
        refusal = test(connection)
        if refusal is not None:
            named = _kind_of(notification).named.format(arn=notification.target_arn)
            refused[named] = _reason(notification, refusal)
    if refused:
        members: dict[str, str] = {}
        for number, (target, reason) in enumerate(refused.items(), 1):
            members |= {f"ArgumentName{number}": target, f"ArgumentValue{number}": reason}
        message = "Unable to validate the following destination configurations"
        raise AwsError("InvalidArgument", message, members=members)


def _reason(notification: Notification, refusal: Refusal) -> str:
    kind = _kind_of(notification)
    if refusal.code == "NO_RESOURCE":
        return kind.absent.format(arn=notification.target_arn)
    if refusal.code == "NO_PERMISSIONS":
        return kind.forbidden.format(arn=notification.target_arn)
    return refusal.message


def _kind_of(notification: Notification) -> Kind:
    service = notification.target_arn.split(":", 3)[2]
    return next(kind for kind in _KINDS if kind.service == service)


def _notifications(bucket: Bucket, configuration: dict[str, Any]) -> Iterator[Notification]:
    for kind in _KINDS:
        for entry in configuration.get(kind.member) or ():
            yield _notification(bucket, kind, entry)


def _notification(bucket: Bucket, kind: Kind, entry: dict[str, Any]) -> Notification:
    target, events = entry.get(kind.arn_member) or "", tuple(entry.get("Events") or ())
    _check_target(bucket, kind, target)
    if not events:
        raise errors.malformed_xml()
    for event in events:
        _check_event(event)
    rules = ((entry.get("Filter") or {}).get("Key") or {}).get("FilterRules") or ()
    bounds = _bounds(rules)
    return Notification(
        entry.get("Id") or secrets.token_hex(24),
        target,
        events,
        bounds.get("prefix", ""),
        bounds.get("suffix", ""),
        tuple(name for name, value in bounds.items() if not value),
    )


def _check_target(bucket: Bucket, kind: Kind, target: str) -> None:
    parsed = parse_arn(target)
    if parsed is None or parsed.service != kind.service or not parsed.resource.startswith(kind.prefix):
        raise errors.invalid_argument("The ARN could not be parsed", kind.argument, target)
    if parsed.region != bucket.region:
        message = "The notification destination service region is not valid for the bucket location constraint"
        raise errors.invalid_argument(message, kind.argument, target)
    if parsed.resource.endswith(".fifo") and kind.service in _FIFO:
        raise errors.invalid_argument(_FIFO[kind.service], kind.argument, target)


def _check_event(event: str) -> None:
    if event in NEVER_EMITTED:
        raise AwsError("NotImplemented", f"Bulb does not emit the event {event} yet.", status=501)
    if event not in EMITTED:
        raise errors.invalid_argument("A specified event is not supported for notifications", "Event", event)


def _bounds(rules: Any) -> dict[str, str]:
    bounds: dict[str, str] = {}
    for rule in rules:
        given = rule.get("Name") or ""
        name = given.lower()
        if name not in ("prefix", "suffix"):
            raise errors.invalid_argument("filter rule name must be either prefix or suffix", "FilterRule.Name", given)
        if name in bounds:
            raise errors.invalid_argument(f"Cannot specify more than one {name} rule in a filter.", "FilterRule", name)
        bounds[name] = rule.get("Value") or ""
    return bounds


def _check_together(notifications: tuple[Notification, ...]) -> None:
    if len(notifications) > _MAX_CONFIGURATIONS:
        message = f"The number of notification configurations cannot be greater than {_MAX_CONFIGURATIONS}."
        raise errors.invalid_argument(message)
    if len({each.id for each in notifications}) != len(notifications):
        raise errors.invalid_argument("Same ID used for multiple configurations. IDs must be unique", "Id")
    if (found := overlap(notifications)) is not None:
        if found.is_filtered:
            raise errors.invalid_argument(_AMBIGUOUS)
        raise errors.invalid_argument(_OVERLAPPING, "Event", ", ".join(found.events))


def _told(kind: Kind, notification: Notification) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "Id": notification.id,
        kind.arn_member: notification.target_arn,
        "Events": list(notification.events),
    }
    bounds = (("Prefix", notification.prefix), ("Suffix", notification.suffix))
    rules = [{"Name": name, "Value": value} for name, value in bounds if value or name.lower() in notification.empty]
    if rules:
        entry["Filter"] = {"Key": {"FilterRules": rules}}
    return entry
