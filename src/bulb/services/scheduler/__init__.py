"""EventBridge Scheduler: one-time and recurring schedules over the durable timers."""

from bulb.services.scheduler.api import SchedulerApi
from bulb.services.scheduler.firing import Firing
from bulb.services.scheduler.needs import needs
from bulb.services.scheduler.retries import after_refusal
from bulb.services.scheduler.store import OWNER
from bulb.services.scheduler.targets import Action

__all__ = ["OWNER", "Action", "Firing", "SchedulerApi", "after_refusal", "needs"]
