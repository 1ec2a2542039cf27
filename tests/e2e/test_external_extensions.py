"""External extensions: processes of their own beside the runtime, as observability vendors ship them."""

import json
import os
import textwrap
import time
from pathlib import Path
from typing import Any

import pytest

from bulb.core.facts import EnvironmentEnded
from tests.e2e.test_node import RUNTIME as NODE_RUNTIME
from tests.support.bulb import Running, running_bulb
from tests.support.functions import create, invoke
from tests.support.layers import layer_of, publish
from tests.support.waiting import until

# Registers, subscribes to telemetry, and writes all it hears to its standard output: it ends up in the function's log.
MONITOR = """
    #!/usr/bin/env python3
    import http.client, http.server, json, os, sys, threading

    API = os.environ["AWS_LAMBDA_RUNTIME_API"]
    NAME = os.path.basename(sys.argv[0])

    def call(method, path, body=None, **headers):
        connection = http.client.HTTPConnection(API)
        named = {"Lambda-Extension-" + key.replace("_", "-"): value for key, value in headers.items()}
        connection.request(method, path, json.dumps(body) if body is not None else None, named)
        answer = connection.getresponse()
        return answer.status, dict(answer.getheaders()), json.loads(answer.read())

    def say(what, value):
        sys.stdout.write("<" + what + "> " + json.dumps(value) + chr(10))
        sys.stdout.flush()

    class Listener(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            events = json.loads(self.rfile.read(int(self.headers["content-length"])))
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()
            for event in events:
                if event["type"] != "extension":
                    say("telemetry", event)

        def log_message(self, *_):
            pass

    status, headers, about = call(
        "POST", "/2020-01-01/extension/register", {"events": ["INVOKE", "SHUTDOWN"]}, Name=NAME,
        Accept_Feature="accountId",
    )
    identifier = headers["lambda-extension-identifier"]
    say("registered", about)
    say("environment", sorted(os.environ))
    server = http.server.ThreadingHTTPServer(("0.0.0.0", 8080), Listener)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    say("subscribed", call("PUT", "/2022-07-01/telemetry", {
        "schemaVersion": "2022-12-13", "types": ["platform", "function", "extension"],
        "buffering": {"timeoutMs": 25}, "destination": {"protocol": "HTTP", "URI": "http://sandbox.localdomain:8080"},
    }, Identifier=identifier)[0])
    while True:
        event = call("GET", "/2020-01-01/extension/event/next", Identifier=identifier)[2]
        say("event", event)
        if event["eventType"] == "SHUTDOWN":
            sys.exit(0)
"""
HANDLER = """
    import os, time
    def handler(event, context):
        print("hello")
        if event.get("sleep"):
            time.sleep(event["sleep"])
        if event.get("exit"):
            os._exit(event["exit"])
        return {"pid": os.getpid(), "id": context.aws_request_id}
"""


class Log:
    """What the extension wrote into the function's log."""

    def __init__(self, bulb: Running, name: str) -> None:
        self._logs = bulb.client("logs")
        self._group = f"/aws/lambda/{name}"

    def lines(self) -> list[str]:
        pages = self._logs.get_paginator("filter_log_events").paginate(logGroupName=self._group)
        return [event["message"] for page in pages for event in page["events"]]

    def said(self, what: str) -> list[Any]:
        start = f"<{what}> "
        return [json.loads(line[len(start) :]) for line in self.lines() if line.startswith(start)]

    def has(self, text: str) -> bool:
        return any(text in line for line in self.lines())


def extended(bulb: Running, name: str, source: str = HANDLER, *, extension: str = MONITOR, **settings: Any) -> Log:
    """A function with one extension, called `monitor`."""
    aws = bulb.client("lambda")
    settings = {"MemorySize": 1024, "Timeout": 10, **settings}
    create(aws, name, source, Layers=[publish(aws, name, layer_of(monitor=extension))], **settings)
    return Log(bulb, name)


