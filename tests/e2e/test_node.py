"""Node functions through the whole server."""

import json

import pytest

from tests.support.bulb import Running
from tests.support.functions import ROLE, create, invoke, zipped
from tests.support.nodejs import runtime

RUNTIME = runtime()
pytestmark = pytest.mark.skipif(RUNTIME is None, reason="no Node.js 20, 22 or 24 on this machine")


def test_async_handlers_answer_and_stay_warm(bulb: Running) -> None:
    aws = bulb.client("lambda")
    source = """
        let n = 0;
        exports.handler = async (event, context) => ({ n: ++n, event, id: context.awsRequestId });
    """
    create(aws, "node-async", source, Runtime=RUNTIME)
    first, response = invoke(aws, "node-async", {"a": 1})
    assert first == {"n": 1, "event": {"a": 1}, "id": response["ResponseMetadata"]["RequestId"]}
    assert invoke(aws, "node-async")[0]["n"] == 2


def test_es_modules(bulb: Running) -> None:
    aws = bulb.client("lambda")
    package = zipped(index_js="export const handler = async () => import.meta.url;")
    import io
    import zipfile

    archive = io.BytesIO(package)
    with zipfile.ZipFile(archive, "a") as extended:
        entry = zipfile.ZipInfo("package.json")
        entry.external_attr = 0o644 << 16
        extended.writestr(entry, json.dumps({"type": "module"}))
    aws.create_function(
        FunctionName="node-esm",
        Runtime=RUNTIME,
        Role=ROLE,
        Handler="index.handler",
        Code={"ZipFile": archive.getvalue()},
    )
    aws.get_waiter("function_active_v2").wait(FunctionName="node-esm", WaiterConfig={"Delay": 0.05})
    assert bulb.as_inside(invoke(aws, "node-esm")[0]) == "file:///var/task/index.js"


def test_from_stock_the_package_is_the_working_directory(bulb: Running) -> None:
    aws = bulb.client("lambda")
    source = "const fs = require('fs'); exports.handler = async () => fs.readdirSync('.');"
    for number in range(3):  # one of them at least comes from stock
        create(aws, f"node-cwd-{number}", source, Runtime=RUNTIME)
        assert invoke(aws, f"node-cwd-{number}")[0] == ["index.js"]


def test_an_error_is_lambdas_document(bulb: Running) -> None:
    aws = bulb.client("lambda")
    create(aws, "node-error", "exports.handler = async () => { throw new TypeError('no light'); };", Runtime=RUNTIME)
    document, response = invoke(aws, "node-error")
    assert response["FunctionError"] == "Unhandled"
    assert (document["errorType"], document["errorMessage"]) == ("TypeError", "no light")
    assert document["trace"][0] == "TypeError: no light"


def test_an_endless_loop_times_out_and_the_next_call_works(bulb: Running) -> None:
    aws = bulb.client("lambda")
    source = "exports.handler = async (e) => { while (e.loop); return 'ok'; };"
    create(aws, "node-loop", source, Runtime=RUNTIME, Timeout=4)
    document, _ = invoke(aws, "node-loop", {"loop": True})
    assert document["errorType"] == "Sandbox.Timedout"
    assert invoke(aws, "node-loop")[0] == "ok"


def test_console_lines_carry_time_request_and_level(bulb: Running) -> None:
    aws = bulb.client("lambda")
    create(aws, "node-log", "exports.handler = async () => { console.warn('dim\\nlight'); };", Runtime=RUNTIME)
    _, response = invoke(aws, "node-log")
    events = bulb.client("logs").filter_log_events(logGroupName="/aws/lambda/node-log")["events"]
    [line] = [event["message"] for event in events if "dim" in event["message"]]
    when, request_id, level, text = line.rstrip("\n").split("\t")
    assert request_id == response["ResponseMetadata"]["RequestId"]
    assert (level, text.replace("\r", "\n")) == ("WARN", "dim\nlight")
    assert when.endswith("Z")
