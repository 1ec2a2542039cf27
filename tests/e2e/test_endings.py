"""How invocations end, as the caller gets it, to the byte: in Python, and in Node.js where there is one."""

import json
import re
import sys
import time
from typing import Any

import pytest

from tests.support.bulb import Running
from tests.support.functions import PYTHON, create
from tests.support.nodejs import runtime

# Counts in memory and in /tmp, then does what its event says.
SOURCES = {
    "python": """
        import os, time
        calls = 0
        def handler(event, context):
            global calls
            calls += 1
            open("/tmp/x", "a").write("x")
            if event.get("sleep"):
                time.sleep(event["sleep"])
            if event.get("raise"):
                raise ValueError(event["raise"])
            if "exit" in event:
                os._exit(event["exit"])
            if event.get("bytes"):
                return "x" * (event["bytes"] - 2)
            return [calls, open("/tmp/x").read()]
    """,
    "node": """
        const fs = require("node:fs");
        let calls = 0;
        exports.handler = async (event) => {
          calls += 1;
          fs.appendFileSync("/tmp/x", "x");
          if (event.sleep) await new Promise((done) => setTimeout(done, event.sleep * 1000));
          if (event.raise) throw new TypeError(event.raise);
          if ("exit" in event) process.exit(event.exit);
          if (event.bytes) return "x".repeat(event.bytes - 2);
          return [calls, fs.readFileSync("/tmp/x", "utf8")];
        };
    """,
}
# Enough for a new process on a busy machine, whose init is inside it.
TIMEOUT_S = 5
LANGUAGES = {"python": PYTHON, "node": runtime()}


@pytest.fixture(scope="module")
def aws(bulb: Running) -> Any:
    return bulb.client("lambda")


@pytest.fixture(scope="module", params=sorted(LANGUAGES))
def language(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    if LANGUAGES[name] is None:
        pytest.skip("no Node.js 20, 22 or 24 on this machine")
    return name


@pytest.fixture(scope="module")
def ends(aws: Any, language: str) -> str:
    """A function with little time; each test ends it, or finds it as it was left."""
    name = f"ends-{language}"
    create(aws, name, SOURCES[language], Runtime=LANGUAGES[language], Timeout=TIMEOUT_S, MemorySize=1024)
    return name


def answered(aws: Any, name: str, **event: Any) -> tuple[bytes, str | None, str]:
    """The payload as it came, the function error, and the request's id. The call itself succeeds, however it ends."""
    response = aws.invoke(FunctionName=name, Payload=json.dumps(event))
    assert (response["StatusCode"], response["ResponseMetadata"]["HTTPStatusCode"]) == (200, 200)
    assert response["ExecutedVersion"] == "$LATEST"
    return response["Payload"].read(), response.get("FunctionError"), response["ResponseMetadata"]["RequestId"]


def fresh(aws: Any, name: str) -> int:
    """The next invocation is the first of its process; how often /tmp was written to since the sandbox began."""
    calls, kept = json.loads(answered(aws, name)[0])
    assert calls == 1, "memory is new"
    assert set(kept) == {"x"}
    return len(kept)


def test_a_timeout_in_a_sleep(aws: Any, ends: str) -> None:
    answered(aws, ends)
    before = len(json.loads(answered(aws, ends)[0])[1])
    began = time.monotonic()
    payload, error, request_id = answered(aws, ends, sleep=60)
    assert TIMEOUT_S <= time.monotonic() - began < 30
    expected = (
        '{"errorType":"Sandbox.Timedout",'
        f'"errorMessage":"RequestId: {request_id} Error: Task timed out after {TIMEOUT_S}.00 seconds"}}'
    )
    assert (payload, error) == (expected.encode(), "Unhandled")
    assert fresh(aws, ends) == before + 2, "/tmp is as it was left"


def test_what_a_handler_raises(bulb: Running, aws: Any, ends: str, language: str) -> None:
    before = json.loads(answered(aws, ends)[0])[0]
    text = 'no "light" \u00e9'
    payload, error, request_id = answered(aws, ends, **{"raise": text})
    assert error == "Unhandled"
    if language == "python":
        said = json.dumps(text, ensure_ascii=sys.version_info < (3, 12))  # as each version's own runtime client does
        assert bulb.as_inside(payload.decode()) == (
            f'{{"errorMessage": {said}, "errorType": "ValueError", "requestId": "{request_id}", "stackTrace": '
            '["  File \\"/var/task/app.py\\", line 11, in handler\\n    raise ValueError(event[\\"raise\\"])\\n"]}'
        )
    else:
        assert payload.startswith(
            '{"errorType":"TypeError","errorMessage":"no \\"light\\" \u00e9",'
            '"trace":["TypeError: no \\"light\\" \u00e9","    at '.encode()
        )
        document = json.loads(payload)
        assert list(document) == ["errorType", "errorMessage", "trace"]
        assert re.fullmatch(r"    at .*\(/var/task/index\.js:8:\d+\)", bulb.as_inside(document["trace"][1]))
    assert json.loads(answered(aws, ends)[0])[0] == before + 2, "the process and its memory live on"


@pytest.mark.parametrize(
    ("status", "how"),
    [(0, "Runtime exited without providing a reason"), (127, "Runtime exited with error: exit status 127")],
)
def test_a_process_that_exits(aws: Any, ends: str, status: int, how: str) -> None:
    payload, error, request_id = answered(aws, ends, exit=status)
    expected = f'{{"errorType":"Runtime.ExitError","errorMessage":"RequestId: {request_id} Error: {how}"}}'
    assert (payload, error) == (expected.encode(), "Unhandled")
    fresh(aws, ends)


def test_the_largest_answer_and_a_byte_more(aws: Any, ends: str) -> None:
    answered(aws, ends)
    payload, error, _ = answered(aws, ends, bytes=6_291_556)
    assert (payload, error) == (b'"' + b"x" * 6_291_554 + b'"', None)
    payload, error, _ = answered(aws, ends, bytes=6_291_557)
    expected = (
        b'{"errorMessage":"Response payload size exceeded maximum allowed payload size (6291556 bytes).",'
        b'"errorType":"Function.ResponseSizeTooLarge"}'
    )
    assert (payload, error) == (expected, "Unhandled")


MEMORY = {
    "python": "def handler(event, context): return len(bytearray(400 << 20))",
    "node": "exports.handler = async () => Buffer.alloc(400 << 20, 1).length;",
}


def test_more_memory_than_it_has(bulb: Running, aws: Any, language: str) -> None:
    if bulb.isolation != "full":
        pytest.skip(f"memory limits need the full rung; this is {bulb.isolation}")
    name = f"ends-memory-{language}"
    create(aws, name, MEMORY[language], Runtime=LANGUAGES[language], Timeout=20, MemorySize=192)
    payload, error, request_id = answered(aws, name)
    expected = (
        '{"errorType":"Runtime.ExitError",'
        f'"errorMessage":"RequestId: {request_id} Error: Runtime exited with error: signal: killed"}}'
    )
    assert (payload, error) == (expected.encode(), "Unhandled")
