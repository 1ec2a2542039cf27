"""The platform's lines, byte for byte."""

import json

import pytest

from bulb.telemetry import events, report
from tests.telemetry.facts import BEGUN, FINISHED, INIT_FAILED, STARTED, finished

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
