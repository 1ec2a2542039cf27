"""The Extensions API's order of calls and its refusals, without a socket."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from bulb.environments.extension_states import MOVES, ExtensionState, may_follow
from bulb.environments.extensions_api import ExtensionsSession, FunctionFacts
from bulb.environments.model import Event
from bulb.http.message import BufferedBody, Request, Response

EVENT = Event("id-1", "arn:f", b"{}", "Root=1-2-3;Parent=4;Sampled=0")
FUNCTION = FunctionFacts("f", "$LATEST", "app.handler", "123456789012")


def request(method: str, what: str, body: bytes = b"", **headers: str) -> Request:
    named = {"lambda-extension-" + name.replace("_", "-"): value for name, value in headers.items()}
    return Request(method, "/2020-01-01/extension/" + what, "", named, BufferedBody(body), ("127.0.0.1", 1))


def run(test: Callable[[ExtensionsSession], Awaitable[None]]) -> None:
    async def main() -> None:
        await test(ExtensionsSession(asyncio.get_running_loop(), FUNCTION))

    asyncio.run(asyncio.wait_for(main(), 60))


def document(response: Response) -> Any:
    assert isinstance(response.body, bytes)
    return json.loads(response.body)


def error_of(response: Response) -> tuple[int, str, str]:
    answer = document(response)
    return response.status, answer["errorType"], answer["errorMessage"]


async def register(session: ExtensionsSession, name: str, *events: str, **headers: str) -> Response:
    return await session.handle(
        request("POST", "register", json.dumps({"events": events}).encode(), name=name, **headers)
    )


async def registered(session: ExtensionsSession, name: str, *events: str) -> str:
    response = await register(session, name, *events)
    assert response.status == 200, response.body
    return response.header("lambda-extension-identifier") or ""


async def next_of(session: ExtensionsSession, identifier: str) -> asyncio.Future[Response]:
    asked = asyncio.ensure_future(session.handle(request("GET", "event/next", identifier=identifier)))
    await asyncio.sleep(0)
    return asked


def test_registration_tells_of_the_function() -> None:
    async def test(session: ExtensionsSession) -> None:
        session.expect(["monitor"])
        plain = await register(session, "monitor", "INVOKE", "SHUTDOWN")
        assert document(plain) == {"functionName": "f", "functionVersion": "$LATEST", "handler": "app.handler"}
        assert session.all_registered
        assert not session.all_ready
        featured = await register(session, "inner", accept_feature="foo, accountId")
        assert document(featured)["accountId"] == "123456789012"

    run(test)


def test_an_invoke_goes_to_those_who_asked_for_it() -> None:
    async def test(session: ExtensionsSession) -> None:
        session.expect(["a", "b"])
        a, b = await registered(session, "a", "INVOKE"), await registered(session, "b", "SHUTDOWN")
        of_a, of_b = await next_of(session, a), await next_of(session, b)
        assert session.all_ready
        session.invoke(EVENT, 77)
        response = await of_a
        assert document(response) == {
            "eventType": "INVOKE",
            "deadlineMs": 77,
            "requestId": "id-1",
            "invokedFunctionArn": "arn:f",
            "tracing": {"type": "X-Amzn-Trace-Id", "value": EVENT.trace_header},
        }
        assert response.header("lambda-extension-event-identifier")
        assert not of_b.done()
        assert not session.all_ready
        again = await next_of(session, a)
        assert session.all_ready
        assert session.shut_down("TIMEOUT", 99) == ["b"]
        assert document(await of_b) == {"eventType": "SHUTDOWN", "shutdownReason": "TIMEOUT", "deadlineMs": 99}
        assert not again.done()
        session.close()

    run(test)


def test_an_event_for_one_still_at_work_waits_for_it() -> None:
    async def test(session: ExtensionsSession) -> None:
        session.expect(["a"])
        a = await registered(session, "a", "INVOKE", "SHUTDOWN")
        asked = await next_of(session, a)
        session.invoke(EVENT, 1)
        await asked
        session.shut_down("FAILURE", 2)
        assert document(await (await next_of(session, a)))["shutdownReason"] == "FAILURE"

    run(test)


def test_a_change_is_told_to_whoever_waits_for_one() -> None:
    async def test(session: ExtensionsSession) -> None:
        session.expect(["a"])
        moved = session.moved()
        a = await registered(session, "a")
        assert moved.done()
        moved = session.moved()
        await next_of(session, a)
        assert moved.done()
        session.close()

    run(test)


@pytest.mark.parametrize(
    ("headers", "refused"),
    [
        ({}, "Extension.MissingExtensionIdentifier Missing Lambda-Extension-Identifier header"),
        ({"identifier": "x"}, "Extension.InvalidExtensionIdentifier Invalid Lambda-Extension-Identifier"),
        (
            {"identifier": "01234567-89ab-cdef-0123-456789abcdef"},
            "Extension.UnknownExtensionIdentifier Unknown extension 01234567-89ab-cdef-0123-456789abcdef",
        ),
    ],
)
@pytest.mark.parametrize(("method", "what"), [("GET", "event/next"), ("POST", "init/error"), ("POST", "exit/error")])
def test_who_is_not_known_is_refused(method: str, what: str, headers: dict[str, str], refused: str) -> None:
    async def test(session: ExtensionsSession) -> None:
        status, error_type, text = error_of(await session.handle(request(method, what, **headers)))
        assert (status, f"{error_type} {text}") == (403, refused)

    run(test)


@pytest.mark.parametrize(
    ("name", "body", "refused"),
    [
        ("", b'{"events":[]}', ("Extension.InvalidExtensionName", "Empty extension name")),
        ("in", b'{"events":["FOO"]}', ("Extension.InvalidEventType", "FOO: ErrorInvalidEventType")),
        (
            "in",
            b'{"events":["SHUTDOWN"]}',
            ("Extension.InvalidEventType", "SHUTDOWN: ShutdownEventNotSupportedForInternalExtension"),
        ),
        ("in", b"{", ("InvalidRequestFormat", None)),
        ("in", b'{"events":[1]}', ("InvalidRequestFormat", None)),
        (
            "out",
            b'{"events":[]}',
            (
                "Extension.InvalidExtensionState",
                "State transition from Registered to Registered failed for extension out. "
                "Error: State transition is not allowed",
            ),
        ),
    ],
)
def test_a_bad_registration_is_refused(name: str, body: bytes, refused: tuple[str, str | None]) -> None:
    async def test(session: ExtensionsSession) -> None:
        session.expect(["out"])
        await registered(session, "out")
        status, error_type, text = error_of(await session.handle(request("POST", "register", body, name=name)))
        assert (status, error_type) == (403, refused[0])
        assert refused[1] in {None, text}

    run(test)


def test_registration_is_for_ten_and_for_the_time_of_init() -> None:
    async def test(session: ExtensionsSession) -> None:
        for number in range(10):
            await registered(session, f"in-{number}")
        eleventh = error_of(await register(session, "in-10"))
        assert eleventh == (403, "Extension.TooManyExtensions", "Extension limit (10) reached")
        session.close_registration()
        late = error_of(await register(session, "late"))
        assert late == (403, "Extension.RegistrationClosed", "Extension registration closed already")

    run(test)


def test_a_name_is_taken_once() -> None:
    async def test(session: ExtensionsSession) -> None:
        await registered(session, "in")
        again = error_of(await register(session, "in"))
        assert again == (403, "Extension.InvalidExtensionState", "Extension with this name already registered")

    run(test)


def test_two_requests_for_the_next_event_at_once_are_one_too_many() -> None:
    async def test(session: ExtensionsSession) -> None:
        a = await registered(session, "a")
        await next_of(session, a)
        refused = error_of(await (await next_of(session, a)))
        assert refused == (
            403,
            "Extension.InvalidExtensionState",
            f"State transition from Ready to Ready failed for extension {a}. Error: State transition is not allowed",
        )
        session.close()

    run(test)


def test_the_first_error_names_the_failure() -> None:
    async def test(session: ExtensionsSession) -> None:
        session.expect(["a"])
        a = await registered(session, "a")
        missing = error_of(await session.handle(request("POST", "init/error", identifier=a)))
        assert missing == (403, "Extension.MissingHeader", "Lambda-Extension-Function-Error-Type not found")
        for _ in range(2):
            answer = await session.handle(
                request("POST", "init/error", identifier=a, function_error_type="Extension.NoConfig")
            )
            assert (answer.status, answer.body) == (202, b'{"status":"OK"}\n')
        assert session.fatal_error == "Extension.InitError"
        assert session.exited("a") == "Extension.InitError"
        (extension,) = session
        assert (extension.state.value, extension.error_type) == ("InitError", "Extension.NoConfig")
        wrong = error_of(await session.handle(request("GET", "event/next", identifier=a)))
        assert wrong[1:] == (
            "Extension.InvalidExtensionState",
            f"State transition from InitError to Ready failed for extension {a}. "
            "Error: State transition is not allowed",
        )

    run(test)


def test_an_unexplained_end_is_a_crash() -> None:
    async def test(session: ExtensionsSession) -> None:
        session.expect(["a", "b"])
        assert session.exited("a") == "Extension.Crash"
        assert session.exited("b") == "Extension.Crash"

    run(test)


def test_every_state_has_its_moves() -> None:
    assert set(MOVES) == set(ExtensionState)
    assert not may_follow(ExtensionState.READY, ExtensionState.REGISTERED)
