"""From what an environment measured to the facts it tells. Pure.

Source of what is billed: AWS Lambda pricing; init is included since August 2025, a restore counts by itself.
"""

import math
from typing import NamedTuple

from bulb.core.facts import EnvironmentRef, InvocationFinished, Status
from bulb.environments.model import Event, Reply

_MB = 1_048_576


class Begun(NamedTuple):
    """What came before an environment's first event and is told with it: how long init or the restore took."""

    init_ms: float | None = None
    restore_ms: float | None = None


NOTHING = Begun()


class Measured(NamedTuple):
    """One invocation: from and to (Unix seconds), milliseconds, the memory peak in bytes."""

    started_at: float
    at: float
    duration_ms: float
    peak: int
    extensions_ms: float = 0.0


def finished(
    environment: EnvironmentRef, event: Event, reply: Reply, begun: Begun, measured: Measured
) -> InvocationFinished:
    """The fact that an invocation is over."""
    stream = event.stream
    # The init of a provisioned environment is part of what provisioning costs.
    is_provisioned = environment.initialization == "provisioned-concurrency"
    billed_init_ms = 0.0 if begun.init_ms is None or is_provisioned else begun.init_ms
    return InvocationFinished(
        environment=environment,
        request_id=event.request_id,
        at=measured.at,
        started_at=measured.started_at,
        duration_ms=measured.duration_ms,
        billed_ms=math.ceil(measured.duration_ms + billed_init_ms) + math.ceil(begun.restore_ms or 0.0),
        init_ms=begun.init_ms,
        max_memory_mb=min(math.ceil(measured.peak / _MB), environment.memory_mb),
        status=reply.status,
        error_type=reply.error_type,
        trace_id=event.trace_header,
        extensions_ms=measured.extensions_ms,
        produced_bytes=len(reply.payload) + (stream.size if stream is not None else 0),
        response_latency_ms=stream.latency_ms if stream is not None else None,
        response_duration_ms=stream.duration_ms if stream is not None else None,
        restore_ms=begun.restore_ms,
    )


def status_of(failure: Reply | None) -> tuple[Status, str | None]:
    """Status and error type, as facts tell them."""
    if failure is None:
        return "success", None
    return failure.status, None if failure.status == "timeout" else failure.error_type
