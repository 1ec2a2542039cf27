"""Log lines byte for byte, figures masked: text, JSON, and which levels are written."""

import json
import re
from typing import Any

import pytest

from tests.e2e.test_node import RUNTIME as NODE_RUNTIME
from tests.support.bulb import Running
from tests.support.functions import PYTHON, create, invoke, invoke_again, only_one
from tests.support.waiting import until

HELLO = """
    import logging

    def handler(event, context):
        print("hello")
        if event.get("log"):
            logger = logging.getLogger()
            logger.debug("quiet")
            logger.info("said %s", "it", extra={"order": 7})
            logger.warning("careful")
        if event.get("sleep"):
            import time; time.sleep(event["sleep"])
        if event.get("fail"):
            raise ValueError("no")
        if event.get("exit"):
            import os; os._exit(3)
        return 1
"""
NODE = """
    exports.handler = async (event) => {
        console.debug("quiet"); console.info("said", {order: 7}); console.warn("careful");
        process.stdout.write("plain\\n");
        return 1;
    };
"""


def log_of(bulb: Running, name: str, last: str) -> list[str]:
    """The function's lines, once the last of them matches."""
    logs = bulb.client("logs")

    def look() -> list[str]:
        found = logs.filter_log_events(logGroupName=f"/aws/lambda/{name}")["events"]
        lines = [event["message"] for event in found]
        return lines if lines and re.search(last, lines[-1]) else []

    return until(look, f"the log of {name}")


def masked(line: str, **names: str) -> str:
    """Figures that nobody can foretell as N, and the given texts by their names."""
    for name, text in names.items():
        line = line.replace(text, name)
    line = re.sub(r"runtime:[0-9a-f]{64}", "runtime:HASH", line)
    line = re.sub(r"Max Memory Used: \d+", "Max Memory Used: N", line)
    if "Status: timeout" in line:
        return line
    line = re.sub(r"\d+\.\d\d ms", "N.NN ms", line)
    return re.sub(r"Billed Duration: \d+", "Billed Duration: N", line)


def test_text_cold_and_warm(bulb: Running) -> None:
    aws: Any = bulb.client("lambda")
    create(aws, "log-text", HELLO)
    a = invoke(aws, "log-text")[1]["ResponseMetadata"]["RequestId"]
    b = invoke(aws, "log-text")[1]["ResponseMetadata"]["RequestId"]
    lines = [masked(line, A=a, B=b) for line in log_of(bulb, "log-text", f"REPORT RequestId: {b}")]
    version = re.sub(r"\.v\d+", ".vN", lines[0])
    assert version == (
        f"INIT_START Runtime Version: {PYTHON.replace('python', 'python:')}.vN\t"
        "Runtime Version ARN: arn:aws:lambda:us-east-1::runtime:HASH\n"
    )
    report = "Duration: N.NN ms\tBilled Duration: N ms\tMemory Size: 128 MB\tMax Memory Used: N MB\t"
    assert lines[1:] == [
        "START RequestId: A Version: $LATEST\n",
        "hello\n",
        "END RequestId: A\n",
        f"REPORT RequestId: A\t{report}Init Duration: N.NN ms\t\n",
        "START RequestId: B Version: $LATEST\n",
        "hello\n",
        "END RequestId: B\n",
        f"REPORT RequestId: B\t{report}\n",
    ]


def test_text_of_failures(bulb: Running) -> None:
    aws: Any = bulb.client("lambda")
    create(aws, "log-text-fails", HELLO)
    ids = [
        invoke(aws, "log-text-fails", event)[1]["ResponseMetadata"]["RequestId"] for event in ({"fail": 1}, {"exit": 1})
    ]
    lines = log_of(bulb, "log-text-fails", f"REPORT RequestId: {ids[1]}")
    reports = [line for line in lines if line.startswith("REPORT")]
    assert reports[0].endswith(" ms\tStatus: error\tError Type: Function.Unknown\n")
    assert reports[1].endswith(" MB\tStatus: error\tError Type: Runtime.ExitError\n")


