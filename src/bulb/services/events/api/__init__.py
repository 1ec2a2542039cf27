"""The operations: one coroutine method each, named as boto3 names them. One without a method is one Bulb lacks."""

from bulb.services.events.api.api_destinations import ApiDestinationOperations
from bulb.services.events.api.archives import ArchiveOperations
from bulb.services.events.api.buses import BusOperations
from bulb.services.events.api.connections import ConnectionOperations
from bulb.services.events.api.events import EventOperations
from bulb.services.events.api.permissions import PermissionOperations
from bulb.services.events.api.replays import ReplayOperations
from bulb.services.events.api.rules import RuleOperations
from bulb.services.events.api.tags import TagOperations
from bulb.services.events.api.targets import TargetOperations


class EventsApi(
    ApiDestinationOperations,
    ArchiveOperations,
    BusOperations,
    ConnectionOperations,
    EventOperations,
    PermissionOperations,
    ReplayOperations,
    RuleOperations,
    TagOperations,
    TargetOperations,
):
    """Amazon EventBridge."""
