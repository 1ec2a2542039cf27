"""Where environments find their logs, and the listener that writes the platform's lines into them."""

from collections.abc import Callable
from typing import Any

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
    RestoreReported,
    RestoreStarted,
    RuntimeDone,
    TelemetryDropped,
    TelemetrySubscribed,
)
from bulb.telemetry.buffer import LogStream
from bulb.telemetry.function_log import FunctionLog, LogOptions
from bulb.telemetry.log_store import LogStore

# What each fact about an environment writes into its log.
_WRITERS: dict[type, Callable[[FunctionLog, Any], None]] = {
    InvocationStarted: FunctionLog.begin,
    InvocationFinished: FunctionLog.finished,
    RuntimeDone: FunctionLog.runtime_done,
    EnvironmentStarted: FunctionLog.started,
    InitRuntimeDone: FunctionLog.init_runtime_done,
    InitReported: FunctionLog.init_reported,
    RestoreStarted: FunctionLog.restoring,
    RestoreReported: FunctionLog.restored,
    ExtensionReported: FunctionLog.extension,
    TelemetrySubscribed: FunctionLog.subscribed,
    TelemetryDropped: FunctionLog.dropped,
}


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
        write = _WRITERS.get(type(fact))
        if write is not None:
            log = self._open.get(fact.environment.environment_id)  # type: ignore[union-attr]  # those in the table have one
            if log is not None:
                write(log, fact)
        elif isinstance(fact, EnvironmentEnded) and (log := self._open.pop(fact.environment.environment_id, None)):
            log.flush()

    def _stream(self, environment: EnvironmentRef) -> LogStream:
        function = environment.function
        return self._store.open_stream(function.account, function.region, environment.log_group, environment.log_stream)
