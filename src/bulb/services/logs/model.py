"""Values of the Logs room."""

from dataclasses import dataclass

MOST_FILTERS = 2


@dataclass(frozen=True, slots=True)
class SubscriptionFilter:
    """Events of a group that match `pattern` are sent to `destination_arn`."""

    name: str
    pattern: str
    destination_arn: str
    distribution: str
    created_ms: int
