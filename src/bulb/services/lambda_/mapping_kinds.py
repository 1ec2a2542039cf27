"""Kinds of event sources: which options each one takes, and what it does where the caller says nothing. Data."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bulb.core.arn import parse_arn
from bulb.services.lambda_ import errors

_EVERY = frozenset(
    {"EventSourceArn", "FunctionName", "UUID", "Enabled", "Tags", "BatchSize", "MaximumBatchingWindowInSeconds"}
)
_FILTERED = _EVERY | {"FilterCriteria", "MetricsConfig"}
_RETRIED = frozenset(
    {
        "DestinationConfig",
        "MaximumRecordAgeInSeconds",
        "MaximumRetryAttempts",
        "BisectBatchOnFunctionError",
        "FunctionResponseTypes",
    }
)
_STARTED = frozenset({"StartingPosition", "StartingPositionTimestamp"})
_FROM_THE_START, _FROM_A_TIME = ("TRIM_HORIZON", "LATEST"), ("TRIM_HORIZON", "LATEST", "AT_TIMESTAMP")

_STREAM_DEFAULTS: Mapping[str, Any] = {
    "BatchSize": 100,
    "MaximumBatchingWindowInSeconds": 0,
    "ParallelizationFactor": 1,
    "DestinationConfig": {"OnFailure": {}},
    "MaximumRecordAgeInSeconds": -1,
    "BisectBatchOnFunctionError": False,
    "MaximumRetryAttempts": -1,
    "TumblingWindowInSeconds": 0,
    "FunctionResponseTypes": [],
}
_KAFKA = _FILTERED | _RETRIED | _STARTED | {"Topics", "SourceAccessConfigurations", "ProvisionedPollerConfig"}
_KAFKA |= {"LoggingConfig"}
_KAFKA_METRICS = frozenset({"EventCount", "ErrorCount", "KafkaMetrics"})


@dataclass(frozen=True, slots=True)
class Kind:
    """`options` are the parameters it takes, `positions` where reading may start, empty for queues.

    `reason` and `last_result` are AWS's words in a new mapping; `required` are parameters that must be there; `metrics`
    are those that its MetricsConfig may name.
    """

    name: str
    title: str
    options: frozenset[str]
    defaults: Mapping[str, Any]
    positions: tuple[str, ...] = ()
    required: Mapping[str, str] = field(default_factory=dict)
    reason: str = "USER_INITIATED"
    last_result: str | None = None
    metrics: frozenset[str] = frozenset({"EventCount"})


_STREAM_OPTIONS = _FILTERED | _RETRIED | _STARTED | {"ParallelizationFactor", "TumblingWindowInSeconds"}
_NOTHING_YET = "No records processed"

KINDS: Mapping[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind(
            "sqs",
            "Amazon SQS",
            _FILTERED | {"FunctionResponseTypes", "ScalingConfig", "ProvisionedPollerConfig"},
            {"BatchSize": 10, "MaximumBatchingWindowInSeconds": 0, "FunctionResponseTypes": []},
        ),
        Kind(
            "kinesis",
            "Amazon Kinesis",
            _STREAM_OPTIONS,
            _STREAM_DEFAULTS,
            _FROM_A_TIME,
            reason="User action",
            last_result=_NOTHING_YET,
        ),
        Kind(
            "dynamodb",
            "Amazon DynamoDB Streams",
            _STREAM_OPTIONS,
            _STREAM_DEFAULTS,
            _FROM_THE_START,
            reason="User action",
            last_result=_NOTHING_YET,
        ),
        Kind(
            "kafka",
            "Amazon MSK",
            _KAFKA | {"AmazonManagedKafkaEventSourceConfig"},
            {"BatchSize": 100, "DestinationConfig": {"OnFailure": {}}},
            _FROM_A_TIME,
            {"Topics": "topics"},
            last_result=_NOTHING_YET,
            metrics=_KAFKA_METRICS,
        ),
        Kind(
            "self-managed-kafka",
            "self-managed Apache Kafka",
            _KAFKA | {"SelfManagedKafkaEventSourceConfig", "SelfManagedEventSource"},
            {"BatchSize": 100, "DestinationConfig": {"OnFailure": {}}},
            _FROM_A_TIME,
            {"Topics": "topics", "SourceAccessConfigurations": "sourceAccessConfigurations"},
            last_result=_NOTHING_YET,
            metrics=_KAFKA_METRICS,
        ),
        Kind(
            "mq",
            "Amazon MQ",
            _FILTERED - {"MetricsConfig"} | {"Queues", "SourceAccessConfigurations"},
            {"BatchSize": 100},
            required={"SourceAccessConfigurations": "sourceAccessConfigurations", "Queues": "queues"},
        ),
        Kind(
            "rds",
            "Amazon DocumentDB",
            _EVERY | _STARTED | {"DocumentDBEventSourceConfig", "SourceAccessConfigurations"},
            {"BatchSize": 100},
            _FROM_A_TIME,
            {"SourceAccessConfigurations": "sourceAccessConfigurations"},
        ),
    )
}


def kind_of(params: Mapping[str, Any]) -> Kind:
    """The kind CreateEventSourceMapping's parameters mean. Raises InvalidParameterValueException when it is none."""
    source = params.get("EventSourceArn")
    if source is None:
        name = "self-managed-kafka" if params.get("SelfManagedEventSource") else ""
    else:
        parsed = parse_arn(source)
        name = "" if parsed is None or parsed.service == "self-managed-kafka" else parsed.service
    if name not in KINDS:
        raise errors.invalid("Unrecognized event source.")
    return KINDS[name]
