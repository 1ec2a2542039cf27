"""The Runtime API (2018-06-01) as one runtime process sees it: HTTP requests in, HTTP responses out, no sockets.

One `RuntimeSession` lives as long as one runtime process. The same session serves both transports: the socketpair of
our own loops and 127.0.0.1:9001 inside the sandbox for anybody's client. It knows the order in which a runtime may
call and refuses everything else with the documented 403.
"""

import asyncio
import base64
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus

import orjson

from bulb.core.deadline import Deadline
from bulb.core.ids import hex_id
from bulb.core.limits import SYNC_RESPONSE_BYTES
from bulb.environments import failures
from bulb.environments.model import Event, Reply
from bulb.http.message import Request, Response

PREFIX = "/2018-06-01/runtime/"
NEXT = PREFIX + "invocation/next"
_INIT_ERROR = PREFIX + "init/error"
_RESTORE_NEXT = PREFIX + "restore/next"
_RESTORE_ERROR = PREFIX + "restore/error"
_RESULT = re.compile(PREFIX + r"invocation/([^/]+)/(response|error)\Z")
_ERROR_TYPE = re.compile(r"(?:Runtime|Function)\.[A-Z][a-zA-Z]+")
# The largest request body the session reads: a response one byte too long must be told apart from one that fits.
MAX_BODY = SYNC_RESPONSE_BYTES + 1

_INVOCATION_ID = "lambda-runtime-invocation-id"
_MODE = "lambda-runtime-function-response-mode"
_MODES = frozenset({"buffered", "streaming"})
_TYPE_HEADER = "lambda-runtime-function-error-type"
_BODY_TRAILER = "lambda-runtime-function-error-body"
_STREAM_TYPE = "application/octet-stream"
# A process that ends in the middle of its response is told from one that merely breaks off: its end comes within this,
# also on a machine that has much else to do.
_ENDS_WITHIN_S = 1.0

_JSON = [("content-type", "application/json")]
_ACCEPTED = b'{"status":"OK"}\n'


@dataclass(slots=True)
class Work:
    """An event handed to a runtime, and the future its ending resolves. `invocation_id` names this one attempt."""

    event: Event
    deadline_ms: int
    done: asyncio.Future[Reply]
    invocation_id: str


@dataclass(frozen=True, slots=True)
class InitFailure:
    """The runtime reported that it could not initialise, with its error document; or it could not even be started."""

    error_type: str
    payload: bytes
    not_started: str | None = None


