"""SIGKILL in the middle of changes: what was answered is there, and nothing stays Pending."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.services.lambda_.room import Room, open_room

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("answers", [1, 3, 6, 10])
def test_killed_in_the_middle_of_changes(tmp_path: Path, answers: int) -> None:
    command = [sys.executable, "-m", "tests.services.lambda_.crash_subject", str(tmp_path)]
    acknowledged: dict[str, int] = {}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as server:
        assert server.stdout is not None
        for _ in range(answers):
            name, taken = server.stdout.readline().split()
            acknowledged[name] = int(taken)
        server.kill()
        for line in server.stdout:  # answered before the signal came
            name, taken = line.split()
            acknowledged[name] = int(taken)
    with open_room(tmp_path) as room:
        for name, taken in acknowledged.items():
            check(room, name, taken)


def check(room: Room, name: str, taken: int) -> None:
    """At least the `taken` steps of the subject have left what they should."""
    aws = room.client()
    shown = room.settle(name)
    assert (shown["State"], shown["LastUpdateStatus"]) == ("Active", "Successful")
    assert aws.invoke(FunctionName=name)["StatusCode"] == 200
    if taken >= 2:
        assert shown["Timeout"] == 7
    if taken >= 3:
        assert aws.invoke(FunctionName=name, Qualifier="1")["ExecutedVersion"] == "1"
    if taken >= 4:
        assert aws.invoke(FunctionName=name, Qualifier="live")["ExecutedVersion"] == "1"
    if taken >= 5:
        assert '"Sid":"s"' in aws.get_policy(FunctionName=name, Qualifier="live")["Policy"]
