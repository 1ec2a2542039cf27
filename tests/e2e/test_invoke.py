"""Invoking functions: what the caller, the function and the log see."""

import asyncio
import base64
import json
import math
import re
import threading
import time
from typing import Any

import pytest
from botocore.exceptions import ClientError

from bulb.core.facts import AsyncEventTried, InvocationFinished, InvocationStarted
from tests.e2e.test_node import RUNTIME as NODE_RUNTIME
from tests.support.bulb import Running
from tests.support.functions import PYTHON, create, invoke, invoke_again, only_one
from tests.support.gates import Gate, begun, waiting
from tests.support.waiting import until

UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}"


def messages(bulb: Running, function: str) -> list[str]:
    logs = bulb.client("logs")
    try:
        found = logs.filter_log_events(logGroupName=f"/aws/lambda/{function}")["events"]
    except logs.exceptions.ResourceNotFoundException:
        return []
    return [event["message"] for event in found]


def test_a_function_answers_and_says_what_ran(bulb: Running) -> None:
    aws = bulb.client("lambda")
    create(aws, "answers", "def handler(event, context): return {'got': event}")
    document, response = invoke(aws, "answers", {"a": [1, "é"]})
    assert document == {"got": {"a": [1, "é"]}}
    assert response["StatusCode"] == 200
    assert response["ExecutedVersion"] == "$LATEST"
    assert "FunctionError" not in response


def test_the_request_id_is_the_one_the_function_sees(bulb: Running) -> None:
    aws = bulb.client("lambda")
    create(aws, "request-id", "def handler(event, context): return context.aws_request_id")
    document, response = invoke(aws, "request-id")
    assert document == response["ResponseMetadata"]["RequestId"]


def test_an_environment_is_kept_warm_and_its_memory_with_it(bulb: Running) -> None:
    aws = bulb.client("lambda")
    create(aws, "warm", "n = 0\ndef handler(event, context):\n    global n\n    n += 1\n    return n")
    assert [invoke(aws, "warm")[0] for _ in range(3)] == [1, 2, 3]


def test_the_context_and_the_environment_are_lambdas(bulb: Running) -> None:
    aws = bulb.client("lambda")
    source = """
        import os
        def handler(event, context):
            return {
                "context": [
                    context.function_name, context.function_version, context.memory_limit_in_mb,
                    context.invoked_function_arn, context.log_group_name, context.log_stream_name,
                ],
                "remaining": context.get_remaining_time_in_millis(),
                "client": context.client_context.custom if context.client_context else None,
                "env": dict(os.environ),
                "cwd": os.getcwd(),
            }
    """
    arn = create(aws, "context", source, MemorySize=192, Timeout=300, Environment={"Variables": {"COLOUR": "amber"}})
    context = base64.b64encode(json.dumps({"custom": {"k": "v"}}).encode()).decode()
    document, _ = invoke(aws, "context", ClientContext=context)
    name, version, memory, invoked, group, stream = document["context"]
    assert (name, version, memory, invoked) == ("context", "$LATEST", "192", arn)
    assert group == "/aws/lambda/context"
    assert re.fullmatch(r"\d{4}/\d\d/\d\d/\[\$LATEST\][0-9a-f]{32}", stream)
    assert 200_000 < document["remaining"] <= 300_000
    assert document["client"] == {"k": "v"}
    assert bulb.as_inside(document["cwd"]) == "/var/task"
    env = document["env"]
    assert env["COLOUR"] == "amber"
    assert env["AWS_EXECUTION_ENV"] == f"AWS_Lambda_{PYTHON}"
    assert env["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"] == "192"
    assert bulb.as_inside(env["LAMBDA_TASK_ROOT"]) == "/var/task"
    assert env["AWS_LAMBDA_INITIALIZATION_TYPE"] == "on-demand"
    assert env["AWS_ACCESS_KEY_ID"].startswith("ASIA")
    assert env["TZ"] == ":UTC"
    assert not [name for name in env if name.startswith("BULB_")]


def test_a_plain_boto3_client_reaches_bulb_as_the_execution_role(bulb: Running) -> None:
    aws = bulb.client("lambda")
    source = """
        import boto3
        def handler(event, context): return boto3.client("sts").get_caller_identity()["Arn"]
    """
    create(aws, "whoami", source, Timeout=20)
    assert invoke(aws, "whoami")[0] == "arn:aws:sts::000000000000:assumed-role/test/whoami"