class RuntimeSession:
    """What one runtime process may ask, and what it has been given.

    `ready` resolves when the process asks for its first event (None) or reports an init error (InitFailure).
    `confused` is set when a result was refused since the last one that was taken: the official clients end their
    process then, so a process in this state is not to be given another event.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self.ready: asyncio.Future[InitFailure | None] = loop.create_future()
        self.confused = False
        self._state = "Started"
        self._asking: asyncio.Future[None] | None = None
        self._waiting: asyncio.Future[Work] | None = None
        self._queued: Work | None = None
        self._work: Work | None = None

    def give(self, event: Event, deadline_ms: int) -> Work:
        """Hand `event` to the process, now or as soon as it asks. One at a time."""
        work = Work(event, deadline_ms, self._loop.create_future(), hex_id())
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(work)
        else:
            self._queued = work
        self._work = work
        return work

    def undelivered(self) -> None:
        """Whoever was just handed the event had hung up: if the runtime asks again before it answers, it gets it."""
        self._queued = self._work

    @property
    def is_waiting(self) -> bool:
        """The process has asked for an event and has not got one."""
        return self._waiting is not None and not self._waiting.done()

    def asking(self) -> asyncio.Future[None]:
        """Resolves when the process next asks for an event."""
        if self._asking is None or self._asking.done():
            self._asking = self._loop.create_future()
        return self._asking

    def not_started(self, error_type: str, reason: str) -> None:
        """There is no process: `reason` is for whoever wanted it."""
        self._state = "InitError"
        if not self.ready.done():
            self.ready.set_result(InitFailure(error_type, b"", reason))

    def close(self) -> None:
        """The process is gone: whoever still waits for an event for it stops waiting."""
        if self._waiting is not None:
            self._waiting.cancel()

    async def handle(self, request: Request) -> Response:
        """Answer one Runtime API request."""
        path = request.path
        if path == NEXT and request.method == "GET":
            return await self._next()
        if path == _RESTORE_NEXT and request.method == "GET":
            return await self._restore_next()
        if request.method == "POST":
            if match := _RESULT.match(path):
                return await self._result(match[1], match[2], request)
            if path in (_INIT_ERROR, _RESTORE_ERROR):
                return await self._init_error(request)
        if path == "/ping" and request.method == "GET":
            return Response(200, [("content-type", "text/plain")], b"pong")
        return _refusal(404, "NotFound", f"Unknown path: {path}")

    async def _next(self) -> Response:
        if self._state == "InitError":
            return _wrong_state(self._state, "Ready")
        self._state = "Ready"
        if not self.ready.done():
            self.ready.set_result(None)
        work, self._queued = self._queued, None
        if work is None or work.done.done():
            # A client that gave up and asks again takes the place of its earlier request.
            self._waiting = self._loop.create_future()
            if self._asking is not None and not self._asking.done():
                self._asking.set_result(None)
            work = await self._waiting
        self._state = "Running"
        event = work.event
        if event.stream is not None:
            event.stream.given()
        headers = [
            ("content-type", "application/json"),
            ("lambda-runtime-aws-request-id", event.request_id),
            ("lambda-runtime-deadline-ms", str(work.deadline_ms)),
            ("lambda-runtime-invoked-function-arn", event.invoked_arn),
            ("lambda-runtime-trace-id", event.trace_header),
            (_INVOCATION_ID, work.invocation_id),
        ]
        if event.client_context is not None:
            # The header is latin-1 text on the wire; JSON's \u escapes say the same in ASCII.
            headers.append(("lambda-runtime-client-context", _ascii_json(event.client_context)))
        return Response(200, headers, event.payload)

    async def _restore_next(self) -> Response:
        """A template's last request: its forks go on without an answer, each on a connection of its own."""
        if self._state != "Started":
            return _wrong_state(self._state, "RestoreReady")
        self._state = "RestoreReady"
        self.ready.set_result(None)
        never: asyncio.Future[Response] = self._loop.create_future()
        return await never

    async def _result(self, request_id: str, kind: str, request: Request) -> Response:
        response = await self._take_result(request_id, kind, request)
        self.confused = response.status != HTTPStatus.ACCEPTED
        return response

    async def _take_result(self, request_id: str, kind: str, request: Request) -> Response:
        work = self._work
        if work is None or work.event.request_id != request_id:
            if self._state == "Responded":
                return _wrong_state(
                    "Responded", "InvocationResponse" if kind == "response" else "InvocationErrorResponse"
                )
            return _refusal(400, "InvalidRequestID", "Invalid request ID")
        if self._state != "Running":
            return _wrong_state(self._state, "InvocationResponse" if kind == "response" else "InvocationErrorResponse")
        if request.headers.get(_INVOCATION_ID, work.invocation_id) != work.invocation_id:
            return _refusal(400, "InvalidInvocationId", "Invalid invocation ID")
        mode = request.headers.get(_MODE, "buffered").lower() if kind == "response" else "buffered"
        if mode not in _MODES:
            self._finish(work, failures.invalid_response_mode(request_id))
            return _refusal(400, "InvalidFunctionResponseMode", "Invalid function response mode")
        take = self._take_stream(work, request) if mode == "streaming" else self._take_whole(work, kind, request)
        try:
            return await take
        except ConnectionError:
            await self._broke_off(work)
            raise

    async def _take_whole(self, work: Work, kind: str, request: Request) -> Response:
        body = await read_body(request)
        if body is None:
            return self._too_large(work, SYNC_RESPONSE_BYTES)
        if kind == "response":
            if (stream := work.event.stream) is not None:
                stream.begin(request.headers.get("content-type", _STREAM_TYPE))
            self._finish(work, Reply(body))
        else:
            self._finish(work, Reply(body, "error", _error_type(request.headers, "Function.Unknown")))
        return Response(202, list(_JSON), _ACCEPTED)

    async def _take_stream(self, work: Work, request: Request) -> Response:
        """A response that comes while it is made: passed on as it comes, or collected for a caller who wants it whole.

        Its trailers may say that the function failed on the way.
        """
        self._state = "Responding"
        sink = work.event.stream or _Whole()
        size = 0
        async for chunk in request.body:
            sink.begin(request.headers.get("content-type", _STREAM_TYPE))
            await sink.put(chunk[: sink.limit - size])
            size += len(chunk)
            if size > sink.limit:
                return await self._cut(work, request, sink.limit)
        trailers = request.body.trailers
        if _TYPE_HEADER in trailers:
            document = _decoded(trailers.get(_BODY_TRAILER, ""))
            self._finish(work, Reply(document, "error", _error_type(trailers, "Function.Unknown")))
        else:
            sink.begin(request.headers.get("content-type", _STREAM_TYPE))
            self._finish(work, Reply(sink.payload() if isinstance(sink, _Whole) else b""))
        return Response(202, list(_JSON), _ACCEPTED)

    async def _cut(self, work: Work, request: Request, limit: int) -> Response:
        """The caller has got as much as it may; the function may go on writing, but nobody reads it."""
        refusal = self._too_large(work, limit)
        async for _ in request.body:
            pass
        return refusal

    async def _broke_off(self, work: Work) -> None:
        """The rest of the response will not come; unless the process is ending, that is what the event ends with."""
        self.confused = True
        await Deadline.within(_ENDS_WITHIN_S).first_of(work.done)
        self._finish(work, failures.truncated(work.event.request_id))

    def _too_large(self, work: Work, limit: int) -> Response:
        self._finish(work, failures.response_too_large(limit))
        text = f"Exceeded maximum allowed payload size ({limit} bytes)."
        return _refusal(413, "RequestEntityTooLarge", text)

    def _finish(self, work: Work, reply: Reply) -> None:
        self._state = "Responded"
        self._work = None
        if not work.done.done():
            work.done.set_result(reply)

    async def _init_error(self, request: Request) -> Response:
        if self._state != "Started":
            return _wrong_state(self._state, "InitError")
        body = await read_body(request)
        if body is None:
            return _refusal(413, "RequestEntityTooLarge", "The error document is too large.")
        self._state = "InitError"
        if not self.ready.done():
            self.ready.set_result(InitFailure(_error_type(request.headers, "Runtime.Unknown"), body))
        return Response(202, list(_JSON), _ACCEPTED)


