# ruff: noqa: E501 - sources of other programs, line for line
"""The Node.js loop as a process, under every Node.js found."""

import contextlib
import json
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.runtimes.conftest import Prepared
from tests.runtimes.runtime_api import Answered, Event, Process, over_socketpair, records

REQUEST_ID = "8476a536-e9f4-11e8-9739-2dfe598c3fcd"
VERSIONS = ["nodejs20.x", "nodejs22.x", "nodejs24.x"]
WITH_CALLBACKS = VERSIONS[:2]

HANDLERS = r"""
exports.echo = async (event) => event;
exports.plain = (event) => event;
exports.nothing = async () => {};
exports.ctx = async (event, c) => [c.awsRequestId, c.functionName, c.functionVersion, c.memoryLimitInMB, c.invokedFunctionArn,
  c.logGroupName, c.logStreamName, c.clientContext, c.identity, c.getRemainingTimeInMillis() > 0,
  process.env._X_AMZN_TRACE_ID];
exports.env = async () => ({ ...process.env, _X_AMZN_TRACE_ID: undefined });
exports.boom = async () => { throw new TypeError('x é\ny'); };
exports.sync = () => { throw new RangeError('at once'); };
exports.odd = async () => { throw 'a string'; };
exports.coded = async () => { const e = new Error('io'); e.code = 'ENOENT'; e.extra = 1; throw e; };
exports.circular = async () => { const a = {}; a.a = a; return a; };
exports.log = async () => { console.log('two\nlines %s', 'é', { a: 1 }); console.error('e'); console.debug('d'); };
exports.never = () => new Promise(() => {});
exports.later = async () => { setTimeout(() => { throw new Error('boom'); }, 1); await new Promise((r) => setTimeout(r, 5000)); };
exports.rejected = async () => { Promise.reject(new Error('lost')); await new Promise((r) => setTimeout(r, 5000)); };
exports.leave = async () => process.exit(3);
exports.callback = (event, context, callback) => { setTimeout(() => callback(null, 'called'), 2); };
exports.failing = (event, context, callback) => callback(new Error('no'));
exports.waits = (event, context, callback) => { let n = 0; setTimeout(() => { n = 1; }, 30);
  callback(null, { get n() { return n; } }); };
exports.hurries = (event, context, callback) => { context.callbackWaitsForEmptyEventLoop = false; let n = 0;
  setTimeout(() => { n = 1; }, 30); callback(null, { get n() { return n; } }); };
exports.silent = (event, context, callback) => {};
exports.done = (event, context, callback) => context.done(null, 'done');
exports.nested = { deep: { handler: async () => 'nested' } };
exports.streamed = Object.assign(async () => {}, { [Symbol.for('aws.lambda.runtime.handler.streaming')]: 'request' });
exports.value = 5;
exports.json = async () => { console.info({ order: 7 }); console.warn('a %s', 'b'); console.debug('no');
  console.error('bad', new TypeError('t')); };
exports.library = async () => require('shared').name;
"""


@pytest.fixture
def task(tmp_path: Path) -> Path:
    (tmp_path / "app.js").write_text(HANDLERS)
    (tmp_path / "dir" / "sub").mkdir(parents=True)
    (tmp_path / "dir" / "sub" / "deep.cjs").write_text("exports.handler = async () => 'deep';")
    (tmp_path / "esm.mjs").write_text(
        "const late = await Promise.resolve('top');\nexport const handler = async () => late;\n"
        "export default { other: async () => 1 };"
    )
    (tmp_path / "module").mkdir()
    (tmp_path / "module" / "package.json").write_text('{"type": "module"}')
    (tmp_path / "module" / "app.js").write_text("export const handler = async () => import.meta.url.slice(-13);")
    (tmp_path / "broken.js").write_text("exports.handler = (")
    (tmp_path / "raising.js").write_text("throw new Error('at load');")
    (tmp_path / "needy.js").write_text("require('absent');")
    (tmp_path / "layer" / "shared").mkdir(parents=True)
    (tmp_path / "layer" / "shared" / "index.js").write_text("exports.name = 'shared';")
    return tmp_path


