"""How an event ends when the server itself was held up."""

import asyncio
import socket
import time
from types import SimpleNamespace
from typing import Any

import pytest
import uvloop

from bulb.environments.incarnation import TIMED_OUT, Incarnation
from bulb.environments.model import Reply
from bulb.environments.runtime_api import Work

TIME_S, HELD_UP_S = 0.2, 0.4


@pytest.mark.parametrize("answers", [True, False])
def test_an_answer_in_time_counts_however_late_it_is_read(answers: bool) -> None:
    async def ending() -> Reply:
        loop = asyncio.get_running_loop()
        ended: asyncio.Future[Any] = loop.create_future()
        sandbox: Any = SimpleNamespace(log=-1, extension_log=-1, runtime_exited=ended)
        log: Any = SimpleNamespace(feed=None)
        extensions: Any = SimpleNamespace(names=())
        endpoint: Any = None
        event: Any = SimpleNamespace(request_id="r")
        work = Work(event, 0, loop.create_future(), "i")
        (here, inside), (busy, work_for_it) = socket.socketpair(), socket.socketpair()
        with here, inside, busy, work_for_it:

            def hold_up() -> None:
                # Among what is read: timers have their turn before anything else is.
                busy.recv(1)
                if answers:
                    inside.send(b"1")
                time.sleep(HELD_UP_S)

            loop.add_reader(here, lambda: work.done.set_result(Reply(here.recv(1))))
            loop.add_reader(busy, hold_up)
            work_for_it.send(b"x")
            try:
                return await Incarnation(sandbox, log, endpoint, extensions).first_ending(work, TIME_S)
            finally:
                loop.remove_reader(here)
                loop.remove_reader(busy)

    assert uvloop.run(ending()) == (Reply(b"1") if answers else TIMED_OUT)