def over(log: Log, request_id: str) -> None:
    """Return when the next event finds the environment: the answer comes before the extensions are done."""
    until(lambda: log.has(f"REPORT RequestId: {request_id}\t"), "the report")


@pytest.fixture(autouse=True)
def a_network_each(request: pytest.FixtureRequest) -> None:
    """The extensions here listen on one port. Those of `test_on_the_lower_rungs` share no network with them."""
    if "rung" not in request.fixturenames and request.getfixturevalue("bulb").isolation == "plain":
        pytest.skip("on the plain rung a port can be listened on once")


def test_it_lives_beside_the_function(bulb: Running) -> None:
    aws = bulb.client("lambda")
    log = extended(bulb, "ext-lives", Environment={"Variables": {"COLOUR": "blue"}})
    first, _ = invoke(aws, "ext-lives")
    over(log, first["id"])
    second, _ = invoke(aws, "ext-lives")
    until(lambda: len(log.said("event")) == 2, "two events")
    assert [event["requestId"] for event in log.said("event")] == [first["id"], second["id"]]
    assert {event["eventType"] for event in log.said("event")} == {"INVOKE"}
    (about,) = log.said("registered")
    assert about == {
        "functionName": "ext-lives",
        "functionVersion": "$LATEST",
        "handler": "app.handler",
        "accountId": "000000000000",
    }
    (names,) = log.said("environment")
    assert {"COLOUR", "AWS_LAMBDA_RUNTIME_API", "AWS_LAMBDA_FUNCTION_NAME", "AWS_ACCESS_KEY_ID"} <= set(names)
    assert not {"_HANDLER", "AWS_EXECUTION_ENV", "LAMBDA_TASK_ROOT", "AWS_LAMBDA_LOG_GROUP_NAME"} & set(names)
    assert "EXTENSION\tName: monitor\tState: Ready\tEvents: [INVOKE, SHUTDOWN]\n" in log.lines()
    assert "TELEMETRY\tName: monitor\tState: Subscribed\tTypes: [Platform, Function, Extension]\n" in log.lines()


# What the first subscriber is told of a cold and a warm invocation, besides its subscription.
EVERYTHING = [
    "platform.initStart",
    "platform.initRuntimeDone",
    "platform.extension",
    "platform.initReport",
    *["platform.start", "function", "platform.runtimeDone", "platform.report"] * 2,
]


def without_subscription(told: list[Any]) -> tuple[Any, list[Any]]:
    """The record of the subscription, and the rest: when in its init somebody subscribes is its own affair."""
    kinds = [event["type"] for event in told]
    at = kinds.index("platform.telemetrySubscription")
    assert at < kinds.index("platform.extension")
    return told[at]["record"], told[:at] + told[at + 1 :]


def test_it_is_told_everything_in_order(bulb: Running) -> None:
    aws = bulb.client("lambda")
    log = extended(bulb, "ext-told")
    first, _ = invoke(aws, "ext-told")
    # Nothing else is needed for it to be told: an environment is frozen only afterwards.
    until(lambda: [event["type"] for event in log.said("telemetry")].count("platform.report") == 1, "a report")
    second, _ = invoke(aws, "ext-told")
    until(lambda: [event["type"] for event in log.said("telemetry")].count("platform.report") == 2, "both reports")
    subscription, told = without_subscription(log.said("telemetry"))
    assert [event["type"] for event in told] == EVERYTHING
    records = [event["record"] for event in told]
    assert subscription == {"name": "monitor", "state": "Subscribed", "types": ["platform", "function", "extension"]}
    assert records[1] == {"initializationType": "on-demand", "phase": "init", "status": "success"}
    assert records[2] == {"name": "monitor", "state": "Ready", "events": ["INVOKE", "SHUTDOWN"]}
    assert records[3]["metrics"]["durationMs"] > 0
    start, line, done, report = records[4:8]
    assert start["requestId"] == done["requestId"] == report["requestId"] == first["id"]
    assert start["tracing"]["type"] == "X-Amzn-Trace-Id"
    assert line == "hello\n"
    assert [span["name"] for span in done["spans"]] == ["responseLatency", "responseDuration", "runtimeOverhead"]
    assert done["metrics"]["producedBytes"] > 10
    assert report["status"] == "success"
    assert report["metrics"]["durationMs"] >= done["metrics"]["durationMs"]
    assert records[8]["requestId"] == second["id"]


