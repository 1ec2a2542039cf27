"""What a function may use of files, processes and /tmp, in each kind of sandbox: forked, executed, supervised."""

from typing import Any

import pytest

from tests.e2e.test_custom_runtimes import create, needs_python, packed
from tests.support.bulb import Running
from tests.support.functions import PYTHON, invoke
from tests.support.nodejs import runtime

NODEJS = runtime()
MEASURE = """\
import os, resource
def measured():
    held = []
    try:
        while True:
            held.append(os.open("/dev/null", os.O_RDONLY))
    except OSError:
        highest = max(held)
    for fd in held:
        os.close(fd)
    tmp = os.statvfs("/tmp")
    return {"files": resource.getrlimit(resource.RLIMIT_NOFILE), "highest": highest,
            "processes": resource.getrlimit(resource.RLIMIT_NPROC), "tmp_mb": tmp.f_blocks * tmp.f_frsize >> 20}
"""
APP = MEASURE + "def handler(event, context): return measured()\n"
BOOTSTRAP = (
    "#!/usr/bin/python3\n"
    + MEASURE
    + """
import json, urllib.request
base = f"http://{os.environ['AWS_LAMBDA_RUNTIME_API']}/2018-06-01/runtime/invocation/"
while True:
    with urllib.request.urlopen(base + "next") as event:
        request_id = event.headers["Lambda-Runtime-Aws-Request-Id"]
    urllib.request.urlopen(base + request_id + "/response", json.dumps(measured()).encode()).read()
"""
)
NODE = """\
const { execFileSync } = require('node:child_process');
exports.handler = async () => {
  const said = (line) => Number(execFileSync('/bin/sh', ['-c', line]).toString());
  const blocks = require('node:fs').statfsSync('/tmp');
  return { files: [said('ulimit -Sn'), said('ulimit -Hn')], tmp_mb: (blocks.blocks * blocks.bsize) / 2 ** 20,
           limits: require('node:fs').readFileSync('/proc/self/limits', 'utf8') };
};
"""


@pytest.fixture
def aws(bulb: Running) -> Any:
    return bulb.client("lambda")


def check(measured: Any, tmp_mb: int, isolation: str) -> None:
    assert measured["files"] == [1024, 1024]
    assert measured.get("highest", 1023) == 1023
    if "limits" in measured:
        line = next(line for line in measured["limits"].splitlines() if line.startswith("Max processes"))
        measured["processes"] = [int(number) if number.isdigit() else number for number in line.split()[2:4]]
    if isolation != "plain":  # which has neither
        assert measured["processes"] == [1024, 1024]
        assert measured["tmp_mb"] == tmp_mb


@pytest.mark.parametrize("size", [512, 513, 10_240])
def test_a_forked_runtime(bulb: Running, aws: Any, size: int) -> None:
    name = f"limits-forked-{size}"
    package = packed(("app.py", APP, 0o644))
    # A second environment as well: the first may be new, the other comes from stock and is resized.
    for turn in ("a", "b"):
        settings = {"Runtime": PYTHON, "Handler": "app.handler", "Timeout": 20, "EphemeralStorage": {"Size": size}}
        create(aws, f"{name}-{turn}", package, **settings)
        check(invoke(aws, f"{name}-{turn}")[0], size, bulb.isolation)


@pytest.mark.skipif(NODEJS is None, reason="no Node.js 20, 22 or 24 on this machine")
def test_an_executed_runtime(bulb: Running, aws: Any) -> None:
    package = packed(("index.js", NODE, 0o644))
    for turn in ("a", "b"):
        name = f"limits-executed-{turn}"
        settings = {"Runtime": NODEJS, "Handler": "index.handler", "Timeout": 20, "EphemeralStorage": {"Size": 2048}}
        create(aws, name, package, **settings)
        check(invoke(aws, name)[0], 2048, bulb.isolation)


@needs_python
def test_a_supervised_runtime(bulb: Running, aws: Any) -> None:
    package = packed(("bootstrap", BOOTSTRAP, 0o755))
    for turn in ("a", "b"):
        create(aws, f"limits-supervised-{turn}", package, Timeout=20, EphemeralStorage={"Size": 1024})
        check(invoke(aws, f"limits-supervised-{turn}")[0], 1024, bulb.isolation)
