"""Whoever was in time is not late where the server itself was held up."""

import asyncio
import json
import os
import socket
import time
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any, TypeVar

import pytest
import uvloop
from tests.support.heldup import HELD_UP_S, TIME_S, held_up

from bulb.core.clock import SystemClock
from bulb.core.deadline import Deadline
from bulb.environments import extensions as extensions_module
from bulb.environments import runtime_api
from bulb.environments.extensions import Extensions
from bulb.environments.extensions_api import PREFIX
from bulb.environments.incarnation import TIMED_OUT, Incarnation
from bulb.environments.model import Event, Reply
from bulb.environments.overtime import Overtime
from bulb.environments.runtime_api import RuntimeSession, Work
from bulb.http.message import BufferedBody, Request
from bulb.http.server import HttpConnection
from bulb.sandbox.host import SupervisedProcess
from bulb.sandbox.model import Exit

EVENT = Event("r", "arn", b"{}", "Root=1-0-0")
ENDED = Exit(0, None)
T = TypeVar("T")


def run(test: Awaitable[T]) -> T:
    async def main() -> T:
        return await test

    return uvloop.run(main())


class Parts:
    """An incarnation with an extension `watcher`, and nothing below it."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.signals: list[int] = []
        self.ended: asyncio.Future[Exit] = loop.create_future()

        async def terminate() -> None:
            pass

        self.sandbox: Any = SimpleNamespace(
            log=-1,
            extension_log=-1,
            runtime_exited=self.ended,
            is_reachable=False,
            processes={},
            thaw=lambda: None,
            terminate=terminate,
        )
        spec: Any = SimpleNamespace(
            handler="h", ref=SimpleNamespace(name="f", version="1", account="1", region="us-east-1")
        )
        log: Any = SimpleNamespace(feed=None)
        nothing: Any = None
        self.extensions = Extensions(spec, nothing, self.sandbox, log, nothing, SystemClock(), ("watcher",))
        self.incarnation = Incarnation(self.sandbox, log, nothing, self.extensions)
        self.session = self.incarnation.session

    def asks(self) -> None:
        """The runtime asks for its next event."""
        _start(
            self.session.handle(Request("GET", runtime_api.PREFIX + "invocation/next", "", {}, BufferedBody(b""), None))
        )

    async def register(self) -> Callable[[], None]:
        """The extension registers; what makes it ask for its next event."""
        body = json.dumps({"events": ["INVOKE", "SHUTDOWN"]}).encode()
        named = {"lambda-extension-name": "watcher"}
        answer = await self.extensions.handle(Request("POST", PREFIX + "register", "", named, BufferedBody(body), None))
        assert answer is not None
        identified = {"lambda-extension-identifier": answer.header("lambda-extension-identifier") or ""}
        return lambda: _start(
            self.extensions.handle(Request("GET", PREFIX + "event/next", "", identified, BufferedBody(b""), None))
        )

    def overtime(self) -> Overtime:
        return Overtime(self.incarnation, EVENT, Reply(b"1"), time.time(), time.perf_counter(), TIME_S, 0)


_running: set[asyncio.Future[Any]] = set()


def _start(request: Awaitable[Any]) -> None:
    _running.add(asyncio.ensure_future(request))


@pytest.mark.parametrize("answers", [True, False])
def test_an_answer_in_time_counts_however_late_it_is_read(answers: bool) -> None:
    async def ending() -> Reply:
        parts = Parts()
        work = Work(EVENT, 0, asyncio.get_running_loop().create_future(), "i")
        with held_up((lambda: work.done.set_result(Reply(b"1"))) if answers else None):
            return await parts.incarnation.first_ending(work, TIME_S)

    assert run(ending()) == (Reply(b"1") if answers else TIMED_OUT)


@pytest.mark.parametrize("answers", [True, False])
def test_an_init_that_ended_in_time_is_none_that_timed_out(answers: bool) -> None:
    async def init() -> Reply | None:
        parts = Parts()
        parts.extensions.names = ()
        with held_up(parts.asks if answers else None):
            return await parts.incarnation.initialize(Deadline.within(TIME_S), "r")

    assert run(init()) == (None if answers else TIMED_OUT)


def test_so_is_one_whose_extension_was_ready_in_time() -> None:
    async def init() -> tuple[Reply | None, bool]:
        parts = Parts()
        asks = await parts.register()
        parts.extensions.names = ()  # it runs already
        deadline = Deadline.within(TIME_S)

        def both() -> None:
            parts.asks()
            asks()

        with held_up(both):
            return await parts.incarnation.initialize(deadline, "r"), await parts.extensions.ready(deadline)

    assert run(init()) == (None, True)


@pytest.mark.parametrize("answers", [True, False])
def test_an_extension_that_was_done_in_time_does_not_fail_its_invocation(answers: bool) -> None:
    async def rest() -> tuple[str | None, str]:
        parts = Parts()
        asks = await parts.register()
        parts.asks()
        await asyncio.sleep(0)
        overtime = parts.overtime()
        with held_up(asks if answers else None):
            return await overtime.rest(), overtime.reply.status

    assert run(rest()) == ((None, "success") if answers else ("TIMEOUT", "timeout"))


def test_nor_does_a_runtime_that_asked_in_time() -> None:
    async def rest() -> str | None:
        parts = Parts()
        (await parts.register())()
        await asyncio.sleep(0)
        with held_up(parts.asks):
            return await parts.overtime().rest()

    assert run(rest()) is None


def test_a_runtime_that_ended_in_time_is_not_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    async def shut_down() -> list[int]:
        parts = Parts()
        monkeypatch.setattr(extensions_module, "INTERNAL_BUDGET_S", TIME_S)
        await parts.register()
        parts.extensions.session._by_name["watcher"].external = False
        parts.sandbox.processes["runtime"] = SupervisedProcess("runtime", 1, parts.ended, parts.signals.append)
        with held_up(lambda: parts.ended.set_result(ENDED)):
            await parts.extensions.shut_down("SPINDOWN")
        return parts.signals

    assert run(shut_down()) == []


def test_an_extension_has_its_time_from_when_it_is_told_of_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where the server was held up before that for longer than the whole phase may take."""

    async def shut_down() -> tuple[float, float]:
        parts = Parts()
        monkeypatch.setattr(extensions_module, "EXTERNAL_BUDGET_S", TIME_S)
        monkeypatch.setattr(extensions_module, "_LEAST_S", TIME_S)
        await parts.register()
        exited: asyncio.Future[Exit] = asyncio.get_running_loop().create_future()
        parts.extensions._processes["watcher"] = SupervisedProcess("watcher", 2, exited, parts.signals.append)
        began, began_at = time.perf_counter(), time.time()
        with held_up(lambda: parts.ended.set_result(ENDED)):
            await parts.extensions.shut_down("SPINDOWN")
        told = json.loads(parts.extensions.session._by_name["watcher"].queued or b"")
        return told["deadlineMs"] / 1000 - began_at, time.perf_counter() - began

    told, had = run(shut_down())
    assert told >= HELD_UP_S + TIME_S - 0.001  # whole milliseconds
    assert had >= HELD_UP_S + TIME_S