def test_text_of_a_timeout_and_of_the_call_after_it(bulb: Running) -> None:
    aws: Any = bulb.client("lambda")
    create(aws, "log-text-late", HELLO, Timeout=3)
    only_one(aws, "log-text-late")
    a, b, c = (
        invoke_again(aws, "log-text-late", event)[1]["ResponseMetadata"]["RequestId"]
        for event in ({}, {"sleep": 60}, {})
    )
    lines = [masked(line, A=a, B=b, C=c) for line in log_of(bulb, "log-text-late", f"REPORT RequestId: {c}")]
    assert lines[5:] == [
        "START RequestId: B Version: $LATEST\n",
        "hello\n",
        "END RequestId: B\n",
        "REPORT RequestId: B\tDuration: 3000.00 ms\tBilled Duration: 3000 ms\tMemory Size: 128 MB\t"
        "Max Memory Used: N MB\tStatus: timeout\n",
        "START RequestId: C Version: $LATEST\n",
        "hello\n",
        "END RequestId: C\n",
        "REPORT RequestId: C\tDuration: N.NN ms\tBilled Duration: N ms\tMemory Size: 128 MB\tMax Memory Used: N MB\t\n",
    ]


def test_functions_may_share_a_log_group_of_another_name(bulb: Running) -> None:
    aws, logs = bulb.client("lambda"), bulb.client("logs")
    telling = """
        def handler(event, context):
            print("hello from", context.function_name)
            return [context.log_group_name, context.log_stream_name]
    """
    for name in ("log-shared-a", "log-shared-b"):
        create(aws, name, telling, LoggingConfig={"LogGroup": "shared/by-two"})
        group, stream = invoke(aws, name)[0]
        assert group == "shared/by-two"
        assert re.fullmatch(rf"\d{{4}}/\d\d/\d\d/{name}\[\$LATEST\]\[[0-9a-f]{{32}}\]", stream)
        written = logs.get_log_events(logGroupName=group, logStreamName=stream)["events"]
        assert f"hello from {name}\n" in [event["message"] for event in written]
        with pytest.raises(logs.exceptions.ResourceNotFoundException):
            logs.describe_log_streams(logGroupName=f"/aws/lambda/{name}")


def test_a_sampled_trace_adds_a_line(bulb: Running) -> None:
    aws: Any = bulb.client("lambda")
    create(aws, "log-xray", HELLO)
    trace = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1"

    def add(request: Any, **_: Any) -> None:
        request.headers["X-Amzn-Trace-Id"] = trace

    aws.meta.events.register("before-send.lambda.Invoke", add)
    invoke(aws, "log-xray")
    report = log_of(bulb, "log-xray", "REPORT")[-1]
    expected = "XRAY TraceId: 1-5759e988-bd862e3fe1be46a994272793\tSegmentId: 53995c3f42cd8ad8\tSampled: true\n"
    assert report.splitlines(keepends=True)[1] == expected


