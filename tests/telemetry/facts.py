"""Facts for tests."""

from dataclasses import replace
from typing import Any

from bulb.core.facts import (
    EnvironmentRef,
    EnvironmentStarted,
    FunctionRef,
    InitReported,
    InvocationFinished,
    InvocationStarted,
)

AT = 1_770_000_000.5
FUNCTION = FunctionRef("000000000000", "us-east-1", "thumbnails", "$LATEST")
ENVIRONMENT = EnvironmentRef(
    environment_id="e1",
    function=FUNCTION,
    log_group="/aws/lambda/thumbnails",
    log_stream="2026/02/02/[$LATEST]0123456789abcdef0123456789abcdef",
    memory_mb=128,
    ephemeral_mb=512,
    architecture="x86_64",
    runtime="python3.13",
    runtime_version="python:3.13.v12",
    runtime_version_arn="arn:aws:lambda:us-east-1::runtime:abc",
)
STARTED = EnvironmentStarted(ENVIRONMENT, AT)
BEGUN = InvocationStarted(ENVIRONMENT, "A", AT)
FINISHED = InvocationFinished(
    environment=ENVIRONMENT,
    request_id="A",
    at=AT + 1,
    started_at=AT,
    duration_ms=2.514,
    billed_ms=114,
    init_ms=110.9,
    max_memory_mb=36,
    status="success",
    error_type=None,
    trace_id="Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=0",
)
INIT_FAILED = InitReported(ENVIRONMENT, AT, 10_000.0, "init", "timeout", None)


def finished(**changes: Any) -> InvocationFinished:
    return replace(FINISHED, **changes)
