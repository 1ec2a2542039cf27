"""A mapping as this room needs it, and what follows from its settings. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from bulb.core.arn import parse_arn
from bulb.core.facts import FunctionRef
from bulb.delivery.patterns import RecordFilter, compile_filters
from bulb.delivery.polling import scaling
from bulb.delivery.polling.gathering import Shape


class MappedName(Protocol):
    """The function's name."""

    @property
    def account(self) -> str:
        """Its account."""

    @property
    def region(self) -> str:
        """Its region."""

    @property
    def name(self) -> str:
        """Its name."""


class MappedQueue(Protocol):
    """An event source mapping of kind `sqs`; `settings` are members of its configuration under their API names."""

    @property
    def uuid(self) -> str:
        """Its id."""

    @property
    def arn(self) -> str:
        """Its own ARN."""

    @property
    def function(self) -> MappedName:
        """The function."""

    @property
    def qualifier(self) -> str | None:
        """A version or an alias."""

    @property
    def event_source_arn(self) -> str | None:
        """The queue."""

    @property
    def settings(self) -> Mapping[str, Any]:
        """Its options."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How the messages of one queue get to one function. `region` is the queue's; `reports`: the function may name
    failures (ReportBatchItemFailures); `counts`: what happens to messages is counted (EventCount).
    """

    uuid: str
    arn: str
    queue_arn: str
    region: str
    function: tuple[str, str, str]
    qualifier: str | None
    shape: Shape
    limits: scaling.Limits
    filters: RecordFilter | None
    reports: bool
    counts: bool

    @property
    def is_fifo(self) -> bool:
        """The queue keeps an order."""
        return is_fifo(self.queue_arn)

    @property
    def is_own_queue(self) -> bool:
        """The queue is the function's account's."""
        return self.queue_arn.split(":")[4] == self.function[0]

    def ref(self, version: str | None = None) -> FunctionRef:
        """The function; the version that ran, else as the mapping names it."""
        return FunctionRef(*self.function, version or self.qualifier or "$LATEST")


def plan(mapping: MappedQueue) -> Plan:
    """What the mapping's settings mean."""
    settings, queue_arn = mapping.settings, mapping.event_source_arn or ""
    patterns = [each["Pattern"] for each in settings.get("FilterCriteria", {}).get("Filters", ()) if "Pattern" in each]
    queue = parse_arn(queue_arn)
    return Plan(
        uuid=mapping.uuid,
        arn=mapping.arn,
        queue_arn=queue_arn,
        region=queue.region if queue is not None else mapping.function.region,
        function=(mapping.function.account, mapping.function.region, mapping.function.name),
        qualifier=mapping.qualifier,
        shape=Shape(settings["BatchSize"], settings.get("MaximumBatchingWindowInSeconds") or 0.0),
        limits=scaling.limits(settings),
        filters=compile_filters(patterns, "body") if patterns else None,
        reports="ReportBatchItemFailures" in settings.get("FunctionResponseTypes", ()),
        counts="EventCount" in settings.get("MetricsConfig", {}).get("Metrics", ()),
    )


def is_fifo(queue_arn: str) -> bool:
    """Whether a queue of this name keeps an order."""
    return queue_arn.endswith(".fifo")
