"""Response streaming, from a function's first byte to the caller's."""

import base64
import json
import socket
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.bulb import Process, Running
from tests.support.functions import create, only_one
from tests.support.nodejs import runtime
from tests.support.streams import stream
from tests.support.waiting import until

NODE = runtime()


@pytest.fixture(scope="module")
def aws(bulb: Running) -> Any:
    return bulb.client("lambda", read_timeout=60)


def test_a_handler_that_does_not_stream_is_one_chunk(aws: Any) -> None:
    create(
        aws,
        "stream-buffered",
        """
        def handler(event, context):
            print("hello from", context.aws_request_id)
            if event.get("fail"):
                raise ValueError("no")
            return {"got": event, "client": context.client_context and context.client_context.custom}
        """,
    )
    context = base64.b64encode(b'{"custom": {"k": "v"}}').decode()
    streamed = stream(aws, "stream-buffered", {"a": 1}, LogType="Tail", ClientContext=context)
    assert streamed.response["StatusCode"] == 200
    assert streamed.response["ExecutedVersion"] == "$LATEST"
    assert streamed.response["ResponseStreamContentType"] == "application/json"
    assert streamed.chunks == [b'{"got": {"a": 1}, "client": {"k": "v"}}']
    assert streamed.complete is not None
    assert set(streamed.complete) == {"LogResult"}
    log = base64.b64decode(streamed.complete["LogResult"]).decode()
    assert f"hello from {streamed.response['ResponseMetadata']['RequestId']}" in log
    assert "REPORT" in log

    failed = stream(aws, "stream-buffered", {"fail": True})
    assert failed.chunks == []
    assert failed.complete is not None
    assert failed.complete["ErrorCode"] == "Unhandled"
    assert failed.error["errorType"] == "ValueError"
    assert "LogResult" not in failed.complete


def test_a_dry_run_runs_nothing(aws: Any) -> None:
    create(aws, "stream-dry", "def handler(event, context):\n    raise SystemExit(1)\n")
    response = aws.invoke_with_response_stream(FunctionName="stream-dry", InvocationType="DryRun", Payload=b"{}")
    assert response["StatusCode"] == 204
    assert list(response["EventStream"]) == []
    with pytest.raises(aws.exceptions.ResourceNotFoundException):
        aws.invoke_with_response_stream(FunctionName="stream-none", InvocationType="DryRun")


def test_what_is_too_large_or_no_json_is_refused(aws: Any) -> None:
    with pytest.raises(aws.exceptions.RequestTooLargeException) as refused:
        aws.invoke_with_response_stream(FunctionName="stream-dry", Payload=b'"' + b"x" * 6_291_456)
    assert refused.value.response["Error"]["Message"] == (
        "6291457 byte payload is too large for the RequestResponse invocation type (limit 6291456 bytes)"
    )
    with pytest.raises(aws.exceptions.InvalidRequestContentException):
        aws.invoke_with_response_stream(FunctionName="stream-dry", Payload=b"{")


