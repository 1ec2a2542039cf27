"""provided.al2023 and provided.al2: the function brings the program that asks for events."""

import base64
import importlib.metadata
import io
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from tests.support.bulb import Running, running_bulb
from tests.support.functions import ROLE, invoke
from tests.support.waiting import until

PYTHON_BOOTSTRAP = """\
#!/usr/bin/python3
import json, os, sys, urllib.request
base = f"http://{os.environ['AWS_LAMBDA_RUNTIME_API']}/2018-06-01/runtime/invocation/"
print("starting", flush=True)
while True:
    with urllib.request.urlopen(base + "next") as event:
        body, request_id = event.read(), event.headers["Lambda-Runtime-Aws-Request-Id"]
    print("out\\nand more", flush=True)
    print("err", file=sys.stderr, flush=True)
    action = json.loads(body)
    if action == "exit":
        sys.exit(3)
    if action == "killed":
        os.kill(os.getpid(), 15)
    if action == "memory":
        held = [bytearray(1 << 20) for _ in range(1000)]
    fds = os.listdir("/proc/self/fd")
    answer = {"environment": dict(os.environ), "pid": os.getpid(), "cwd": os.getcwd(), "fds": fds}
    urllib.request.urlopen(base + request_id + "/response", json.dumps(answer).encode()).read()
"""
# Bash alone: what it needs of HTTP is little.
SHELL_BOOTSTRAP = """\
#!/bin/bash
set -u
host=${AWS_LAMBDA_RUNTIME_API%%:*} port=${AWS_LAMBDA_RUNTIME_API##*:}
path=/2018-06-01/runtime/invocation
while true; do
  exec 5<>"/dev/tcp/$host/$port"
  printf 'GET %s/next HTTP/1.1\\r\\nHost: b\\r\\nConnection: close\\r\\n\\r\\n' "$path" >&5
  length=0
  while IFS= read -r line <&5; line=${line%$'\\r'}; [ -n "$line" ]; do
    case "${line,,}" in
      lambda-runtime-aws-request-id:*) id=${line#*: } ;;
      content-length:*) length=${line#*: } ;;
    esac
  done
  IFS= read -r -N "$length" event <&5
  exec 5>&-
  answer="{\\"handler\\":\\"$_HANDLER\\",\\"event\\":$event}"
  exec 5<>"/dev/tcp/$host/$port"
  printf 'POST %s/%s/response HTTP/1.1\\r\\nHost: b\\r\\nConnection: close\\r\\nContent-Length: %d\\r\\n\\r\\n%s' \\
    "$path" "$id" "${#answer}" "$answer" >&5
  cat <&5 >/dev/null
  exec 5>&-
done
"""


