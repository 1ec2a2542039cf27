"""A server to measure: its own process, its own data folder, gone afterwards."""

import contextlib
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Server:
    """A running server. `start_ms` is from exec to its ready line."""

    port: int
    pid: int
    start_ms: float
    line: str


@contextlib.contextmanager
def running(*options: str) -> Iterator[Server]:
    """`bulb up` with `options`, until the `with` ends."""
    with tempfile.TemporaryDirectory(prefix="bulb-bench-") as folder:
        command = [sys.executable, "-m", "bulb", "up", "--port", "0", "--data", folder + "/data", *options]
        with Path(folder, "log").open("wb") as log:
            began = time.perf_counter()
            process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log)
        try:
            assert process.stdout is not None
            line = process.stdout.readline().decode().strip()
            start_ms = (time.perf_counter() - began) * 1000
            if "http://" not in line:
                raise RuntimeError(Path(folder, "log").read_text(errors="replace"))
            port = int(line.split("http://")[1].split()[0].rsplit(":", 1)[1])
            yield Server(port, process.pid, start_ms, line)
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
