"""How a function's asynchronous events are to be treated, as callers configure it: values and decisions, pure.

Source of the messages: Lambda's API reference and recorded answers, November 2026.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

from bulb.core.arn import parse_arn
from bulb.core.errors import AwsError, NotSupported
from bulb.services.lambda_ import errors
from bulb.services.lambda_.model import FunctionKey

_SERVICES = {
    "lambda": "Lambda",
    "sqs": "Amazon SQS",
    "sns": "Amazon SNS",
    "events": "Amazon EventBridge",
    "s3": "Amazon S3",
}
_SENDS = {
    "lambda": "lambda:InvokeFunction",
    "sqs": "sqs:SendMessage",
    "sns": "sns:Publish",
    "events": "events:PutEvents",
    "s3": "s3:PutObject",
}
# A bucket takes what failed, nothing else.
_ON_SUCCESS = frozenset(_SERVICES) - {"s3"}


@dataclass(frozen=True, slots=True)
class EventConfig:
    """An EventInvokeConfig of a function, a version or an alias. None is a member that was not set; 0 retries is."""

    last_modified: float
    max_retries: int | None = None
    max_age_s: int | None = None
    on_success: str | None = None
    on_failure: str | None = None


@dataclass(frozen=True, slots=True)
class Destinations:
    """Where the ends of events may be told. `services` are those Bulb has; `exists` finds a function."""

    services: Collection[str]
    exists: Callable[[FunctionKey], bool]


# What a configuration (None: there is none) becomes; it refuses by raising.
Decide = Callable[[EventConfig | None, Destinations], EventConfig]


def put(key: FunctionKey, params: Mapping[str, Any], now: float, allowed: Destinations) -> EventConfig:
    """A whole new configuration. Raises InvalidParameterValueException and NotSupported."""
    return updated(key, EventConfig(now), params, now, allowed)


def updated(
    key: FunctionKey, before: EventConfig, params: Mapping[str, Any], now: float, allowed: Destinations
) -> EventConfig:
    """`before` with the members that are given. Raises InvalidParameterValueException and NotSupported."""
    if all(
        params.get(name) is None for name in ("MaximumRetryAttempts", "MaximumEventAgeInSeconds", "DestinationConfig")
    ):
        raise errors.invalid("You must specify at least one of error handling or destination setting.")
    changes: dict[str, Any] = {"last_modified": now}
    if params.get("MaximumRetryAttempts") is not None:
        changes["max_retries"] = params["MaximumRetryAttempts"]
    if params.get("MaximumEventAgeInSeconds") is not None:
        changes["max_age_s"] = params["MaximumEventAgeInSeconds"]
    if (config := params.get("DestinationConfig")) is not None:
        check_destinations(key, config, allowed)
        for member, name in (("OnSuccess", "on_success"), ("OnFailure", "on_failure")):
            if config.get(member) is not None:
                changes[name] = config[member].get("Destination") or None
    return replace(before, **changes)


def check_destinations(key: FunctionKey, config: Mapping[str, Any], allowed: Destinations) -> None:
    """Refuse destinations that events of `key` cannot have. Raises InvalidParameterValueException and NotSupported."""
    success, failure = _destination(config, "OnSuccess"), _destination(config, "OnFailure")
    if not (_kind_fits(success, _ON_SUCCESS) and _kind_fits(failure, _SERVICES)):
        on_success = f"OnSuccess(destination={success})" if success else "null"
        on_failure = f"OnFailure(destination={failure})" if failure else "null"
        raise errors.invalid(
            "The provided destination config "
            f"DestinationConfig(onSuccess={on_success}, onFailure={on_failure}) is invalid."
        )
    for target in (success, failure):
        if target:
            _check_target(key, target, allowed)


def sends(config: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What a function's role must be allowed, for the destinations that are given: actions and resources."""
    found = []
    for member in ("OnSuccess", "OnFailure"):
        target = _destination(config, member)
        arn = parse_arn(target) if target else None
        if target and arn is not None and arn.service in _SENDS:
            found.append((_SENDS[arn.service], f"{target}/aws/lambda/async/" if arn.service == "s3" else target))
    return found


def may_not_send(action: str, target: str) -> AwsError:
    """InvalidParameterValueException."""
    return errors.invalid(
        f"The function's execution role does not have permissions to call {action.partition(':')[2]} on {target}"
    )


def check_dead_letter(config: Mapping[str, Any] | None, services: Collection[str]) -> None:
    """Refuse a DeadLetterConfig that names neither a queue nor a topic.

    Raises InvalidParameterValueException and NotSupported.
    """
    target = (config or {}).get("TargetArn")
    if not target:
        return
    arn = parse_arn(target)
    if arn is None or arn.service not in ("sqs", "sns"):
        raise errors.invalid(
            f"The provided dead-letter target {target} is neither an Amazon SQS queue nor an SNS topic."
        )
    if arn.resource.endswith(".fifo"):
        raise errors.invalid(f"The provided dead-letter target {target} must be a standard queue or topic, not FIFO.")
    if arn.service not in services:
        raise NotSupported(f"DeadLetterConfig to {_SERVICES[arn.service]}")


def dead_letter_action(target: str) -> tuple[str, str]:
    """What a role must be allowed to send to a dead-letter target, and the service as refusals name it."""
    return ("sqs:SendMessage", "SQS") if target.split(":")[2] == "sqs" else ("sns:Publish", "SNS")


def _destination(config: Mapping[str, Any], member: str) -> str | None:
    return (config.get(member) or {}).get("Destination") or None


def _kind_fits(target: str | None, services: Collection[str]) -> bool:
    arn = parse_arn(target) if target else None
    return target is None or (arn is not None and arn.service in services)


def _check_target(key: FunctionKey, target: str, allowed: Destinations) -> None:
    arn = parse_arn(target)
    if arn is None:
        raise errors.invalid(f"The destination ARN {target} is invalid.")
    if arn.service not in allowed.services:
        raise NotSupported(f"destinations in {_SERVICES[arn.service]}")
    if arn.service != "lambda":
        return
    if arn.account != key.account:
        raise NotSupported("destinations in other accounts")
    kind, _, rest = arn.resource.partition(":")
    function = FunctionKey(arn.account, arn.region, rest.partition(":")[0])
    if kind != "function" or not allowed.exists(function):
        raise errors.invalid(f"The destination ARN {target} is invalid.")
    if function == key:
        raise errors.invalid("You can't specify the function as a destination for itself.")