def packed(*files: tuple[str, str | bytes, int]) -> bytes:
    """A package of (name, content, mode)."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as package:
        for name, content, mode in files:
            entry = zipfile.ZipInfo(name)
            entry.external_attr = mode << 16
            package.writestr(entry, content)
    return archive.getvalue()


def create(aws: Any, name: str, package: bytes, **settings: Any) -> None:
    settings.setdefault("Runtime", "provided.al2023")
    settings.setdefault("Handler", "any.thing")
    settings.setdefault("Timeout", 20)
    aws.create_function(FunctionName=name, Role=ROLE, Code={"ZipFile": package}, **settings)
    aws.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig={"Delay": 0.05, "MaxAttempts": 200})


@pytest.fixture
def aws(bulb: Running) -> Any:
    return bulb.client("lambda")


needs_python = pytest.mark.skipif(not Path("/usr/bin/python3").exists(), reason="no Python in /usr to write it in")


@needs_python
@pytest.mark.parametrize("runtime", ["provided.al2023", "provided.al2"])
def test_a_bootstrap_runs_and_sees_the_environment_of_an_os_only_runtime(aws: Any, runtime: str) -> None:
    name = f"custom-{runtime.replace('.', '-')}"
    create(
        aws,
        name,
        packed(("bootstrap", PYTHON_BOOTSTRAP, 0o755)),
        Runtime=runtime,
        Environment={"Variables": {"AB": "b"}},
    )
    first, response = invoke(aws, name, LogType="Tail")
    assert "FunctionError" not in response
    told = first["environment"]
    assert {"AWS_EXECUTION_ENV", "_LAMBDA_TELEMETRY_LOG_FD", "PYTHONPATH"}.isdisjoint(told)
    assert (told["_HANDLER"], told["AB"], told["AWS_LAMBDA_FUNCTION_NAME"]) == ("any.thing", "b", name)
    assert first["cwd"] == told["LAMBDA_TASK_ROOT"]
    assert set(first["fds"]) <= {"0", "1", "2", "3", "4"}
    lines = base64.b64decode(response["LogResult"]).decode().splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("START"))
    assert lines[start + 1 : start + 4] == ["out", "and more", "err"]

    def is_used_again() -> bool:
        """It asks for its next event a moment after its answer was taken; whoever comes earlier gets another."""
        return bool(invoke(aws, name)[0]["pid"] == first["pid"])

    until(is_used_again, "the process to get a second event")


@needs_python
@pytest.mark.parametrize(
    ("action", "how"),
    [("exit", "exit status 3"), ("killed", "signal: terminated"), ("memory", "signal: killed")],
)
def test_how_it_ends_is_told(aws: Any, action: str, how: str) -> None:
    name = f"custom-{action}"
    create(aws, name, packed(("bootstrap", PYTHON_BOOTSTRAP, 0o755)), MemorySize=128, Timeout=20)
    document, response = invoke(aws, name, action)
    assert response["FunctionError"] == "Unhandled"
    request_id = response["ResponseMetadata"]["RequestId"]
    assert document == {
        "errorType": "Runtime.ExitError",
        "errorMessage": f"RequestId: {request_id} Error: Runtime exited with error: {how}",
    }
    assert "pid" in invoke(aws, name)[0]


def test_a_shell_script_is_a_runtime(aws: Any) -> None:
    create(aws, "custom-shell", packed(("bootstrap", SHELL_BOOTSTRAP, 0o755)), Handler="echo.me")
    for number in range(3):
        assert invoke(aws, "custom-shell", {"n": number})[0] == {"handler": "echo.me", "event": {"n": number}}


@pytest.mark.parametrize(
    ("name", "files", "text"),
    [
        ("none", [("other", "", 0o755)], "Couldn't find valid bootstrap(s): [/var/task/bootstrap /opt/bootstrap]"),
        ("closed", [("bootstrap", "#!/bin/sh\n", 0o644)], "fork/exec /var/task/bootstrap: permission denied"),
        ("alien", [("bootstrap", "no program", 0o755)], "fork/exec /var/task/bootstrap: exec format error"),
        ("lost", [("bootstrap", "#!/no/such\n", 0o755)], "fork/exec /var/task/bootstrap: no such file or directory"),
    ],
)
def test_a_bootstrap_that_cannot_be_started(bulb: Running, aws: Any, name: str, files: Any, text: str) -> None:
    create(aws, f"custom-{name}", packed(*files))
    for _ in range(2):
        document, response = invoke(aws, f"custom-{name}")
        assert response["FunctionError"] == "Unhandled"
        assert document["errorType"] == "Runtime.InvalidEntrypoint"
        request_id = response["ResponseMetadata"]["RequestId"]
        if bulb.isolation != "plain" or name == "none":
            assert document["errorMessage"] == f"RequestId: {request_id} Error: {text}"


def test_a_bootstrap_in_a_layer(aws: Any) -> None:
    layer = aws.publish_layer_version(
        LayerName="custom-runtime", Content={"ZipFile": packed(("bootstrap", SHELL_BOOTSTRAP, 0o755))}
    )
    create(aws, "custom-layer", packed(("code.txt", "", 0o644)), Layers=[layer["LayerVersionArn"]])
    assert invoke(aws, "custom-layer", [1])[0] == {"handler": "any.thing", "event": [1]}


@needs_python
def test_the_official_python_client_as_a_custom_runtime(bulb: Running, aws: Any) -> None:
    if not Path(f"/usr/bin/python{sys.version_info[0]}.{sys.version_info[1]}").exists():
        pytest.skip("the client here was built for another Python than the one in /usr")
    files = [
        (
            "bootstrap",
            f"#!/bin/sh\nexec /usr/bin/python{sys.version_info[0]}.{sys.version_info[1]} -m awslambdaric $_HANDLER\n",
            0o755,
        ),
        (
            "app.py",
            "def handler(event, context): return [event, context.aws_request_id, context.function_name]\n",
            0o644,
        ),
    ]
    for distribution in ("awslambdaric", "simplejson", "snapshot-restore-py"):
        for path in importlib.metadata.files(distribution) or ():
            where = Path(str(path.locate()))
            if ".." not in path.parts and "__pycache__" not in path.parts and where.is_file():
                files.append((str(path), where.read_bytes(), 0o755))
    create(aws, "custom-awslambdaric", packed(*files), Handler="app.handler", MemorySize=256, Timeout=20)
    document, response = invoke(aws, "custom-awslambdaric", {"a": 1})
    assert document == [{"a": 1}, response["ResponseMetadata"]["RequestId"], "custom-awslambdaric"]


@pytest.mark.parametrize("rung", ["userns", "plain"])
def test_the_lower_rungs_run_it_too(tmp_path: Path, rung: str) -> None:
    with running_bulb(tmp_path / "data", isolation=rung) as lower:
        aws = lower.client("lambda")
        create(aws, "custom-shell", packed(("bootstrap", SHELL_BOOTSTRAP, 0o755)))
        create(aws, "custom-none", packed(("other", "", 0o755)))
        assert invoke(aws, "custom-shell", 1)[0] == {"handler": "any.thing", "event": 1}
        assert invoke(aws, "custom-none")[0]["errorType"] == "Runtime.InvalidEntrypoint"
