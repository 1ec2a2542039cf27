"""The Runtime API's order of calls, sizes and refusals, without a socket."""

import asyncio
import json
from collections.abc import Awaitable, Callable

import pytest

from bulb.core.limits import SYNC_RESPONSE_BYTES
from bulb.environments.model import Event
from bulb.environments.runtime_api import InitFailure, RuntimeSession
from bulb.http.message import BufferedBody, Request, Response

ARN = "arn:aws:lambda:us-east-1:000000000000:function:f"
EVENT = Event("id-1", ARN, b'{"a":1}', "Root=1-0-0;Parent=0;Sampled=0")


def request(method: str, path: str, body: bytes = b"", **headers: str) -> Request:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Request(method, "/2018-06-01/runtime/" + path, "", named, BufferedBody(body), ("127.0.0.1", 1))


def run(test: Callable[[RuntimeSession], Awaitable[None]]) -> None:
    async def main() -> None:
        await test(RuntimeSession(asyncio.get_running_loop()))

    asyncio.run(asyncio.wait_for(main(), 60))


def error_of(response: Response) -> tuple[int, str]:
    assert isinstance(response.body, bytes)
    return response.status, json.loads(response.body)["errorType"]


def test_next_waits_for_an_event_and_tells_all_about_it() -> None:
    async def test(session: RuntimeSession) -> None:
        asking = asyncio.ensure_future(session.handle(request("GET", "invocation/next")))
        assert await session.ready is None
        session.give(Event("id-1", ARN, b"{}", "Root=r", '{"custom":{"k":"é😀"}}'), 123)
        response = await asking
        headers = dict(response.headers)
        assert headers["lambda-runtime-aws-request-id"] == "id-1"
        assert headers["lambda-runtime-deadline-ms"] == "123"
        assert headers["lambda-runtime-invoked-function-arn"] == ARN
        assert headers["lambda-runtime-trace-id"] == "Root=r"
        assert headers["content-type"] == "application/json"
        context = headers["lambda-runtime-client-context"]
        assert context.isascii()
        assert json.loads(context) == {"custom": {"k": "é😀"}}

    run(test)


def test_an_event_given_before_it_is_asked_for_is_there_when_it_is() -> None:
    async def test(session: RuntimeSession) -> None:
        session.give(EVENT, 1)
        assert (await session.handle(request("GET", "invocation/next"))).body == EVENT.payload

    run(test)


@pytest.mark.parametrize("kind", ["response", "error"])
def test_an_ending_resolves_the_event_and_a_second_one_is_refused(kind: str) -> None:
    async def test(session: RuntimeSession) -> None:
        work = session.give(EVENT, 1)
        await session.handle(request("GET", "invocation/next"))
        response = await session.handle(request("POST", f"invocation/id-1/{kind}", b'{"x": 1}'))
        assert (response.status, response.body) == (202, b'{"status":"OK"}\n')
        reply = await work.done
        assert reply.payload == b'{"x": 1}'
        assert reply.failed == (kind == "error")
        again = await session.handle(request("POST", f"invocation/id-1/{kind}", b"{}"))
        assert error_of(again) == (403, "InvalidStateTransition")

    run(test)


def test_a_wrong_request_id_is_refused_and_the_event_goes_on() -> None:
    async def test(session: RuntimeSession) -> None:
        work = session.give(EVENT, 1)
        await session.handle(request("GET", "invocation/next"))
        wrong = await session.handle(request("POST", "invocation/other/response", b"{}"))
        assert error_of(wrong) == (400, "InvalidRequestID")
        assert not work.done.done()

    run(test)


def test_an_invocation_id_may_be_sent_back_but_not_another() -> None:
    async def test(session: RuntimeSession) -> None:
        work = session.give(EVENT, 1)
        given = (await session.handle(request("GET", "invocation/next"))).header("lambda-runtime-invocation-id")
        wrong = await session.handle(request("POST", "invocation/id-1/response", lambda_runtime_invocation_id="other"))
        assert error_of(wrong) == (400, "InvalidInvocationId")
        assert not work.done.done()
        again = await session.handle(
            request("POST", "invocation/id-1/response", lambda_runtime_invocation_id=given or "")
        )
        assert again.status == 202

    run(test)


@pytest.mark.parametrize(("size", "status"), [(SYNC_RESPONSE_BYTES, 202), (SYNC_RESPONSE_BYTES + 1, 413)])
def test_the_response_limit_is_exact(size: int, status: int) -> None:
    async def test(session: RuntimeSession) -> None:
        work = session.give(EVENT, 1)
        await session.handle(request("GET", "invocation/next"))
        response = await session.handle(request("POST", "invocation/id-1/response", b"1" * size))
        assert response.status == status
        reply = await work.done
        if status == 413:
            assert json.loads(reply.payload) == {
                "errorMessage": "Response payload size exceeded maximum allowed payload size (6291556 bytes).",
                "errorType": "Function.ResponseSizeTooLarge",
            }

    run(test)


@pytest.mark.parametrize(
    ("header", "recorded"),
    [
        ("Function.MyError", "Function.MyError"),
        ("Runtime.Boom", "Runtime.Boom"),
        ("Unhandled", "Function.Unknown"),
        ("Function.bad", "Function.Unknown"),
    ],
)
def test_an_error_type_counts_only_in_its_documented_form(header: str, recorded: str) -> None:
    async def test(session: RuntimeSession) -> None:
        work = session.give(EVENT, 1)
        await session.handle(request("GET", "invocation/next"))
        await session.handle(request("POST", "invocation/id-1/error", b"{}", lambda_runtime_function_error_type=header))
        assert (await work.done).error_type == recorded

    run(test)


def test_an_init_error_is_told_once_and_only_before_the_first_event() -> None:
    async def test(session: RuntimeSession) -> None:
        failed = request(
            "POST", "init/error", b'{"e":1}', lambda_runtime_function_error_type="Runtime.ImportModuleError"
        )
        assert (await session.handle(failed)).status == 202
        assert await session.ready == InitFailure("Runtime.ImportModuleError", b'{"e":1}')
        assert error_of(await session.handle(failed)) == (403, "InvalidStateTransition")

    run(test)


def test_an_init_error_after_init_is_refused() -> None:
    async def test(session: RuntimeSession) -> None:
        session.give(EVENT, 1)
        await session.handle(request("GET", "invocation/next"))
        refused = await session.handle(request("POST", "init/error", b"{}"))
        assert error_of(refused) == (403, "InvalidStateTransition")

    run(test)


def test_a_response_before_any_event_is_refused() -> None:
    async def test(session: RuntimeSession) -> None:
        assert (await session.handle(request("POST", "invocation/x/response", b"{}"))).status in (400, 403)
        assert (await session.handle(request("GET", "nothing/here"))).status == 404

    run(test)


def test_it_is_known_when_the_process_waits_and_whether_it_was_confused() -> None:
    async def test(session: RuntimeSession) -> None:
        assert not session.is_waiting
        asking = session.asking()
        waiting = asyncio.ensure_future(session.handle(request("GET", "invocation/next")))
        await asking
        assert session.is_waiting
        session.give(EVENT, 1)
        await waiting
        assert not session.is_waiting
        await session.handle(request("POST", "invocation/another/response", b"1"))
        assert session.confused
        await session.handle(request("POST", "invocation/id-1/response", b"1"))
        assert not session.confused
        await session.handle(request("POST", "invocation/id-1/response", b"1"))
        assert session.confused

    run(test)
