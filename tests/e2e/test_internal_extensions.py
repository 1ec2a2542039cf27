"""Extensions inside the runtime's own process: they register over the Runtime API's address, and end with it."""

import textwrap
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.bulb import Running
from tests.support.functions import create, invoke, invoke_again, only_one
from tests.support.waiting import until

# A handler with an extension in a thread, which works on each event for as long as the handler then tells it.
INTERNAL = """
    import http.client, json, os, queue, signal, sys, threading, time

    API, seen, turns = os.environ["AWS_LAMBDA_RUNTIME_API"], [], queue.Queue()

    def call(method, path, body=None, **headers):
        connection = http.client.HTTPConnection(API)
        named = {"Lambda-Extension-" + key.replace("_", "-"): value for key, value in headers.items()}
        connection.request(method, "/2020-01-01/extension/" + path, body, named)
        answer = connection.getresponse()
        return answer.status, dict(answer.getheaders()), json.loads(answer.read())

    status, headers, about = call("POST", "register", json.dumps({"events": ["INVOKE"]}), Name="inner")
    identifier = headers["lambda-extension-identifier"]

    def extend():
        while True:
            seen.append(call("GET", "event/next", Identifier=identifier)[2])
            time.sleep(turns.get())

    threading.Thread(target=extend, daemon=True).start()

    def stop(number, frame):
        print("asked to stop", flush=True)
        sys.exit(0)

    signal.signal(signal.SIGTERM, stop)

    def handler(event, context):
        turns.put(event.get("linger", 0.0))
        if event.get("sleep"):
            time.sleep(event["sleep"])
        if event.get("register"):
            return call("POST", "register", json.dumps({"events": []}), Name="late")
        deadline = time.monotonic() + 20
        while not any(told["requestId"] == context.aws_request_id for told in seen):
            assert time.monotonic() < deadline
            time.sleep(0.001)
        return {"about": about, "seen": seen, "id": context.aws_request_id, "pid": os.getpid(), "at": time.time()}
"""


def lines(bulb: Running, name: str) -> list[str]:
    """Everything in the function's log."""
    logs = bulb.client("logs")
    found = logs.filter_log_events(logGroupName=f"/aws/lambda/{name}")["events"]
    return [event["message"] for event in found]


def logged(bulb: Running, name: str, is_it: Callable[[str], bool]) -> list[str]:
    """The log, once it has such a line."""
    return until(lambda: (found := lines(bulb, name)) and any(map(is_it, found)) and found, "the line in the log")  # type: ignore[return-value]


def test_it_hears_of_every_invocation(bulb: Running) -> None:
    aws: Any = bulb.client("lambda")
    create(aws, "internal-hears", INTERNAL, Timeout=30)
    only_one(aws, "internal-hears")
    first, _ = invoke(aws, "internal-hears")
    second, _ = invoke_again(aws, "internal-hears")
    assert first["about"] == {"functionName": "internal-hears", "functionVersion": "$LATEST", "handler": "app.handler"}
    assert [told["requestId"] for told in second["seen"]] == [first["id"], second["id"]]
    assert {told["eventType"] for told in second["seen"]} == {"INVOKE"}
    assert second["seen"][0]["invokedFunctionArn"].endswith(":function:internal-hears")
    assert second["seen"][1]["deadlineMs"] > second["at"] * 1000
    found = logged(bulb, "internal-hears", lambda line: line.startswith("REPORT"))
    assert "EXTENSION\tName: inner\tState: Ready\tEvents: [INVOKE]\n" in found


def test_registration_ends_with_init(bulb: Running) -> None:
    aws: Any = bulb.client("lambda")
    create(aws, "internal-late", INTERNAL, Timeout=30)
    (status, _, answer), _ = invoke(aws, "internal-late", {"register": True})
    assert status == 403
    assert answer["errorType"] == "Extension.RegistrationClosed"


def test_the_answer_does_not_wait_for_it_but_the_bill_does(bulb: Running) -> None:
    aws: Any = bulb.client("lambda")
    create(aws, "internal-lingers", INTERNAL, Timeout=30)
    only_one(aws, "internal-lingers")
    first, _ = invoke(aws, "internal-lingers")
    answer, response = invoke_again(aws, "internal-lingers", {"linger": 0.7})
    assert answer["pid"] == first["pid"]
    line = next(
        line
        for line in logged(bulb, "internal-lingers", lambda line: line.startswith("REPORT") and answer["id"] in line)
        if line.startswith("REPORT") and answer["id"] in line
    )
    duration = float(line.split("Duration: ")[1].split(" ms")[0])
    assert duration > 650
    assert int(line.split("Billed Duration: ")[1].split(" ms")[0]) >= duration
    assert response["ResponseMetadata"]["HTTPStatusCode"] == 200


