"""What SQS's calls ask of policies where these are enforced."""

import base64
import binascii
import json
from collections.abc import Sequence

from bulb.core.arn import arn
from bulb.core.calls import Call
from bulb.identity.needs import Need
from bulb.services.sqs import access
from bulb.services.sqs.api.base import key_of
from bulb.services.sqs.model import key_of_arn


async def needs(call: Call) -> Sequence[Need]:
    """The action of the operation's name (a batch needs that of the single one), on the queue it is about."""
    operation, params = call.operation, call.params
    action = access.action_of(operation)
    if operation == "ListQueues":
        return (Need(action, arn("sqs", call.region, call.account, "*")),)
    need = Need(action, _resource(call), acts_there=operation not in access.AT_HOME)
    further: list[Need] = []
    if operation == "CreateQueue" and params.get("tags"):
        further.append(Need("sqs:TagQueue", need.resource))
    if operation == "StartMessageMoveTask":
        further += [
            Need(f"sqs:{one}", need.resource) for one in ("ReceiveMessage", "DeleteMessage", "GetQueueAttributes")
        ]
        if params.get("DestinationArn"):
            further.append(Need("sqs:SendMessage", _written_anew(params["DestinationArn"])))
    return (need, *further)


def _resource(call: Call) -> str:
    params = call.params
    if "QueueUrl" in params:
        return key_of(call, params["QueueUrl"]).arn
    if "QueueName" in params:
        owner = params.get("QueueOwnerAWSAccountId") or call.account
        return arn("sqs", call.region, owner, params["QueueName"])
    if "TaskHandle" in params:
        return _written_anew(_source_of(params["TaskHandle"]))
    return _written_anew(params["SourceArn"])


def _written_anew(given: str) -> str:
    """A queue's ARN in the one way to write it: a policy must not be evaded by another."""
    key = key_of_arn(given)
    return "*" if key is None else key.arn


def _source_of(handle: str) -> str:
    """The queue that the handle of a redrive names; the operation refuses what is none."""
    try:
        document = json.loads(base64.b64decode(handle, validate=True))
    except (binascii.Error, ValueError, RecursionError):
        return ""
    source = document.get("sourceArn") if isinstance(document, dict) else None
    return source if isinstance(source, str) else ""