@pytest.fixture(params=VERSIONS)
def image(request: pytest.FixtureRequest, prepared: Callable[[str], Prepared]) -> Prepared:
    return prepared(request.param)


@pytest.fixture(params=WITH_CALLBACKS)
def older(request: pytest.FixtureRequest, prepared: Callable[[str], Prepared]) -> Prepared:
    """Runtimes that still take callbacks."""
    return prepared(request.param)


def variables(image: Prepared, task: Path, **more: str) -> dict[str, str]:
    return {
        "PATH": os.defpath,
        "LAMBDA_TASK_ROOT": str(task),
        "AWS_EXECUTION_ENV": f"AWS_Lambda_{image[0].runtime}",
        "AWS_LAMBDA_FUNCTION_NAME": "f",
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128",
        "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/f",
        "AWS_LAMBDA_LOG_STREAM_NAME": "stream",
        **more,
    }


@contextlib.contextmanager
def running(image: Prepared, task: Path, handler: str, log_fd: int | None = 4, **more: str) -> Iterator[Process]:
    interpreter, built = image
    command = (str(interpreter.executable), *built.command[1:-1], str(built.runtime / "index.mjs"))
    start = {"environment": variables(image, task, **more), "handler": handler, "log_fd": log_fd}
    with over_socketpair(command, start, task, {"PATH": os.defpath, "LEAK": "host"}) as process:
        yield process


def invoke(image: Prepared, task: Path, handler: str, event: Event | bytes = b"{}", **more: str) -> Answered:
    with running(image, task, handler, **more) as process:
        answered = process.invoke(event)
        assert answered is not None, process.log.decode()
        return answered


def test_an_event_goes_in_and_comes_back(image: Prepared, task: Path) -> None:
    with running(image, task, "app.echo") as process:
        for body in (b'{"a":1}', b'"\xc3\xa9"', b"null", b"[1.5]"):
            answered = process.invoke(body)
            assert answered is not None
            assert answered.request.path == f"/2018-06-01/runtime/invocation/{REQUEST_ID}/response"
            assert answered.request.body == body
        large = json.dumps("y" * 6_000_000).encode()
        answered = process.invoke(large)
        assert answered is not None
        assert answered.request.body == large


def test_undefined_is_null(image: Prepared, task: Path) -> None:
    assert invoke(image, task, "app.nothing").request.body == b"null"


def test_the_context_object(image: Prepared, task: Path) -> None:
    headers = {"Lambda-Runtime-Client-Context": '{"custom":{"k":"v"}}'}
    arn = "arn:aws:lambda:us-east-1:000000000000:function:f"
    trace = "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Parent=9a9197af755a6419;Sampled=1"
    document = invoke(image, task, "app.ctx", Event(b"{}", headers=headers)).request.document
    group = ["/aws/lambda/f", "stream"]
    assert document == [REQUEST_ID, "f", "$LATEST", "128", arn, *group, {"custom": {"k": "v"}}, None, True, trace]


def test_the_environment_is_exactly_the_functions(image: Prepared, task: Path) -> None:
    assert invoke(image, task, "app.env", MINE="1").request.document == variables(image, task, MINE="1")


ERRORS = [
    ("app.boom", "TypeError", "x é\ny"),
    ("app.sync", "RangeError", "at once"),
    ("app.circular", "Error", "Unable to stringify response body"),
]


@pytest.mark.parametrize(("handler", "kind", "message"), ERRORS, ids=[case[0] for case in ERRORS])
def test_errors_are_reported_and_logged(image: Prepared, task: Path, handler: str, kind: str, message: str) -> None:
    with running(image, task, handler) as process:
        answered = process.invoke(b"{}")
        assert answered is not None
        assert answered.kind == "error"
        document = answered.request.document
        assert isinstance(document, dict)
        assert list(document) == ["errorType", "errorMessage", "trace"]
        assert (document["errorType"], document["errorMessage"]) == (kind, message)
        assert document["trace"][0] == f"{kind}: {message}".split("\n")[0]
        (record,) = records(process.log_now())
        assert record.frame == 0xA55A0017
        head, _, detail = record.text.partition("\tERROR\tInvoke Error \t")
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z\t" + REQUEST_ID, head)
        assert json.loads(detail)["errorType"] == kind
        assert json.loads(detail)["stack"] == document["trace"]
        assert process.invoke(b"{}") is not None  # and the next event is served


