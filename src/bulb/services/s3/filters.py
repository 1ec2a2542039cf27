"""Which notifications an event concerns, and which may not stand beside each other. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bulb.services.s3.model import Notification

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

# What S3 tells of besides, and nothing here ever causes.
NEVER_EMITTED = frozenset(
    {
        "s3:ReducedRedundancyLostObject",
        "s3:ObjectRestore:*",
        "s3:ObjectRestore:Post",
        "s3:ObjectRestore:Completed",
        "s3:ObjectRestore:Delete",
        "s3:Replication:*",
        "s3:Replication:OperationFailedReplication",
        "s3:Replication:OperationNotTracked",
        "s3:Replication:OperationMissedThreshold",
        "s3:Replication:OperationReplicatedAfterThreshold",
        "s3:LifecycleTransition",
        "s3:IntelligentTiering",
        "s3:ObjectAcl:Put",
        "s3:LifecycleExpiration:*",
        "s3:LifecycleExpiration:Delete",
        "s3:LifecycleExpiration:DeleteMarkerCreated",
        "s3:ObjectAnnotation:*",
        "s3:ObjectAnnotation:Put",
        "s3:ObjectAnnotation:Delete",
        "s3:ObjectRetention:Put",
    }
)


def concerns(notification: Notification, event_name: str, key: str) -> bool:
    """Whether `event_name` (`ObjectCreated:Put`, no `s3:`) on `key` is one the notification asks for."""
    family = event_name.partition(":")[0]
    wanted = notification.events
    if f"s3:{event_name}" not in wanted and f"s3:{family}:*" not in wanted:
        return False
    return key.startswith(notification.prefix) and key.endswith(notification.suffix)


def matching(notifications: Iterable[Notification], event_name: str, key: str) -> list[Notification]:
    """Those of `notifications` that `event_name` on `key` concerns."""
    return [each for each in notifications if concerns(each, event_name, key)]


@dataclass(frozen=True, slots=True)
class Overlap:
    """Two events, of two notifications, that are the same on some key; whether either looks at keys."""

    events: tuple[str, str]
    is_filtered: bool


def overlap(notifications: Sequence[Notification]) -> Overlap | None:
    """Whether some event on some key would concern two of them, which S3 refuses."""
    pairs = ((one, other) for index, one in enumerate(notifications) for other in notifications[index + 1 :])
    return next((found for one, other in pairs if (found := _collision(one, other)) is not None), None)


def _collision(one: Notification, other: Notification) -> Overlap | None:
    if not (
        (one.prefix.startswith(other.prefix) or other.prefix.startswith(one.prefix))
        and (one.suffix.endswith(other.suffix) or other.suffix.endswith(one.suffix))
    ):
        return None
    is_filtered = any((one.prefix, one.suffix, other.prefix, other.suffix))
    return next(
        (Overlap((a, b), is_filtered) for a in one.events for b in other.events if _same_event(a, b)),
        None,
    )


def _same_event(a: str, b: str) -> bool:
    return a == b or (a.rpartition(":")[0] == b.rpartition(":")[0] and (a.endswith(":*") or b.endswith(":*")))