HANDLERS = """
const { pipeline } = require('node:stream/promises');
const { Readable } = require('node:stream');
const fs = require('node:fs');
const stream = awslambda.streamifyResponse;
const flag = (name) => new Promise((done) => {
  const look = setInterval(() => { if (fs.existsSync(`/tmp/${name}`)) { clearInterval(look); done(); } }, 5);
});
const all = {
  async words(event, out) {
    out.setContentType('text/plain');
    out.write('one ');
    await new Promise((done) => setTimeout(done, 3000));
    out.write(String(Date.now()));
    out.end();
  },
  async piped(event, out) {
    await pipeline(Readable.from(['a', 'b', 'c']), out);
  },
  async unawaited(event, out) {
    Readable.from(['x', 'y']).pipe(out);
  },
  async http(event, out) {
    out = awslambda.HttpResponseStream.from(out, { statusCode: 201, headers: { 'x-a': '1' }, cookies: ['c=d'] });
    out.write('body');
    out.end();
  },
  async objects(event, out) { out.write({ a: 1 }); out.write(Buffer.from('!')); out.end([2]); },
  async empty(event, out) { out.end(); },
  async early(event, out) { throw new TypeError('too early'); },
  async late(event, out) { out.write('begun'); throw new RangeError('too late'); },
  async broken(event, out) {
    await pipeline((async function* () { yield 'begun'; throw new Error('source broke'); })(), out);
  },
  async unfinished(event, out) { out.write('begun'); },
  async contentTypeTooLate(event, out) { out.write('begun'); out.setContentType('text/plain'); },
  sync(event, out) { out.write('begun'); out.end(); },
  async uncaught(event, out) {
    out.write('begun');
    await new Promise((done) => setTimeout(done, 20));
    setImmediate(() => { throw new Error('nobody caught it'); });
    await new Promise(() => setTimeout(() => {}, 30000));
  },
  async exit(event, out) { await new Promise((done) => out.write('begun', done)); process.exit(3); },
  async slow(event, out) { out.write('begun'); await new Promise((done) => setTimeout(done, 20000)); },
  async value(event, out) { out.write('v'); out.end(); return 5; },
  async context(event, out, context) {
    out.end(JSON.stringify([context.awsRequestId, context.callbackWaitsForEmptyEventLoop, context.done === undefined]));
  },
  async many(event, out) {
    if (event.wait) await new Promise((done) => setTimeout(done, event.wait));
    const block = Buffer.alloc(event.block, 'x');
    let waits = 0;
    for (let left = event.blocks; left > 0; left -= 1) {
      if (!out.write(block)) { waits += 1; await new Promise((done) => out.once('drain', done)); }
      if (event.note) fs.writeFileSync('/tmp/note', String(event.blocks - left + 1));
    }
    out.end();
    console.log('waits', waits);
  },
  async note(event, out) { out.end(fs.existsSync('/tmp/note') ? fs.readFileSync('/tmp/note') : 'none'); },
  async goesOn(event, out) {
    out.write('begun');
    for (let i = 0; i < 40; i += 1) {
      await new Promise((done) => setTimeout(done, 5));
      out.write(Buffer.alloc(100_000));
    }
    out.end();
    fs.writeFileSync('/tmp/note', 'went on to its end');
  },
};
exports.handler = stream(async (event, out, context) => all[event.do](event, out, context));
exports.direct = stream(all.sync);
"""


@pytest.fixture(scope="module")
def node(aws: Any) -> str:
    if NODE is None:
        pytest.skip("no Node.js 20, 22 or 24 on this machine")
    create(aws, "stream-node", HANDLERS, Runtime=NODE, Timeout=60)
    return "stream-node"


def test_the_first_byte_arrives_before_the_second_is_written(aws: Any, node: str) -> None:
    stream(aws, node, {"do": "empty"})  # warm
    response = aws.invoke_with_response_stream(FunctionName=node, Payload=json.dumps({"do": "words"}))
    assert response["ResponseStreamContentType"] == "text/plain"
    arrivals = [(time.time(), event) for event in response["EventStream"]]
    second = arrivals[1][1]["PayloadChunk"]["Payload"]
    assert [event for _, event in arrivals] == [
        {"PayloadChunk": {"Payload": b"one "}},
        {"PayloadChunk": {"Payload": second}},
        {"InvokeComplete": {}},
    ]
    written = int(second) / 1000  # by the same clock: the function runs on this machine
    assert arrivals[0][0] < written - 0.1


