"""Where environments find their logs, and the listener that writes the platform's lines into them."""

from bulb.core.clock import Clock
from bulb.core.facts import (
    EnvironmentEnded,
    EnvironmentRef,
    EnvironmentStarted,
    ExtensionReported,
    Fact,
    InitReported,
    InitRuntimeDone,
    InvocationFinished,
    InvocationStarted,
    RuntimeDone,
    TelemetryDropped,
    TelemetrySubscribed,
)
from bulb.telemetry.buffer import LogStream
from bulb.telemetry.function_log import FunctionLog, LogOptions
from bulb.telemetry.log_store import LogStore

_OF_ENVIRONMENTS = (
    InvocationStarted,
    InvocationFinished,
    RuntimeDone,
    EnvironmentStarted,
    InitRuntimeDone,
    InitReported,
    ExtensionReported,
    TelemetrySubscribed,
    TelemetryDropped,
    EnvironmentEnded,
)


class FunctionLogs:
    """The logs of the environments that live. `listen` is a listener of `Facts`."""

    def __init__(self, store: LogStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._open: dict[str, FunctionLog] = {}

    def open(self, environment: EnvironmentRef, options: LogOptions) -> FunctionLog:
        """The log of a new environment, to be called before its EnvironmentStarted is emitted."""
        log = FunctionLog(self._stream(environment), self._clock, options)
        self._open[environment.environment_id] = log
        return log

    def listen(self, fact: Fact) -> None:
        """Write what `fact` says into its environment's log. Facts of no environment, or of one never opened, pass."""
        log = self._open.get(fact.environment.environment_id) if isinstance(fact, _OF_ENVIRONMENTS) else None
        if log is None:
            return
        match fact:
            case InvocationStarted():
                log.begin(fact)
            case InvocationFinished():
                log.finished(fact)
            case RuntimeDone():
                log.runtime_done(fact)
            case EnvironmentStarted():
                log.started(fact)
            case InitRuntimeDone():
                log.init_runtime_done(fact)
            case InitReported():
                log.init_reported(fact)
            case ExtensionReported():
                log.extension(fact)
            case TelemetrySubscribed():
                log.subscribed(fact)
            case TelemetryDropped():
                log.dropped(fact)
            case EnvironmentEnded():
                log.flush()
                del self._open[fact.environment.environment_id]

    def _stream(self, environment: EnvironmentRef) -> LogStream:
        function = environment.function
        return self._store.open_stream(function.account, function.region, environment.log_group, environment.log_stream)