def test_the_end_is_announced(bulb: Running) -> None:
    aws = bulb.client("lambda")
    log = extended(bulb, "ext-ends")
    invoke(aws, "ext-ends")
    aws.update_function_configuration(FunctionName="ext-ends", Description="another")
    until(lambda: len(log.said("event")) == 2, "the last event")
    last = log.said("event")[-1]
    assert last["eventType"] == "SHUTDOWN"
    assert last["shutdownReason"] == "SPINDOWN"


@pytest.mark.parametrize(
    ("name", "event", "error_type", "reason"),
    [
        ("ext-late", {"sleep": 60}, "Sandbox.Timedout", "TIMEOUT"),
        ("ext-exits", {"exit": 3}, "Runtime.ExitError", "FAILURE"),
    ],
)
def test_after_a_reset_it_starts_again(
    bulb: Running, name: str, event: dict[str, int], error_type: str, reason: str
) -> None:
    aws = bulb.client("lambda")
    log = extended(bulb, name, Timeout=5)
    first, _ = invoke(aws, name)
    over(log, first["id"])
    answer, response = invoke(aws, name, event)
    assert response["FunctionError"] == "Unhandled"
    assert answer["errorType"] == error_type
    until(lambda: any(told["eventType"] == "SHUTDOWN" for told in log.said("event")), "the end")
    assert [told.get("shutdownReason") for told in log.said("event")] == [None, None, reason]
    again, _ = invoke(aws, name)
    assert again["id"] != first["id"]
    until(lambda: len(log.said("registered")) == 2, "the second life")


def test_one_that_crashes_fails_the_invocation(bulb: Running) -> None:
    aws = bulb.client("lambda")
    crashing = MONITOR.replace('say("event", event)', "os._exit(7)")
    log = extended(bulb, "ext-crash", extension=crashing, Timeout=30)
    answer, response = invoke(aws, "ext-crash", {"sleep": 20})
    request_id = response["ResponseMetadata"]["RequestId"]
    assert answer == {"errorType": "Extension.Crash", "errorMessage": f"RequestId: {request_id} Error: exit status 7"}
    until(lambda: log.has("Status: error\tError Type: Extension.Crash\n"), "the report")


@pytest.mark.parametrize(
    ("name", "source", "state", "error_type", "text"),
    [
        ("ext-no-start", "#!/no/such/program\n", "LaunchError", "Extension.LaunchError", "fork/exec"),
        ("ext-ends-early", "#!/bin/sh\nexit 4\n", "Exited", "Extension.Crash", "exit status 4"),
        (
            "ext-init-error",
            MONITOR.split("    server =", maxsplit=1)[0]
            + """
    call("POST", "/2020-01-01/extension/init/error", {}, Identifier=identifier,
         Function_Error_Type="Extension.NoConfig")
    sys.exit(5)
""",
            "InitError",
            "Extension.InitError",
            "exit status 5",
        ),
    ],
)
def test_one_that_does_not_start_fails_init(
    bulb: Running, name: str, source: str, state: str, error_type: str, text: str
) -> None:
    aws = bulb.client("lambda")
    log = extended(bulb, name, extension=source, Timeout=10)
    answer, response = invoke(aws, name)
    assert response["FunctionError"] == "Unhandled"
    assert answer["errorType"] == error_type
    assert text in answer["errorMessage"]
    until(lambda: log.has("Phase: invoke"), "both inits")
    lines = log.lines()
    assert any(line.startswith(f"EXTENSION\tName: monitor\tState: {state}\t") for line in lines)
    reports = [line for line in lines if line.startswith("INIT_REPORT")]
    assert [line.split("\t", 1)[1] for line in reports] == [
        f"Phase: init\tStatus: error\tError Type: {error_type}\n",
        f"Phase: invoke\tStatus: error\tError Type: {error_type}\n",
    ]


