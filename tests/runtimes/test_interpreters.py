"""Finding interpreters, among ones that lie, hang back or are not there; and images made from them."""

import asyncio
import importlib.metadata
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from bulb.core.errors import BulbError
from bulb.runtimes.catalogue import RUNTIMES
from bulb.runtimes.image import Images
from bulb.runtimes.interpreters import Interpreter, Interpreters, Missing
from tests.runtimes.conftest import Prepared

NODE24 = RUNTIMES["nodejs24.x"]


def fake_node(path: Path, version: str) -> Path:
    """An executable that says it is Node.js, and counts how often it is asked."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\necho x >> {path}.asked\nprintf 'Node.js\\n{version}\\n\\n{path}\\n'\n")
    path.chmod(0o755)
    return path


def find(data: Path, **where: object) -> Interpreter | Missing:
    arguments: dict[str, object] = {"path": "", **where}
    return asyncio.run(Interpreters(data, **arguments).find(NODE24))  # type: ignore[arg-type]


def test_the_right_version_or_none(tmp_path: Path) -> None:
    for folder, version in (("old", "22.9.0"), ("near", "2.4.0"), ("right", "24.3.1")):
        fake_node(tmp_path / folder / "bin" / "node", version)
    path = os.pathsep.join(str(tmp_path / folder / "bin") for folder in ("missing", "old", "near", "right"))
    found = find(tmp_path / "data", path=path)
    prefix = tmp_path / "right"
    assert found == Interpreter("nodejs24.x", prefix / "bin" / "node", prefix, "24.3.1")


def test_a_missing_one_is_a_helpful_sentence(tmp_path: Path) -> None:
    found = find(tmp_path / "data", path=str(tmp_path), home=tmp_path)
    if isinstance(found, Interpreter):
        pytest.skip("this machine has Node.js 24 in /usr")
    assert str(found) == "Node.js 24 is not on this machine. Install it with `nvm install 24` or your package manager."


@pytest.mark.parametrize(
    "place",
    [
        ".nvm/versions/node/v24.1.0/bin/node",
        ".local/share/fnm/node-versions/v24.1.0/installation/bin/node",
        ".volta/tools/image/node/24.1.0/bin/node",
        ".local/share/mise/installs/node/24.1.0/bin/node",
        ".asdf/installs/nodejs/24.1.0/bin/node",
    ],
)
def test_version_managers(tmp_path: Path, place: str) -> None:
    executable = fake_node(tmp_path / place, "24.1.0")
    found = find(tmp_path / "data", home=tmp_path)
    assert isinstance(found, Interpreter)
    assert found.executable == executable


def test_the_newest_of_a_manager(tmp_path: Path) -> None:
    for version in ("24.9.0", "24.10.0", "24.2.0"):
        fake_node(tmp_path / f".nvm/versions/node/v{version}/bin/node", version)
    found = find(tmp_path / "data", home=tmp_path)
    assert isinstance(found, Interpreter)
    assert found.version == "24.10.0"


def test_an_override_may_be_any_version(tmp_path: Path) -> None:
    executable = fake_node(tmp_path / "node", "23.0.0")
    found = find(tmp_path / "data", overrides={"nodejs24.x": executable})
    assert found == Interpreter("nodejs24.x", executable, tmp_path, "23.0.0")
    broken = find(tmp_path / "data", overrides={"nodejs24.x": tmp_path / "absent"})
    assert isinstance(broken, Missing)
    assert str(tmp_path / "absent") in broken.reason


def test_an_interpreter_is_asked_once_until_it_changes(tmp_path: Path) -> None:
    executable = fake_node(tmp_path / "bin" / "node", "24.0.0")
    asked = Path(f"{executable}.asked")
    for _ in range(3):
        find(tmp_path / "data", path=str(executable.parent))
    assert asked.read_text() == "x\n"
    fake_node(executable, "24.0.10")
    found = find(tmp_path / "data", path=str(executable.parent))
    assert isinstance(found, Interpreter)
    assert found.version == "24.0.10"
    (tmp_path / "data" / "interpreters.json").write_text("not json")
    assert isinstance(find(tmp_path / "data", path=str(executable.parent)), Interpreter)


@pytest.mark.parametrize("trouble", ["exec sleep 60", "kill -9 $$"])
def test_an_interpreter_that_could_not_answer_is_asked_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trouble: str
) -> None:
    """On a machine that had no time or no memory for it; after a restart too it is not taken for missing."""
    node = fake_node(tmp_path / "bin" / "node", "24.3.1")
    line, answer = node.read_text().split("\n", 1)
    node.write_text(f"{line}\n[ -e {node}.trouble ] && {trouble}\n{answer}")
    trouble_now = Path(f"{node}.trouble")
    trouble_now.touch()
    interpreters = Interpreters(tmp_path / "data", path=str(node.parent))
    with monkeypatch.context() as patch:
        patch.setattr("bulb.runtimes.interpreters._PROBE_TIMEOUT_S", 0.2)
        first = asyncio.run(interpreters.find(NODE24))
    assert isinstance(first, Missing) or first.executable != node  # the machine may have one in /usr
    trouble_now.unlink()
    if isinstance(first, Missing):
        found = asyncio.run(interpreters.find(NODE24))
        assert isinstance(found, Interpreter)
        assert found.executable == node
    found = find(tmp_path / "data", path=str(node.parent))
    assert isinstance(found, Interpreter)
    assert found.executable == node


def test_what_cannot_be_run_is_passed_over(tmp_path: Path) -> None:
    first = tmp_path / "a" / "node"
    fake_node(first, "24.0.0").chmod(0o644)
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "node").write_text("garbage")
    (tmp_path / "b" / "node").chmod(0o755)
    right = fake_node(tmp_path / "c" / "node", "24.0.0")
    path = os.pathsep.join(str(tmp_path / name) for name in "abc")
    found = find(tmp_path / "data", path=path)
    assert isinstance(found, Interpreter)
    assert found.executable == right


def test_python_is_found_with_its_prefix(tmp_path: Path) -> None:
    identifier = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    overrides = {identifier: Path(sys.executable)}
    found = asyncio.run(Interpreters(tmp_path, overrides=overrides).find(RUNTIMES[identifier]))
    assert isinstance(found, Interpreter)
    assert found.prefix == Path(sys.base_prefix)
    assert found.executable.is_relative_to(found.prefix)
    assert not found.executable.is_symlink()


def test_all_names_every_runtime(tmp_path: Path) -> None:
    found = asyncio.run(Interpreters(tmp_path, path="").all())
    assert [each.runtime for each in found][:4] == ["nodejs20.x", "nodejs22.x", "nodejs24.x", "java11"]


def test_a_python_image(prepared: Callable[[str], Prepared], tmp_path: Path) -> None:
    interpreter, image = prepared("python3.12")
    assert image.command == ("/var/lang/bin/python3.12", "-S")
    assert (image.language, image.forks) == (interpreter.prefix, True)
    assert (image.prepare, image.run) == ("bulb_runtime:prepare_sdk", "bulb_runtime:run")
    assert image.environment["PYTHONPATH"] == "/var/runtime"
    names = {path.name for path in image.runtime.iterdir()}
    assert {"bulb_runtime.py", "awslambdaric", "boto3", "botocore", "six.py"} <= names
    assert not [name for name in names if name.startswith("runtime_client")]  # the official transport is not ours
    assert list((image.runtime / "boto3" / "__pycache__").glob("*cpython-312.pyc"))
    assert list(image.runtime.glob("boto3-*.dist-info"))
    modes = {path.stat().st_mode & 0o004 for path in image.runtime.rglob("*")}
    assert modes == {0o004}
    again = asyncio.run(Images(image.runtime.parent).image(interpreter))
    assert again == image
    lean = asyncio.run(Images(image.runtime.parent).image(interpreter, sdk=False))
    assert (lean.name, lean.prepare, lean.runtime) == ("python3.12-lean", "bulb_runtime:prepare", image.runtime)
    version = importlib.metadata.version("boto3")
    program = f"import sys; sys.path.insert(0, {str(image.runtime)!r}); import boto3; print(boto3.__version__)"
    done = subprocess.run(
        (str(interpreter.executable), "-S", "-c", program), capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == version


def test_bulbs_own_interpreter_finds_its_byte_code_already_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*command: object) -> None:
        pytest.fail(f"{command} was run")

    monkeypatch.setattr("bulb.runtimes.image.run", refuse)
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    own = Interpreter(f"python{version}", Path(sys.executable).resolve(), Path(sys.base_prefix), version)
    image = asyncio.run(Images(tmp_path / "images").image(own))
    program = f"""
        import sys; sys.path.insert(0, {str(image.runtime)!r}); import bulb_runtime; bulb_runtime.prepare_sdk()
        import os
        for name, module in list(sys.modules.items()):
            file = getattr(module, "__file__", None) or ""
            if file.startswith({str(image.runtime)!r}) and file.endswith(".py"):
                print(name, os.path.isfile(module.__spec__.cached or ""))"""
    command = (str(own.executable), "-S", "-B", "-c", textwrap.dedent(program))
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    assert {"bulb_runtime True", "boto3 True", "botocore.client True", "six True"} <= set(said)
    assert [line for line in said if line.endswith("False")] == []


def test_a_node_image(prepared: Callable[[str], Prepared]) -> None:
    interpreter, image = prepared("nodejs20.x")
    inside = f"/var/lang/{interpreter.executable.relative_to(interpreter.prefix)}"
    assert image.command[0] == inside
    assert image.command[-1] == "/var/runtime/index.mjs"
    assert (image.forks, image.prepare, image.run) == (False, None, None)
    assert (image.runtime / "index.mjs").is_file()


def test_an_interpreter_that_cannot_run_the_loop_is_told(tmp_path: Path) -> None:
    broken = tmp_path / "bin" / "python3.12"
    broken.parent.mkdir()
    broken.write_text("#!/bin/sh\necho no good >&2\nexit 1\n")
    broken.chmod(0o755)
    images = Images(tmp_path / "images")
    with pytest.raises(BulbError, match=r"cannot run python3\.12: no good"):
        asyncio.run(images.image(Interpreter("python3.12", broken, tmp_path, "3.12.0")))
    assert list((tmp_path / "images").iterdir()) == []
