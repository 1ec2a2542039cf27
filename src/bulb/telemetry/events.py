"""The platform's events as JSON records, made from facts: lines of the JSON log format, and extensions' telemetry.

Pure. Both come from the same record, so the log, the Telemetry API and the bill cannot disagree; a subscriber is told a
little more (`full`): spans, and the trace also where it is not sampled. A record's fields are those of the Telemetry
API's event schema.
"""

import math
from typing import Any, NamedTuple

import orjson

from bulb.core.clock import iso_millis
from bulb.core.facts import (
    EnvironmentRef,
    EnvironmentStarted,
    ExtensionReported,
    InitPhase,
    InitReported,
    InitRuntimeDone,
    InvocationFinished,
    InvocationStarted,
    RestoreReported,
    RestoreStarted,
    RuntimeDone,
    Status,
    TelemetryDropped,
    TelemetrySubscribed,
)
from bulb.telemetry.report import Level, trace_parts


class Entry(NamedTuple):
    """One event: when (Unix seconds), of which type, and its record; for `function` and `extension` that is a text."""

    at: float
    kind: str
    record: Any


def document(entry: Entry) -> dict[str, Any]:
    """The envelope."""
    return {"time": iso_millis(entry.at), "type": entry.kind, "record": entry.record}


def line(entry: Entry) -> str:
    """A line of the JSON log."""
    return orjson.dumps(document(entry)).decode() + "\n"


def level(succeeded: bool, otherwise: Level = "INFO") -> Level:
    """The level of a system line: WARN for whatever failed."""
    return otherwise if succeeded else "WARN"


def init_start(fact: EnvironmentStarted, phase: InitPhase = "init") -> Entry:
    """`platform.initStart`."""
    environment = fact.environment
    record = {"initializationType": environment.initialization, "phase": phase, **_instance(environment)}
    return Entry(fact.at, "platform.initStart", record)


def _instance(environment: EnvironmentRef) -> dict[str, Any]:
    return {
        "runtimeVersion": environment.runtime_version,
        "runtimeVersionArn": environment.runtime_version_arn,
        "functionName": environment.function.name,
        "functionVersion": environment.function.version,
        "instanceId": environment.environment_id,
        "instanceMaxMemory": environment.memory_mb * 1_048_576,
    }


def init_runtime_done(fact: InitRuntimeDone) -> Entry:
    """`platform.initRuntimeDone`."""
    record: dict[str, Any] = {
        "initializationType": fact.environment.initialization,
        "phase": fact.phase,
        "status": fact.status,
    }
    return Entry(fact.at, "platform.initRuntimeDone", _with_error(record, fact.error_type))


def init_report(fact: InitReported) -> Entry:
    """`platform.initReport`."""
    record: dict[str, Any] = {
        "initializationType": fact.environment.initialization,
        "phase": fact.phase,
        "status": fact.status,
        "metrics": {"durationMs": _hundredths(fact.duration_ms)},
    }
    return Entry(fact.at, "platform.initReport", _with_error(record, fact.error_type))


def restore_start(fact: RestoreStarted) -> Entry:
    """`platform.restoreStart`."""
    return Entry(fact.at, "platform.restoreStart", _instance(fact.environment))


def restore_runtime_done(fact: RestoreReported) -> Entry:
    """`platform.restoreRuntimeDone`."""
    return Entry(fact.at, "platform.restoreRuntimeDone", _with_error({"status": fact.status}, fact.error_type))


def restore_report(fact: RestoreReported) -> Entry:
    """`platform.restoreReport`."""
    record: dict[str, Any] = {"status": fact.status, "metrics": {"durationMs": _hundredths(fact.duration_ms)}}
    return Entry(fact.at, "platform.restoreReport", _with_error(record, fact.error_type))


def start(fact: InvocationStarted, *, full: bool = False) -> Entry:
    """`platform.start`."""
    function = fact.environment.function
    record: dict[str, Any] = {"requestId": fact.request_id, "functionArn": function.arn, "version": function.version}
    return Entry(fact.at, "platform.start", _with_trace(record, fact.trace_id if full else None))


def runtime_done(fact: RuntimeDone | InvocationFinished, *, full: bool = False) -> Entry:
    """`platform.runtimeDone`; where there are no extensions, the end of the invocation is also the runtime's."""
    record: dict[str, Any] = {"requestId": fact.request_id, "status": fact.status}
    _with_error(record, fact.error_type)
    metrics: dict[str, Any] = {"durationMs": _hundredths(fact.duration_ms)}
    if full:
        metrics["producedBytes"] = fact.produced_bytes
    record["metrics"] = metrics
    if full and fact.status == "success":
        record["spans"] = _spans(fact)
    return Entry(fact.at, "platform.runtimeDone", _with_trace(record, fact.trace_id if full else None))


