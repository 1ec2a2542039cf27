"""Where a dead letter came from, and what sends it back there. Pure.

A letter says so as far as its service lets it: SQS names the queue, EventBridge the rule and the target, an invocation
record the function, a notification its topic; Scheduler's is the request that was refused. Lambda's own dead letters
name nobody: then it is the one function whose dead-letter queue this is, if it is one. What is not certain is not
guessed.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bulb.cli.dlq.owners import Owner
from bulb.core.arn import arn, parse_arn
from bulb.core.errors import BulbError
from bulb.telemetry.happenings import label

_BY_LAMBDA = {"RequestID", "ErrorMessage"}  # most have an ErrorCode, too
_COLONS_UNQUALIFIED = 6
_TAKES = ("lambda", "sqs", "sns")
# The requests that schedules make of their templates: the resource, what is sent, what may be there too. A request with
# anything else says more than can be sent from here.
_OF_TEMPLATES = {
    "lambda:invoke": ("FunctionName", "Payload", "InvocationType"),
    "sqs:sendMessage": ("QueueUrl", "MessageBody", "MessageGroupId"),
    "sns:publish": ("TopicArn", "Message", ""),
}
_PUT_EVENTS, _OF_EVENT = "eventbridge:putEvents", {"Source", "DetailType", "Detail", "EventBusName"}
Message = Mapping[str, Any]  # of ReceiveMessage


@dataclass(frozen=True, slots=True)
class Send:
    """One message back to where it belongs.

    `attributes` go along where the target is a queue or a topic; `group` is what a queue has it in. `by_rule` is the
    rule that has to deliver it, where nobody else can do so as it was meant.
    """

    arn: str
    body: str
    attributes: Mapping[str, Any] = field(default_factory=dict)
    group: str | None = None
    by_rule: Owner | None = None


def back(message: Message, owners: Sequence[Owner]) -> Send:
    """What returns a message of the queue that `owners` share. Raises BulbError saying why nobody can tell."""
    system, attributes, body = message.get("Attributes", {}), message.get("MessageAttributes", {}), message["Body"]
    if (queue := system.get("DeadLetterQueueSourceArn")) is not None:
        return Send(queue, body, attributes)
    said = _said(message)
    if "TARGET_ARN" in said and "SCHEDULE_ARN" in said:
        return _to_schedules_target(said, message)
    if "TARGET_ARN" in said and "RULE_ARN" in said:
        return _to_target(said, message, owners)
    if said.keys() >= _BY_LAMBDA:
        return Send(_the_function(owners), body)
    document = _document(body)
    if (function := _function_of_record(document)) is not None:
        return Send(function, original(message))
    return _to_subscriber(document, body, attributes, owners)


def check_target(arn: str) -> None:
    """Raise BulbError for an ARN nothing can be sent to."""
    if not _takes(arn):
        raise BulbError(f"{arn} is not the ARN of a function, a queue, a topic or an event bus")


def _takes(arn: str) -> bool:
    parsed = parse_arn(arn)
    return parsed is not None and (
        parsed.resource.startswith("event-bus/") if parsed.service == "events" else parsed.service in _TAKES
    )


def to(arn: str, message: Message) -> Send:
    """What sends a message to where the caller says: its original event, where it is a record of one."""
    return Send(arn, original(message), message.get("MessageAttributes", {}))


def original(message: Message) -> str:
    """The event itself, where the body is a record or a request that has it in it. Raises BulbError without one."""
    said, body = _said(message), message["Body"]
    document = _document(body)
    if "SCHEDULE_ARN" in said:
        return _of_request(said, document)
    if _function_of_record(document) is None:
        return str(body)
    if "requestPayload" not in document:
        raise BulbError("its record was too large to keep the event in")
    return json.dumps(document["requestPayload"])


def _of_request(said: Mapping[str, str], request: Any) -> str:
    """What a schedule was to send, of the API request that its dead letter is."""
    if not isinstance(request, dict) or said.get("IS_PAYLOAD_TRUNCATED") == "true":
        raise BulbError("it was too large to be kept whole")
    for name in ("Payload", "MessageBody", "Message"):
        if name in request:
            return str(request[name])
    try:
        (entry,) = request["Entries"]
        event = {"source": entry["Source"], "detail-type": entry["DetailType"], "detail": json.loads(entry["Detail"])}
    except (KeyError, TypeError, ValueError):
        return json.dumps(request)  # for an action of its own, which only --to gets anywhere
    return json.dumps(event)


def _to_target(said: Mapping[str, str], message: Message, owners: Sequence[Owner]) -> Send:
    """By the rule itself, where the target cannot be called from here or gets something else than the event."""
    source, target, event = said["RULE_ARN"], said["TARGET_ARN"], original(message)
    senders = [owner for owner in owners if owner.arn == source and owner.target == target]
    if _takes(target) and not any(sender.reshapes for sender in senders):
        return Send(target, event, group=senders[0].group if senders else None)
    if not senders:
        raise BulbError(f"only {label(source)} could call {label(target)}, and it does not any more; say --to")
    if len(senders) > 1:
        ids = ", ".join(sorted(sender.target_id for sender in senders))
        raise BulbError(f"{label(source)} has {label(target)} as several targets ({ids}), of one queue; say --to")
    return Send(target, event, by_rule=senders[0])


def _to_schedules_target(said: Mapping[str, str], message: Message) -> Send:
    body, request = original(message), _document(message["Body"])
    action = said["TARGET_ARN"].partition(":aws-sdk:")[2]
    target = _resource(action, request, said["SCHEDULE_ARN"])
    if target is None:
        raise BulbError(
            f"{label(said['SCHEDULE_ARN'])} was to call {said['TARGET_ARN']}, which cannot be done from here; say --to"
        )
    return Send(target, body, group=request.get("MessageGroupId"))


def _resource(action: str, request: Mapping[str, Any], schedule_arn: str) -> str | None:
    """The ARN of what a template's request is for; None for another request."""
    if action == _PUT_EVENTS:
        entries = request.get("Entries") if len(request) == 1 else None
        entry = entries[0] if isinstance(entries, list) and len(entries) == 1 else None
        return str(entry["EventBusName"]) if isinstance(entry, dict) and entry.keys() == _OF_EVENT else None
    resource, sent, further = _OF_TEMPLATES.get(action, ("", "", ""))
    if not {resource, sent} <= request.keys() <= {resource, sent, further}:
        return None
    if request.get("InvocationType", "Event") != "Event":
        return None
    target, schedule = str(request[resource]), parse_arn(schedule_arn)
    if resource == "QueueUrl" and schedule is not None:
        _, account, name = f"//{target}".rsplit("/", 2)
        target = arn("sqs", schedule.region, account, name)
    return target if parse_arn(target) is not None else None


