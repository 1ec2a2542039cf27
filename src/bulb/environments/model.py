"""What an execution environment is made from, what it is given and what it gives back."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from bulb.core.facts import FunctionRef, Status
from bulb.environments.streaming import ResponseStream

LogFormat = Literal["Text", "JSON"]


@dataclass(frozen=True, slots=True)
class FunctionSpec:
    """One version of a function, complete: everything needed to start an environment for it.

    `revision` changes whenever code or configuration does; environments of another revision are not reused. `code` is
    the unpacked package, mounted read-only at /var/task; `layers` are unpacked layer directories in order, for /opt.
    `uses_sdk` says that the code mentions the AWS SDK: it starts where that is loaded already. With
    `snap_start` environments are copies of one that was initialised when the version was published.
    """

    ref: FunctionRef
    revision: str
    runtime: str
    handler: str
    role: str
    code: Path
    memory_mb: int
    ephemeral_mb: int
    timeout_s: int
    architecture: str
    log_group: str
    log_format: LogFormat = "Text"
    application_log_level: str | None = None
    system_log_level: str | None = None
    layers: tuple[Path, ...] = ()
    uses_sdk: bool = True
    snap_start: bool = False
    variables: Mapping[str, str] = field(default_factory=dict)
    active_tracing: bool = False

    @property
    def wrapper(self) -> str | None:
        """The program a managed runtime is started through; OS-only runtimes do not look at it."""
        return None if self.runtime.startswith("provided") else self.variables.get("AWS_LAMBDA_EXEC_WRAPPER") or None


@dataclass(frozen=True, slots=True)
class Event:
    """One event, as the Runtime API hands it out. `payload` is JSON text; `client_context` decoded JSON text.

    `stream` is where the response goes while it is being made; None when the caller waits for the whole.
    """

    request_id: str
    invoked_arn: str
    payload: bytes
    trace_header: str
    client_context: str | None = None
    stream: ResponseStream | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    """How an invocation ended. `payload` is what the caller gets, byte for byte; `error_type` is set when it failed.

    A response that was streamed is not in it: `payload` is then empty, or the error document of what failed.
    """

    payload: bytes
    status: Status = "success"
    error_type: str | None = None

    @property
    def failed(self) -> bool:
        """The caller sees `X-Amz-Function-Error`."""
        return self.status != "success"