def report(fact: InvocationFinished, *, full: bool = False) -> Entry:
    """`platform.report`."""
    metrics: dict[str, Any] = {
        "durationMs": _hundredths(fact.duration_ms),
        "billedDurationMs": fact.billed_ms,
        "memorySizeMB": fact.environment.memory_mb,
        "maxMemoryUsedMB": fact.max_memory_mb,
    }
    if fact.init_ms is not None:
        metrics["initDurationMs"] = _hundredths(fact.init_ms)
    if fact.restore_ms is not None:
        metrics["restoreDurationMs"] = _hundredths(fact.restore_ms)
        metrics["billedRestoreDurationMs"] = math.ceil(fact.restore_ms)
    record: dict[str, Any] = {"requestId": fact.request_id, "metrics": metrics, "status": fact.status}
    _with_error(record, fact.error_type)
    if full and fact.extensions_ms:
        record["spans"] = [_span("extensionOverhead", fact.at - fact.extensions_ms / 1000, fact.extensions_ms)]
    is_sampled = fact.trace_id is not None and "Sampled=1" in fact.trace_id
    return Entry(fact.at, "platform.report", _with_trace(record, fact.trace_id if full or is_sampled else None))


def extension(fact: ExtensionReported) -> Entry:
    """`platform.extension`."""
    record: dict[str, Any] = {"name": fact.name, "state": fact.state, "events": list(fact.events)}
    return Entry(fact.at, "platform.extension", _with_error(record, fact.error_type))


def subscription(fact: TelemetrySubscribed) -> Entry:
    """`platform.telemetrySubscription`, or `platform.logsSubscription` of the older API."""
    record = {"name": fact.name, "state": "Subscribed", "types": list(fact.types)}
    return Entry(fact.at, f"platform.{fact.api}Subscription", record)


def dropped(fact: TelemetryDropped) -> Entry:
    """`platform.logsDropped`."""
    record = {"reason": fact.reason, "droppedRecords": fact.records, "droppedBytes": fact.bytes}
    return Entry(fact.at, "platform.logsDropped", record)


def for_logs_api(entry: Entry) -> list[Entry]:
    """What a subscriber of the Logs API (2020-08-15) is told in place of `entry`: less, and in older words."""
    record = entry.record
    match entry.kind:
        case "platform.start":
            return [entry._replace(record={"requestId": record["requestId"], "version": record["version"]})]
        case "platform.runtimeDone":
            return [entry._replace(record={"requestId": record["requestId"], "status": _logs_status(record["status"])})]
        case "platform.report":
            request = {"requestId": record["requestId"]}
            told = [Entry(entry.at, "platform.end", request), entry._replace(record=request | _metrics(record))]
            if record["status"] != "success" and record.get("errorType", "Sandbox.").startswith(_FAULTS):
                text = f"RequestId: {record['requestId']} {_fault(record['status'])}"
                told.insert(0, Entry(entry.at, "platform.fault", text))
            return told
        case "platform.initStart" | "platform.initRuntimeDone" | "platform.initReport":
            return []
    return [entry]


# What is the platform's to tell: the rest are errors of the function's own, which it has logged itself.
_FAULTS = ("Runtime.ExitError", "Sandbox.", "Extension.")


def _fault(status: Status) -> str:
    return "Task timed out" if status == "timeout" else "Process exited before completing request"


def _logs_status(status: Status) -> str:
    return "failure" if status == "error" else status


def _metrics(record: dict[str, Any]) -> dict[str, Any]:
    return {"metrics": record["metrics"]}


def _with_error(record: dict[str, Any], error_type: str | None) -> dict[str, Any]:
    if error_type:
        record["errorType"] = error_type
    return record


def _with_trace(record: dict[str, Any], trace: str | None) -> dict[str, Any]:
    if trace and "Root" in (parts := trace_parts(trace)):
        record["tracing"] = {"type": "X-Amzn-Trace-Id", "value": trace, "spanId": parts.get("Parent", "")}
    return record


def _span(name: str, start_at: float, duration_ms: float) -> dict[str, Any]:
    return {"name": name, "start": iso_millis(start_at), "durationMs": _hundredths(duration_ms)}


def _spans(fact: RuntimeDone | InvocationFinished) -> list[dict[str, Any]]:
    """How long the response took to begin and, where it was streamed, to end."""
    latency = fact.duration_ms if fact.response_latency_ms is None else fact.response_latency_ms
    began = fact.started_at + latency / 1000
    return [
        _span("responseLatency", fact.started_at, latency),
        _span("responseDuration", began, fact.response_duration_ms or 0.0),
        _span("runtimeOverhead", fact.at, 0.0),
    ]


def _hundredths(duration_ms: float) -> float:
    return round(duration_ms, 2)
