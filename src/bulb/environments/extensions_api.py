"""The Extensions API (2020-01-01) of one environment: HTTP requests in, HTTP responses out, no sockets.

One `ExtensionsSession` lives as long as one generation of processes. External extensions are announced with `expect`
before they start; whoever else registers is internal: part of the runtime's process. The session knows who has asked
for which events, hands them out, and says when everybody has asked for the next one. Refusals are those of AWS's
published runtime interface emulator, with their statuses and texts.
"""

import asyncio
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

import orjson

from bulb.core.ids import request_id
from bulb.environments.extension_states import ExtensionState, may_follow
from bulb.environments.model import Event
from bulb.environments.runtime_api import read_body
from bulb.http.message import Request, Response

PREFIX = "/2020-01-01/extension/"
MOST_EXTENSIONS = 10
ShutdownReason = Literal["SPINDOWN", "TIMEOUT", "FAILURE"]
_IDENTIFIER = "lambda-extension-identifier"
_ERROR_TYPE = "lambda-extension-function-error-type"
_UUID = re.compile(r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}")
_EVENTS = ("INVOKE", "SHUTDOWN")
_JSON = [("content-type", "application/json")]
_ACCEPTED = b'{"status":"OK"}\n'


@dataclass(frozen=True, slots=True)
class FunctionFacts:
    """What a registration is told about its function."""

    name: str
    version: str
    handler: str
    account: str


class Extension:
    """One extension. `events` are those it asked for, `error_type` what it said of its own failure."""

    def __init__(self, name: str, *, external: bool) -> None:
        self.name = name
        self.external = external
        self.identifier = request_id()
        self.state = ExtensionState.STARTED
        self.events: tuple[str, ...] = ()
        self.error_type: str | None = None
        self.waiting: asyncio.Future[bytes] | None = None
        self.queued: bytes | None = None

    def move(self, after: ExtensionState) -> bool:
        """Go on to `after`, if it may follow."""
        if not may_follow(self.state, after):
            return False
        self.state = after
        return True

    def give(self, event: bytes) -> None:
        """Hand it an event: now, or as soon as it asks."""
        if self.waiting is not None and not self.waiting.done():
            self.waiting.set_result(event)
            self.move(ExtensionState.RUNNING)
        else:
            self.queued = event

    @property
    def failed(self) -> bool:
        """It has reported an error, or never started."""
        return self.state in {ExtensionState.INIT_ERROR, ExtensionState.EXIT_ERROR, ExtensionState.LAUNCH_ERROR}