def test_the_answer_does_not_wait_for_it(bulb: Running) -> None:
    aws = bulb.client("lambda")
    slow = MONITOR.replace('say("event", event)', 'say("event", event); import time; time.sleep(5)')
    log = extended(bulb, "ext-slow", extension=slow, Timeout=20)
    answer, response = invoke(aws, "ext-slow")
    assert response["ResponseMetadata"]["HTTPStatusCode"] == 200
    assert not any(line.startswith("REPORT") for line in log.lines())
    until(lambda: log.has(f"REPORT RequestId: {answer['id']}"), "the report")
    (report,) = (line for line in log.lines() if line.startswith("REPORT"))
    assert int(report.split("Billed Duration: ")[1].split(" ms")[0]) >= 5000


# An extension without any language of its own: bash, which can speak TCP.
SCRIPT = """
    #!/bin/bash
    ask() { # method, path, header, body
        exec 3<>"/dev/tcp/${AWS_LAMBDA_RUNTIME_API/:/\\/}"
        printf '%s %s HTTP/1.1\\r\\nHost: x\\r\\nConnection: close\\r\\n%s\\r\\nContent-Length: %s\\r\\n\\r\\n%s' \\
            "$1" "$2" "$3" "${#4}" "$4" >&3
        cat <&3
        exec 3<&-
    }
    name=$(basename "$0")
    answer=$(ask POST /2020-01-01/extension/register "Lambda-Extension-Name: $name" '{"events":["INVOKE","SHUTDOWN"]}')
    id=$(printf '%s' "$answer" | tr -d '\\r' | sed -n 's/^lambda-extension-identifier: //Ip')
    SUBSCRIBE
    while true; do
        event=$(ask GET /2020-01-01/extension/event/next "Lambda-Extension-Identifier: $id" "" | tail -n 1)
        echo "<event> $event"
        case "$event" in *SHUTDOWN*) exit 0;; esac
    done
"""
# Telemetry by TCP, a line an event; bash alone cannot listen.
SUBSCRIPTION = """
    perl -MIO::Socket::INET -e '
        $server = IO::Socket::INET->new(LocalPort => 8082, Listen => 5) or die;
        $| = 1;
        while ($one = $server->accept) { while (<$one>) { print "<telemetry> $_" } }' &
    until (exec 4<>/dev/tcp/127.0.0.1/8082) 2>/dev/null; do sleep 0.02; done
    ask PUT /2022-07-01/telemetry "Lambda-Extension-Identifier: $id" \\
        '{"schemaVersion":"2022-12-13","types":["platform","function"],"buffering":{"timeoutMs":25},
          "destination":{"protocol":"TCP","port":8082}}' >/dev/null
"""
POLITE = """
    import signal, sys, time

    def stop(number, frame):
        print("asked to stop", flush=True)
        sys.exit(0)

    signal.signal(signal.SIGTERM, stop)

    def handler(event, context):
        return 1
"""
POLITE_NODE = """
    process.on("SIGTERM", () => { console.log("asked to stop"); process.exit(0); });
    exports.handler = async () => 1;
"""


@pytest.mark.skipif(not Path("/bin/bash").exists(), reason="no bash on this machine")
def test_a_shell_script_can_be_one(bulb: Running) -> None:
    aws = bulb.client("lambda")
    log = extended(bulb, "ext-script", extension=SCRIPT.replace("    SUBSCRIBE\n", ""))
    answer, _ = invoke(aws, "ext-script")
    until(lambda: len(log.said("event")) == 1, "the event")
    assert log.said("event")[0]["requestId"] == answer["id"]
    aws.delete_function(FunctionName="ext-script")
    until(lambda: len(log.said("event")) == 2, "the end")
    assert log.said("event")[1]["shutdownReason"] == "SPINDOWN"