@pytest.mark.parametrize(
    ("do", "payload", "content_type"),
    [
        ("piped", b"abc", "application/octet-stream"),
        ("unawaited", b"xy", "application/octet-stream"),
        ("objects", b'{"a":1}![2]', "application/octet-stream"),
        ("empty", b"", "application/octet-stream"),
        ("value", b"v", "application/octet-stream"),
        (
            "http",
            b'{"statusCode":201,"headers":{"x-a":"1"},"cookies":["c=d"]}' + bytes(8) + b"body",
            "application/vnd.awslambda.http-integration-response",
        ),
    ],
)
def test_what_a_handler_writes_is_what_the_caller_gets(
    aws: Any, node: str, do: str, payload: bytes, content_type: str
) -> None:
    streamed = stream(aws, node, {"do": do})
    assert streamed.payload == payload
    assert streamed.complete == {}
    assert streamed.response["ResponseStreamContentType"] == content_type
    # Whoever wants the whole gets the same bytes.
    response = aws.invoke(FunctionName=node, Payload=json.dumps({"do": do}))
    assert response["Payload"].read() == payload
    assert "FunctionError" not in response


@pytest.mark.parametrize(
    ("do", "payload", "error_type", "message"),
    [
        ("early", b"", "TypeError", "too early"),
        ("late", b"begun", "RangeError", "too late"),
        ("broken", b"begun", "Error", "source broke"),
        ("unfinished", b"begun", "Error", "Response stream is not finished."),
        ("contentTypeTooLate", b"begun", "Runtime.InvalidStreamingOperation", "Cannot set content-type, too late."),
        ("uncaught", b"begun", "Error", "nobody caught it"),
    ],
)
def test_a_failure_before_or_after_the_first_byte(
    aws: Any, node: str, do: str, payload: bytes, error_type: str, message: str
) -> None:
    streamed = stream(aws, node, {"do": do}, LogType="Tail")
    assert streamed.payload == payload
    assert streamed.complete is not None
    assert streamed.complete["ErrorCode"] == "Unhandled"
    assert (streamed.error["errorType"], streamed.error["errorMessage"]) == (error_type, message)
    log = base64.b64decode(streamed.complete["LogResult"]).decode()
    assert message in log
    assert "Status: error" in log
    # Whoever wants the whole gets the error, and the function is there for the next event.
    response = aws.invoke(FunctionName=node, Payload=json.dumps({"do": do}))
    assert response["FunctionError"] == "Unhandled"
    assert json.loads(response["Payload"].read())["errorMessage"] == message
    assert stream(aws, node, {"do": "piped"}).payload == b"abc"


@pytest.mark.usefixtures("node")
def test_a_handler_without_a_promise_is_refused(aws: Any) -> None:
    create(aws, "stream-direct", HANDLERS, Runtime=NODE, Handler="index.direct", Timeout=20)
    streamed = stream(aws, "stream-direct")
    assert streamed.error["errorMessage"] == "Streaming does not support non-async handlers."


def test_a_process_that_ends_in_the_middle(aws: Any, node: str) -> None:
    streamed = stream(aws, node, {"do": "exit"})
    assert streamed.payload == b"begun"
    request_id = streamed.response["ResponseMetadata"]["RequestId"]
    assert streamed.error == {
        "errorType": "Runtime.ExitError",
        "errorMessage": f"RequestId: {request_id} Error: Runtime exited with error: exit status 3",
    }
    assert stream(aws, node, {"do": "piped"}).payload == b"abc"


@pytest.mark.usefixtures("node")
def test_time_runs_out_in_the_middle(aws: Any) -> None:
    create(aws, "stream-slow", HANDLERS, Runtime=NODE, Timeout=4)
    streamed = stream(aws, "stream-slow", {"do": "slow"})
    assert streamed.payload == b"begun"
    request_id = streamed.response["ResponseMetadata"]["RequestId"]
    assert streamed.error == {
        "errorType": "Sandbox.Timedout",
        "errorMessage": f"RequestId: {request_id} Error: Task timed out after 4.00 seconds",
    }
    assert stream(aws, "stream-slow", {"do": "piped"}).payload == b"abc"