def test_a_process_that_ended_amid_its_response_is_told_from_one_that_broke_off(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def ending() -> Reply:
        monkeypatch.setattr(runtime_api, "_ENDS_WITHIN_S", TIME_S)
        session = RuntimeSession(asyncio.get_running_loop())
        work = session.give(EVENT, 1)
        with held_up(lambda: work.done.set_result(Reply(b"exited", "error"))):
            await session._broke_off(work)
        return await work.done

    assert run(ending()).payload == b"exited"


def test_a_timer_that_comes_in_time_gives_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "perf_counter", lambda: 10.001)
    assert Deadline(10.0).left() == 0


def test_the_moment_to_read_is_given_once() -> None:
    deadline = Deadline(time.perf_counter() - 1)
    assert deadline.left() > 0
    time.sleep(0.03)
    assert deadline.left() == 0


NEXT = b"GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: r\r\n\r\n"
ANSWER = b"POST /2018-06-01/runtime/invocation/r/response HTTP/1.1\r\nHost: r\r\nContent-Length: 1\r\n\r\n1"


async def _until(is_so: Callable[[], bool]) -> None:
    while not is_so():  # noqa: ASYNC110 - nobody tells
        await asyncio.sleep(0.001)


async def _asking(parts: Parts) -> tuple[asyncio.StreamReader, asyncio.StreamWriter, HttpConnection]:
    """A client of port 9001 that waits for an event."""
    loop = asyncio.get_running_loop()
    ours, theirs = socket.socketpair()
    _, connection = await loop.connect_accepted_socket(parts.incarnation._api_connection, ours)
    reader, writer = await asyncio.open_unix_connection(sock=theirs)
    waited_for = parts.session._waiting
    writer.write(NEXT)
    await _until(lambda: parts.session._waiting is not waited_for)
    return reader, writer, connection


def test_an_event_handed_to_a_client_that_has_hung_up_is_for_the_next_that_asks() -> None:
    """A runtime's client may give up a request that takes long, and ask again."""

    async def runtime() -> Reply:
        parts = Parts()
        _, gone, connection = await _asking(parts)
        gone.close()
        await _until(lambda: connection._ended)
        work = parts.session.give(EVENT, 1)
        await asyncio.sleep(0.01)
        ours, theirs = socket.socketpair()
        await asyncio.get_running_loop().connect_accepted_socket(parts.incarnation._api_connection, ours)
        reader, writer = await asyncio.open_unix_connection(sock=theirs)
        writer.write(NEXT + ANSWER)
        assert b"aws-request-id: r\r\n" in await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 20)
        reply = await asyncio.wait_for(work.done, 20)
        writer.close()
        return reply

    assert run(runtime()) == Reply(b"1")


def test_one_that_has_only_finished_sending_reads_it_and_it_is_handed_out_once() -> None:
    async def runtime() -> bool:
        parts = Parts()
        reader, half, connection = await _asking(parts)
        half.write_eof()
        await _until(lambda: connection._ended)
        work = parts.session.give(EVENT, 1)
        assert b"aws-request-id: r\r\n" in await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 20)
        work.done.set_result(Reply(b"1"))
        _, again, _ = await _asking(parts)
        waits = parts.session.is_waiting
        half.close()
        again.close()
        return waits

    assert run(runtime())


def test_a_process_that_ended_before_it_was_told_its_function_has_failed_to_initialise() -> None:
    async def init() -> Reply | None:
        parts = Parts()
        sandbox = parts.sandbox
        sandbox.api, theirs = socket.socketpair()
        theirs.close()
        sandbox.log, written = os.pipe2(os.O_NONBLOCK)
        sandbox.runtime_listener = sandbox.endpoint_listener = None
        log: Any = SimpleNamespace(feed=lambda _: None, flush=lambda: None, is_full=False)
        parts.extensions.names = ()
        endpoint: Any = None
        incarnation = Incarnation(sandbox, log, endpoint, parts.extensions)
        await incarnation.connect({}, "app.handler")
        parts.ended.set_result(Exit(None, 9))
        reply = await incarnation.initialize(Deadline.within(20), "r")
        await incarnation.close()
        os.close(written)
        os.close(sandbox.log)
        return reply

    reply = run(init())
    assert reply is not None
    assert b"signal: killed" in reply.payload
