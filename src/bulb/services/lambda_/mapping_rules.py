"""What an event source mapping may be: pure decisions over the parameters of create and update."""

from collections.abc import Iterable, Mapping
from typing import Any

from bulb.core.errors import AwsError, NotSupported
from bulb.services.lambda_ import errors
from bulb.services.lambda_.filters import check_filters
from bulb.services.lambda_.mapping_kinds import Kind
from bulb.services.lambda_.mappings import EventSourceMapping, State

_NOT_SETTINGS = {"FunctionName", "EventSourceArn", "Enabled", "Tags", "UUID"}
# An update with one of these empty takes the setting away.
_CLEARED_BY_EMPTY = {"FilterCriteria", "ScalingConfig", "MetricsConfig", "ProvisionedPollerConfig", "LoggingConfig"}
_FIFO_BATCH = 10
_BATCH_WITHOUT_WINDOW = 10
_MIN_POLLERS, _MAX_POLLERS = 2, 200
_KAFKA_CONFIGS = {
    "kafka": "AmazonManagedKafkaEventSourceConfig",
    "self-managed-kafka": "SelfManagedKafkaEventSourceConfig",
}


def new_settings(kind: Kind, params: Mapping[str, Any], uuid: str, now: float) -> dict[str, Any]:
    """The settings of a new mapping, checked, defaults filled in. Raises InvalidParameterValueException."""
    _check_options(kind, params)
    for member, name in kind.required.items():
        if not params.get(member):
            raise errors.invalid(f"Required '{name}' parameter is missing.")
    if kind.positions:
        _check_position(kind, params, now)
    settings = _merged(kind.defaults, params)
    if kind.name in _KAFKA_CONFIGS:
        config = _KAFKA_CONFIGS[kind.name]
        settings[config] = {"ConsumerGroupId": uuid, **settings.get(config, {})}
    if kind.name == "rds":
        settings["DocumentDBEventSourceConfig"] = {
            "FullDocument": "Default",
            **settings.get("DocumentDBEventSourceConfig", {}),
        }
    _check_settings(kind, settings, params.get("EventSourceArn"))
    return settings