class ExtensionsSession:
    """The extensions of one generation of processes. True when there is any, registered or expected."""

    def __init__(self, loop: asyncio.AbstractEventLoop, function: FunctionFacts) -> None:
        self._loop = loop
        self._function = function
        self._by_name: dict[str, Extension] = {}
        self._by_id: dict[str, Extension] = {}
        self._is_open = True
        self._moved: asyncio.Future[None] | None = None
        self.fatal_error: str | None = None

    def __bool__(self) -> bool:
        return bool(self._by_name)

    def __iter__(self) -> Iterator[Extension]:
        return iter(self._by_name.values())

    @property
    def has_external(self) -> bool:
        """At least one is a process of its own."""
        return any(extension.external for extension in self)

    def expect(self, names: Iterable[str]) -> None:
        """The external extensions whose processes are about to start."""
        for name in names:
            self._add(Extension(name, external=True))

    def of(self, request: Request) -> Extension | None:
        """Who asks, by its identifier."""
        return self._by_id.get(request.headers.get(_IDENTIFIER, "").lower())

    def launch_failed(self, name: str, error_type: str) -> None:
        """The process of an external extension could not be started. `error_type`: `PermissionDenied`, …"""
        extension = self._by_name[name]
        extension.move(ExtensionState.LAUNCH_ERROR)
        extension.error_type = error_type
        self._fail("Extension.LaunchError")

    def exited(self, name: str) -> str:
        """The process of an external extension has ended; which error that is."""
        if not self._by_name[name].failed:
            self._by_name[name].move(ExtensionState.EXITED)
        return self._fail("Extension.Crash")

    def close_registration(self) -> None:
        """The runtime has initialised: whoever has not registered by now, never may."""
        self._is_open = False

    @property
    def all_registered(self) -> bool:
        """Every external extension that was started has said who it is."""
        return all(extension.state is not ExtensionState.STARTED for extension in self)

    @property
    def all_ready(self) -> bool:
        """Everybody waits for the next event."""
        return all(extension.state is ExtensionState.READY for extension in self)

    def moved(self) -> asyncio.Future[None]:
        """Resolves when an extension next changes its state."""
        if self._moved is None or self._moved.done():
            self._moved = self._loop.create_future()
        return self._moved

    def invoke(self, event: Event, deadline_ms: int) -> None:
        """Tell of an invocation whoever asked for it. Everybody else stays as ready as it is."""
        document = orjson.dumps(
            {
                "eventType": "INVOKE",
                "deadlineMs": deadline_ms,
                "requestId": event.request_id,
                "invokedFunctionArn": event.invoked_arn,
                "tracing": {"type": "X-Amzn-Trace-Id", "value": event.trace_header},
            }
        )
        for extension in self:
            if "INVOKE" in extension.events:
                extension.give(document)

    def shut_down(self, reason: ShutdownReason, deadline_ms: int) -> list[str]:
        """Tell the external extensions that asked for it that this is the end; their names."""
        document = orjson.dumps({"eventType": "SHUTDOWN", "shutdownReason": reason, "deadlineMs": deadline_ms})
        told = [extension for extension in self if "SHUTDOWN" in extension.events]
        for extension in told:
            extension.give(document)
        return [extension.name for extension in told]

    def close(self) -> None:
        """The processes are gone: whoever still waits stops waiting."""
        for extension in self:
            if extension.waiting is not None:
                extension.waiting.cancel()

    async def handle(self, request: Request) -> Response:
        """Answer one Extensions API request."""
        what = request.path.removeprefix(PREFIX)
        if (request.method, what) == ("POST", "register"):
            return await self._register(request)
        if (request.method, what) not in {("GET", "event/next"), ("POST", "init/error"), ("POST", "exit/error")}:
            return refusal(404, "NotFound", f"Unknown path: {request.path}")
        extension = self.of(request)
        if extension is None:
            return unidentified(request)
        if what == "event/next":
            return await self._next(extension)
        after = ExtensionState.INIT_ERROR if what == "init/error" else ExtensionState.EXIT_ERROR
        return self._error(extension, after, request.headers.get(_ERROR_TYPE, ""))

    async def _register(self, request: Request) -> Response:
        name = request.headers.get("lambda-extension-name", "")
        if not name:
            return refusal(403, "Extension.InvalidExtensionName", "Empty extension name")
        events = await _events(request)
        if isinstance(events, str):
            return refusal(403, "InvalidRequestFormat", events)
        extension = self._by_name.get(name)
        is_external = extension is not None and extension.external
        if (refused := _refuse_events(events, is_external)) or (
            not is_external and (refused := self._refuse(extension))
        ):
            return refused
        if extension is None:
            extension = self._add(Extension(name, external=False))
        if not extension.move(ExtensionState.REGISTERED):
            return _wrong_state(extension, "Registered", name)
        extension.events = events
        self._tell()
        return self._registered(extension, request.headers.get("lambda-extension-accept-feature", ""))

    def _refuse(self, same_name: Extension | None) -> Response | None:
        """Why no internal extension of this name can register."""
        if not self._is_open:
            return refusal(403, "Extension.RegistrationClosed", "Extension registration closed already")
        if len(self._by_name) >= MOST_EXTENSIONS:
            return refusal(403, "Extension.TooManyExtensions", f"Extension limit ({MOST_EXTENSIONS}) reached")
        if same_name is not None:
            return refusal(403, "Extension.InvalidExtensionState", "Extension with this name already registered")
        return None

    def _registered(self, extension: Extension, features: str) -> Response:
        function = self._function
        document = {"functionName": function.name, "functionVersion": function.version, "handler": function.handler}
        if "accountId" in map(str.strip, features.split(",")):
            document["accountId"] = function.account
        return Response(200, [*_JSON, (_IDENTIFIER, extension.identifier)], orjson.dumps(document))

    async def _next(self, extension: Extension) -> Response:
        if not extension.move(ExtensionState.READY):
            return _wrong_state(extension, "Ready", extension.identifier)
        event, extension.queued = extension.queued, None
        if event is not None:
            extension.move(ExtensionState.RUNNING)
        else:
            extension.waiting = self._loop.create_future()
            self._tell()
            event = await extension.waiting
        return Response(200, [*_JSON, ("lambda-extension-event-identifier", request_id())], event)

    def _error(self, extension: Extension, after: ExtensionState, error_type: str) -> Response:
        if not error_type:
            return refusal(403, "Extension.MissingHeader", "Lambda-Extension-Function-Error-Type not found")
        if not extension.move(after):
            to = "InitError" if after is ExtensionState.INIT_ERROR else "Exited"
            return _wrong_state(extension, to, extension.identifier)
        extension.error_type = extension.error_type or error_type
        self._fail(f"Extension.{after.value}")
        return Response(202, list(_JSON), _ACCEPTED)

    def _add(self, extension: Extension) -> Extension:
        self._by_name[extension.name] = extension
        self._by_id[extension.identifier] = extension
        return extension

    def _fail(self, error_type: str) -> str:
        """The first error is what the failure is called, whatever follows from it."""
        self.fatal_error = self.fatal_error or error_type
        self._tell()
        return self.fatal_error

    def _tell(self) -> None:
        if self._moved is not None and not self._moved.done():
            self._moved.set_result(None)


