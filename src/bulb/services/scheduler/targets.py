"""What a schedule may invoke, and the API request that an invocation is. Pure.

A templated target is the ARN of a resource, and the request follows from its service; a universal one names a service
and an action (`arn:aws:scheduler:::aws-sdk:sqs:sendMessage`), and its Input is the request.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from bulb.core.arn import parse_arn
from bulb.core.errors import NotSupported
from bulb.services.scheduler.errors import invalid

_UNIVERSAL = "arn:aws:scheduler:::aws-sdk:"
_INPUT_BYTES = 262_144
_HERE = frozenset({"lambda", "sqs", "sns", "events"})
# What AWS has templates for besides.
_ELSEWHERE = {
    "codebuild": "CodeBuild",
    "codepipeline": "CodePipeline",
    "ecs": "ECS",
    "firehose": "Firehose",
    "inspector": "Inspector",
    "kinesis": "Kinesis",
    "sagemaker": "SageMaker",
    "states": "Step Functions",
}
_PARAMETERS = {
    "EcsParameters": "ecs",
    "EventBridgeParameters": "events",
    "KinesisParameters": "kinesis",
    "SageMakerPipelineParameters": "sagemaker",
    "SqsParameters": "sqs",
}
_NEW_PARAMETERS = ("EventBridgePutEventsV2Parameters", "EventBridgePutRawEventsParameters")
# Their Input is read as JSON.
_JSON_INPUT = frozenset({"lambda", "events"})
# Actions that only read are not called: there is nobody for the answer.
_READING = (
    *("get", "describe", "list", "poll", "receive", "search", "scan", "query", "select", "read", "lookup"),
    *("discover", "validate", "batchGet", "batchDescribe", "batchRead", "transactGet", "adminGet", "adminList"),
    *("testMigration", "retrieve", "testConnection", "translateDocument", "isAuthorized", "invokeModel"),
)
_KINDS = {"lambda": "function:", "events": "event-bus/"}


@dataclass(frozen=True, slots=True)
class Action:
    """What a universal target names: an SDK's name of a service, and an action in camel case."""

    service: str
    name: str


def universal(target_arn: str) -> Action | None:
    """The action of a universal target, None for the ARN of a resource."""
    if not target_arn.startswith(_UNIVERSAL):
        return None
    service, _, name = target_arn.removeprefix(_UNIVERSAL).partition(":")
    return Action(service, name)


def check(target: Mapping[str, Any], region: str) -> None:
    """Raise the AwsError of a target that a schedule of the region cannot have."""
    for name in _NEW_PARAMETERS:
        if name in target:
            raise NotSupported(f"{name} of a schedule's target")
    _check_dead_letters(target, region)
    if len(target.get("Input", "").encode()) > _INPUT_BYTES:
        raise invalid(f"The Input of a target must be no longer than {_INPUT_BYTES} bytes.")
    action = universal(target["Arn"])
    if action is not None:
        _check_universal(action, target)
    else:
        _check_templated(target, region)


def _check_dead_letters(target: Mapping[str, Any], region: str) -> None:
    queue = parse_arn((target.get("DeadLetterConfig") or {}).get("Arn", ""))
    if queue is not None and queue.region != region:
        raise invalid(f"The dead-letter queue ARN provided does not match the current region {region}.")


def _check_universal(action: Action, target: Mapping[str, Any]) -> None:
    for name in _PARAMETERS:
        if name in target:
            raise invalid(f"Parameters {name} not supported for the target.")
    if not action.service or not action.name or ":" in action.name:
        raise _bad_arn()
    if (action.name[:1].lower() + action.name[1:]).startswith(_READING):
        raise invalid(f"{action.name} API is not supported.")
    if "Input" not in target:
        raise invalid("You must provide an input to set this target for your schedule.")
    if not isinstance(_document(target["Input"]), dict):
        raise _bad_json()


def _check_templated(target: Mapping[str, Any], region: str) -> None:
    parsed = parse_arn(target["Arn"])
    if parsed is None:
        raise _bad_arn()
    service = parsed.service
    if service in _ELSEWHERE:
        raise NotSupported(f"{_ELSEWHERE[service]} as a schedule's target")
    if service not in _HERE:
        raise invalid(f"{service} is not a supported service for a target.")
    if parsed.region != region:
        raise invalid(f"The target ARN provided does not match the current region {region}.")
    if not parsed.account or not parsed.resource.startswith(_KINDS.get(service, "")):
        raise _bad_arn()
    for name, owner in _PARAMETERS.items():
        if name in target and owner != service:
            raise invalid(f"Parameters {name} not supported for the target.")
    if service in _JSON_INPUT and "Input" in target:
        _document(target["Input"])
    if service == "events" and "EventBridgeParameters" not in target:
        raise invalid("Parameters EventBridgeParameters must be specified.")
    if service == "sqs":
        _check_queue(target, is_fifo=parsed.resource.endswith(".fifo"))


def _check_queue(target: Mapping[str, Any], *, is_fifo: bool) -> None:
    has_group = "MessageGroupId" in target.get("SqsParameters", {})
    if is_fifo and not has_group:
        raise invalid("Parameters SqsParameters must be specified.")
    if has_group and not is_fifo:
        raise invalid("Parameters MessageGroupId not valid for the target.")


def _document(text: str) -> Any:
    """The JSON of an Input, whose attributes are words in texts or whole texts. Raises AwsError."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        raise _bad_json() from None


def _bad_json() -> Exception:
    return invalid("JSON syntax error in input for the target.")


def _bad_arn() -> Exception:
    return invalid("Parameter Target.Arn is not valid. Reason: Provided Arn is not in correct format.")


@dataclass(frozen=True, slots=True)
class Request:
    """An API request: a service by the name of its model, an operation, and parameters as JSON has them."""

    service: str
    operation: str
    parameters: Mapping[str, Any]


def request(target_arn: str, parameters: Mapping[str, Any], text: str) -> Request:
    """The request that invokes a templated target with `text`."""
    parsed = parse_arn(target_arn)
    assert parsed is not None, target_arn
    match parsed.service:
        case "lambda":
            return Request("lambda", "Invoke", {"FunctionName": target_arn, "InvocationType": "Event", "Payload": text})
        case "sqs":
            url = f"https://sqs.{parsed.region}.amazonaws.com/{parsed.account}/{parsed.resource}"
            return Request("sqs", "SendMessage", {"MessageBody": text, "QueueUrl": url, **parameters})
        case "sns":
            return Request("sns", "Publish", {"Message": text, "TopicArn": target_arn})
        case _:
            entry = {"Detail": text, "EventBusName": target_arn, **parameters}
            return Request("events", "PutEvents", {"Entries": [entry]})


# The templates' actions, by the names SDKs have for services.
_ACTIONS = {
    "lambda": "lambda:invoke",
    "sqs": "sqs:sendMessage",
    "sns": "sns:publish",
    "events": "eventbridge:putEvents",
}


def action_arn(target_arn: str) -> str:
    """The action that a target is, universal or not, in the form universal targets have."""
    parsed = parse_arn(target_arn)
    return _UNIVERSAL + _ACTIONS[parsed.service] if parsed is not None and parsed.service in _ACTIONS else target_arn


def parameters(target: Mapping[str, Any]) -> dict[str, Any]:
    """What a templated target adds to its request."""
    return dict(target.get("SqsParameters") or target.get("EventBridgeParameters") or {})