@pytest.mark.skipif(
    not (Path("/bin/bash").exists() and Path("/usr/bin/perl").exists()), reason="no bash and perl on this machine"
)
def test_a_shell_script_is_told_everything_in_order(bulb: Running) -> None:
    aws = bulb.client("lambda")
    script = textwrap.dedent(SCRIPT).replace("SUBSCRIBE\n", textwrap.dedent(SUBSCRIPTION))
    log = extended(bulb, "ext-script-told", extension=script)
    for reports in (1, 2):
        invoke(aws, "ext-script-told")
        until(
            lambda n=reports: [event["type"] for event in log.said("telemetry")].count("platform.report") == n,
            "the report",
        )
    _, told = without_subscription(log.said("telemetry"))
    assert [event["type"] for event in told] == EVERYTHING


def test_the_runtime_is_asked_to_stop_first(bulb: Running) -> None:
    aws = bulb.client("lambda")
    log = extended(bulb, "ext-polite", POLITE)
    invoke(aws, "ext-polite")
    aws.update_function_configuration(FunctionName="ext-polite", Description="another")
    until(lambda: len(log.said("event")) == 2, "the end")
    lines = log.lines()
    asked = lines.index("asked to stop\n")
    assert asked < next(number for number, line in enumerate(lines) if "SPINDOWN" in line)


@pytest.mark.skipif(NODE_RUNTIME is None, reason="no Node.js 20, 22 or 24 on this machine")
def test_it_lives_beside_node(bulb: Running) -> None:
    aws = bulb.client("lambda")
    log = extended(bulb, "ext-node", POLITE_NODE, Runtime=NODE_RUNTIME)
    assert invoke(aws, "ext-node")[0] == 1
    aws.update_function_configuration(FunctionName="ext-node", Description="another")
    until(lambda: len(log.said("event")) == 2, "the end")
    assert log.has("asked to stop")


def test_two_start_together_and_names_tell_them_apart(bulb: Running) -> None:
    aws = bulb.client("lambda")
    quiet = MONITOR.replace('"events": ["INVOKE", "SHUTDOWN"]', '"events": []').replace("8080", "8081")
    layers = [publish(aws, "ext-one", layer_of(one=MONITOR)), publish(aws, "ext-two", layer_of(two=quiet))]
    create(aws, "ext-both", HANDLER, Layers=layers, MemorySize=1024, Timeout=10)
    log = Log(bulb, "ext-both")
    invoke(aws, "ext-both")
    until(lambda: len(log.said("event")) == 1, "the event")
    lines = [line for line in log.lines() if line.startswith("EXTENSION")]
    assert lines == [
        "EXTENSION\tName: one\tState: Ready\tEvents: [INVOKE, SHUTDOWN]\n",
        "EXTENSION\tName: two\tState: Ready\tEvents: []\n",
    ]


def test_one_that_does_not_end_is_killed(bulb: Running) -> None:
    aws = bulb.client("lambda")
    stubborn = MONITOR.replace("sys.exit(0)", "import time; time.sleep(60)")
    log = extended(bulb, "ext-stubborn", extension=stubborn, Timeout=3)
    first, _ = invoke(aws, "ext-stubborn")
    over(log, first["id"])
    invoke(aws, "ext-stubborn", {"sleep": 60})
    until(lambda: len(log.said("event")) == 3, "the end")
    began = time.monotonic()
    invoke(aws, "ext-stubborn")  # a new environment, or the same once the old processes are gone
    assert time.monotonic() - began < 40


