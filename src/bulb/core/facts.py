"""Facts: what the invoke path says about itself.

`invoke` and `environments` emit them and know nobody who listens; log lines, metrics and the bill are all derived from
the same fact, so they cannot disagree. A listener runs inside the event loop, must return at once and must not raise.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

Status = Literal["success", "error", "timeout"]
InitPhase = Literal["init", "invoke"]
# What made an environment start; also the value of AWS_LAMBDA_INITIALIZATION_TYPE.
Initialization = Literal["on-demand", "provisioned-concurrency", "snap-start"]


class FunctionRef(NamedTuple):
    """Which code: one version of one function. `version` is `$LATEST` or a number.

    A tuple, because it is looked up several times in every invocation, and a tuple's hash is the interpreter's own.
    """

    account: str
    region: str
    name: str
    version: str

    @property
    def arn(self) -> str:
        """The unqualified function ARN."""
        return f"arn:aws:lambda:{self.region}:{self.account}:function:{self.name}"


@dataclass(frozen=True, slots=True)
class EnvironmentRef:
    """One execution environment and where its log goes."""

    environment_id: str
    function: FunctionRef
    log_group: str
    log_stream: str
    memory_mb: int
    ephemeral_mb: int
    architecture: str
    runtime: str
    runtime_version: str
    runtime_version_arn: str
    initialization: Initialization = "on-demand"


@dataclass(frozen=True, slots=True)
class EnvironmentStarted:
    """An environment begins its init phase. Times are Unix seconds."""

    environment: EnvironmentRef
    at: float


@dataclass(frozen=True, slots=True)
class InitRuntimeDone:
    """The runtime has initialised, or failed to; extensions may still be at it."""

    environment: EnvironmentRef
    at: float
    phase: InitPhase
    status: Status
    error_type: str | None


@dataclass(frozen=True, slots=True)
class InitReported:
    """An init phase is over. How long a successful one took is also told by the first `InvocationFinished`."""

    environment: EnvironmentRef
    at: float
    duration_ms: float
    phase: InitPhase
    status: Status
    error_type: str | None


@dataclass(frozen=True, slots=True)
class RestoreStarted:
    """An environment begins as a copy of an initialised one."""

    environment: EnvironmentRef
    at: float


@dataclass(frozen=True, slots=True)
class RestoreReported:
    """It has been restored, after-restore hooks and all, or has not."""

    environment: EnvironmentRef
    at: float
    duration_ms: float
    status: Status
    error_type: str | None


@dataclass(frozen=True, slots=True)
class InvocationStarted:
    """An event was handed to an environment."""

    environment: EnvironmentRef
    request_id: str
    at: float
    trace_id: str | None = None


@dataclass(frozen=True, slots=True)
class RuntimeDone:
    """The runtime is done with an event while extensions may still be at it. Emitted only where there are extensions;
    elsewhere `InvocationFinished` says it all. Durations are milliseconds from `started_at`."""

    environment: EnvironmentRef
    request_id: str
    at: float
    started_at: float
    duration_ms: float
    produced_bytes: int
    status: Status
    error_type: str | None
    trace_id: str | None
    response_latency_ms: float | None = None
    response_duration_ms: float | None = None


@dataclass(frozen=True, slots=True)
class InvocationFinished:
    """An invocation ended, however it ended. Durations are milliseconds; `billed_ms` is what is charged.

    `extensions_ms` is the part of the duration in which only extensions were still at work.
    `produced_bytes` is the size of the answer. Of one that was streamed, `response_latency_ms` is the time from the
    event to its first byte and `response_duration_ms` from there to its last.
    """

    environment: EnvironmentRef
    request_id: str
    at: float
    started_at: float
    duration_ms: float
    billed_ms: int
    init_ms: float | None
    max_memory_mb: int
    status: Status
    error_type: str | None
    trace_id: str | None
    extensions_ms: float = 0.0
    produced_bytes: int = 0
    response_latency_ms: float | None = None
    response_duration_ms: float | None = None
    restore_ms: float | None = None


@dataclass(frozen=True, slots=True)
class ExtensionReported:
    """What an extension was at the end of an init phase: its state, and the events it asked for."""

    environment: EnvironmentRef
    at: float
    name: str
    state: str
    events: tuple[str, ...]
    error_type: str | None


@dataclass(frozen=True, slots=True)
class TelemetrySubscribed:
    """An extension wants telemetry from now on. `api`: the Telemetry API, or the Logs API before it."""

    environment: EnvironmentRef
    at: float
    name: str
    types: tuple[str, ...]
    api: Literal["telemetry", "logs"]


@dataclass(frozen=True, slots=True)
class TelemetryDropped:
    """A subscriber did not take its telemetry in time, and this much of it is gone."""

    environment: EnvironmentRef
    at: float
    reason: str
    records: int
    bytes: int


@dataclass(frozen=True, slots=True)
class InvocationThrottled:
    """A request was refused for want of capacity. `reason` is the `Reason` member of the 429."""

    function: FunctionRef
    at: float
    reason: str


@dataclass(frozen=True, slots=True)
class ConcurrencyProvisioned:
    """So many environments of a version stand ready for a period that begins now, which is to be paid."""

    function: FunctionRef
    architecture: str
    memory_mb: int
    environments: int
    at: float
    seconds: int


@dataclass(frozen=True, slots=True)
class SnapshotCached:
    """The snapshot of a version is kept for a period that begins now, which is to be paid."""

    function: FunctionRef
    architecture: str
    memory_mb: int
    at: float
    seconds: int


@dataclass(frozen=True, slots=True)
class EnvironmentEnded:
    """An environment is gone. `reason`: `idle`, `update`, `shutdown`, `failure`."""

    environment: EnvironmentRef
    at: float
    reason: str


@dataclass(frozen=True, slots=True)
class RecursiveInvocationDropped:
    """A loop through the function was cut."""

    function: FunctionRef
    at: float


@dataclass(frozen=True, slots=True)
class AsyncEventReceived:
    """An asynchronous event is on disk."""

    function: FunctionRef
    request_id: str
    at: float


@dataclass(frozen=True, slots=True)
class AsyncEventTried:
    """An attempt at an asynchronous event ended, and it is on disk what comes of that.

    `function.version` is the qualifier events name it with. `attempts` is how many are used up, this one included: runs
    of the function, and looks for a version or alias that is gone; `duration_ms` is None when it did not run this time.
    `code` is the error type of a function that failed, or the code of what Bulb refused with; `condition` is why it is
    dropped, in a destination record's words. `next_at` is when it is tried again. `told` are the kinds and ARNs of who
    is told of the end.
    """

    function: FunctionRef
    request_id: str
    at: float
    accepted_at: float
    outcome: Literal["succeeded", "retrying", "dropped"]
    attempts: int
    duration_ms: float | None = None
    code: str | None = None
    message: str | None = None
    condition: str | None = None
    next_at: float | None = None
    told: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class AsyncEventDropped:
    """An asynchronous event will not be tried again. `condition` is why, in a destination record's words."""

    function: FunctionRef
    request_id: str
    at: float
    condition: str


