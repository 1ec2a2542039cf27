"""The platform's own lines of Lambda's text log format, made from facts. Pure: a fact in, the exact text out.

Tabs are part of them, and REPORT ends with one. The same facts as JSON are in `events.py`.
"""

import math
from typing import Literal

from bulb.core.facts import (
    EnvironmentStarted,
    ExtensionReported,
    InitReported,
    InvocationFinished,
    InvocationStarted,
    RestoreReported,
    RestoreStarted,
    TelemetrySubscribed,
)

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
    """INIT_REPORT, which a failed init phase gets, and one before a snapshot."""
    return f"INIT_REPORT Init Duration: {fact.duration_ms:.2f} ms\tPhase: {fact.phase}\t{_status(fact)}\n"


def restore_start(fact: RestoreStarted) -> str:
    """RESTORE_START."""
    environment = fact.environment
    return (
        f"RESTORE_START Runtime Version: {environment.runtime_version}\t"
        f"Runtime Version ARN: {environment.runtime_version_arn}\n"
    )


def restore_report(fact: RestoreReported) -> str:
    """RESTORE_REPORT."""
    status = _status(fact)
    return f"RESTORE_REPORT Restore Duration: {fact.duration_ms:.2f} ms{status and chr(9) + status}\n"


def extension(fact: ExtensionReported) -> str:
    """EXTENSION, one for each extension of an init phase."""
    error = f"\tError Type: {fact.error_type}" if fact.error_type else ""
    return f"EXTENSION\tName: {fact.name}\tState: {fact.state}\tEvents: [{', '.join(fact.events)}]{error}\n"


def subscription(fact: TelemetrySubscribed) -> str:
    """TELEMETRY, or LOGS for the older API."""
    types = ", ".join(kind.capitalize() for kind in fact.types)
    return f"{fact.api.upper()}\tName: {fact.name}\tState: Subscribed\tTypes: [{types}]\n"


def start(fact: InvocationStarted) -> str:
    """START. It carries the version, never an alias."""
    return f"START RequestId: {fact.request_id} Version: {fact.environment.function.version}\n"


def end(fact: InvocationFinished) -> str:
    """END."""
    return f"END RequestId: {fact.request_id}\n"


def report(fact: InvocationFinished) -> str:
    """REPORT; with a second line for X-Ray when the trace is sampled."""
    first = f"Init Duration: {fact.init_ms:.2f} ms\t" if fact.init_ms is not None else ""
    if fact.restore_ms is not None:
        billed = math.ceil(fact.restore_ms)
        first = f"Restore Duration: {fact.restore_ms:.2f} ms\tBilled Restore Duration: {billed} ms\t"
    return (
        f"REPORT RequestId: {fact.request_id}\tDuration: {fact.duration_ms:.2f} ms\t"
        f"Billed Duration: {fact.billed_ms} ms\tMemory Size: {fact.environment.memory_mb} MB\t"
        f"Max Memory Used: {fact.max_memory_mb} MB\t{first}{_status(fact)}\n{_xray(fact.trace_id)}"
    )


def _status(fact: InitReported | RestoreReported | InvocationFinished) -> str:
    """`Status: timeout`, `Status: error<tab>Error Type: X`, or nothing."""
    if fact.status == "success":
        return ""
    if fact.status == "error" and fact.error_type:
        return f"Status: error\tError Type: {fact.error_type}"
    return f"Status: {fact.status}"


def _xray(trace: str | None) -> str:
    if trace is None or "Sampled=1" not in trace:
        return ""
    parts = trace_parts(trace)
    if "Root" not in parts:
        return ""
    segment = f"\tSegmentId: {parts['Parent']}" if "Parent" in parts else ""
    return f"XRAY TraceId: {parts['Root']}{segment}\tSampled: true\n"


def trace_parts(trace: str) -> dict[str, str]:
    """The fields of an X-Ray header."""
    return dict(part.strip().split("=", 1) for part in trace.split(";") if "=" in part)


def is_written(level: Level, system_level: str | None) -> bool:
    """Whether a line of `level` passes a function's system log level (INFO when it has none)."""
    return _RANKS[level] >= _RANKS.get(system_level or "INFO", 1)


def milliseconds(unix_seconds: float) -> int:
    """The timestamp of a log event."""
    return math.floor(unix_seconds * 1000)
