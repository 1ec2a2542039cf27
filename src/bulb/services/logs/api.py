"""The CloudWatch Logs API. One method an operation, in the file of what it is about."""

from bulb.services.logs.events import Events
from bulb.services.logs.filters import SubscriptionFilters
from bulb.services.logs.groups import Groups
from bulb.services.logs.streams import Streams
from bulb.services.logs.subscriptions import Subscriptions
from bulb.services.logs.tags import Tags
from bulb.telemetry.log_store import LogStore


class Logs(Groups, Streams, Events, Tags, SubscriptionFilters):
    """CloudWatch Logs over the log store."""

    def __init__(self, store: LogStore, subscriptions: Subscriptions) -> None:
        self._store = store
        self._subscriptions = subscriptions
        store.tell(subscriptions)
