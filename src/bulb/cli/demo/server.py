"""A server of the demo's own: another process, a throw-away data folder, a free port."""

import contextlib
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from bulb.core.errors import BulbError

_START_S = 30.0
_STOP_S = 40.0
# What of the caller's settings concerns this server too. The others are about one that stays: its database, its keys.
_SETTINGS = ("BULB_INTERPRETER_", "BULB_ISOLATION", "BULB_EGRESS")


@contextlib.contextmanager
def throw_away_server() -> Iterator[tuple[str, str]]:
    """Run a server inside the `with`; yields its URL and the line it printed. Leaves nothing running and no file."""
    with tempfile.TemporaryDirectory(prefix="bulb-demo-") as folder:
        errors = Path(folder) / "server.log"
        command = [sys.executable, "-m", "bulb", "up", "--port", "0", "--data", str(Path(folder) / "data")]
        with errors.open("wb") as log:
            server = subprocess.Popen(  # noqa: S603 - our own command
                command, stdout=subprocess.PIPE, stderr=log, env=_environment(os.environ)
            )
        try:
            line = _first_line(server)
            if "http://" not in line:
                raise BulbError(f"the server did not start: {errors.read_text(errors='replace').strip()}")
            yield next(word for word in line.split() if word.startswith("http://")), line
        finally:
            _stop(server)


def _environment(given: Mapping[str, str]) -> dict[str, str]:
    return {name: text for name, text in given.items() if not name.startswith("BULB_") or name.startswith(_SETTINGS)}


def _first_line(server: subprocess.Popen[bytes]) -> str:
    assert server.stdout is not None
    line = select.poll()  # Not select(): whoever calls may hold more descriptors than that can name.
    line.register(server.stdout, select.POLLIN)
    return server.stdout.readline().decode().strip() if line.poll(_START_S * 1000) else ""


def _stop(server: subprocess.Popen[bytes]) -> None:
    server.send_signal(signal.SIGTERM)
    try:
        server.wait(_STOP_S)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()
    # The kernel takes a moment to give back what the last environments held.
    time.sleep(0.05)