def test_it_has_two_seconds_to_end(bulb: Running) -> None:
    aws = bulb.client("lambda")
    lasting = MONITOR.replace(
        "sys.exit(0)",
        'import time\n            while True:\n                say("alive", time.time()); time.sleep(0.02)',
    )
    log = extended(bulb, "ext-lasting", extension=lasting)
    invoke(aws, "ext-lasting")
    told = time.time()
    aws.update_function_configuration(FunctionName="ext-lasting", Description="another")
    until(lambda: log.said("alive"), "the end")
    deadline = log.said("event")[-1]["deadlineMs"] / 1000
    [ended] = until(lambda: ends_of(bulb, "ext-lasting"), "its end")
    alive = log.said("alive")
    assert told + 2.0 <= deadline + 0.001
    assert deadline - 2.0 <= alive[0] < deadline, "told while there was time"
    assert deadline - 0.05 < ended, "killed when it was over, and not before"
    assert alive[-1] < ended


def ends_of(bulb: Running, name: str) -> list[float]:
    """When environments of the function had ended, by the clock of the machine."""
    facts = [fact for fact in [*bulb.facts] if isinstance(fact, EnvironmentEnded)]
    ahead = bulb.clock.now() - time.time()
    return [fact.at - ahead for fact in facts if fact.environment.function.name == name]


LOGS_SUBSCRIBER = MONITOR.replace("/2022-07-01/telemetry", "/2020-08-15/logs").replace(
    '"schemaVersion": "2022-12-13",', ""
)


def test_the_older_logs_api(bulb: Running) -> None:
    aws = bulb.client("lambda")
    log = extended(bulb, "ext-logs", extension=LOGS_SUBSCRIBER)
    invoke(aws, "ext-logs")
    until(lambda: any(told["type"] == "platform.report" for told in log.said("telemetry")), "a report")
    kinds = [told["type"] for told in log.said("telemetry")]
    assert kinds[:7] == [
        "platform.logsSubscription",
        "platform.extension",
        "platform.start",
        "function",
        "platform.runtimeDone",
        "platform.end",
        "platform.report",
    ]
    assert "LOGS\tName: monitor\tState: Subscribed\tTypes: [Platform, Function, Extension]\n" in log.lines()


@pytest.mark.parametrize("rung", ["userns", "plain"])
def test_on_the_lower_rungs(rung: str, tmp_path: Path) -> None:
    port = 10_000 + os.getpid() % 20_000  # on the plain rung it is the machine's, and other runs' too
    monitor = MONITOR.replace("http://sandbox.localdomain:8080", f"http://sandbox.localdomain:{port}")
    with running_bulb(tmp_path / "data", isolation=rung) as lower:
        aws = lower.client("lambda")
        log = extended(lower, "ext-lower", extension=monitor.replace("8080), Listener", f"{port}), Listener"))
        invoke(aws, "ext-lower")
        until(lambda: any(told["type"] == "platform.report" for told in log.said("telemetry")), "telemetry")
        aws.update_function_configuration(FunctionName="ext-lower", Description="another")
        until(lambda: len(log.said("event")) == 2, "the end")


def test_snap_start_does_not_lose_it(bulb: Running) -> None:
    if bulb.isolation != "full":
        pytest.skip(f"snapshots need the full rung; this is {bulb.isolation}")
    aws = bulb.client("lambda")
    extended(bulb, "ext-snap", Runtime="python3.12", SnapStart={"ApplyOn": "PublishedVersions"})
    version = aws.publish_version(FunctionName="ext-snap")["Version"]
    aws.get_waiter("published_version_active").wait(
        FunctionName="ext-snap", Qualifier=version, WaiterConfig={"Delay": 0.1, "MaxAttempts": 200}
    )
    answer, _ = invoke(aws, "ext-snap", Qualifier=version)
    log = Log(bulb, "ext-snap")
    until(lambda: answer["id"] in [event.get("requestId") for event in log.said("event")], "the event")
