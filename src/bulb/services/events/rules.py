"""What may be stored: patterns, schedules, targets, policies, limits. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from bulb.core.arn import Arn, parse_arn
from bulb.core.errors import NotSupported
from bulb.core.ids import ACCOUNT_ID
from bulb.delivery.patterns import EVENTS, PatternError, compile_pattern
from bulb.delivery.schedules import ExpressionError, parse_rule
from bulb.services.events import errors, inputs
from bulb.services.events.model import Archive, Rule, Tags, Target
from bulb.services.events.names import BusName, RuleName, bus_of_arn

MOST_RULES, MOST_WILDCARD_RULES, MOST_ARCHIVES = 300, 30, 100
_PATTERN_CHARACTERS = 2_048
_MOST_TAGS = 50
# What AWS's rules may send to besides what Bulb's may.
_ABSENT = {
    "kinesis": "Kinesis streams",
    "firehose": "Firehose delivery streams",
    "states": "Step Functions state machines",
    "ecs": "ECS clusters",
    "batch": "Batch job queues",
    "codebuild": "CodeBuild projects",
    "codepipeline": "CodePipeline pipelines",
    "ssm": "Systems Manager",
    "ssm-incidents": "Incident Manager response plans",
    "ec2": "EC2 instances",
    "inspector": "Inspector assessment templates",
    "inspector2": "Inspector",
    "redshift": "Redshift clusters",
    "redshift-serverless": "Redshift workgroups",
    "redshift-data": "Redshift clusters",
    "sagemaker": "SageMaker pipelines",
    "execute-api": "API Gateway stages",
    "appsync": "AppSync APIs",
    "glue": "Glue workflows",
}
# Members of a target that only those of the services above have.
_ABSENT_PARAMETERS = (
    "KinesisParameters",
    "RunCommandParameters",
    "EcsParameters",
    "BatchParameters",
    "RedshiftDataParameters",
    "SageMakerPipelineParameters",
    "AppSyncParameters",
)


def check_pattern(text: str) -> None:
    """Raises InvalidEventPatternException, LimitExceededException."""
    try:
        compile_pattern(text, EVENTS)
    except PatternError as error:
        raise errors.bad_pattern(error.reason) from None
    if len(text) > _PATTERN_CHARACTERS:
        raise errors.too_many()


def check_ids(targets: Sequence[Mapping[str, Any]]) -> None:
    """Raises ValidationException where two targets of a request have the same id."""
    seen: set[str] = set()
    for target in targets:
        if target["Id"] in seen:
            raise errors.not_valid("targets", f"More than one target with Id '{target['Id']}' is provided.")
        seen.add(target["Id"])


def check_rule(rule: Rule) -> None:
    """Raises InvalidEventPatternException, ValidationException, LimitExceededException."""
    if not rule.pattern and not rule.schedule:
        raise errors.validation("Parameter(s) EventPattern or ScheduleExpression must be specified.")
    if rule.schedule:
        try:
            parse_rule(rule.schedule)
        except ExpressionError:
            raise errors.validation("Parameter ScheduleExpression is not valid.") from None
        if not rule.name.on.is_default:
            raise errors.validation("ScheduleExpression is supported only on the default event bus.")
    if rule.pattern:
        check_pattern(rule.pattern)


def check_room(rule: Rule, others: Sequence[str | None]) -> None:
    """Raises LimitExceededException where the bus has as many rules as it may."""
    if len(others) >= MOST_RULES:
        raise errors.too_many()
    if _has_wildcard(rule.pattern) and sum(map(_has_wildcard, others)) >= MOST_WILDCARD_RULES:
        raise errors.too_many()


def check_archive_room(archives: Sequence[Archive]) -> None:
    """Raises LimitExceededException: each archive of a bus looks at every event."""
    if len(archives) >= MOST_ARCHIVES:
        raise errors.too_many()


def target_of(given: Mapping[str, Any], rule: RuleName) -> Target:
    """The target of a request. Raises ValidationException, and NotSupported for services that Bulb does not have."""
    arn = parse_arn(given["Arn"])
    if arn is None:
        raise errors.not_valid(given["Arn"], "Provided Arn is not in correct format.")
    _check_place(arn, given, rule)
    _check_kind(arn, given)
    inputs.check_input(given)
    if arn.service == "logs":
        _check_log_group(given)
    _check_dead_letter(given, rule)
    if (role := given.get("RoleArn")) is not None and not is_role(role):
        raise errors.not_valid(role, "Provided RoleArn is not in correct format.")
    return Target(given["Id"], given["Arn"], {key: value for key, value in given.items() if key not in ("Id", "Arn")})


def is_role(text: str) -> bool:
    """The text is the ARN of a role."""
    arn = parse_arn(text)
    return arn is not None and arn.service == "iam" and arn.resource.startswith("role/")


def is_endpoint(text: str) -> bool:
    """The text is an address that requests can be sent to."""
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname) and not parts.username and not parts.fragment


def merged_tags(tags: Tags, added: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """Old and new tags. Raises ValidationException."""
    if any(tag["Key"].lower().startswith("aws:") for tag in added):
        raise errors.validation("System tags cannot be added/updated by requester.")
    together = {**tags, **{tag["Key"]: tag["Value"] for tag in added}}
    if len(together) > _MOST_TAGS:
        raise errors.validation(f"The number of tags cannot exceed {_MOST_TAGS}.")
    return together


def _has_wildcard(pattern: str | None) -> bool:
    return pattern is not None and '"wildcard"' in pattern


def _absent(service: str) -> NotSupported:
    return NotSupported(f"{_ABSENT[service]} ({service}) as targets of EventBridge rules")


def _check_place(arn: Arn, given: Mapping[str, Any], rule: RuleName) -> None:
    """Only buses may be in another region."""
    is_bus = bus_of_arn(given["Arn"]) is not None
    if arn.service in _SERVICES and not is_bus and arn.region != rule.region:
        raise errors.not_valid(given["Arn"], "The target must be in the region of the rule.")
    if is_bus and given["Arn"] == rule.on.arn:
        raise errors.not_valid(given["Arn"], "A rule cannot send to its own event bus.")
    if arn.service in _SERVICES and not ACCOUNT_ID.match(arn.account):
        raise errors.not_valid(given["Arn"], "Provided Arn is not in correct format.")


def _check_kind(arn: Arn, given: Mapping[str, Any]) -> None:
    if arn.service not in _SERVICES:
        if arn.service in _ABSENT:
            raise _absent(arn.service)
        raise errors.validation(f"{arn.service} is not a supported service for a target.")
    if not _SERVICES[arn.service](arn):
        raise errors.not_valid(given["Arn"], "Provided Arn is not in correct format.")
    has_group = bool((given.get("SqsParameters") or {}).get("MessageGroupId"))
    if arn.service == "sqs" and arn.resource.endswith(".fifo") and not has_group:
        raise errors.validation(f"Parameter(s) SqsParameters must be specified for target: {given['Id']}.")
    is_api = arn.resource.startswith("api-destination/")
    # Not SqsParameters: AWS takes them for any target.
    for parameters in (*_ABSENT_PARAMETERS, *(() if is_api else ("HttpParameters",))):
        if given.get(parameters):
            raise errors.validation(f"Parameter(s) {parameters} not supported for target: {given['Id']}.")
    if arn.service == "events" and not is_api and any(member in given for member in inputs.MEMBERS):
        raise errors.validation(f"Modifying the input for target {given['Id']} is not supported.")


def _check_log_group(given: Mapping[str, Any]) -> None:
    """EventBridge writes to log groups in its own name, and events only as these take them."""
    if given.get("RoleArn") is not None:
        raise errors.validation(f"RoleArn is not supported for target {given['Arn']}.")
    inputs.check_log_input(given)


def _check_dead_letter(given: Mapping[str, Any], rule: RuleName) -> None:
    queue = (given.get("DeadLetterConfig") or {}).get("Arn")
    if queue is None:
        return
    arn = parse_arn(queue)
    if arn is None:
        raise errors.not_valid(queue, "Provided Arn is not in correct format.")
    if arn.service != "sqs":
        raise errors.validation(f"{arn.service} is not supported as a dead letter resource.")
    if arn.resource.endswith(".fifo"):
        raise errors.validation("SQS FIFO is not supported by Dead Letter Queues.")
    if arn.region != rule.region:
        raise errors.validation(
            f"Parameter DeadLetterConfig.Arn for target {given['Id']} must be a queue in the region of the rule."
        )


def _is_function(arn: Arn) -> bool:
    return arn.resource.startswith("function:") and len(arn.resource.split(":")) in (2, 3)


def _is_log_group(arn: Arn) -> bool:
    name = arn.resource.removeprefix("log-group:").removesuffix(":*")
    return arn.resource.startswith("log-group:") and bool(name) and ":" not in name


def _is_of_events(arn: Arn) -> bool:
    parts = arn.resource.split("/")
    return bus_of_arn(str(arn)) is not None or (parts[0] == "api-destination" and len(parts) == 3)  # noqa: PLR2004


def _is_name(arn: Arn) -> bool:
    return ":" not in arn.resource and "/" not in arn.resource


_SERVICES = {
    "lambda": _is_function,
    "sqs": _is_name,
    "sns": _is_name,
    "logs": _is_log_group,
    "events": _is_of_events,
}


def own_archive_bus(arn: str, account: str, region: str) -> BusName:
    """The bus of an archive's EventSourceArn, which must be the caller's; other regions are not looked at.

    Raises ResourceNotFoundException, ValidationException.
    """
    bus = bus_of_arn(arn)
    if bus is None:
        raise errors.validation("Parameter EventSourceArn is not valid. Must contain an event bus ARN.")
    if bus.region != region:
        raise errors.no_such_bus(bus.bus)
    if bus.account != account:
        raise errors.not_valid("EventSourceArn", "Cross account/region archives are not permitted.")
    return bus