class _Whole:
    """Where a streamed response goes whose caller wants it whole."""

    limit = SYNC_RESPONSE_BYTES

    def __init__(self) -> None:
        self._parts = bytearray()

    @property
    def size(self) -> int:
        return len(self._parts)

    def begin(self, content_type: str) -> None:
        """It is the same for such a caller."""

    async def put(self, data: bytes) -> None:
        self._parts += data

    def payload(self) -> bytes:
        return bytes(self._parts)


def deadline_ms(timeout_s: float) -> int:
    """The Unix time in ms at which an invocation that starts now times out."""
    return int((time.time() + timeout_s) * 1000)


async def read_body(request: Request) -> bytes | None:
    """The body, or None when it is longer than a response may be: more than that of it is never held."""
    if (whole := request.body.buffered) is not None:
        return whole if len(whole) <= SYNC_RESPONSE_BYTES else None
    collected = bytearray()
    too_large = False
    async for chunk in request.body:
        # What is too much is still read (and dropped), so that the connection stays usable for the next request.
        too_large = too_large or len(collected) + len(chunk) > SYNC_RESPONSE_BYTES
        if not too_large:
            collected += chunk
    return None if too_large else bytes(collected)


def _error_type(headers: Mapping[str, str], fallback: str) -> str:
    """The header's type where it has the documented form; anything else is recorded as unknown."""
    header = headers.get(_TYPE_HEADER, "")
    return header if _ERROR_TYPE.fullmatch(header) else fallback


def _decoded(base64_text: str) -> bytes:
    try:
        return base64.b64decode(base64_text, validate=True)
    except ValueError:  # also what is not ASCII
        return b""


def _ascii_json(text: str) -> str:
    return text if text.isascii() else "".join(c if c.isascii() else _escaped(c) for c in text)


def _escaped(character: str) -> str:
    units = character.encode("utf-16-be")
    return "".join(f"\\u{units[i]:02x}{units[i + 1]:02x}" for i in range(0, len(units), 2))


def _refusal(status: int, error_type: str, message: str) -> Response:
    body = orjson.dumps({"errorMessage": message, "errorType": error_type})
    return Response(status, list(_JSON), body)


def _wrong_state(before: str, after: str) -> Response:
    text = f"State transition from {before} to {after} failed for runtime. Error: State transition is not allowed"
    return _refusal(403, "InvalidStateTransition", text)
