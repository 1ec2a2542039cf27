"""One API call on its way through the house, as a service room sees it.

A service is an object with one coroutine method an operation, named in snake case as boto3 names it
(`create_function(call)`); a method that is missing is an operation Bulb does not have.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Protocol


class BodyStream(Protocol):
    """A request body that is read once. Iterating yields chunks as they arrive, never the whole."""

    @property
    def length(self) -> int | None:
        """The decoded length in bytes where the client declared it."""

    def __aiter__(self) -> AsyncIterator[bytes]:
        """Chunks of any size."""

    async def read(self, limit: int) -> bytes:
        """The whole body. Raises AwsError 413 when it is longer than `limit` bytes."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who is calling. `session_token` calls (role sessions) carry the role's ARN.

    `session_policy` is the document that limits a session, None where nothing does.
    """

    account: str
    access_key: str | None
    arn: str
    user_id: str
    source_ip: str = "127.0.0.1"
    session_policy: str | None = None

    @property
    def is_anonymous(self) -> bool:
        """No credentials came with the request."""
        return self.access_key is None


@dataclass(slots=True)
class Call:
    """A parsed, validated request.

    `params` has the members of the operation's input shape under their model names, as boto3 takes them (blobs are
    bytes, timestamps aware datetimes); a streaming blob member is a `BodyStream`. `region` is the signature's scope.
    `headers` are the raw request headers in lower case, for the few services that read more than the model names.
    `leaving` has a function called when the client hangs up (at once, if it has), and answers what takes that back;
    None where nobody could tell.
    """

    service: str
    operation: str
    params: dict[str, Any]
    caller: Caller
    region: str
    request_id: str
    now: float
    headers: dict[str, str]
    base_url: str
    trace_header: str | None = None
    acting_in: str | None = None
    leaving: Callable[[Callable[[], None]], Callable[[], None]] | None = None

    @property
    def account(self) -> str:
        """The account the call is carried out in: the caller's, or one whose policies let the caller in."""
        return self.acting_in or self.caller.account


# What an operation answers: the members of its output shape. A streaming blob member may be bytes or an async iterator
# of bytes. A key "ResponseHeaders" may carry further headers the model does not name, "ResponseStatus" such a status.
Answer = dict[str, Any]
Operation = Callable[[Call], Awaitable[Answer]]
