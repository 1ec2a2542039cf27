"""`bulb up`: starting, refusing to start, and stopping without losing what is under way."""

import os
import signal
from pathlib import Path

import pytest

from tests.cli.command import Background, bulb, left_over, nothing_left
from tests.support.bulb import Process
from tests.support.functions import create
from tests.support.waiting import until

SLOW = """
import time
def handler(event, context):
    print("in the middle")
    time.sleep(3)
    return "finished"
"""


def one_sentence(*arguments: str, **variables: str) -> str:
    """What `bulb ...` says when it refuses."""
    ran = bulb(*arguments, **variables)
    assert ran.returncode == 1, ran.stderr
    assert ran.stdout == ""
    assert len(ran.stderr.splitlines()) == 1, ran.stderr
    return ran.stderr


def test_a_second_server_on_the_data_folder_or_the_port_is_refused(tmp_path: Path) -> None:
    first = Process(tmp_path / "data")
    first.start()
    try:
        again = one_sentence("up", "--port", "0", "--data", str(tmp_path / "data"))
        assert "Another Bulb is using" in again
        beside = one_sentence("up", "--port", str(first.port), "--data", str(tmp_path / "other"))
        assert (
            beside
            == f"Error: cannot listen on 127.0.0.1:{first.port}: Address already in use; --port chooses another one\n"
        )
        assert first.client("sts").get_caller_identity()["Account"] == "000000000000"
    finally:
        first.stop()


def test_sigterm_waits_for_an_invocation_under_way_and_leaves_nothing(tmp_path: Path) -> None:
    server = Process(tmp_path / "data")
    server.start()
    pid = server.pid
    create(server.client("lambda"), "slow", SLOW, Timeout=20)
    call = Background(tmp_path / "answer", "invoke", "slow", "--endpoint", server.url)
    try:
        logs = server.client("logs")
        until(lambda: any("middle" in e["message"] for e in _events(logs)), "the function's start")
        assert left_over(pid), "a running function has left no trace: the check below would prove nothing"
        assert server.stop() == 0
        assert call.wait() == 0
        assert call.output() == '"finished"\n'
        nothing_left(pid)
    finally:
        call.end()


def _events(logs: object) -> list[dict[str, str]]:
    try:
        return logs.filter_log_events(logGroupName="/aws/lambda/slow")["events"]  # type: ignore[attr-defined,no-any-return]
    except logs.exceptions.ResourceNotFoundException:  # type: ignore[attr-defined]
        return []


def test_a_second_signal_does_not_wait(tmp_path: Path) -> None:
    server = Process(tmp_path / "data")
    server.start()
    pid = server.pid
    create(server.client("lambda"), "slow", SLOW.replace("sleep(3)", "sleep(60)"), Timeout=90)
    call = Background(tmp_path / "answer", "invoke", "slow", "--endpoint", server.url)
    try:
        logs = server.client("logs")
        until(lambda: any("middle" in e["message"] for e in _events(logs)), "the function's start")
        os.kill(pid, signal.SIGTERM)
        until(lambda: "nothing answers" in bulb("status", "--endpoint", server.url).stderr, "the door to close")
        assert server.stop() == 0
        assert call.wait() == 1
        assert len(call.output().splitlines()) == 1
        nothing_left(pid)
    finally:
        call.end()


def test_the_line_names_url_isolation_egress_and_data(tmp_path: Path) -> None:
    server = Process(tmp_path / "data", "--egress", "none")
    server.start()
    try:
        assert server.line.startswith("Bulb is lit: http://127.0.0.1:")
        assert "egress: none" in server.line
        assert str(tmp_path / "data") in server.line
    finally:
        server.stop()


def test_less_than_full_isolation_is_warned_of(tmp_path: Path) -> None:
    server = Process(tmp_path / "data", "--isolation", "plain")
    server.start()
    try:
        assert "isolation: plain" in server.line
        assert "Warning: isolation is plain, not full (" in server.log()
        assert "functions can read and change what the server's user can" in server.log()
    finally:
        server.stop()


@pytest.mark.parametrize(
    ("variables", "arguments", "says"),
    [
        ({"BULB_PROT": "1"}, (), "BULB_PROT is not a setting of Bulb"),
        ({"BULB_IDLE": "long"}, (), "BULB_IDLE cannot be 'long'"),
        ({}, ("--port", "65536"), "--port cannot be 65536"),
        ({}, ("--data", "/proc/nowhere/data"), "cannot make the data folder /proc/nowhere/data"),
        ({}, ("--data", "/proc", "--port", "0"), "cannot use /proc"),
        ({}, ("--host", "192.0.2.1", "--port", "0"), "cannot listen on 192.0.2.1:0"),
        ({}, ("--database", "mysql://x", "--port", "0"), "postgresql+psycopg://"),
    ],
)
def test_what_cannot_be_is_refused(
    tmp_path: Path, variables: dict[str, str], arguments: tuple[str, ...], says: str
) -> None:
    chosen = arguments if "--data" in arguments else (*arguments, "--data", str(tmp_path / "data"))
    assert says in one_sentence("up", *chosen, **variables)