def test_it_is_told_to_stop_when_its_environment_ends(bulb: Running) -> None:
    aws: Any = bulb.client("lambda")
    create(aws, "internal-stops", INTERNAL, Timeout=30)
    invoke(aws, "internal-stops")
    aws.update_function_configuration(FunctionName="internal-stops", Description="another")
    logged(bulb, "internal-stops", lambda line: line == "asked to stop\n")


def test_after_a_timeout_it_gets_a_new_process(bulb: Running) -> None:
    aws: Any = bulb.client("lambda")
    create(aws, "internal-late-end", INTERNAL, Timeout=3)
    invoke(aws, "internal-late-end")
    answer, response = invoke(aws, "internal-late-end", {"sleep": 60})
    assert response["FunctionError"] == "Unhandled"
    assert answer["errorType"] == "Sandbox.Timedout"
    again, _ = invoke(aws, "internal-late-end")
    assert [told["requestId"] for told in again["seen"]] == [again["id"]]
    found = logged(bulb, "internal-late-end", lambda line: line == "asked to stop\n")
    assert any("Duration: 3000.00 ms" in line and line.endswith("Status: timeout\n") for line in found)


def test_a_function_learns_where_it_is(bulb: Running) -> None:
    source = """
        import os, urllib.error, urllib.request

        def ask(token):
            url = f"http://{os.environ['AWS_LAMBDA_METADATA_API']}/2026-01-15/metadata/execution-environment"
            request = urllib.request.Request(url, headers={"Authorization": "Bearer " + token})
            try:
                return urllib.request.urlopen(request).read().decode()
            except urllib.error.HTTPError as error:
                return error.code

        def handler(event, context):
            return [ask(os.environ["AWS_LAMBDA_METADATA_TOKEN"]), ask("other")]
    """
    aws: Any = bulb.client("lambda")
    create(aws, "where", source)
    assert invoke(aws, "where")[0] == ['{"AvailabilityZoneID":"use1-az1"}', 401]


def test_it_subscribes_to_telemetry(bulb: Running) -> None:
    if bulb.isolation == "userns":
        pytest.skip("nothing reaches into a sandbox of the userns rung that has no supervisor")
    source = (
        "import http.server\n"
        + textwrap.dedent(INTERNAL)
        + """
told = []

class Listener(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        told.extend(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *arguments):
        pass

server = http.server.HTTPServer(("127.0.0.1", 8123), Listener)
threading.Thread(target=server.serve_forever, daemon=True).start()
connection = http.client.HTTPConnection(API)
wanted = {
    "schemaVersion": "2022-12-13",
    "types": ["platform", "function"],
    "buffering": {"timeoutMs": 25, "maxItems": 1000, "maxBytes": 262144},
    "destination": {"protocol": "HTTP", "URI": "http://sandbox.localdomain:8123"},
}
connection.request(
    "PUT", "/2022-07-01/telemetry", json.dumps(wanted), {"Lambda-Extension-Identifier": identifier}
)
subscribed = connection.getresponse().status
work = handler

def handler(event, context):
    if event.get("wait"):
        deadline = time.monotonic() + 20
        while not any(one["type"] == "platform.report" for one in told):
            assert time.monotonic() < deadline
            time.sleep(0.01)
    print("hello")
    return {"subscribed": subscribed, "told": told, "id": work(event, context)["id"]}
"""
    )
    aws: Any = bulb.client("lambda")
    create(aws, "internal-telemetry", source, Timeout=60)
    only_one(aws, "internal-telemetry")
    first, _ = invoke(aws, "internal-telemetry")
    assert first["subscribed"] == 200
    second, _ = invoke_again(aws, "internal-telemetry", {"wait": True})
    about_first = [one for one in second["told"] if one["record"] == "hello\n" or first["id"] in str(one["record"])]
    kinds = [one["type"] for one in about_first]
    assert kinds[:4] == ["platform.start", "function", "platform.runtimeDone", "platform.report"], kinds