def test_what_is_thrown_need_not_be_an_error(image: Prepared, task: Path) -> None:
    document = {"errorType": "string", "errorMessage": "a string", "trace": []}
    assert invoke(image, task, "app.odd").request.document == document


def test_an_errors_own_properties_are_logged(image: Prepared, task: Path) -> None:
    with running(image, task, "app.coded") as process:
        process.invoke(b"{}")
        detail = json.loads(records(process.log_now())[0].text.partition("Invoke Error ")[2])
    assert list(detail) == ["errorType", "errorMessage", "code", "extra", "stack"]


INIT_ERRORS = [
    ("nope.handler", "Runtime.ImportModuleError", "Error: Cannot find module 'nope'\nRequire stack:\n"),
    ("needy.handler", "Runtime.ImportModuleError", "Error: Cannot find module 'absent'\nRequire stack:\n"),
    ("app.nope", "Runtime.HandlerNotFound", "app.nope is undefined or not exported"),
    ("app.value", "Runtime.HandlerNotFound", "app.value is not a function"),
    ("app", "Runtime.MalformedHandlerName", "Bad handler"),
    ("../app.echo", "Runtime.MalformedHandlerName", "'../app.echo' is not a valid handler name."),
    ("broken.handler", "Runtime.UserCodeSyntaxError", "SyntaxError: Unexpected "),
    ("raising.handler", "Error", "at load"),
    ("app.streamed", "Runtime.MalformedStreamingHandler", "Only response streaming is supported."),
]


@pytest.mark.parametrize(("handler", "kind", "message"), INIT_ERRORS, ids=[case[0] for case in INIT_ERRORS])
def test_init_errors(image: Prepared, task: Path, handler: str, kind: str, message: str) -> None:
    with running(image, task, handler) as process:
        answered = process.invoke(b"{}")
        assert answered is not None
        assert answered.request.path == "/2018-06-01/runtime/init/error"
        assert answered.request.headers["lambda-runtime-function-error-type"] == kind
        document = answered.request.document
        assert isinstance(document, dict)
        assert document["errorType"] == kind
        assert document["errorMessage"].startswith(message)
        assert process.wait() == 129
        (record,) = records(process.log)
        assert "\tundefined\tERROR\tUncaught Exception \t{" in record.text


FOUND = [
    ("dir/sub/deep.handler", b'"deep"'),
    ("esm.handler", b'"top"'),
    ("module/app.handler", b'"module/app.js"'),
    ("app.nested.deep.handler", b'"nested"'),
]


@pytest.mark.parametrize(("handler", "body"), FOUND, ids=[case[0] for case in FOUND])
def test_handlers_are_found(image: Prepared, task: Path, handler: str, body: bytes) -> None:
    assert invoke(image, task, handler).request.body == body


def test_node_path_leads_to_layers(image: Prepared, task: Path) -> None:
    assert invoke(image, task, "app.library", NODE_PATH=f"{task}/layer").request.body == b'"shared"'


def test_console_records_are_frames(image: Prepared, task: Path) -> None:
    with running(image, task, "app.log") as process:
        process.invoke(b"{}")
        info, error, debug = records(process.log_now())
    assert [info.frame, error.frame, debug.frame] == [0xA55A000F, 0xA55A0017, 0xA55A000B]
    assert info.text.endswith(f"\t{REQUEST_ID}\tINFO\ttwo\nlines é {{ a: 1 }}\n")


def test_without_a_log_descriptor_a_record_is_one_line(image: Prepared, task: Path) -> None:
    with running(image, task, "app.log", log_fd=None) as process:
        process.invoke(b"{}")
        lines = process.log_now().decode().split("\n")
    assert lines[0].endswith("\tINFO\ttwo\rlines é { a: 1 }")
    assert len(lines) == 4


