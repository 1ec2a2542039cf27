"""What is asked of the invoke path and what it answers; and the interface it needs from above."""

from collections.abc import AsyncIterator, Awaitable
from dataclasses import dataclass
from typing import Protocol

from bulb.core.limits import ASYNC_EVENT_AGE_S, ASYNC_RETRY_DELAYS_S
from bulb.environments.model import FunctionSpec


@dataclass(frozen=True, slots=True)
class Invocation:
    """One event for one function. `payload` is JSON text as bytes. `invoked_arn` is the ARN as the caller named it.

    `client_context` is decoded JSON text. `event_time` is when an asynchronous event was accepted, None when sync.
    """

    spec: FunctionSpec
    request_id: str
    invoked_arn: str
    payload: bytes
    trace_header: str | None = None
    client_context: str | None = None
    log_tail: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the function answered, byte for byte. `function_error` is `Unhandled` when it failed, else None.

    `log_tail` is the last 4 KB of this invocation's log where it was asked for.
    """

    payload: bytes
    executed_version: str
    function_error: str | None = None
    log_tail: bytes | None = None


@dataclass(frozen=True, slots=True)
class StreamedOutcome:
    """An answer that is still being made.

    `began` is False when the invocation failed before the first byte: then `end` is there already, and no `chunks`.
    Otherwise `content_type` is what the runtime says of the bytes in `chunks`; those end without an error whatever
    happens, and `end` tells afterwards how it went: its payload is empty, or the error document of what failed. Close
    `chunks` (`aclose`) or drop it to take no more; the function runs on.
    """

    executed_version: str
    content_type: str
    began: bool
    chunks: AsyncIterator[bytes]
    end: Awaitable[Outcome]


@dataclass(frozen=True, slots=True)
class Resolved:
    """A function as found by name and qualifier. `dead_letter` is the ARN that gets its failed events."""

    spec: FunctionSpec
    invoked_arn: str
    dead_letter: str | None = None


@dataclass(frozen=True, slots=True)
class AsyncRules:
    """How events for a function, as it is named, are treated: retries after a failure, age in seconds, and the ARNs
    where their ends are told; None tells nobody.
    """

    max_retries: int = len(ASYNC_RETRY_DELAYS_S)
    max_age_s: int = ASYNC_EVENT_AGE_S
    on_success: str | None = None
    on_failure: str | None = None


class AsyncSettings(Protocol):
    """Who knows what was configured for asynchronous events (services/lambda_)."""

    async def rules(self, account: str, region: str, name: str, qualifier: str | None) -> AsyncRules:
        """The rules for events that name the function with `qualifier`; the defaults where nothing was configured."""

    async def may_recurse(self, account: str, region: str, name: str) -> bool:
        """Loops through the function are let run."""


class FunctionCatalog(Protocol):
    """Who knows the functions (services/lambda_)."""

    async def resolve(self, account: str, region: str, name: str, qualifier: str | None) -> Resolved:
        """The version to run. Raises AwsError ResourceNotFoundException or ResourceConflictException (Pending)."""

    async def dead_letter(self, account: str, region: str, name: str, qualifier: str | None) -> str | None:
        """The ARN that gets failed events of a version that need not be fit to run, or None.

        Of a version or alias that is gone, that of `$LATEST`. Raises AwsError ResourceNotFoundException when there is
        no such function.
        """


class Invoker(Protocol):
    """Runs one invocation to its end (invoke/dispatcher.py)."""

    async def invoke(self, invocation: Invocation) -> Outcome:
        """The function's answer. Raises AwsError: TooManyRequestsException without room, else Lambda's own 5xx."""

    async def stream(self, invocation: Invocation) -> StreamedOutcome:
        """The function's answer from its first byte on. Raises as `invoke` does, before anything ran."""


class AsyncInvoker(Protocol):
    """Accepts events to be run later (invoke/asynchronous.py)."""

    async def accept(self, account: str, region: str, name: str, qualifier: str | None, event: "AsyncEvent") -> None:
        """Return when the event is on disk."""


@dataclass(frozen=True, slots=True)
class AsyncEvent:
    """An event accepted for asynchronous invocation."""

    request_id: str
    payload: bytes
    trace_header: str | None = None
    client_context: str | None = None
