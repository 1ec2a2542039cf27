"""The EventBridge Scheduler API: one method an operation."""

from bulb.services.scheduler.groups import Groups
from bulb.services.scheduler.ports import Actions, Roles
from bulb.services.scheduler.schedules import Schedules
from bulb.services.scheduler.tags import Tags
from bulb.storage.database import Database


class SchedulerApi(Schedules, Groups, Tags):
    """Schedules over the durable timers."""

    def __init__(self, database: Database, actions: Actions, roles: Roles | None) -> None:
        """Take `roles` where policies are enforced."""
        self._database = database
        self._actions = actions
        self._roles = roles