def test_from_stock_the_package_is_the_working_directory(bulb: Running) -> None:
    aws = bulb.client("lambda")
    for number in range(3):  # one of them at least comes from stock
        create(aws, f"cwd-{number}", "import os\ndef handler(event, context): return os.listdir('.')")
        assert invoke(aws, f"cwd-{number}")[0] == ["app.py"]


def test_an_exception_is_lambdas_document_and_the_environment_lives_on(bulb: Running) -> None:
    aws = bulb.client("lambda")
    source = """
        n = 0
        def handler(event, context):
            global n
            n += 1
            if event.get("fail"):
                raise ValueError("no light")
            return n
    """
    create(aws, "raises", source)
    document, response = invoke(aws, "raises", {"fail": True})
    assert response["FunctionError"] == "Unhandled"
    document["stackTrace"] = [bulb.as_inside(line) for line in document["stackTrace"]]
    assert document == {
        "errorMessage": "no light",
        "errorType": "ValueError",
        "requestId": response["ResponseMetadata"]["RequestId"],
        "stackTrace": ['  File "/var/task/app.py", line 7, in handler\n    raise ValueError("no light")\n'],
    }
    assert invoke(aws, "raises")[0] == 2


def test_a_timeout_resets_memory_and_keeps_tmp(bulb: Running) -> None:
    aws = bulb.client("lambda")
    source = """
        import os, time
        n = 0
        def handler(event, context):
            global n
            n += 1
            open("/tmp/kept", "a").write("x")
            time.sleep(event.get("sleep", 0))
            return [n, open("/tmp/kept").read()]
    """
    create(aws, "times-out", source, Timeout=3)
    only_one(aws, "times-out")
    assert invoke(aws, "times-out")[0] == [1, "x"]
    began = time.monotonic()
    document, response = invoke(aws, "times-out", {"sleep": 60})
    assert 2.9 < time.monotonic() - began < 30
    request_id = response["ResponseMetadata"]["RequestId"]
    assert document == {
        "errorType": "Sandbox.Timedout",
        "errorMessage": f"RequestId: {request_id} Error: Task timed out after 3.00 seconds",
    }
    assert invoke_again(aws, "times-out")[0] == [1, "xxx"]
    [report] = [line for line in messages(bulb, "times-out") if line.startswith(f"REPORT RequestId: {request_id}")]
    assert "\tDuration: 3000.00 ms\tBilled Duration: 3000 ms\t" in report
    assert "Status: timeout" in report


def test_a_handler_that_cannot_be_imported(bulb: Running) -> None:
    aws = bulb.client("lambda")
    create(aws, "no-module", "import nothing_of_that_name")
    document, response = invoke(aws, "no-module")
    assert response["FunctionError"] == "Unhandled"
    assert document["errorType"] == "Runtime.ImportModuleError"
    assert document["errorMessage"] == "Unable to import module 'app': No module named 'nothing_of_that_name'"
    assert document["requestId"] == ""
    lines = messages(bulb, "no-module")
    assert any(
        re.match(r"INIT_REPORT Init Duration: .* ms\tPhase: init\tStatus: error\tError Type: ", x) for x in lines
    )


SLOW_INIT = {
    PYTHON: "import time\ntime.sleep(14)\ndef handler(event, context): return 'lit'",
    NODE_RUNTIME: """
        const until = Date.now() + 14_000;
        while (Date.now() < until) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 14_000);
        exports.handler = async () => 'lit';
    """,
}


def test_init_that_takes_too_long_runs_again_inside_the_functions_time(bulb: Running) -> None:
    aws = bulb.client("lambda")
    cases = {
        f"slow-init-{'node' if runtime == NODE_RUNTIME else 'python'}-{timeout}": (runtime, timeout)
        for runtime in (PYTHON, NODE_RUNTIME)
        for timeout in (30, 3)
        if runtime is not None
    }
    answers: dict[str, Any] = {}

    def call(name: str) -> None:
        answers[name] = invoke(bulb.client("lambda"), name)

    for name, (runtime, timeout) in cases.items():
        create(aws, name, SLOW_INIT[runtime], Runtime=runtime, Timeout=timeout)
    threads = [threading.Thread(target=call, args=(name,)) for name in cases]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(90)
    for name, (_, timeout) in cases.items():
        document, response = answers[name]
        inits = [line for line in messages(bulb, name) if line.startswith("INIT_REPORT")]
        first = re.fullmatch(r"INIT_REPORT Init Duration: (\d+\.\d\d) ms\tPhase: init\tStatus: timeout\n", inits[0])
        assert first, inits
        assert 9_990 < float(first[1]) < 13_999
        if timeout == 30:
            assert (document, response.get("FunctionError"), len(inits)) == ("lit", None, 1)
            continue
        assert document == {
            "errorType": "Sandbox.Timedout",
            "errorMessage": f"RequestId: {response['ResponseMetadata']['RequestId']} Error: "
            "Task timed out after 3.00 seconds",
        }
        assert re.fullmatch(r"INIT_REPORT Init Duration: \d+\.\d\d ms\tPhase: invoke\tStatus: timeout\n", inits[1]), (
            inits
        )