def test_a_streaming_handler_is_told_about_its_invocation(aws: Any, node: str) -> None:
    streamed = stream(aws, node, {"do": "context"})
    waits = NODE != "nodejs24.x"
    assert json.loads(streamed.payload) == [streamed.response["ResponseMetadata"]["RequestId"], waits, True]


def test_a_whole_answer_has_the_limit_of_whole_answers(aws: Any, node: str) -> None:
    event = {"do": "many", "block": 1_048_576, "blocks": 7}
    response = aws.invoke(FunctionName=node, Payload=json.dumps(event))
    assert json.loads(response["Payload"].read()) == {
        "errorType": "Function.ResponseSizeTooLarge",
        "errorMessage": "Response payload size exceeded maximum allowed payload size (6291556 bytes).",
    }
    assert len(stream(aws, node, event | {"blocks": 6}).payload) == 6 * 1_048_576


@pytest.mark.usefixtures("node")
def test_a_caller_that_leaves_does_not_stop_the_function(aws: Any) -> None:
    create(aws, "stream-left", HANDLERS, Runtime=NODE, Timeout=60)
    only_one(aws, "stream-left")
    response = aws.invoke_with_response_stream(FunctionName="stream-left", Payload=json.dumps({"do": "goesOn"}))
    assert next(iter(response["EventStream"]))["PayloadChunk"]["Payload"].startswith(b"begun")
    response["EventStream"].close()
    until(lambda: noted(aws, "stream-left") == b"went on to its end", "the end", 60)


def noted(aws: Any, name: str) -> bytes | None:
    """What the function (`only_one`: another environment would not know) noted; None while it is busy."""
    try:
        return stream(aws, name, {"do": "note"}).payload
    except aws.exceptions.TooManyRequestsException:
        return None


