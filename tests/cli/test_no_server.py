"""Every client command where no server is, or something else is."""

import http.server
import threading

import pytest

from tests.cli.command import bulb

CLIENTS = [
    ("status",),
    ("bill",),
    ("events",),
    ("events", "-f"),
    ("invoke", "any"),
    ("logs", "any"),
    ("logs", "any", "--follow"),
]


@pytest.mark.parametrize("arguments", CLIENTS, ids=" ".join)
def test_nothing_answers(arguments: tuple[str, ...]) -> None:
    ran = bulb(*arguments, "--endpoint", "http://127.0.0.1:1")
    assert ran.returncode == 1
    assert ran.stderr == "Error: nothing answers at http://127.0.0.1:1: start a server with `bulb up`\n"


def test_the_server_is_named_by_the_variable_every_sdk_reads() -> None:
    assert "http://127.0.0.1:2:" in bulb("status", AWS_ENDPOINT_URL="http://127.0.0.1:2").stderr
    assert "http://127.0.0.1:2:" in bulb("invoke", "any", AWS_ENDPOINT_URL="http://127.0.0.1:2").stderr


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
