"""What the tests of hostile functions share: functions that do whatever the event says, and a neighbour to protect."""

import base64
import json
import os
import subprocess
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support import functions
from tests.support.bulb import Running, running_bulb

# Runs the Python source in the event; what it leaves in `answer` is the response. `count` tells processes apart.
OBEDIENT = """
import os, sys, time
count = 0

def handler(event, context):
    global count
    count += 1
    here = {"context": context, "os": os, "sys": sys, "time": time, "count": count, "answer": None}
    exec(event["do"], here)
    return here["answer"]
"""


@dataclass(frozen=True)
class Ending:
    """What a caller sees of one invocation: the document, whether it is a function error, and the log's tail."""

    document: Any
    failed: bool
    log: str
    request_id: str

    @property
    def report(self) -> str:
        """The REPORT line."""
        (line,) = [line for line in self.log.splitlines() if line.startswith(f"REPORT RequestId: {self.request_id}\t")]
        return line


class Function:
    """A function on a running server."""

    def __init__(self, aws: Any, name: str, source: str = OBEDIENT, **settings: Any) -> None:
        self.aws = aws
        self.name = name
        functions.create(aws, name, source, **{"MemorySize": 512, "Timeout": 15, **settings})

    def call(self, event: Any) -> Ending:
        """Invoke it; a function error is an ending like any other."""
        document, response = functions.invoke_again(self.aws, self.name, event, LogType="Tail")
        error = response.get("FunctionError")
        assert error in (None, "Unhandled")
        assert response["StatusCode"] == 200
        log = base64.b64decode(response["LogResult"]).decode("utf-8", "replace")
        return Ending(document, error is not None, log, response["ResponseMetadata"]["RequestId"])

    def run(self, source: str) -> Ending:
        """Let it run Python `source`."""
        return self.call({"do": textwrap.dedent(source)})

    def answer(self, source: str) -> Any:
        """What `source` leaves in `answer`; it must not fail."""
        ending = self.run(source)
        assert not ending.failed, ending.document
        return ending.document

    def refusal(self, source: str) -> str:
        """`source` must raise inside; the error's type and message."""
        ending = self.run(source)
        assert ending.failed
        assert "requestId" in ending.document, ending.document  # raised by the code, not the end of the process
        return f"{ending.document['errorType']}: {ending.document['errorMessage']}"

    def assert_works(self) -> None:
        """The next invocation is an ordinary one."""
        assert self.answer("answer = 6 * 7") == 42


@contextmanager
def server(data: Path) -> Iterator[Running]:
    """A server that isolates its functions, or a skip that says why there is none."""
    with running_bulb(data) as running:
        if running.isolation == "plain":
            pytest.skip("functions of the plain rung are not isolated")
        yield running


def exit_error(ending: Ending, how: str) -> None:
    """The caller and the log are told that the process ended, as Lambda tells it."""
    assert ending.failed
    assert ending.document == {
        "errorType": "Runtime.ExitError",
        "errorMessage": f"RequestId: {ending.request_id} Error: {how}",
    }
    assert ending.report.endswith("\tStatus: error\tError Type: Runtime.ExitError")


def timed_out(ending: Ending, seconds: int) -> None:
    """The caller and the log are told of a timeout, as Lambda tells it."""
    assert ending.failed
    assert ending.document == {
        "errorType": "Sandbox.Timedout",
        "errorMessage": f"RequestId: {ending.request_id} Error: Task timed out after {seconds}.00 seconds",
    }
    assert f"\tDuration: {seconds}000.00 ms\t" in ending.report
    assert ending.report.endswith("\tStatus: timeout")


# What a function runs so that `marked_processes` counts it and whatever it forks. Other test runs are not ours.
_MARK = f"marked-{os.getpid()}"
BE_MARKED = f"open('/proc/self/comm', 'w').write({_MARK!r})"


def marked_processes() -> int:
    """How many processes on the machine descend from one that ran `BE_MARKED`."""
    command = ["ps", "-o", "pid=", "-C", _MARK]
    return len(subprocess.run(command, capture_output=True, check=False).stdout.split())


class Neighbour(Function):
    """A well-behaved function that must not notice anything: same process, same /tmp, prompt answers."""

    def __init__(self, aws: Any) -> None:
        super().__init__(aws, "neighbour", MemorySize=256)
        self.calls = 0
        self.assert_undisturbed()

    def assert_undisturbed(self) -> None:
        """It is still the process it was."""
        self.calls += 1
        counted = self.answer("open('/tmp/mine', 'a').write('x'); answer = [count, os.listdir('/tmp')]")
        assert counted == [self.calls, ["mine"]]


def events_of(bulb: Running, function: str) -> list[str]:
    """Every log message of a function, oldest first."""
    logs = bulb.client("logs")
    pages = logs.get_paginator("filter_log_events").paginate(logGroupName=f"/aws/lambda/{function}")
    return [event["message"] for page in pages for event in page["events"]]


def dumps(value: Any) -> str:
    """As an event would carry it."""
    return json.dumps(value)