def _the_function(owners: Sequence[Owner]) -> str:
    """The only function whose dead letters these can be: unqualified where that is one, else its newest version."""
    arns = sorted((owner.arn for owner in owners if owner.kind == "function"), key=lambda arn: (len(arn), arn))
    names = {arn.split(":")[6] for arn in arns}
    if not names:
        raise BulbError("a function sent it whose dead-letter queue this is no longer; say --to")
    if len(names) > 1:
        raise BulbError(f"it may be of any of {', '.join(sorted(names))}, which share this queue; say --to")
    return arns[0] if arns[0].count(":") == _COLONS_UNQUALIFIED else arns[-1]


def _to_subscriber(document: Any, body: str, attributes: Mapping[str, Any], owners: Sequence[Owner]) -> Send:
    subscribers = [owner for owner in owners if owner.kind == "subscription"]
    is_notification = isinstance(document, dict) and document.get("Type") == "Notification" and "TopicArn" in document
    if is_notification:
        subscribers = [owner for owner in subscribers if owner.topic == document["TopicArn"]]
    elif any(owner.kind != "subscription" for owner in owners):
        subscribers = []
    if not subscribers:
        raise BulbError("nothing in it says where it came from; say --to")
    if len(subscribers) > 1:
        names = ", ".join(sorted(owner.target for owner in subscribers))
        raise BulbError(f"it was for one of {names}, which share this queue; say --to")
    (subscriber,) = subscribers
    if subscriber.protocol not in ("lambda", "sqs"):
        raise BulbError(f"it was for {subscriber.target}, which only the topic itself sends to; say --to")
    if subscriber.protocol == "lambda" and is_notification:
        return Send(subscriber.target, _function_event(subscriber.arn, document))
    return Send(subscriber.target, body, {} if is_notification else attributes)


def _function_event(subscription: str, notification: Mapping[str, Any]) -> str:
    """The event a function gets from a topic, of the notification that others get."""
    renamed = {"SigningCertURL": "SigningCertUrl", "UnsubscribeURL": "UnsubscribeUrl"}
    sns = {renamed.get(name, name): value for name, value in notification.items()}
    sns.setdefault("Subject", None)
    sns.setdefault("MessageAttributes", {})
    record = {"EventSource": "aws:sns", "EventVersion": "1.0", "EventSubscriptionArn": subscription, "Sns": sns}
    return json.dumps({"Records": [record]})


def _said(message: Message) -> dict[str, str]:
    """The texts of a message's attributes."""
    return {name: value.get("StringValue", "") for name, value in message.get("MessageAttributes", {}).items()}


def _document(body: str) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return None


def _function_of_record(document: Any) -> str | None:
    """The function of an invocation record, None for what is none."""
    context = document.get("requestContext") if isinstance(document, dict) else None
    if not isinstance(context, dict) or not {"functionArn", "condition", "requestId"} <= context.keys():
        return None
    return str(context["functionArn"]).removesuffix(":$LATEST")
