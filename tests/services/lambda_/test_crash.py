"""SIGKILL in the middle of creating and updating: what was answered is there, and nothing stays Pending."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.services.lambda_.room import open_room

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("answers", [1, 6])
def test_killed_while_creating_and_updating(tmp_path: Path, answers: int) -> None:
    command = [sys.executable, "-m", "tests.services.lambda_.crash_subject", str(tmp_path)]
    acknowledged: dict[str, int] = {}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as server:
        assert server.stdout is not None
        for _ in range(answers):
            name, timeout = server.stdout.readline().split()
            acknowledged[name] = int(timeout)
        server.kill()
        for line in server.stdout:  # answered before the signal came
            name, timeout = line.split()
            acknowledged[name] = int(timeout)
    with open_room(tmp_path) as room:
        for name, wanted in acknowledged.items():
            shown = room.settle(name)
            assert (shown["State"], shown["LastUpdateStatus"]) == ("Active", "Successful")
            assert shown["Timeout"] in (wanted, 7)
            assert room.client().invoke(FunctionName=name)["StatusCode"] == 200
