"""What cannot be beaten here: the official runtime client started as a bare subprocess, without any sandbox."""

import http.server
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from bench.functions import PYTHON


def awslambdaric_start_ms(times: int) -> list[float]:
    """Milliseconds from exec of `python -m awslambdaric` to its first response, per start."""
    return [_start_once() for _ in range(times)]


def _start_once() -> float:
    done = threading.Event()

    class RuntimeApi(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            if done.is_set():
                self.close_connection = True
                return
            self.send_response(200)
            self.send_header("Lambda-Runtime-Aws-Request-Id", "1")
            self.send_header("Lambda-Runtime-Deadline-Ms", "9999999999999")
            self.send_header("Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:us-east-1:000000000000:function:f")
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            done.set()
            self.send_response(202)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    class Server(http.server.ThreadingHTTPServer):
        def handle_error(self, *_: object) -> None:
            pass  # the client is killed in the middle of its next request

    server = Server(("127.0.0.1", 0), RuntimeApi)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "app.py").write_text(PYTHON)
        environment = {
            "PATH": os.environ["PATH"],
            "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{server.server_port}",
            "LAMBDA_TASK_ROOT": folder,
            "PYTHONPATH": folder,
        }
        began = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, "-m", "awslambdaric", "app.handler"],
            cwd=folder,
            env=environment,
            stderr=subprocess.DEVNULL,
        )
        done.wait(20)
        elapsed = (time.perf_counter() - began) * 1000
        process.kill()
        process.wait()
    server.shutdown()
    server.server_close()
    return elapsed