def changed_settings(kind: Kind, current: EventSourceMapping, params: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a mapping after an update. Raises InvalidParameterValueException."""
    _check_options(kind, params)
    settings = _merged(current.settings, params)
    _check_settings(kind, settings, current.event_source_arn)
    return settings


def check_free(mapping: EventSourceMapping, verb: str) -> None:
    """Raises ResourceInUseException while an earlier change is on its way."""
    if not mapping.is_settled:
        raise AwsError("ResourceInUseException", f"Cannot {verb} the event source mapping because it is in use.")


def state_after_update(mapping: EventSourceMapping, enabled: bool | None) -> State:
    """Where an update begins."""
    was_enabled = mapping.state == "Enabled"
    if enabled is None or enabled == was_enabled:
        return "Updating" if was_enabled else "Disabled"
    return "Enabling" if enabled else "Disabling"


def check_unique(new: EventSourceMapping, others: Iterable[EventSourceMapping]) -> None:
    """Raises ResourceConflictException when one of `others` reads the same for the same function."""
    for other in others:
        if other.uuid != new.uuid and _reads_the_same(new, other):
            raise errors.conflict(
                f"{_pair(new)} already exists. Please update or delete the existing mapping with UUID {other.uuid}"
            )


def _reads_the_same(one: EventSourceMapping, other: EventSourceMapping) -> bool:
    return (
        (one.function_arn, one.event_source_arn, one.kind) == (other.function_arn, other.event_source_arn, other.kind)
        and _brokers(one) == _brokers(other)
        and all(one.settings.get(member) == other.settings.get(member) for member in ("Topics", "Queues"))
    )


def _pair(of: EventSourceMapping) -> str:
    """The words AWS has for what a mapping connects; they differ by kind."""
    name = of.function.name if of.qualifier is None else f"{of.function.name}:{of.qualifier}"
    if of.kind in _KAFKA_CONFIGS:
        source = ",".join(_brokers(of)) or of.event_source_arn
        topics = ",".join(of.settings.get("Topics", ()))
        between = f'event source ("{source}"), function ("{of.function_arn}"), topics ("{topics}")'
        return f"An event source mapping with {between}"
    if of.kind == "sqs":
        return f'An event source mapping with SQS arn (" {of.event_source_arn} ") and function (" {name} ")'
    return f'The event source arn (" {of.event_source_arn} ") and function (" {name} ") provided mapping'


def _brokers(of: EventSourceMapping) -> list[str]:
    endpoints: Mapping[str, list[str]] = of.settings.get("SelfManagedEventSource", {}).get("Endpoints", {})
    return [broker for brokers in endpoints.values() for broker in brokers]


def _merged(before: Mapping[str, Any], params: Mapping[str, Any]) -> dict[str, Any]:
    """`before` with what the caller says; a time becomes Unix seconds."""
    settings = dict(before)
    for member, value in params.items():
        if member in _NOT_SETTINGS:
            continue
        if member in _CLEARED_BY_EMPTY and not any(value.values()):
            settings.pop(member, None)
        elif member == "DestinationConfig":
            settings[member] = {"OnFailure": value.get("OnFailure", {})}
        elif member == "StartingPositionTimestamp":
            settings[member] = value.timestamp()
        else:
            settings[member] = value
    return settings


def _check_options(kind: Kind, params: Mapping[str, Any]) -> None:
    if params.get("KMSKeyArn"):
        raise NotSupported("KMSKeyArn of event source mappings")
    if kind.name == "sqs" and "StartingPosition" in params:
        raise errors.invalid("StartingPosition is not valid for SQS event sources.")
    for member in params:
        if member not in kind.options and member != "KMSKeyArn":
            raise errors.invalid(f"Unsupported {member} parameter for given event source mapping type.")
    if params.get("DestinationConfig", {}).get("OnSuccess"):
        raise errors.invalid("Unsupported DestinationConfig parameter for given event source mapping type.")


def _check_position(kind: Kind, params: Mapping[str, Any], now: float) -> None:
    position = params.get("StartingPosition")
    if position is None:
        raise errors.invalid(
            "1 validation error detected: Value null at 'startingPosition' failed to satisfy constraint: "
            "Member must not be null."
        )
    if position not in kind.positions:
        raise errors.invalid(f"Unsupported starting position for arn type: {params['EventSourceArn']}")
    moment = params.get("StartingPositionTimestamp")
    if (position == "AT_TIMESTAMP") != (moment is not None):
        raise errors.invalid(
            "StartingPositionTimestamp is given with the starting position AT_TIMESTAMP and only then."
        )
    if moment is not None and moment.timestamp() > now:
        raise errors.invalid("StartingPositionTimestamp cannot be in the future.")


def _check_settings(kind: Kind, settings: Mapping[str, Any], source: str | None) -> None:
    check_filters(settings.get("FilterCriteria", {}))
    size, window = settings["BatchSize"], settings.get("MaximumBatchingWindowInSeconds", 0)
    if kind.name == "sqs" and (source or "").endswith(".fifo"):
        if size > _FIFO_BATCH:
            raise errors.invalid(f"The maximum batch size of a FIFO queue is {_FIFO_BATCH}.")
        if window:
            raise errors.invalid("Batching window is not supported for FIFO queues")
    elif kind.name == "sqs" and size > _BATCH_WITHOUT_WINDOW and not window:
        raise errors.invalid(
            "Maximum batch window in seconds must be greater than 0 if maximum batch size is greater than 10"
        )
    if 0 <= settings.get("MaximumRecordAgeInSeconds", -1) < 60:  # noqa: PLR2004 - the model cannot say "-1 or from 60 on"
        raise errors.invalid("MaximumRecordAgeInSeconds is -1 or at least 60.")
    for metric in settings.get("MetricsConfig", {}).get("Metrics", ()):
        if metric not in kind.metrics:
            raise errors.invalid(f"Unsupported metric {metric} for given event source mapping type.")
    if "ScalingConfig" in settings and "ProvisionedPollerConfig" in settings:
        raise errors.invalid(
            "Provisioned mode for SQS ESM does not support maximum concurrency feature. Use MaximumPollers as the "
            "control mechanism and remove maximum concurrency."
        )
    if kind.name == "sqs" and "ProvisionedPollerConfig" in settings:
        _check_pollers(settings["ProvisionedPollerConfig"])


def _check_pollers(config: Mapping[str, Any]) -> None:
    """Those of a queue. The model has the lowest bounds of all kinds together, and a queue's own highest (10,000)."""
    fewest, most = config.get("MinimumPollers", _MIN_POLLERS), config.get("MaximumPollers", _MAX_POLLERS)
    if not _MIN_POLLERS <= fewest <= most:
        raise errors.invalid(
            "MinimumPollers should be between [2, 200] and MaximumPollers should be between [MinimumPollers, 10000]"
        )
    if "PollerGroupName" in config:
        raise errors.invalid("Unsupported PollerGroupName parameter for given event source mapping type.")
