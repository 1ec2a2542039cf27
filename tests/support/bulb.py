"""The real server for tests: in a thread (with a clock the test can move) or as a process that can be killed."""

import asyncio
import contextlib
import faulthandler
import os
import re
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import uvloop

from bulb.app import Bulb, open_bulb
from bulb.config import load
from bulb.core.facts import Fact
from tests.support.clock import MovableClock
from tests.support.gateway import client

# What every server here is started with unless a test says otherwise; see --rung in tests/conftest.py.
DEFAULTS = {"isolation": "best"}


@dataclass
class Running:
    """A server. `clock` moves its time; `isolation` is its rung; `facts` is what it has said about its invocations."""

    url: str
    clock: MovableClock
    data: Path
    isolation: str
    egress: str
    facts: list[Fact] = field(repr=False)

    def client(self, service: str, **config: Any) -> Any:
        return client(service, self.url, **config)

    def as_inside(self, text: str) -> str:
        """What a function said of its code's place, as it would be anywhere but on the plain rung."""
        return re.sub(re.escape(str(self.data / "code")) + "/[0-9a-f]{64}", "/var/task", text)


@contextlib.contextmanager
def running_bulb(data: Path, **settings: Any) -> Iterator[Running]:
    """A whole Bulb in a thread of this process, on a free port."""
    clock, started = MovableClock(), threading.Event()
    outcome: dict[str, Any] = {}
    facts: list[Fact] = []
    given = {"port": 0, "data": data, **DEFAULTS, **settings}
    config = load(given, {"HOME": str(Path.home()), "PATH": os.environ["PATH"]})

    async def serve() -> None:
        loop, stop = asyncio.get_running_loop(), asyncio.Event()
        outcome["stop"] = lambda: loop.call_soon_threadsafe(stop.set)
        bulb: Bulb = await open_bulb(config, clock)
        try:
            bulb.facts.add(facts.append)
            outcome["bulb"] = bulb
            started.set()
            await stop.wait()
            await bulb.drain(5)
        finally:
            await bulb.close()

    def run() -> None:
        try:
            uvloop.run(serve())
        except BaseException as error:
            outcome["error"] = error
        finally:
            started.set()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    started.wait(60)
    try:
        if "bulb" not in outcome:
            raise outcome.get("error") or TimeoutError("the server did not start")
        bulb = outcome["bulb"]
        yield Running(bulb.url, clock, data, bulb.isolation, bulb.egress, facts)
    finally:
        if thread.is_alive() and "stop" in outcome:
            outcome["stop"]()
        thread.join(60)
    if "error" in outcome:
        raise outcome["error"]
    if thread.is_alive():
        faulthandler.dump_traceback()
        raise TimeoutError("the server did not end")


class Process:
    """`bulb up` as a process of its own: start it, kill it, start it again on the same data."""

    module: tuple[str, ...] = ("bulb", "up")

    def __init__(self, data: Path, *options: str) -> None:
        self.data = data
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None
        self.url = ""
        self.line = ""

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self, port: int = 0) -> None:
        settings = {"port": port, "data": self.data, **DEFAULTS}
        said = [word for name, value in settings.items() for word in (f"--{name}", str(value))]
        command = [sys.executable, "-m", *self.module, *said, *self._options]
        with (self.data.parent / f"{self.data.name}.log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log)
        assert self._process.stdout is not None
        # Not select(): a worker that has run many servers holds more descriptors than that can name.
        line = select.poll()
        line.register(self._process.stdout, select.POLLIN)
        ready = line.poll(60_000)
        self.line = self._process.stdout.readline().decode() if ready else ""
        if "http://" not in self.line:
            self.kill()
            raise RuntimeError(self.log())
        self.url = next(word for word in self.line.split() if word.startswith("http://"))

    @property
    def port(self) -> int:
        return int(self.url.rsplit(":", 1)[1])

    def log(self) -> str:
        return (self.data.parent / f"{self.data.name}.log").read_text(errors="replace")

    def kill(self) -> None:
        """SIGKILL: nothing is said and nothing is finished."""
        self._end(signal.SIGKILL)

    def kill_now(self) -> None:
        """SIGKILL without waiting for the end; `kill` must follow."""
        if self._process is not None:
            self._process.kill()

    def stop(self) -> int:
        return self._end(signal.SIGTERM)

    def _end(self, number: int) -> int:
        if self._process is None:
            return 0
        self._process.send_signal(number)
        try:
            return self._process.wait(60)
        except subprocess.TimeoutExpired:
            self._process.kill()
            raise
        finally:
            if self._process.stdout is not None:
                self._process.stdout.close()
            self._process = None

    def client(self, service: str, **config: Any) -> Any:
        return client(service, self.url, **config)
