"""The platform's own log lines, made from facts. Pure: a fact in, the exact text out, or None when it is not written.

Text lines are those of Lambda's text log format; tabs are part of them and REPORT ends with one. JSON lines are those
of `LogFormat: JSON`, written when their level is at least the function's system log level.
"""

import math
from typing import Any, Literal

import orjson

from bulb.core.clock import iso_millis
from bulb.core.facts import EnvironmentStarted, InitReported, InvocationFinished, InvocationStarted

LogFormat = Literal["Text", "JSON"]
Level = Literal["DEBUG", "INFO", "WARN"]
_RANKS = {"DEBUG": 0, "INFO": 1, "WARN": 2}


def init_start(fact: EnvironmentStarted) -> str:
    """INIT_START."""
    environment = fact.environment
    return (
        f"INIT_START Runtime Version: {environment.runtime_version}\t"
        f"Runtime Version ARN: {environment.runtime_version_arn}\n"
    )


def init_report(fact: InitReported) -> str:
    """INIT_REPORT, which only a failed init phase gets."""
    return f"INIT_REPORT Init Duration: {fact.duration_ms:.2f} ms\tPhase: {fact.phase}\t{_status(fact)}\n"


def start(fact: InvocationStarted) -> str:
    """START. It carries the version, never an alias."""
    return f"START RequestId: {fact.request_id} Version: {fact.environment.function.version}\n"


def end(fact: InvocationFinished) -> str:
    """END."""
    return f"END RequestId: {fact.request_id}\n"


def report(fact: InvocationFinished) -> str:
    """REPORT; with a second line for X-Ray when the trace is sampled."""
    init = f"Init Duration: {fact.init_ms:.2f} ms\t" if fact.init_ms is not None else ""
    return (
        f"REPORT RequestId: {fact.request_id}\tDuration: {fact.duration_ms:.2f} ms\t"
        f"Billed Duration: {fact.billed_ms} ms\tMemory Size: {fact.environment.memory_mb} MB\t"
        f"Max Memory Used: {fact.max_memory_mb} MB\t{init}{_status(fact)}\n{_xray(fact.trace_id)}"
    )


def _status(fact: InitReported | InvocationFinished) -> str:
    """`Status: timeout`, `Status: error<tab>Error Type: X`, or nothing."""
    if fact.status == "success":
        return ""
    if fact.status == "error" and fact.error_type:
        return f"Status: error\tError Type: {fact.error_type}"
    return f"Status: {fact.status}"


def _xray(trace: str | None) -> str:
    if trace is None or "Sampled=1" not in trace:
        return ""
    parts = _trace_parts(trace)
    if "Root" not in parts:
        return ""
    segment = f"\tSegmentId: {parts['Parent']}" if "Parent" in parts else ""
    return f"XRAY TraceId: {parts['Root']}{segment}\tSampled: true\n"


def _trace_parts(trace: str) -> dict[str, str]:
    return dict(part.strip().split("=", 1) for part in trace.split(";") if "=" in part)


def is_written(level: Level, system_level: str | None) -> bool:
    """Whether a line of `level` passes a function's system log level (INFO when it has none)."""
    return _RANKS[level] >= _RANKS.get(system_level or "INFO", 1)


def json_init_start(fact: EnvironmentStarted) -> str:
    """`platform.initStart`."""
    environment = fact.environment
    record = {
        "initializationType": "on-demand",
        "phase": "init",
        "runtimeVersion": environment.runtime_version,
        "runtimeVersionArn": environment.runtime_version_arn,
        "functionName": environment.function.name,
        "functionVersion": environment.function.version,
        "instanceId": environment.environment_id,
        "instanceMaxMemory": environment.memory_mb * 1_048_576,
    }
    return _line(fact.at, "platform.initStart", record)


def json_init_report(fact: InitReported) -> str:
    """`platform.initReport` of an init phase that failed."""
    record: dict[str, Any] = {
        "initializationType": "on-demand",
        "phase": fact.phase,
        "status": fact.status,
        "metrics": {"durationMs": _hundredths(fact.duration_ms)},
    }
    if fact.error_type:
        record["errorType"] = fact.error_type
    return _line(fact.at, "platform.initReport", record)


def json_start(fact: InvocationStarted) -> str:
    """`platform.start`."""
    function = fact.environment.function
    record = {"requestId": fact.request_id, "functionArn": function.arn, "version": function.version}
    return _line(fact.at, "platform.start", record)


def json_runtime_done(fact: InvocationFinished) -> str:
    """`platform.runtimeDone`."""
    record: dict[str, Any] = {"requestId": fact.request_id, "status": fact.status}
    if fact.error_type:
        record["errorType"] = fact.error_type
    record["metrics"] = {"durationMs": _hundredths(fact.duration_ms)}
    return _line(fact.at, "platform.runtimeDone", record)


def json_report(fact: InvocationFinished) -> str:
    """`platform.report`."""
    metrics: dict[str, Any] = {
        "durationMs": _hundredths(fact.duration_ms),
        "billedDurationMs": fact.billed_ms,
        "memorySizeMB": fact.environment.memory_mb,
        "maxMemoryUsedMB": fact.max_memory_mb,
    }
    if fact.init_ms is not None:
        metrics["initDurationMs"] = _hundredths(fact.init_ms)
    record: dict[str, Any] = {"requestId": fact.request_id, "metrics": metrics, "status": fact.status}
    if fact.error_type:
        record["errorType"] = fact.error_type
    parts = _trace_parts(fact.trace_id) if fact.trace_id and "Sampled=1" in fact.trace_id else {}
    if "Root" in parts:
        record["tracing"] = {"type": "X-Amzn-Trace-Id", "value": fact.trace_id, "spanId": parts.get("Parent", "")}
    return _line(fact.at, "platform.report", record)


def runtime_done_level(fact: InvocationFinished) -> Level:
    """DEBUG, or WARN for what failed."""
    return "DEBUG" if fact.status == "success" else "WARN"


def report_level(fact: InvocationFinished) -> Level:
    """INFO, or WARN for what failed."""
    return "INFO" if fact.status == "success" else "WARN"


def milliseconds(unix_seconds: float) -> int:
    """The timestamp of a log event."""
    return math.floor(unix_seconds * 1000)


def _line(at: float, kind: str, record: dict[str, Any]) -> str:
    return orjson.dumps({"time": iso_millis(at), "type": kind, "record": record}).decode() + "\n"


def _hundredths(duration_ms: float) -> float:
    return round(duration_ms, 2)
