"""Messages of a dead-letter queue back to where they came from.

What SQS put there goes by its own move task, inside the server. Everything else is received, sent, and deleted only
after it was accepted: a message may arrive twice if this is interrupted, and none is lost. No more than were there at
the beginning are taken, so that what fails again at once does not go round for ever.
"""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError

from bulb.cli.dlq.owners import Services
from bulb.cli.dlq.routes import Message, Send
from bulb.core.arn import parse_arn
from bulb.core.errors import BulbError
from bulb.telemetry.happenings import label

_POLL_S, _HIDDEN_S, _BATCH = 0.2, 120, 10
Progress = Callable[[int, int], None]  # moved, of so many


@dataclass(slots=True)
class Moved:
    """How many went where, by the name of the place; and why others stayed: how many for each reason."""

    to: dict[str, int] = field(default_factory=dict)
    stayed: dict[str, int] = field(default_factory=dict)

    @property
    def count(self) -> int:
        """All that went."""
        return sum(self.to.values())


def by_task(services: Services, queue: str, to: str | None, place: str, progress: Progress) -> Moved:
    """Have SQS move all messages of a queue, and wait for it. `place` is what to call where they go.

    A task that does the same already is waited for: whoever was interrupted asks again. Raises BulbError when it fails.
    """
    sqs = services["sqs"]
    last = sqs.list_message_move_tasks(SourceArn=queue, MaxResults=1)["Results"]
    if not last or last[0]["Status"] != "RUNNING" or last[0].get("DestinationArn") != to:
        sqs.start_message_move_task(SourceArn=queue, **({} if to is None else {"DestinationArn": to}))
    while True:
        (task,) = sqs.list_message_move_tasks(SourceArn=queue, MaxResults=1)["Results"]
        moved = task.get("ApproximateNumberOfMessagesMoved", 0)
        progress(moved, task.get("ApproximateNumberOfMessagesToMove", moved))
        if task["Status"] not in ("RUNNING", "CANCELLING"):
            break
        time.sleep(_POLL_S)
    if task["Status"] != "COMPLETED":
        why = task.get("FailureReason") or "it was cancelled"
        raise BulbError(f"{moved} messages were moved, then no more: {why}")
    return Moved({place: moved} if moved else {})


def one_by_one(services: Services, url: str, route: Callable[[Message], Send], progress: Progress) -> Moved:
    """Receive, send, delete. A message that nobody knows the way of, or that is not accepted, stays."""
    sqs, moved, kept = services["sqs"], Moved(), []
    asked = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages"])["Attributes"]
    most = int(asked["ApproximateNumberOfMessages"])
    try:
        for message in _received(sqs, url, most):
            try:
                send = route(message)
                _send(services, send, message)
            except (BulbError, ClientError) as error:
                why = str(error) if isinstance(error, BulbError) else _refusal(send, error.response["Error"]["Message"])
                moved.stayed[why] = moved.stayed.get(why, 0) + 1
                kept.append(message["ReceiptHandle"])
                continue
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
            moved.to[label(send.arn)] = moved.to.get(label(send.arn), 0) + 1
            progress(moved.count, most)
    finally:
        for handle in kept:
            sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=handle, VisibilityTimeout=0)
    return moved


def _refusal(send: Send, said: str) -> str:
    """What was said, and by whom unless it says so itself."""
    return said if send.arn in said else f"{label(send.arn)}: {said}"


def _received(sqs: Any, url: str, most: int) -> Iterator[Message]:
    """Messages as they are received, those that stay hidden for long enough to be dealt with."""
    left = most
    while left > 0:
        answer = sqs.receive_message(
            QueueUrl=url,
            MaxNumberOfMessages=min(left, _BATCH),
            VisibilityTimeout=_HIDDEN_S,
            MessageSystemAttributeNames=["All"],
            MessageAttributeNames=["All"],
        )
        messages = answer.get("Messages", [])
        if not messages:
            return
        left -= len(messages)
        yield from messages


def _send(services: Services, send: Send, message: Message) -> None:
    """Return when the message is accepted. Raises BulbError or ClientError when it is not."""
    if send.by_rule is not None:
        services.redeliver(send.by_rule.arn, send.by_rule.target_id, send.body)
        return
    parsed = parse_arn(send.arn)
    match parsed.service if parsed is not None else None:
        case "lambda":
            services["lambda"].invoke(FunctionName=send.arn, InvocationType="Event", Payload=send.body.encode())
        case "sqs":
            _send_to_queue(services["sqs"], send, message)
        case "sns":
            services["sns"].publish(TopicArn=send.arn, Message=send.body, MessageAttributes=_taken(send.attributes))
        case "events":
            _send_to_bus(services["events"], send)
        case _:
            raise BulbError(f"{send.arn} is not the ARN of a function, a queue, a topic or an event bus")


def _send_to_queue(sqs: Any, send: Send, message: Message) -> None:
    parsed, system = parse_arn(send.arn), message.get("Attributes", {})
    if parsed is None:
        raise BulbError(f"{send.arn} is no queue")
    url = sqs.get_queue_url(QueueName=parsed.resource, QueueOwnerAWSAccountId=parsed.account)["QueueUrl"]
    ids = {}
    if send.group is not None:
        ids = {"MessageGroupId": send.group}
    if send.arn.endswith(".fifo"):
        ids = {
            "MessageGroupId": send.group or system.get("MessageGroupId", "redriven"),
            "MessageDeduplicationId": message["MessageId"],
        }
    sqs.send_message(QueueUrl=url, MessageBody=send.body, MessageAttributes=_taken(send.attributes), **ids)


def _send_to_bus(events: Any, send: Send) -> None:
    try:
        event = json.loads(send.body)
        entry = {
            "EventBusName": send.arn,
            "Source": event["source"],
            "DetailType": event["detail-type"],
            "Detail": json.dumps(event["detail"]),
            "Resources": event.get("resources", []),
            **({"Time": event["time"]} if "time" in event else {}),
        }
    except (ValueError, TypeError, KeyError):
        raise BulbError("it is no event of a bus: it has no source, detail-type and detail") from None
    (result,) = events.put_events(Entries=[entry])["Entries"]
    if "ErrorCode" in result:
        raise BulbError(f"{result['ErrorCode']}: {result.get('ErrorMessage', '')}")


def _taken(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Attributes as they can be sent."""
    names = ("DataType", "StringValue", "BinaryValue")
    return {name: {part: value[part] for part in names if part in value} for name, value in attributes.items()}