@dataclass(frozen=True, slots=True)
class DeliveryFailed:
    """Nobody could be told how an asynchronous event ended. `kind`: `OnSuccess`, `OnFailure` or `DeadLetter`."""

    function_arn: str
    request_id: str
    at: float
    kind: str
    target: str


# How a batch ended: `partial` is one of which the function named failures, `throttled` one that found no room in time,
# `filtered` messages that no filter let through: nothing was invoked.
BatchStatus = Literal["success", "partial", "error", "throttled", "filtered"]


@dataclass(frozen=True, slots=True)
class BatchFinished:
    """A batch of an event source mapping is settled with its source.

    `function` has the version that ran, or the qualifier of the mapping where none did; `request_id` is the last
    attempt's. `message_ids` are the first of the `count` messages. Each was deleted or failed; of a batch that is
    `filtered` all were filtered out (and deleted). `duration_ms` is from the batch's start to its end.
    """

    mapping_uuid: str
    mapping_arn: str
    source_arn: str
    function: FunctionRef
    request_id: str | None
    message_ids: tuple[str, ...]
    count: int
    deleted: int
    failed: int
    filtered: int
    at: float
    duration_ms: float
    status: BatchStatus
    error: str | None = None


@dataclass(frozen=True, slots=True)
class MappingEvents:
    """The counts of an event source mapping that asked for `EventCount`, since its last of these."""

    mapping_uuid: str
    function: FunctionRef
    at: float
    polled: int
    filtered_out: int
    invoked: int
    failed_invoke: int
    deleted: int


@dataclass(frozen=True, slots=True)
class Delivered:
    """One attempt to deliver what one service sent to another, and how it went.

    `delivery_id` is the request id of the invocation, or the id of the message, that a delivery becomes. `source` is
    the service (`s3`), `source_arn` the bucket, topic, rule, ... it acted for; `about` says in a few words what
    happened there, `cause` is the request id of the asynchronous event whose end is told. `letters` are the ARNs that
    got dead letters, `next_at` is when the next attempt is made.
    """

    source: str
    source_arn: str
    destination_arn: str
    delivery_id: str
    created_at: float
    at: float
    outcome: Literal["delivered", "retrying", "dead-lettered", "dropped"]
    attempts: int
    code: str | None = None
    message: str | None = None
    letters: tuple[str, ...] = ()
    about: str | None = None
    cause: str | None = None
    details: Mapping[str, Any] | None = None
    next_at: float | None = None


Fact = (
    EnvironmentStarted
    | InitRuntimeDone
    | InitReported
    | RestoreStarted
    | RestoreReported
    | ExtensionReported
    | TelemetrySubscribed
    | TelemetryDropped
    | InvocationStarted
    | RuntimeDone
    | InvocationFinished
    | InvocationThrottled
    | ConcurrencyProvisioned
    | SnapshotCached
    | EnvironmentEnded
    | RecursiveInvocationDropped
    | AsyncEventReceived
    | AsyncEventTried
    | AsyncEventDropped
    | DeliveryFailed
    | BatchFinished
    | MappingEvents
    | Delivered
)
Listener = Callable[[Fact], None]


class Facts:
    """Hands each fact to every listener, in the order they were added."""

    def __init__(self) -> None:
        self._listeners: list[Listener] = []

    def add(self, listener: Listener) -> None:
        """From now on `listener` is told every fact."""
        self._listeners.append(listener)

    def emit(self, fact: Fact) -> None:
        """Tell every listener."""
        for listener in self._listeners:
            listener(fact)
