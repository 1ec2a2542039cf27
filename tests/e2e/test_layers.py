"""Layers in real sandboxes: what they bring is found where each language looks, from stock and on demand."""

import io
import sys
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.test_node import RUNTIME as NODE
from tests.support.bulb import Running, running_bulb
from tests.support.functions import create, invoke

SITE = f"python/lib/python{sys.version_info.major}.{sys.version_info.minor}/site-packages"


@pytest.fixture(scope="module", params=[0, 2], ids=["on demand", "from stock"])
def stocked(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running_bulb(tmp_path_factory.mktemp("layers") / "data", stock=request.param) as running:
        yield running


def archive(files: Mapping[str, str], mode: int = 0o644) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as package:
        for name, text in files.items():
            entry = zipfile.ZipInfo(name)
            entry.external_attr = (0o755 if "/bin/" in f"/{name}" else mode) << 16
            package.writestr(entry, text)
    return content.getvalue()


def publish(aws: Any, name: str, **files: str) -> str:
    published = aws.publish_layer_version(LayerName=name, Content={"ZipFile": archive(files)})
    return str(published["LayerVersionArn"])


LOOKS = """
import os, subprocess, sys
opt = os.environ.get("LAMBDA_LAYERS_ROOT", "/opt")
def handler(event, context):
    import plain, packaged
    return {
        "plain": plain.WHO,
        "packaged": packaged.WHO,
        "tool": subprocess.run(["bulb-tool"], capture_output=True, text=True).stdout.strip(),
        "lib": sorted(os.listdir(opt + "/lib")),
        "data": open(opt + "/data.txt").read(),
        "path": [part.replace(opt, "/opt") for part in sys.path if part.startswith(opt)],
        "writable": os.access(opt, os.W_OK),
    }
"""


def test_python_finds_modules_packages_and_tools(stocked: Running) -> None:
    aws = stocked.client("lambda")
    first = publish(
        aws,
        "first",
        **{
            "python/plain.py": "WHO = 'first'",
            f"{SITE}/packaged.py": "WHO = 'packaged'",
            "bin/bulb-tool": "#!/bin/sh\necho tool",
            "lib/libx.so": "",
            "data.txt": "first",
        },
    )
    second = publish(aws, "second", **{"data.txt": "second", "lib/liby.so": ""})
    create(aws, "looks", LOOKS, Layers=[first, second], Timeout=20)
    answer, _ = invoke(aws, "looks")
    assert answer == {
        "plain": "first",
        "packaged": "packaged",
        "tool": "tool",
        "lib": ["libx.so", "liby.so"],
        "data": "second",
        "path": [f"/opt/{SITE}", "/opt/python"],
        "writable": stocked.isolation == "plain",
    }
    aws.update_function_configuration(FunctionName="looks", Layers=[second, first])
    aws.get_waiter("function_updated_v2").wait(FunctionName="looks", WaiterConfig={"Delay": 0.05})
    answer, _ = invoke(aws, "looks")
    assert answer["data"] == "first"


@pytest.mark.skipif(NODE is None, reason="no Node.js 20, 22 or 24 on this machine")
def test_node_finds_modules(stocked: Running) -> None:
    aws = stocked.client("lambda")
    layer = publish(aws, "node", **{"nodejs/node_modules/thing/index.js": "exports.who = 'thing'"})
    source = "exports.handler = async () => require('thing').who"
    create(aws, "node-looks", source, Runtime=NODE, Layers=[layer])
    assert invoke(aws, "node-looks")[0] == "thing"


@pytest.mark.parametrize("rung", ["userns", "plain"])
def test_on_the_lower_rungs(tmp_path: Path, rung: str) -> None:
    with running_bulb(tmp_path / "data", isolation=rung) as lower:
        aws = lower.client("lambda")
        files = {"python/lower.py": "WHO = 'python'", "bin/bulb-tool": "#!/bin/sh\necho tool"}
        layer = publish(aws, "lower", **files, **{"nodejs/node_modules/lower/index.js": "exports.who = 'node'"})
        source = """
            import lower, subprocess
            def handler(event, context):
                return [lower.WHO, subprocess.run(["bulb-tool"], capture_output=True, text=True).stdout]
        """
        create(aws, "lower", source, Layers=[layer], Timeout=20)
        assert invoke(aws, "lower")[0] == ["python", "tool\n"]
        if NODE is not None:
            source = "exports.handler = async () => require('lower').who"
            create(aws, "lower-node", source, Runtime=NODE, Layers=[layer])
            assert invoke(aws, "lower-node")[0] == "node"


def test_a_layers_sdk_comes_before_ours(stocked: Running) -> None:
    aws = stocked.client("lambda")
    layer = publish(aws, "sdk", **{"python/boto3/__init__.py": "WHO = 'of the layer'"})
    create(aws, "own-sdk", "def handler(event, context):\n    import boto3\n    return boto3.WHO", Layers=[layer])
    assert invoke(aws, "own-sdk")[0] == "of the layer"


def test_only_the_layer_mentions_the_sdk(bulb: Running) -> None:
    aws = bulb.client("lambda")
    helper = "def who():\n    import boto3\n    return boto3.client('sts').get_caller_identity()['Account']"
    layer = publish(aws, "helper", **{"python/helper.py": helper})
    source = "import helper\ndef handler(event, context):\n    return helper.who()"
    create(aws, "helped", source, Layers=[layer], Timeout=20)
    assert invoke(aws, "helped")[0] == "000000000000"


def test_a_deleted_layer_goes_on_in_functions_also_after_a_restart(tmp_path: Path) -> None:
    with running_bulb(tmp_path / "data") as running:
        aws = running.client("lambda")
        layer = publish(aws, "gone", **{"python/gone.py": "WHO = 'still here'"})
        create(aws, "keeps", "def handler(event, context):\n    import gone\n    return gone.WHO", Layers=[layer])
        aws.delete_layer_version(LayerName="gone", VersionNumber=1)
        assert invoke(aws, "keeps")[0] == "still here"
    with running_bulb(tmp_path / "data") as running:
        running.clock.advance(7_200)  # past the time unnamed bytes are kept
        running.clock.advance(700)
        aws = running.client("lambda")
        assert invoke(aws, "keeps")[0] == "still here"
        shown = aws.get_function_configuration(FunctionName="keeps")["Layers"]
        assert [each["Arn"] for each in shown] == [layer]
        assert aws.publish_layer_version(LayerName="gone", Content={"ZipFile": archive({"a": "b"})})["Version"] == 2
        aws.update_function_configuration(FunctionName="keeps", Layers=[])
        aws.get_waiter("function_updated_v2").wait(FunctionName="keeps", WaiterConfig={"Delay": 0.05})
        assert "Layers" not in aws.get_function_configuration(FunctionName="keeps")
        assert invoke(aws, "keeps")[0]["errorType"] == "ModuleNotFoundError"