def test_json_cold(bulb: Running) -> None:
    aws: Any = bulb.client("lambda")
    arn = create(aws, "log-json", HELLO, LoggingConfig={"LogFormat": "JSON"})
    a = invoke(aws, "log-json")[1]["ResponseMetadata"]["RequestId"]
    lines = log_of(bulb, "log-json", "platform.report")
    kinds = [json.loads(line)["type"] if line.startswith("{") else line for line in lines]
    assert kinds == ["platform.initStart", "platform.start", "hello\n", "platform.report"]
    init, start, _, report = (json.loads(line) if line.startswith("{") else line for line in lines)
    assert list(init) == ["time", "type", "record"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", init["time"])
    assert list(init["record"]) == [
        "initializationType",
        "phase",
        "runtimeVersion",
        "runtimeVersionArn",
        "functionName",
        "functionVersion",
        "instanceId",
        "instanceMaxMemory",
    ]
    assert init["record"]["instanceMaxMemory"] == 134_217_728
    assert start["record"] == {"requestId": a, "functionArn": arn, "version": "$LATEST"}
    metrics = report["record"].pop("metrics")
    assert report["record"] == {"requestId": a, "status": "success"}
    assert list(metrics) == ["durationMs", "billedDurationMs", "memorySizeMB", "maxMemoryUsedMB", "initDurationMs"]


@pytest.mark.parametrize(
    ("level", "event", "kinds"),
    [
        (
            "DEBUG",
            {},
            ["initStart", "initRuntimeDone", "initReport", "start", "runtimeDone", "report"],
        ),
        ("INFO", {"exit": 1}, ["initStart", "start", "runtimeDone", "report"]),
        ("WARN", {}, []),
        ("WARN", {"exit": 1}, ["runtimeDone", "report"]),
    ],
)
def test_system_levels(bulb: Running, level: str, event: dict[str, int], kinds: list[str]) -> None:
    aws: Any = bulb.client("lambda")
    name = f"log-level-{level}-{len(event)}"
    create(aws, name, HELLO, LoggingConfig={"LogFormat": "JSON", "SystemLogLevel": level})
    invoke(aws, name, event)
    lines = log_of(bulb, name, "platform.report" if kinds else "hello")
    assert [json.loads(line)["type"] for line in lines if line.startswith("{")] == [
        f"platform.{kind}" for kind in kinds
    ]
    assert "hello\n" in lines  # what is printed is no system line, and is never filtered


@pytest.mark.parametrize(
    ("level", "levels"), [("DEBUG", ["DEBUG", "INFO", "WARNING"]), ("INFO", ["INFO", "WARNING"]), ("WARN", ["WARNING"])]
)
def test_application_levels_of_python(bulb: Running, level: str, levels: list[str]) -> None:
    aws: Any = bulb.client("lambda")
    name = f"log-python-{level}"
    create(aws, name, HELLO, LoggingConfig={"LogFormat": "JSON", "ApplicationLogLevel": level})
    a = invoke(aws, name, {"log": 1})[1]["ResponseMetadata"]["RequestId"]
    documents = [json.loads(line) for line in log_of(bulb, name, "platform.report") if line.startswith("{")]
    said = [document for document in documents if "level" in document]
    assert [document["level"] for document in said] == levels
    assert all(document["requestId"] == a and document["timestamp"].endswith("Z") for document in said)
    if "INFO" in levels:
        (info,) = (document for document in said if document["level"] == "INFO")
        assert (info["message"], info["order"], info["logger"]) == ("said it", 7, "root")


@pytest.mark.skipif(NODE_RUNTIME is None, reason="no Node.js 20, 22 or 24 on this machine")
@pytest.mark.parametrize(
    ("level", "levels"), [("DEBUG", ["DEBUG", "INFO", "WARN"]), ("INFO", ["INFO", "WARN"]), ("ERROR", [])]
)
def test_application_levels_of_node(bulb: Running, level: str, levels: list[str]) -> None:
    aws: Any = bulb.client("lambda")
    name = f"log-node-{level}"
    create(aws, name, NODE, Runtime=NODE_RUNTIME, LoggingConfig={"LogFormat": "JSON", "ApplicationLogLevel": level})
    a = invoke(aws, name)[1]["ResponseMetadata"]["RequestId"]
    lines = log_of(bulb, name, "platform.report")
    assert "plain\n" in lines
    said = [document for line in lines if line.startswith("{") and "level" in (document := json.loads(line))]
    assert [document["level"] for document in said] == levels
    assert all(document["requestId"] == a for document in said)


def test_an_exception_of_python_is_one_event_of_the_log(bulb: Running) -> None:
    aws: Any = bulb.client("lambda")
    create(aws, "log-raises", HELLO)
    a = invoke(aws, "log-raises", {"fail": 1, "log": 1})[1]["ResponseMetadata"]["RequestId"]
    _, start, hello, careful, error, end, report = log_of(bulb, "log-raises", f"REPORT RequestId: {a}")
    assert (start, end) == (f"START RequestId: {a} Version: $LATEST\n", f"END RequestId: {a}\n")
    assert hello == "hello\n"
    assert re.fullmatch(rf"\[WARNING\]\t\d{{4}}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{{3}}Z\t{a}\tcareful\n", careful)
    assert error == (
        "[ERROR] ValueError: no\nTraceback (most recent call last):\n"
        '\u00a0\u00a0File "/var/task/app.py", line 14, in handler\n\u00a0\u00a0\u00a0\u00a0raise ValueError("no")\n'
    )
    assert report.startswith(f"REPORT RequestId: {a}\t")


@pytest.mark.skipif(NODE_RUNTIME is None, reason="no Node.js 20, 22 or 24 on this machine")
def test_an_exception_of_node_is_one_event_of_the_log(bulb: Running) -> None:
    aws: Any = bulb.client("lambda")
    source = "exports.handler = async () => { console.log('hello'); throw new RangeError('no'); };"
    create(aws, "log-throws", source, Runtime=NODE_RUNTIME)
    a = invoke(aws, "log-throws")[1]["ResponseMetadata"]["RequestId"]
    _, start, hello, error, end, _ = log_of(bulb, "log-throws", f"REPORT RequestId: {a}")
    assert (start, end) == (f"START RequestId: {a} Version: $LATEST\n", f"END RequestId: {a}\n")
    moment = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"
    assert re.fullmatch(rf"{moment}\t{a}\tINFO\thello\n", hello)
    head, _, document = error.partition("\tERROR\tInvoke Error \t")
    assert re.fullmatch(rf"{moment}\t{a}", head)
    assert document.startswith('{"errorType":"RangeError","errorMessage":"no","stack":["RangeError: no","    at ')
    assert document.endswith("]}\n")
