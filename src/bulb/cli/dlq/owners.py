"""Whose dead-letter queues there are: asked of every service that can have one, through AWS's own API.

What is found is of the caller's account and region. A queue may have several owners, and several kinds of them.
"""

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import urlencode

from bulb.cli.client import aws, tell
from bulb.core.arn import parse_arn

Kind = Literal["queue", "function", "destination", "subscription", "rule", "schedule"]
Owners = Mapping[str, Sequence["Owner"]]
_PENDING = ("PendingConfirmation", "Deleted")


@dataclass(frozen=True, slots=True)
class Owner:
    """Who writes into a queue what went wrong.

    `arn` is the queue, function (with its qualifier), subscription, rule or schedule. `target` is where a subscription,
    rule or schedule sends to, and `target_id` what a rule calls that; `reshapes` that what its target gets is not what
    the dead letter has; `group` is what a queue has a rule's messages in.
    """

    kind: Kind
    arn: str
    target: str = ""
    target_id: str = ""
    reshapes: bool = False
    protocol: str = ""
    group: str | None = None

    @property
    def topic(self) -> str:
        """The topic of a subscription."""
        return self.arn.rpartition(":")[0]


class Services:
    """A boto3 client of each service that is asked for, for as long as the `with` lasts; and what AWS's API lacks."""

    def __init__(self, stack: ExitStack, endpoint: str | None) -> None:
        self._stack, self._endpoint = stack, endpoint
        self._clients: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._clients:
            self._clients[name] = self._stack.enter_context(aws(name, self._endpoint))
        return self._clients[name]

    def redeliver(self, rule: str, target_id: str, event: str) -> None:
        """Have a rule deliver an event to one of its targets once more. Raises BulbError when that is refused."""
        asked = urlencode({"rule": rule, "target": target_id})
        tell(f"/_bulb/redeliveries?{asked}", event.encode(), self._endpoint, sign_for="events")


def find(services: Services) -> Owners:
    """The owners of each dead-letter queue, by the queue's ARN."""
    found: dict[str, list[Owner]] = defaultdict(list)
    for part in (_queues, _functions, _subscriptions, _rules, _schedules):
        for arn, owner in part(services):
            parsed = parse_arn(arn or "")
            if parsed is not None and parsed.service == "sqs" and owner not in found[arn]:
                found[arn].append(owner)
    return {arn: found[arn] for arn in sorted(found)}


def _queues(services: Services) -> Iterator[tuple[str, Owner]]:
    sqs = services["sqs"]
    for page in sqs.get_paginator("list_queues").paginate(PaginationConfig={"PageSize": 1000}):
        for url in page.get("QueueUrls", ()):
            attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn", "RedrivePolicy"])
            given = attributes["Attributes"]
            if "RedrivePolicy" in given:
                policy = json.loads(given["RedrivePolicy"])
                yield policy["deadLetterTargetArn"], Owner("queue", given["QueueArn"])


def _functions(services: Services) -> Iterator[tuple[str, Owner]]:
    functions, names = services["lambda"], set()
    for page in functions.get_paginator("list_functions").paginate(FunctionVersion="ALL"):
        for function in page["Functions"]:
            names.add(function["FunctionName"])
            arn = function["FunctionArn"].removesuffix(":$LATEST")
            yield function.get("DeadLetterConfig", {}).get("TargetArn", ""), Owner("function", arn)
    for name in sorted(names):
        pages = functions.get_paginator("list_function_event_invoke_configs").paginate(FunctionName=name)
        for config in (config for page in pages for config in page["FunctionEventInvokeConfigs"]):
            failure = config.get("DestinationConfig", {}).get("OnFailure", {}).get("Destination", "")
            yield failure, Owner("destination", config["FunctionArn"].removesuffix(":$LATEST"))


def _subscriptions(services: Services) -> Iterator[tuple[str, Owner]]:
    sns = services["sns"]
    for page in sns.get_paginator("list_subscriptions").paginate():
        for subscription in page["Subscriptions"]:
            arn = subscription["SubscriptionArn"]
            if arn in _PENDING:
                continue
            attributes = sns.get_subscription_attributes(SubscriptionArn=arn)["Attributes"]
            if "RedrivePolicy" in attributes:
                queue = json.loads(attributes["RedrivePolicy"])["deadLetterTargetArn"]
                yield queue, Owner("subscription", arn, attributes["Endpoint"], protocol=attributes["Protocol"])


def _rules(services: Services) -> Iterator[tuple[str, Owner]]:
    events = services["events"]
    for bus in _buses(events):
        for page in events.get_paginator("list_rules").paginate(EventBusName=bus):
            for rule in page["Rules"]:
                targets = events.get_paginator("list_targets_by_rule").paginate(Rule=rule["Name"], EventBusName=bus)
                for target in (target for page in targets for target in page["Targets"]):
                    reshapes = any(name in target for name in ("Input", "InputPath", "InputTransformer"))
                    queue = target.get("DeadLetterConfig", {}).get("Arn", "")
                    group = target.get("SqsParameters", {}).get("MessageGroupId")
                    yield queue, Owner("rule", rule["Arn"], target["Arn"], target["Id"], reshapes, group=group)


def _buses(events: Any) -> Iterator[str]:
    more: dict[str, str] = {}
    while True:
        page = events.list_event_buses(**more)
        yield from (bus["Name"] for bus in page["EventBuses"])
        if "NextToken" not in page:
            return
        more = {"NextToken": page["NextToken"]}


def _schedules(services: Services) -> Iterator[tuple[str, Owner]]:
    scheduler = services["scheduler"]
    for page in scheduler.get_paginator("list_schedules").paginate():
        for listed in page["Schedules"]:
            schedule = scheduler.get_schedule(Name=listed["Name"], GroupName=listed["GroupName"])
            target = schedule["Target"]
            queue = target.get("DeadLetterConfig", {}).get("Arn", "")
            yield queue, Owner("schedule", schedule["Arn"], target["Arn"])
