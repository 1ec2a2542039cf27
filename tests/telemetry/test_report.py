"""The platform's lines, byte for byte."""

import json
from dataclasses import replace

import pytest

from bulb.core.facts import ExtensionReported, InitRuntimeDone, RuntimeDone, TelemetrySubscribed
from bulb.telemetry import events, report
from tests.telemetry.facts import AT, BEGUN, ENVIRONMENT, FINISHED, INIT_FAILED, STARTED, finished

COLD = (
    "REPORT RequestId: A\tDuration: 2.51 ms\tBilled Duration: 114 ms\tMemory Size: 128 MB\tMax Memory Used: 36 MB\t"
    "Init Duration: 110.90 ms\t\n"
)
WARM = "REPORT RequestId: A\tDuration: 2.51 ms\tBilled Duration: 3 ms\tMemory Size: 128 MB\tMax Memory Used: 36 MB\t"


def test_init_start() -> None:
    assert report.init_start(STARTED) == (
        "INIT_START Runtime Version: python:3.13.v12\tRuntime Version ARN: arn:aws:lambda:us-east-1::runtime:abc\n"
    )


def test_start_and_end() -> None:
    assert report.start(BEGUN) == "START RequestId: A Version: $LATEST\n"
    assert report.end(FINISHED) == "END RequestId: A\n"


def test_init_report() -> None:
    assert report.init_report(INIT_FAILED) == ("INIT_REPORT Init Duration: 10000.00 ms\tPhase: init\tStatus: timeout\n")


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({}, COLD),
        ({"init_ms": None, "billed_ms": 3}, WARM + "\n"),
        ({"init_ms": None, "billed_ms": 3, "status": "timeout"}, WARM + "Status: timeout\n"),
        (
            {"init_ms": None, "billed_ms": 3, "status": "error", "error_type": "Runtime.ExitError"},
            WARM + "Status: error\tError Type: Runtime.ExitError\n",
        ),
        (
            {"trace_id": "Root=1-2-3;Parent=45;Sampled=1"},
            COLD + "XRAY TraceId: 1-2-3\tSegmentId: 45\tSampled: true\n",
        ),
    ],
)
def test_report(changes: dict[str, object], line: str) -> None:
    assert report.report(finished(**changes)) == line


def test_json_lines() -> None:
    assert json.loads(events.line(events.report(FINISHED))) == {
        "time": "2026-02-02T02:40:01.500Z",
        "type": "platform.report",
        "record": {
            "requestId": "A",
            "metrics": {
                "durationMs": 2.51,
                "billedDurationMs": 114,
                "memorySizeMB": 128,
                "maxMemoryUsedMB": 36,
                "initDurationMs": 110.9,
            },
            "status": "success",
        },
    }
    assert events.init_start(STARTED).record["instanceMaxMemory"] == 134_217_728
    assert events.start(BEGUN).record["version"] == "$LATEST"


@pytest.mark.parametrize(
    ("line", "system", "written"),
    [
        ("DEBUG", None, False),
        ("INFO", None, True),
        ("INFO", "WARN", False),
        ("WARN", "WARN", True),
        ("DEBUG", "DEBUG", True),
    ],
)
def test_levels(line: report.Level, system: str | None, written: bool) -> None:
    assert report.is_written(line, system) is written


def test_extension_and_subscription() -> None:
    ready = ExtensionReported(ENVIRONMENT, AT, "monitor", "Ready", ("INVOKE", "SHUTDOWN"), None)
    assert report.extension(ready) == "EXTENSION\tName: monitor\tState: Ready\tEvents: [INVOKE, SHUTDOWN]\n"
    failed = ExtensionReported(ENVIRONMENT, AT, "monitor", "LaunchError", (), "PermissionDenied")
    assert report.extension(failed) == (
        "EXTENSION\tName: monitor\tState: LaunchError\tEvents: []\tError Type: PermissionDenied\n"
    )
    subscribed = TelemetrySubscribed(ENVIRONMENT, AT, "monitor", ("platform", "function"), "telemetry")
    assert report.subscription(subscribed) == (
        "TELEMETRY\tName: monitor\tState: Subscribed\tTypes: [Platform, Function]\n"
    )
    assert report.subscription(replace(subscribed, api="logs")).startswith("LOGS\tName: monitor\t")


def test_events_of_extensions() -> None:
    done = RuntimeDone(ENVIRONMENT, "A", AT + 1, AT, 1000.0, 16, "success", None, "Root=1-2;Parent=45;Sampled=0")
    assert events.runtime_done(done, full=True).record == {
        "requestId": "A",
        "status": "success",
        "metrics": {"durationMs": 1000.0, "producedBytes": 16},
        "spans": [
            {"name": "responseLatency", "start": "2026-02-02T02:40:00.500Z", "durationMs": 1000.0},
            {"name": "responseDuration", "start": "2026-02-02T02:40:01.500Z", "durationMs": 0.0},
            {"name": "runtimeOverhead", "start": "2026-02-02T02:40:01.500Z", "durationMs": 0.0},
        ],
        "tracing": {"type": "X-Amzn-Trace-Id", "value": "Root=1-2;Parent=45;Sampled=0", "spanId": "45"},
    }
    longer = events.report(finished(extensions_ms=250.0), full=True).record
    assert longer["spans"] == [{"name": "extensionOverhead", "start": "2026-02-02T02:40:01.250Z", "durationMs": 250.0}]
    failed = InitRuntimeDone(ENVIRONMENT, AT, "init", "error", "Runtime.ExitError")
    assert events.init_runtime_done(failed).record == {
        "initializationType": "on-demand",
        "phase": "init",
        "status": "error",
        "errorType": "Runtime.ExitError",
    }