@pytest.fixture(scope="module")
def unlimited(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    """A server of its own, so that its memory can be seen, without a limit of bandwidth."""
    server = Process(tmp_path_factory.mktemp("unlimited") / "data", "--stream-bandwidth", "0")
    server.start()
    yield server
    server.stop()


def busy(server: Process) -> bool:
    """A function is at work."""
    with urllib.request.urlopen(server.url + "/_bulb/status", timeout=30) as answer:
        return "busy" in json.load(answer)["environments"]["states"]


def _resident_kb(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS"))


@pytest.mark.skipif(NODE is None, reason="no Node.js 20, 22 or 24 on this machine")
def test_200_mb_go_through_a_server_that_does_not_grow_and_no_more(unlimited: Process) -> None:
    aws = unlimited.client("lambda", read_timeout=60)
    create(aws, "stream-large", HANDLERS, Runtime=NODE, Timeout=300, MemorySize=512)
    stream(aws, "stream-large", {"do": "many", "block": 1_048_576, "blocks": 8})
    before = most = _resident_kb(unlimited.pid)
    event = {"do": "many", "block": 1_048_576, "blocks": 201}
    response = aws.invoke_with_response_stream(FunctionName="stream-large", Payload=json.dumps(event))
    size = 0
    for number, message in enumerate(response["EventStream"]):
        if "PayloadChunk" in message:
            size += len(message["PayloadChunk"]["Payload"])
            if number % 100 == 0:
                most = max(most, _resident_kb(unlimited.pid))
    assert size == 209_715_200
    assert most - before < 20_000
    assert message["InvokeComplete"]["ErrorCode"] == "Unhandled"
    assert json.loads(message["InvokeComplete"]["ErrorDetails"]) == {
        "errorType": "Function.ResponseSizeTooLarge",
        "errorMessage": "Response payload size exceeded maximum allowed payload size (209715200 bytes).",
    }


@pytest.mark.skipif(NODE is None, reason="no Node.js 20, 22 or 24 on this machine")
def test_a_caller_that_does_not_read_makes_the_handler_wait(unlimited: Process) -> None:
    aws = unlimited.client("lambda", read_timeout=60)
    create(aws, "stream-waits", HANDLERS, Runtime=NODE, Timeout=120)
    event = {"do": "many", "block": 1_048_576, "blocks": 60, "note": True}
    response = aws.invoke_with_response_stream(FunctionName="stream-waits", Payload=json.dumps(event), LogType="Tail")
    events = iter(response["EventStream"])
    size = len(next(events)["PayloadChunk"]["Payload"])
    before = _resident_kb(unlimited.pid)
    # Whatever the sockets of this machine hold, it is not 60 MB: the function stands still, and with it the server.
    time.sleep(0.5)
    assert _resident_kb(unlimited.pid) - before < 20_000
    for message in events:
        if "PayloadChunk" in message:
            size += len(message["PayloadChunk"]["Payload"])
    assert size == 60 * 1_048_576
    assert set(message["InvokeComplete"]) == {"LogResult"}
    log = base64.b64decode(message["InvokeComplete"]["LogResult"]).decode()
    duration_ms = float(log.split("Duration: ")[1].split()[0])
    assert duration_ms > 500  # it could not end while nobody read


@pytest.mark.skipif(NODE is None, reason="no Node.js 20, 22 or 24 on this machine")
def test_after_the_first_6_mb_the_bandwidth_is_limited(bulb: Running) -> None:
    aws = bulb.client("lambda", read_timeout=60)
    create(aws, "stream-paced", HANDLERS, Runtime=NODE, Timeout=60)
    stream(aws, "stream-paced", {"do": "empty"})
    began = time.monotonic()
    streamed = stream(aws, "stream-paced", {"do": "many", "block": 1_048_576, "blocks": 7})
    assert len(streamed.payload) == 7 * 1_048_576
    assert 0.4 < time.monotonic() - began < 30  # one MB at two in a second


@pytest.mark.skipif(NODE is None, reason="no Node.js 20, 22 or 24 on this machine")
def test_time_runs_out_for_a_function_whose_caller_does_not_read(unlimited: Process) -> None:
    aws = unlimited.client("lambda", read_timeout=60)
    create(aws, "stream-behind", HANDLERS, Runtime=NODE, Timeout=4)
    event = {"do": "many", "block": 1_048_576, "blocks": 60}
    response = aws.invoke_with_response_stream(FunctionName="stream-behind", Payload=json.dumps(event))
    time.sleep(5)
    *chunks, last = list(response["EventStream"])
    assert 0 < sum(len(chunk["PayloadChunk"]["Payload"]) for chunk in chunks) < 60 * 1_048_576
    assert json.loads(last["InvokeComplete"]["ErrorDetails"])["errorType"] == "Sandbox.Timedout"
    assert stream(aws, "stream-behind", {"do": "piped"}).payload == b"abc"


@pytest.mark.skipif(NODE is None, reason="no Node.js 20, 22 or 24 on this machine")
def test_a_caller_that_leaves_before_the_first_byte_holds_nobody_up(unlimited: Process) -> None:
    aws = unlimited.client("lambda")
    create(aws, "stream-gone", HANDLERS, Runtime=NODE, Timeout=60)
    only_one(aws, "stream-gone")
    stream(aws, "stream-gone", {"do": "empty"})
    until(lambda: not busy(unlimited), "everything else to be over")
    event = json.dumps({"do": "many", "wait": 3000, "block": 1_048_576, "blocks": 60, "note": True}).encode()
    head = "POST /2021-11-15/functions/stream-gone/response-streaming-invocations HTTP/1.1\r\nHost: localhost\r\n"
    with socket.create_connection(("127.0.0.1", unlimited.port)) as caller:
        caller.sendall(f"{head}Content-Length: {len(event)}\r\n\r\n".encode() + event)
        until(lambda: busy(unlimited), "the function to begin")
    until(lambda: noted(aws, "stream-gone") == b"60", "the end of the function", 60)
