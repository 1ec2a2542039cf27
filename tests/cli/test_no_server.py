"""Every client command where no server is, or something else is."""

import http.server
import subprocess
import sys
import threading

import pytest

from tests.cli.command import bulb, environment
from tests.support.tree import SOURCE

CLIENTS = [
    ("status",),
    ("bill",),
    ("events",),
    ("events", "-f"),
    ("invoke", "any"),
    ("logs", "any"),
    ("logs", "any", "--follow"),
    ("dlq", "list"),
    ("dlq", "redrive", "any"),
]


def test_commands_are_those_of_the_tree_under_test() -> None:
    """In each test below: `environment()` leaves out most of what the tests themselves were started with."""
    where = [sys.executable, "-c", "import bulb.cli; print(bulb.cli.__file__)"]
    ran = subprocess.run(where, capture_output=True, text=True, env=environment(), timeout=60, check=True)
    assert ran.stdout == f"{SOURCE}/bulb/cli/__init__.py\n"


@pytest.mark.parametrize("arguments", CLIENTS, ids=" ".join)
def test_nothing_answers(arguments: tuple[str, ...]) -> None:
    ran = bulb(*arguments, "--endpoint", "http://127.0.0.1:1")
    assert ran.returncode == 1
    assert ran.stderr == "Error: nothing answers at http://127.0.0.1:1: start a server with `bulb up`\n"


def test_the_server_is_named_by_the_variable_every_sdk_reads() -> None:
    assert "http://127.0.0.1:2:" in bulb("status", AWS_ENDPOINT_URL="http://127.0.0.1:2").stderr
    assert "http://127.0.0.1:2:" in bulb("invoke", "any", AWS_ENDPOINT_URL="http://127.0.0.1:2").stderr


@pytest.mark.parametrize("arguments", [("status",), ("invoke", "any")], ids=" ".join)
def test_or_by_those_that_placed_it(arguments: tuple[str, ...]) -> None:
    """`export BULB_PORT=...` is for `bulb up` and for whoever looks for it, unless an SDK's variable says otherwise."""
    placed = {"BULB_HOST": "127.0.0.2", "BULB_PORT": "3"}
    assert "http://127.0.0.2:3:" in bulb(*arguments, **placed).stderr
    assert "http://127.0.0.1:2:" in bulb(*arguments, AWS_ENDPOINT_URL="http://127.0.0.1:2", **placed).stderr
    assert "BULB_PORT cannot be 'x'" in bulb(*arguments, BULB_PORT="x").stderr


@pytest.mark.parametrize("arguments", [("status",), ("invoke", "any")], ids=" ".join)
def test_an_address_that_is_none(arguments: tuple[str, ...]) -> None:
    ran = bulb(*arguments, "--endpoint", "nonsense")
    assert ran.returncode == 1
    assert ran.stderr.startswith("Error: nonsense is not the address of a server")
    assert len(ran.stderr.splitlines()) == 1


@pytest.mark.parametrize("arguments", [("status",), ("bill",), ("events",)], ids=" ".join)
def test_something_else_answers(arguments: tuple[str, ...]) -> None:
    class Other(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"<html>")

        def log_message(self, format: str, *args: object) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Other) as other:
        threading.Thread(target=other.serve_forever, daemon=True).start()
        ran = bulb(*arguments, "--endpoint", f"http://127.0.0.1:{other.server_port}")
        other.shutdown()
    assert ran.returncode == 1
    assert "is not a Bulb" in ran.stderr
    assert len(ran.stderr.splitlines()) == 1


def test_env_needs_no_server_and_quotes_what_a_shell_would_read() -> None:
    ran = bulb("env", "--endpoint", "http://127.0.0.1:1/; echo hello")
    assert "AWS_ENDPOINT_URL='http://127.0.0.1:1/; echo hello'" in ran.stdout
    assert bulb("env", "--account", "12").returncode == 2


def test_env_names_the_server_that_the_settings_of_this_shell_start() -> None:
    assert "AWS_ENDPOINT_URL=http://127.0.0.1:4566\n" in bulb("env").stdout
    ran = bulb("env", BULB_PORT="4570", BULB_REGION="eu-west-1", AWS_ENDPOINT_URL="http://127.0.0.1:2")
    assert "AWS_ENDPOINT_URL=http://127.0.0.1:4570\n" in ran.stdout
    assert "AWS_REGION=eu-west-1\n" in ran.stdout
    ran = bulb("env", "--endpoint", "http://bulb:1", "--region", "us-west-2", BULB_PORT="0", BULB_REGION="eu-west-1")
    assert "AWS_ENDPOINT_URL=http://bulb:1\n" in ran.stdout
    assert "AWS_DEFAULT_REGION=us-west-2\n" in ran.stdout
