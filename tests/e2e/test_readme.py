"""The tour of the README does what it says, as it is written."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.test_node import RUNTIME as NODE_RUNTIME
from tests.support.bulb import running_bulb
from tests.support.tour import script

PYTHON = f"python{sys.version_info.major}.{sys.version_info.minor}"
WAIT_S = 1_200


@pytest.mark.skipif(NODE_RUNTIME is None, reason="the tour streams with Node.js, which is not on this machine")
@pytest.mark.skipif(shutil.which("curl") is None, reason="the tour uses curl, which is not on this machine")
def test_the_tour_works_as_written(tmp_path: Path) -> None:
    folder, home = tmp_path / "tour", tmp_path / "home"
    folder.mkdir()
    home.mkdir()
    bin_ = str(Path(sys.executable).parent)
    with running_bulb(tmp_path / "data") as bulb:
        done = subprocess.run(
            ["bash", "-c", script(bulb.url, PYTHON)],
            cwd=folder,
            env={"PATH": f"{bin_}:{os.environ['PATH']}", "HOME": str(home), "PYTHONPATH": os.environ["PYTHONPATH"]},
            capture_output=True,
            text=True,
            timeout=WAIT_S,
            check=False,
        )
    said = done.stdout
    assert done.returncode == 0, said[-2000:] + done.stderr[-2000:]
    assert "Hello, Ada! Version $LATEST." in said
    assert set(re.findall(r"Grace! Version (\d)", said)) <= {"1", "2"}
    assert len(re.findall(r"Grace! Version (\d)", said)) == 6
    assert '"Status": "READY"' in said
    assert "Good evening, Edsger! Version $LATEST.\n" in said
    assert "one\ntwo\nthree\n" in said
    assert "watch saw INVOKE\n" in said
    assert "HELLO BULB\n" in said
    (record,) = [path for path in (folder / "failures").rglob("*") if path.is_file()]
    assert json.loads(record.read_text())["requestContext"]["condition"] == "RetriesExhausted"
    assert record.read_text() in said
    for came in ("a cup", "a cup from the news", '"twelve cups"', "a cup of tea"):
        assert f"working on {came}\n" in said
    assert "two cups" not in said
    assert re.search(r"sns:news message \S+ → sqs:orders  delivered\n", said)
    assert re.search(r"rule:large \S.* → sqs:orders  delivered\n", said)
    assert re.search(r"schedule:tea .* → sqs:orders  delivered\n", said)
    assert re.search(r"sqs:orders message \S+ → lambda:work  failed ValueError: cannot work on that\n", said)
    assert re.search(r"^dead +1 +\d+ (s|min)  sqs:orders\n", said, re.MULTILINE)
    assert "1 to sqs:orders\n" in said
    for name in ("greet", "ticks", "shout", "work"):
        assert re.search(rf"^{name} +\d", said, re.MULTILINE), "the bill"