def test_the_log_of_a_cold_and_a_warm_call_is_lambdas_to_the_byte(bulb: Running) -> None:
    aws = bulb.client("lambda")
    create(aws, "logged", "def handler(event, context): print('hello')", MemorySize=256)
    ids = [invoke(aws, "logged")[1]["ResponseMetadata"]["RequestId"] for _ in range(2)]
    lines = messages(bulb, "logged")
    assert re.fullmatch(
        r"INIT_START Runtime Version: python:3\.\d+\.v\d+\tRuntime Version ARN: "
        r"arn:aws:lambda:us-east-1::runtime:[0-9a-f]{64}\n?",
        lines[0],
    )
    for position, request_id in ((1, ids[0]), (5, ids[1])):
        start, output, end, report = lines[position : position + 4]
        assert start == f"START RequestId: {request_id} Version: $LATEST\n"
        assert output.rstrip("\n") == "hello"
        assert end == f"END RequestId: {request_id}\n"
        cold = r"\tInit Duration: \d+\.\d\d ms" if position == 1 else ""
        pattern = (
            rf"REPORT RequestId: {request_id}\tDuration: (\d+\.\d\d) ms\tBilled Duration: (\d+) ms\t"
            rf"Memory Size: 256 MB\tMax Memory Used: (\d+) MB{cold}\t\n"
        )
        found = re.fullmatch(pattern, report)
        assert found, report
        assert 1 <= int(found[3]) <= 256
        init = re.search(r"Init Duration: (\S+) ms", report)
        shown, off = float(found[1]) + (float(init[1]) if init else 0), 0.01 if init else 0.005  # two digits of each
        assert math.ceil(shown - off) <= int(found[2]) <= math.ceil(shown + off) + (1 if init else 0), report


def test_the_tail_of_the_log_comes_with_the_answer(bulb: Running) -> None:
    aws = bulb.client("lambda")
    create(aws, "tail", "def handler(event, context): print('x' * 10_000); print('the end')")
    _, response = invoke(aws, "tail", LogType="Tail")
    tail = base64.b64decode(response["LogResult"])
    assert len(tail) == 4096
    assert b"the end\nEND RequestId: " in tail
    assert tail.endswith(b"\t\n")


def test_lines_can_be_read_while_the_call_runs(bulb: Running) -> None:
    aws, gate = bulb.client("lambda"), Gate(bulb, "talks")
    create(aws, "talks", waiting("def handler(event, context):\n    print('working')\n    wait()"), **gate.settings)
    call = threading.Thread(target=lambda: invoke(bulb.client("lambda"), "talks"))
    call.start()
    try:
        until(lambda: any("working" in line for line in messages(bulb, "talks")), "the line")
        assert not any(line.startswith("END ") for line in messages(bulb, "talks"))
    finally:
        gate.open()
        call.join()
    assert any(line.startswith("END ") for line in messages(bulb, "talks"))


def test_memory_beyond_the_limit_is_an_exit_by_kill(bulb: Running) -> None:
    if bulb.isolation != "full":
        pytest.skip(f"memory limits need the full rung; this is {bulb.isolation}")
    aws = bulb.client("lambda")
    source = "def handler(event, context):\n    return len(bytearray(event['mb'] * 1024 * 1024))"
    create(aws, "memory", source, MemorySize=128, Timeout=20)
    document, response = invoke(aws, "memory", {"mb": 400})
    assert response["FunctionError"] == "Unhandled"
    assert document["errorType"] == "Runtime.ExitError"
    assert document["errorMessage"].endswith("Error: Runtime exited with error: signal: killed")
    assert invoke(aws, "memory", {"mb": 50})[0] == 50 * 1024 * 1024
    reports = [line for line in messages(bulb, "memory") if line.startswith("REPORT")]
    assert "Max Memory Used: 128 MB" in reports[0]


