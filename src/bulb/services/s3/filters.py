"""Which notifications an event concerns, and which may not stand beside each other. Pure."""

from collections.abc import Iterable, Sequence

from bulb.services.s3.model import LambdaNotification

# What Bulb emits. A configuration for anything else would never fire, so it is refused rather than stored.
EMITTED = frozenset(
    {
        "s3:ObjectCreated:*",
        "s3:ObjectCreated:Put",
        "s3:ObjectCreated:Post",
        "s3:ObjectCreated:Copy",
        "s3:ObjectCreated:CompleteMultipartUpload",
        "s3:ObjectRemoved:*",
        "s3:ObjectRemoved:Delete",
        "s3:ObjectRemoved:DeleteMarkerCreated",
        "s3:ObjectTagging:*",
        "s3:ObjectTagging:Put",
        "s3:ObjectTagging:Delete",
    }
)


def concerns(notification: LambdaNotification, event_name: str, key: str) -> bool:
    """Whether `event_name` (`ObjectCreated:Put`, no `s3:`) on `key` is one the notification asks for."""
    family = event_name.partition(":")[0]
    wanted = notification.events
    if f"s3:{event_name}" not in wanted and f"s3:{family}:*" not in wanted:
        return False
    return key.startswith(notification.prefix) and key.endswith(notification.suffix)


def matching(notifications: Iterable[LambdaNotification], event_name: str, key: str) -> list[LambdaNotification]:
    """Those of `notifications` that `event_name` on `key` concerns."""
    return [each for each in notifications if concerns(each, event_name, key)]


def overlap(notifications: Sequence[LambdaNotification]) -> bool:
    """Whether some event on some key would concern two of them, which S3 refuses."""
    return any(_collide(one, other) for index, one in enumerate(notifications) for other in notifications[index + 1 :])


def _collide(one: LambdaNotification, other: LambdaNotification) -> bool:
    return (
        any(_same_event(a, b) for a in one.events for b in other.events)
        and (one.prefix.startswith(other.prefix) or other.prefix.startswith(one.prefix))
        and (one.suffix.endswith(other.suffix) or other.suffix.endswith(one.suffix))
    )


def _same_event(a: str, b: str) -> bool:
    return a == b or (a.rpartition(":")[0] == b.rpartition(":")[0] and (a.endswith(":*") or b.endswith(":*")))