def unidentified(request: Request) -> Response:
    """The refusal of a request whose identifier names no extension."""
    identifier = request.headers.get(_IDENTIFIER, "")
    if not identifier:
        return refusal(403, "Extension.MissingExtensionIdentifier", "Missing Lambda-Extension-Identifier header")
    if not _UUID.fullmatch(identifier):
        return refusal(403, "Extension.InvalidExtensionIdentifier", "Invalid Lambda-Extension-Identifier")
    return refusal(403, "Extension.UnknownExtensionIdentifier", f"Unknown extension {identifier.lower()}")


def refusal(status: int, error_type: str, message: str) -> Response:
    """An error answer of this API and its neighbours."""
    return Response(status, list(_JSON), orjson.dumps({"errorMessage": message, "errorType": error_type}))


def _refuse_events(events: tuple[str, ...], is_external: bool) -> Response | None:
    for event in events:
        if event not in _EVENTS:
            return refusal(403, "Extension.InvalidEventType", f"{event}: ErrorInvalidEventType")
        if event == "SHUTDOWN" and not is_external:
            text = f"{event}: ShutdownEventNotSupportedForInternalExtension"
            return refusal(403, "Extension.InvalidEventType", text)
    return None


def _wrong_state(extension: Extension, after: str, who: str) -> Response:
    before = extension.state.value
    text = (
        f"State transition from {before} to {after} failed for extension {who}. Error: State transition is not allowed"
    )
    return refusal(403, "Extension.InvalidExtensionState", text)


async def _events(request: Request) -> tuple[str, ...] | str:
    """The events a registration asks for, each once; or what is wrong with its body."""
    raw = await read_body(request)
    if raw is None:
        return "the body is too large"
    try:
        document = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        return str(error)
    events = document.get("events") if isinstance(document, dict) else None
    if not isinstance(document, dict) or not isinstance(events or [], list):
        return "the body is not a registration"
    if document.get("configurationKeys"):
        return "configurationKeys are deprecated; use environment variables instead"
    if not all(isinstance(event, str) for event in events or []):
        return "events are not strings"
    return tuple(dict.fromkeys(events or []))
