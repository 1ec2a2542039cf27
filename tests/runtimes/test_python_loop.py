# ruff: noqa: E501 - sources of other programs, line for line
"""The Python loop as a process: what AWS promises of it, under every interpreter, and the same as the official client."""

import contextlib
import json
import os
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent

import pytest

from tests.runtimes.conftest import Prepared
from tests.runtimes.runtime_api import Answered, Event, Process, Record, over_socketpair, over_tcp, records

REQUEST_ID = "8476a536-e9f4-11e8-9739-2dfe598c3fcd"
VERSIONS = ["python3.10", "python3.11", "python3.12", "python3.13", "python3.14"]

HANDLERS = """
import json, logging, os, sys, subprocess
from decimal import Decimal

def echo(event, context): return event
def none(event, context): return None
def raw(event, context): return b"\\x00\\xffraw"
def text(event, context): return {"é": ["\\u2028", Decimal("1.10"), float("nan"), (1, 2), {3: None}]}
def unserialisable(event, context): return object()
def boom(event, context): raise ValueError("x é\\ny")
def empty(event, context): raise KeyError()
def chained(event, context):
    try: 1 / 0
    except ZeroDivisionError as error: raise RuntimeError("second") from error
def printed(event, context):
    print("out"); print("err", file=sys.stderr); logging.getLogger().warning("two\\nlines %s", "é"); logging.info("hidden")
    sys.stdout.write("no newline")
def variables(event, context): return dict(os.environ)
def paths(event, context): return [sys.path, sys.argv, sys.modules["__main__"].__file__]
def ctx(event, context):
    left = context.get_remaining_time_in_millis()
    return [context.aws_request_id, context.function_name, context.function_version, context.memory_limit_in_mb,
            context.invoked_function_arn, context.log_group_name, context.log_stream_name, context.client_context.custom,
            context.client_context.client.app_title, context.identity.cognito_identity_id, 0 < left <= 60_000,
            os.environ["_X_AMZN_TRACE_ID"]]
def typed(event, context): return type(event).__name__
def big(event, context): return "x" * event
def leave(event, context): exit(7)
def vanish(event, context): os._exit(9)
def descriptors(event, context):
    return subprocess.run(["ls", "/proc/self/fd"], capture_output=True, text=True, close_fds=False).stdout.split()
def sdk(event, context):
    import boto3
    s3 = boto3.client("s3", region_name="eu-west-1")
    return [boto3.__file__, s3.meta.endpoint_url, s3._request_signer._credentials.access_key]
def who(event, context):
    import urllib3
    return urllib3.__file__
def extra(event, context): logging.getLogger("app").error("said", extra={"order": 7}); logging.getLogger().debug("never")
"""


@pytest.fixture
def task(tmp_path: Path) -> Path:
    (tmp_path / "app.py").write_text(HANDLERS)
    (tmp_path / "broken.py").write_text("def handler(:\n")
    (tmp_path / "raising.py").write_text("raise OSError('at import')\n")
    (tmp_path / "package" / "sub").mkdir(parents=True)
    (tmp_path / "package" / "sub" / "deep.py").write_text("def handler(event, context): return 'deep'\n")
    return tmp_path


@pytest.fixture(params=VERSIONS)
def image(request: pytest.FixtureRequest, prepared: Callable[[str], Prepared]) -> Prepared:
    return prepared(request.param)


@pytest.fixture
def one_image(prepared: Callable[[str], Prepared]) -> Prepared:
    """Any one version, for what does not depend on it."""
    return prepared("python3.12" if "python3.12" in VERSIONS else VERSIONS[0])