def test_an_update_reaches_the_next_call(bulb: Running) -> None:
    aws = bulb.client("lambda")
    create(aws, "updated", "import os\ndef handler(event, context): return os.environ.get('SHADE')")
    assert invoke(aws, "updated")[0] is None
    aws.update_function_configuration(FunctionName="updated", Environment={"Variables": {"SHADE": "two"}})
    aws.get_waiter("function_updated_v2").wait(FunctionName="updated", WaiterConfig={"Delay": 0.05})
    assert invoke(aws, "updated")[0] == "two"


def test_simultaneous_calls_get_environments_of_their_own(bulb: Running) -> None:
    aws, gate = bulb.client("lambda"), Gate(bulb, "parallel")
    source = "def handler(event, context):\n    wait()\n    return context.log_stream_name"
    create(aws, "parallel", waiting(source), **gate.settings)
    streams: list[str] = []
    threads = [
        threading.Thread(target=lambda: streams.append(invoke(bulb.client("lambda"), "parallel")[0])) for _ in range(5)
    ]
    for thread in threads:
        thread.start()
    try:
        until(lambda: begun(bulb, "parallel") == 5, "five calls at the same time")
    finally:
        gate.open()
        for thread in threads:
            thread.join(60)
    assert len(set(streams)) == 5


def test_a_missing_interpreter_is_named_with_how_to_get_it(bulb: Running) -> None:
    status = json.loads(__import__("urllib.request").request.urlopen(bulb.url + "/_bulb/status").read())
    missing = [found["name"] for found in status["runtimes"] if not found["runs"]]
    if not missing:
        pytest.skip("this machine has every runtime")
    aws = bulb.client("lambda")
    create(aws, "missing", "def handler(event, context): pass", Runtime=missing[-1], Handler="app.handler")
    with pytest.raises(ClientError, match=r"is not on this machine\. Install it") as refusal:
        invoke(aws, "missing")
    assert refusal.value.response["Error"]["Code"] == "InvalidRuntimeException"


def test_an_async_event_fails_three_times_a_minute_and_two_apart(bulb: Running) -> None:
    aws = bulb.client("lambda")
    create(aws, "async-fails", "def handler(event, context): raise ValueError(event['n'])")
    response = aws.invoke(FunctionName="async-fails", InvocationType="Event", Payload=b'{"n": 7}')
    assert response["StatusCode"] == 202
    request_id = response["ResponseMetadata"]["RequestId"]

    def starts() -> int:
        return messages(bulb, "async-fails").count(f"START RequestId: {request_id} Version: $LATEST\n")

    def tried() -> int:
        """Attempts that are over, and written down."""
        return sum(isinstance(fact, AsyncEventTried) and fact.request_id == request_id for fact in list(bulb.facts))

    for attempt, wait in ((1, 61), (2, 121), (3, 600)):
        until(lambda n=attempt: tried() == n, f"the end of attempt {attempt}")
        assert starts() == attempt
        bulb.clock.advance(wait)
    time.sleep(0.5)
    assert starts() == 3
    heard = [fact for fact in list(bulb.facts) if isinstance(fact, InvocationStarted) and fact.request_id == request_id]
    first, second, third = (fact.at for fact in heard)
    assert second - first >= 60
    assert third - second >= 120


def test_a_server_that_was_held_up_charges_nobody_for_it(bulb: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """It cannot look at anything for longer than the function has, which answers in time meanwhile."""
    aws = bulb.client("lambda")
    create(aws, "held-up", "import time\ndef handler(event, context):\n    time.sleep(0.1)\n    return 1", Timeout=1)
    look, held = bulb.clock.now, threading.Event()

    def now() -> float:
        if not held.is_set() and asyncio._get_running_loop() is not None and begun(bulb, "held-up"):
            held.set()
            time.sleep(1.5)
        return look()

    monkeypatch.setattr(bulb.clock, "now", now)
    document, response = invoke(aws, "held-up")
    assert (document, held.is_set()) == (1, True)
    assert "FunctionError" not in response
    finished = [fact for fact in bulb.facts if isinstance(fact, InvocationFinished)][-1]
    assert (finished.environment.function.name, finished.duration_ms) == ("held-up", 1000)
