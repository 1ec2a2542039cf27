"""A loop that is held up past a timer while what it waits for arrives."""

import asyncio
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

# What is waited for at most, and for how long the loop does nothing meanwhile.
TIME_S, HELD_UP_S = 0.2, 0.3


@contextmanager
def held_up(heard: Callable[[], object] | None) -> Iterator[None]:
    """From the running loop's next turn on it is held up for `HELD_UP_S`; at once something arrives, in time.

    `heard` is called when that is read. Without it nothing arrives.
    """
    loop = asyncio.get_running_loop()
    (here, inside), (busy, work_for_it) = socket.socketpair(), socket.socketpair()

    def hold_up() -> None:
        # Among what is read: timers have their turn before anything else is.
        busy.recv(1)
        if heard is not None:
            inside.send(b"1")
        time.sleep(HELD_UP_S)

    def read() -> None:
        here.recv(1)
        if heard is not None:
            heard()

    with here, inside, busy, work_for_it:
        loop.add_reader(here, read)
        loop.add_reader(busy, hold_up)
        work_for_it.send(b"x")
        try:
            yield
        finally:
            loop.remove_reader(here)
            loop.remove_reader(busy)
