"""AWS_LAMBDA_EXEC_WRAPPER: a managed runtime started through a program of the function's or of a layer."""

import base64
from typing import Any

import pytest

from tests.e2e.test_custom_runtimes import create, packed
from tests.support.bulb import Running
from tests.support.functions import PYTHON, invoke
from tests.support.nodejs import runtime

NODEJS = runtime()

ENV_WRAPPER = '#!/bin/bash\nexec env FOO=wrapped "$@"\n'
ARGUMENTS_WRAPPER = """\
#!/bin/bash
args=("$@")
last=${args[@]: -1}
exec "${args[@]:0:$#-1}" -X importtime=no -X bulb "$last"
"""
APP = """\
import logging, os, sys
import helper
def handler(event, context):
    if event == "raise":
        raise ValueError("a\\nb")
    if event == "exit":
        sys.exit(4)
    logging.getLogger().warning("several\\nlines")
    print("out")
    return [os.environ.get("FOO"), sorted(sys._xoptions), context.function_name, os.getcwd(), helper.VALUE,
            sys.argv[0].rpartition("/")[2]]
"""
NODE = """\
exports.handler = async (event, context) => {
  if (event === 'raise') throw new TypeError('no');
  console.log('several\\nlines');
  return [process.env.FOO, process.execArgv, context.functionName, require('./helper.js')];
};
"""


@pytest.fixture
def aws(bulb: Running) -> Any:
    return bulb.client("lambda")


def python(aws: Any, name: str, wrapper: str, mode: int = 0o755, **settings: Any) -> None:
    files = (("wrap", wrapper, mode), ("app.py", APP, 0o644), ("helper.py", "VALUE = 5\n", 0o644))
    settings.setdefault("Environment", {"Variables": {"AWS_LAMBDA_EXEC_WRAPPER": "/var/task/wrap"}})
    create(aws, name, packed(*files), Runtime=PYTHON, Handler="app.handler", Timeout=20, **settings)


def lines_of(response: Any) -> list[str]:
    return base64.b64decode(response["LogResult"]).decode().splitlines()


def test_python_is_started_by_the_wrapper_and_behaves_as_ever(aws: Any) -> None:
    python(aws, "wrapped-python", ENV_WRAPPER)
    document, response = invoke(aws, "wrapped-python", LogType="Tail")
    assert document[0] == "wrapped"
    assert document[2:] == ["wrapped-python", document[3], 5, "bootstrap.py"]
    lines = lines_of(response)
    start = next(i for i, line in enumerate(lines) if line.startswith("START"))
    assert lines[start + 1].startswith("[WARNING]\t")
    assert lines[start + 1].endswith("\tseveral")
    assert lines[start + 2 : start + 4] == ["lines", "out"]
    document, response = invoke(aws, "wrapped-python", "raise")
    assert (document["errorType"], document["errorMessage"]) == ("ValueError", "a\nb")
    document, response = invoke(aws, "wrapped-python", "exit")
    assert document["errorType"] == "Runtime.ExitError"
    assert document["errorMessage"].endswith("Runtime exited with error: exit status 4")
    assert invoke(aws, "wrapped-python")[0][0] == "wrapped"


def test_a_wrapper_of_a_layer_may_add_arguments(aws: Any) -> None:
    layer = aws.publish_layer_version(
        LayerName="argument-wrapper", Content={"ZipFile": packed(("wrap", ARGUMENTS_WRAPPER, 0o755))}
    )
    python(
        aws,
        "wrapped-arguments",
        "",
        Layers=[layer["LayerVersionArn"]],
        Environment={"Variables": {"AWS_LAMBDA_EXEC_WRAPPER": "/opt/wrap"}},
    )
    assert "bulb" in invoke(aws, "wrapped-arguments")[0][1]


@pytest.mark.skipif(NODEJS is None, reason="no Node.js 20, 22 or 24 on this machine")
def test_node_is_started_by_the_wrapper(aws: Any) -> None:
    create(
        aws,
        "wrapped-node",
        packed(("wrap", ENV_WRAPPER, 0o755), ("index.js", NODE, 0o644), ("helper.js", "module.exports = 7;", 0o644)),
        Runtime=NODEJS,
        Handler="index.handler",
        Timeout=20,
        Environment={
            "Variables": {"AWS_LAMBDA_EXEC_WRAPPER": "/var/task/wrap", "NODE_OPTIONS": "--stack-trace-limit=3"}
        },
    )
    document, response = invoke(aws, "wrapped-node", LogType="Tail")
    assert (document[0], document[2:]) == ("wrapped", ["wrapped-node", 7])
    lines = lines_of(response)
    start = next(i for i, line in enumerate(lines) if line.startswith("START"))
    assert lines[start + 1].endswith("\tINFO\tseveral")
    assert lines[start + 2] == "lines"
    assert invoke(aws, "wrapped-node", "raise")[0]["errorType"] == "TypeError"


@pytest.mark.parametrize(
    ("name", "wrapper", "mode", "status", "said"),
    [
        ("missing", "/opt/nowhere", 0o755, 127, "/opt/nowhere: does not exist"),
        ("closed", "/var/task/wrap", 0o644, 126, "/var/task/wrap: is not an executable"),
    ],
)
def test_a_wrapper_that_cannot_be_started(aws: Any, name: str, wrapper: str, mode: int, status: int, said: str) -> None:
    settings = {"Environment": {"Variables": {"AWS_LAMBDA_EXEC_WRAPPER": wrapper}}}
    python(aws, f"wrapper-{name}", ENV_WRAPPER, mode, **settings)
    document, response = invoke(aws, f"wrapper-{name}", LogType="Tail")
    assert document["errorType"] == "Runtime.ExitError"
    assert document["errorMessage"].endswith(f"Runtime exited with error: exit status {status}")
    assert said in lines_of(response)