def test_json_logging(image: Prepared, task: Path) -> None:
    with running(image, task, "app.json", AWS_LAMBDA_LOG_FORMAT="JSON", AWS_LAMBDA_LOG_LEVEL="INFO") as process:
        process.invoke(b"{}")
        found = records(process.log_now())
    documents = [json.loads(record.text) for record in found]
    assert [record.frame for record in found] == [0xA55A000E, 0xA55A0012, 0xA55A0016]
    assert [document["level"] for document in documents] == ["INFO", "WARN", "ERROR"]
    assert [documents[0]["message"], documents[1]["message"]] == [{"order": 7}, "a b"]
    assert all(document["requestId"] == REQUEST_ID for document in documents)
    assert (documents[2]["errorType"], documents[2]["errorMessage"]) == ("TypeError", "t")


@pytest.mark.parametrize(
    ("handler", "kind", "title", "status"),
    [
        ("app.later", "Error", "Uncaught Exception", 129),
        ("app.rejected", "Runtime.UnhandledPromiseRejection", "Unhandled Promise Rejection", 128),
    ],
)
def test_what_nobody_catches_ends_the_process(
    image: Prepared, task: Path, handler: str, kind: str, title: str, status: int
) -> None:
    with running(image, task, handler) as process:
        answered = process.invoke(b"{}")
        assert answered is not None
        assert answered.request.path == f"/2018-06-01/runtime/invocation/{REQUEST_ID}/error"
        assert isinstance(answered.request.document, dict)
        assert answered.request.document["errorType"] == kind
        assert process.wait() == status
        assert f"\t{REQUEST_ID}\tERROR\t{title} \t{{".encode() in process.log


def test_exit_ends_the_process(image: Prepared, task: Path) -> None:
    with running(image, task, "app.leave") as process:
        assert process.invoke(b"{}") is None
        assert process.wait() == 3


def test_a_promise_that_never_settles(image: Prepared, task: Path) -> None:
    request = invoke(image, task, "app.never").request
    if image[0].runtime == "nodejs24.x":
        assert isinstance(request.document, dict)
        assert request.document["errorType"] == "Runtime.NodeJsExit"
    else:
        assert request.body == b"null"


CALLBACKS = [("callback", "called"), ("waits", {"n": 1}), ("hurries", {"n": 0}), ("silent", None), ("done", "done")]


@pytest.mark.parametrize(("handler", "expected"), CALLBACKS, ids=[case[0] for case in CALLBACKS])
def test_callbacks_up_to_22(older: Prepared, task: Path, handler: str, expected: object) -> None:
    assert invoke(older, task, f"app.{handler}").request.document == expected


def test_a_failing_callback(older: Prepared, task: Path) -> None:
    request = invoke(older, task, "app.failing").request
    assert request.path.endswith("/error")
    assert isinstance(request.document, dict)
    assert request.document["errorMessage"] == "no"


def test_node_24_has_no_callbacks(prepared: Callable[[str], Prepared], task: Path) -> None:
    image = prepared("nodejs24.x")
    request = invoke(image, task, "app.callback").request
    assert request.path == "/2018-06-01/runtime/init/error"
    assert request.headers["lambda-runtime-function-error-type"] == "Runtime.CallbackHandlerDeprecated"
    assert invoke(image, task, "app.plain", b"5").request.body == b"5"
    assert invoke(image, task, "esm.other").request.body == b"1"


def test_ends_quietly_when_the_host_lets_go(image: Prepared, task: Path) -> None:
    with running(image, task, "app.echo") as process:
        assert process.invoke(b"{}") is not None
        process.wire.request()
        process.wire.connection.close()
        assert process.wait() == 0
        assert process.log == b""


def test_node_options_that_can_still_be_applied_are(image: Prepared, task: Path) -> None:
    (task / "first.js").write_text("globalThis.loadedFirst = 'yes';")
    (task / "opt.js").write_text("exports.handler = async () => globalThis.loadedFirst;")
    options = f"--enable-source-maps --require {task}/first.js --inspect-brk"
    with running(image, task, "opt.handler", NODE_OPTIONS=options) as process:
        answered = process.invoke(b"{}")
        assert answered is not None
        assert answered.request.body == b'"yes"'
        assert b"NODE_OPTIONS not applied by Bulb: --inspect-brk\n" in process.log_now()