def variables(image: Prepared, task: Path, **more: str) -> dict[str, str]:
    return {
        "PATH": os.defpath,
        "LANG": "en_US.UTF-8",
        "PYTHONPATH": str(image[1].runtime),
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
def running(
    image: Prepared, task: Path, handler: str, log_fd: int | None = 4, prepare: str = "prepare", **more: str
) -> Iterator[Process]:
    interpreter, built = image
    program = (
        f"import sys; sys.path.insert(0, {str(built.runtime)!r}); import bulb_runtime as b; b.{prepare}(); b.run(3)"
    )
    start = {"environment": variables(image, task, **more), "handler": handler, "log_fd": log_fd}
    command = (str(interpreter.executable), *built.command[1:], "-c", program)
    with over_socketpair(command, start, task, {"LANG": "en_US.UTF-8", "LEAK": "host"}) as process:
        yield process


def invoke(image: Prepared, task: Path, handler: str, event: Event | bytes = b"{}", **more: str) -> Answered:
    with running(image, task, handler, **more) as process:
        answered = process.invoke(event)
        assert answered is not None, process.log.decode()
        return answered


def test_an_event_goes_in_and_comes_back(image: Prepared, task: Path) -> None:
    with running(image, task, "app.echo") as process:
        for body in (b'{"a":1}', b'"\xc3\xa9"', b"null", b"[1.50]", b"12345678901234567890"):
            answered = process.invoke(body)
            assert answered is not None
            assert answered.request.path == f"/2018-06-01/runtime/invocation/{REQUEST_ID}/response"
            assert answered.request.headers["content-type"] == "application/json"
            assert answered.request.document == json.loads(body)


def test_answers_are_marshalled_as_aws_does(image: Prepared, task: Path) -> None:
    assert invoke(image, task, "app.none").request.body == b"null"
    raw = invoke(image, task, "app.raw").request
    assert (raw.body, raw.headers["content-type"]) == (b"\x00\xffraw", "application/unknown")
    expected = '{"é": ["\u2028", 1.10, NaN, [1, 2], {"3": null}]}'
    if image[0].runtime in ("python3.10", "python3.11"):
        expected = expected.encode("ascii", "backslashreplace").decode().replace("\\xe9", "\\u00e9")
    assert invoke(image, task, "app.text").request.body.decode() == expected
    assert invoke(image, task, "app.unserialisable").request.document == {
        "errorMessage": "Unable to marshal response: Object of type object is not JSON serializable",
        "errorType": "Runtime.MarshalError",
        "requestId": REQUEST_ID,
        "stackTrace": [],
    }


def test_an_exception_is_reported_and_logged(image: Prepared, task: Path) -> None:
    line = 1 + HANDLERS[: HANDLERS.index("def boom")].count("\n")
    source = 'def boom(event, context): raise ValueError("x é\\ny")'
    with running(image, task, "app.boom") as process:
        answered = process.invoke(b"{}")
        assert answered is not None
        assert answered.kind == "error"
        document = answered.request.document
        assert isinstance(document, dict)
        assert list(document) == ["errorMessage", "errorType", "requestId", "stackTrace"]
        assert (document["errorMessage"], document["errorType"]) == ("x é\ny", "ValueError")
        assert document["requestId"] == REQUEST_ID
        assert document["stackTrace"][0].startswith(f'  File "{task}/app.py", line {line}, in boom\n    {source}\n')
        assert len(document["stackTrace"]) == 1  # no frame of the runtime itself
        assert answered.request.headers["lambda-runtime-function-xray-error-cause"]
        (record,) = records(process.log_now())
        assert record.frame == 0xA55A0017
        assert record.text.startswith(
            "[ERROR] ValueError: x é\ny\nTraceback (most recent call last):\n"
            f'\u00a0\u00a0File "{task}/app.py", line {line}, in boom\n\u00a0\u00a0\u00a0\u00a0{source}'
        )
        assert process.invoke(b"{}") is not None  # and the next event is served


INIT_ERRORS = [
    ("nope.handler", "Runtime.ImportModuleError", "Unable to import module 'nope': No module named 'nope'"),
    ("app.nope", "Runtime.HandlerNotFound", "Handler 'nope' missing on module 'app'"),
    ("app", "Runtime.MalformedHandlerName", "Bad handler 'app': not enough values to unpack (expected 2, got 1)"),
    ("sys.exit", "Runtime.BuiltInModuleConflict", "Cannot use built-in module sys as a handler module"),
    ("raising.handler", "OSError", "at import"),
    ("broken.handler", "Runtime.UserCodeSyntaxError", None),
]


@pytest.mark.parametrize(("handler", "kind", "message"), INIT_ERRORS, ids=[case[0] for case in INIT_ERRORS])
def test_init_errors(one_image: Prepared, task: Path, handler: str, kind: str, message: str | None) -> None:
    with running(one_image, task, handler) as process:
        answered = process.invoke(b"{}")
        assert answered is not None
        assert answered.request.path == "/2018-06-01/runtime/init/error"
        assert answered.request.headers["lambda-runtime-function-error-type"] == kind
        document = answered.request.document
        assert isinstance(document, dict)
        assert (document["errorType"], document["requestId"]) == (kind, "")
        if message is not None:
            assert document["errorMessage"] == message
        assert process.wait() == 1
        warning, error = records(process.log)
        assert "LAMBDA_WARNING: Unhandled exception." in warning.text
        assert error.text.startswith(f"[ERROR] {kind}: ")


@pytest.mark.parametrize("handler", ["package/sub/deep.handler", "package.sub.deep.handler"])
def test_nested_handlers(image: Prepared, task: Path, handler: str) -> None:
    assert invoke(image, task, handler).request.body == b'"deep"'


def test_output_reaches_the_pipe_in_order_before_the_answer(image: Prepared, task: Path) -> None:
    with running(image, task, "app.printed") as process:
        process.invoke(b"{}")
        first, framed, last = records(process.log_now())
    assert first == Record(None, "out\nerr\n")
    assert framed.frame == 0xA55A0003
    assert re.fullmatch(
        r"\[WARNING\]\t\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z\t" + REQUEST_ID + "\ttwo\nlines é\n", framed.text
    )
    assert last == Record(None, "no newline")


def test_without_a_log_descriptor_records_are_lines(one_image: Prepared, task: Path) -> None:
    with running(one_image, task, "app.printed", log_fd=None) as process:
        process.invoke(b"{}")
        assert b"\xa5\x5a" not in process.log_now()
        assert b"\ttwo\nlines" in process.log_now()


def test_json_logging(image: Prepared, task: Path) -> None:
    more = {"AWS_LAMBDA_LOG_FORMAT": "JSON", "AWS_LAMBDA_LOG_LEVEL": "INFO"}
    with running(image, task, "app.extra", **more) as process:
        process.invoke(b"{}")
        (record,) = records(process.log_now())
    assert record.frame == 0xA55A0016
    document = json.loads(record.text)
    assert {key: document[key] for key in ("level", "message", "logger", "requestId", "order")} == {
        "level": "ERROR",
        "message": "said",
        "logger": "app",
        "requestId": REQUEST_ID,
        "order": 7,
    }
    with running(image, task, "app.boom", **more) as process:
        process.invoke(b"{}")
        (error,) = records(process.log_now())
    assert json.loads(error.text)["errorType"] == "ValueError"
    assert json.loads(error.text)["level"] == "ERROR"


def test_log_level_without_json(one_image: Prepared, task: Path) -> None:
    with running(one_image, task, "app.printed", AWS_LAMBDA_LOG_LEVEL="INFO") as process:
        process.invoke(b"{}")
        frames = [record for record in records(process.log_now()) if record.frame]
    assert [record.frame for record in frames] == [0xA55A0013, 0xA55A000F]


def test_the_context_object(image: Prepared, task: Path) -> None:
    headers = {
        "Lambda-Runtime-Client-Context": '{"custom":{"k":"v"},"client":{"app_title":"t"}}',
        "Lambda-Runtime-Cognito-Identity": '{"cognitoIdentityId":"i","cognitoIdentityPoolId":"p"}',
    }
    arn = "arn:aws:lambda:us-east-1:000000000000:function:f"
    trace = "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Parent=9a9197af755a6419;Sampled=1"
    document = invoke(image, task, "app.ctx", Event(b"{}", headers=headers)).request.document
    group = ["/aws/lambda/f", "stream"]
    assert document == [REQUEST_ID, "f", "$LATEST", "128", arn, *group, {"k": "v"}, "t", "i", True, trace]


def test_the_environment_is_exactly_the_functions(image: Prepared, task: Path) -> None:
    document = invoke(image, task, "app.variables", MINE="1").request.document
    assert isinstance(document, dict)
    assert document.pop("_X_AMZN_TRACE_ID")
    assert document == variables(image, task, MINE="1")


def test_search_path(image: Prepared, task: Path) -> None:
    version = image[0].runtime
    document = invoke(image, task, "app.paths").request.document
    assert isinstance(document, list)
    path, argv, main = document
    assert path[:4] == [str(task), f"/opt/python/lib/{version}/site-packages", "/opt/python", str(image[1].runtime)]
    assert not [entry for entry in path[4:] if "-packages" in entry]
    assert argv == [main]


def test_the_zygotes_modules_are_out_of_the_way(one_image: Prepared, task: Path, tmp_path: Path) -> None:
    """A function's module may have the name of one the zygote has loaded."""
    (tmp_path / "zygote").mkdir()
    (tmp_path / "zygote" / "wire.py").write_text("handler = 'not a function'")
    (task / "wire.py").write_text("def handler(event, context): return 'mine'")
    interpreter, built = one_image
    program = (
        f"import sys; sys.path[:0] = [{str(built.runtime)!r}, {str(tmp_path / 'zygote')!r}]; import wire\n"
        "import bulb_runtime as b; b.prepare(); b.run(3)"
    )
    start = {"environment": variables(one_image, task), "handler": "wire.handler", "log_fd": 4}
    with over_socketpair((str(interpreter.executable), "-S", "-c", program), start, task, {}) as process:
        answered = process.invoke(b"{}")
        assert answered is not None
        assert answered.request.body == b'"mine"'


def test_other_content_types_stay_bytes(one_image: Prepared, task: Path) -> None:
    event = Event(b"abc", headers={"Content-Type": "text/plain"})
    assert invoke(one_image, task, "app.typed", event).request.document == "bytes"


def test_bad_json_is_an_unmarshal_error(image: Prepared, task: Path) -> None:
    for body in (b"{", b"NaN", b"\xff", b""):
        document = invoke(image, task, "app.echo", body).request.document
        assert isinstance(document, dict)
        assert document["errorType"] == "Runtime.UnmarshalError"
        assert document["errorMessage"].startswith("Unable to unmarshal input: ")


def test_large_events_and_answers_travel(image: Prepared, task: Path) -> None:
    body = json.dumps("y" * 6_000_000).encode()
    assert invoke(image, task, "app.echo", body).request.body == body
    with running(image, task, "app.big") as process:
        answered = process.invoke(Event(b"6291555", report_status=413))
        assert answered is not None
        assert len(answered.request.body) == 6_291_557
        assert process.wait() == 1
        assert b"Http response code: 413." in process.log
        assert b"RuntimeError: Failed to post invocation response" in process.log


def test_ends_of_the_process(image: Prepared, task: Path) -> None:
    for handler, status in (("app.leave", 7), ("app.vanish", 9)):
        with running(image, task, handler) as process:
            assert process.invoke(b"{}") is None
            assert process.wait() == status


def test_ends_quietly_when_the_host_lets_go(one_image: Prepared, task: Path) -> None:
    with running(one_image, task, "app.echo") as process:
        assert process.invoke(b"{}") is not None
        process.wire.request()
        process.wire.connection.close()
        assert process.wait() == 0
        assert process.log == b""


def test_children_do_not_inherit_the_api(one_image: Prepared, task: Path) -> None:
    document = invoke(one_image, task, "app.descriptors").request.document
    assert isinstance(document, list)
    assert not {"3", "4"} & {name for name in document if name != document[-1]}


def test_the_response_and_the_next_request_come_in_one_write(one_image: Prepared, task: Path) -> None:
    with running(one_image, task, "app.echo") as process:
        process.wire.request()
        process.wire.answer(200, Event(b"1").all_headers(), b"1")
        data = process.wire.connection.recv(1 << 16)
    assert data.count(b"HTTP/1.1\r\n") == 2
    assert data.index(b"/response HTTP/1.1") < data.index(b"GET /2018-06-01/runtime/invocation/next")


def test_the_attempt_is_echoed(one_image: Prepared, task: Path) -> None:
    event = Event(b"1", headers={"Lambda-Runtime-Invocation-Id": "attempt-1"})
    assert invoke(one_image, task, "app.echo", event).request.headers["lambda-runtime-invocation-id"] == "attempt-1"


def test_the_sdk_is_there_and_a_packed_one_wins(image: Prepared, task: Path) -> None:
    runtime = image[1].runtime
    keys = {"AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_ENDPOINT_URL": "http://127.0.0.1:4566"}
    for prepare in ("prepare", "prepare_sdk"):
        assert invoke(image, task, "app.sdk", prepare=prepare, **keys).request.document == [
            f"{runtime}/boto3/__init__.py",
            "http://127.0.0.1:4566",
            "AKID",
        ]
    (task / "urllib3").mkdir()
    (task / "urllib3" / "__init__.py").write_text("")
    for prepare in ("prepare", "prepare_sdk"):
        assert invoke(image, task, "app.who", prepare=prepare).request.document == f"{task}/urllib3/__init__.py"


COMPARED = ["app.echo", "app.none", "app.text", "app.raw", "app.boom", "app.empty", "app.chained", "app.unserialisable"]
COMPARED += ["nope.handler", "broken.handler", "raising.handler", "app.nope", "app"]


@pytest.mark.parametrize("handler", COMPARED)
def test_same_as_the_official_client(prepared: Callable[[str], Prepared], task: Path, handler: str) -> None:
    """`python -m awslambdaric` over TCP, same server, same function: the same documents and the same records."""
    image = prepared("python3.11")
    environment = variables(image, task)
    environment["PYTHONPATH"] = f"{task}:{environment['PYTHONPATH']}"
    official_command = (sys.executable, "-m", "awslambdaric", handler)
    if sys.version_info[:2] != (3, 11):
        pytest.skip("the official client is installed for the Python of the tests only; it must be 3.11 to compare")
    event = b'{"k": ["v", 1.5, null]}'
    with over_tcp(official_command, environment | {"PYTHONPATH": str(task)}, task) as official:
        expected = official.invoke(event)
        expected_log = records(official.log_now())
    with running(image, task, handler) as process:
        found = process.invoke(event)
        found_log = records(process.log_now())
    assert expected is not None
    assert found is not None
    assert found.request.path == expected.request.path
    assert without_runtime(found.request.body, image) == without_runtime(expected.request.body, image)
    for header in ("content-type", "lambda-runtime-function-error-type", "lambda-runtime-function-xray-error-cause"):
        assert found.request.headers.get(header) == expected.request.headers.get(header)
    assert [(each.frame, without_time(each.text, image)) for each in found_log] == [
        (each.frame, without_time(each.text, image)) for each in expected_log
    ]


def without_runtime(body: bytes, image: Prepared) -> bytes:
    """Where the runtime's own files lie differs between the two; import machinery's paths may."""
    return re.sub(rb"/[^\" ]*/lib/python3\.11", b"/lib", body).replace(str(image[1].runtime).encode(), b"/runtime")


def without_time(text: str, image: Prepared) -> str:
    return without_runtime(re.sub(r"\d{4}-\d\d-\d\dT[\d:.]+Z", "TIME", text).encode(), image).decode()


def test_the_quick_marshaller_equals_the_official_one(prepared: Callable[[str], Prepared], tmp_path: Path) -> None:
    """Under an interpreter where simplejson is not compiled, over values that both accept and values both refuse."""
    interpreter, built = prepared("python3.12")
    script = tmp_path / "compare.py"
    script.write_text(
        dedent("""
        import sys, os, collections, decimal, enum, random
        os.environ["AWS_EXECUTION_ENV"] = sys.argv[2]
        sys.path.insert(0, sys.argv[1])
        from awslambdaric.lambda_runtime_marshaller import LambdaMarshaller
        from bulb_runtime_json import QuickMarshaller
        point = collections.namedtuple("point", "x y")
        color = enum.IntEnum("color", "red")
        loop = []; loop.append(loop)
        texts = ["", "é", "\\u2028\\x7f\\x00\\x1f/\\\\\\"", "\\ud800", "😀", "a" * 1000]
        values = [*texts, 0, -1, 10**40, 1.5, -0.0, 1e300, float("inf"), float("nan"), True, None, [], {}, (1,), {"a": {}},
                  point(1, 2), color.red, {1: 2}, {None: 1}, {1.5: 1}, {True: 1}, {(1,): 1}, b"bytes", [b"x"], [b"\\xff"],
                  decimal.Decimal("1.10"), [decimal.Decimal("NaN")], {1, 2}, object(), loop, "x" * 10**6,
                  [texts] * 3, {"k": [1, [2, {"z": None}]]}]
        inputs = [b"", b"{", b"nul", b"NaN", b"Infinity", b"-Infinity", b"\\xff", b"\\xef\\xbb\\xbf1", b'"\\x01"', b"1 2", b"[1,]",
                  b'{"a":1,"a":2}', b"1e400", b"0.1", b"12345678901234567890123", b'"\\\\ud83d\\\\ude00"', b'"\\\\ud800"', b"  [ ] ",
                  b"-", b"01", b"[" * 100000, b'{"a" 1}', b"'a'", b"tru", b'"abc', b'"\\\\x"', b'"\\\\u12"', b"true false"]
        def outcome(call, *arguments):
            try: result = call(*arguments)
            except BaseException as error: return type(error).__name__, getattr(error, "msg", str(error))
            return repr(result)
        official, quick = LambdaMarshaller(), QuickMarshaller()
        for value in values:
            assert outcome(official.marshal_response, value) == outcome(quick.marshal_response, value), repr(value)[:80]
        for text in inputs:
            assert outcome(official.unmarshal_request, text) == outcome(quick.unmarshal_request, text), text[:80]
        print("compared", len(values) + len(inputs))
        """)
    )
    import subprocess

    for environment in ("AWS_Lambda_python3.11", "AWS_Lambda_python3.12"):
        done = subprocess.run(
            (str(interpreter.executable), "-S", str(script), str(built.runtime), environment),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith("compared")
