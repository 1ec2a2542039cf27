"""Somebody else's HTTP server: answers what it is told to, and remembers what it was asked."""

import json
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.support.waiting import until


@dataclass(frozen=True)
class Asked:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Answer:
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b"{}"
    after_s: float = 0.0


class Server(ThreadingHTTPServer):
    request_queue_size = 128  # Five is too few for deliveries that come together while nobody accepts.


class Endpoint:
    """`answers` are given in turn, the last one for ever; those of `at` to requests whose path begins so."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.answers = [Answer()]
        self.closing = threading.Event()
        self.at: dict[str, list[Answer]] = {}
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                length = int(self.headers.get("content-length", 0))
                asked = Asked(
                    self.command, self.path, {k.lower(): v for k, v in self.headers.items()}, self.rfile.read(length)
                )
                reply = outer.next(asked)
                outer.closing.wait(reply.after_s)
                if outer.closing.is_set():
                    return
                self.send_response(reply.status)
                for name, value in {**reply.headers, "content-length": str(len(reply.body))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(reply.body)

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = do_OPTIONS = answer

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._lock = threading.Lock()
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def next(self, asked: Asked) -> Answer:
        with self._lock:
            self.asked.append(asked)
            answers = next((one for start, one in self.at.items() if asked.path.startswith(start)), self.answers)
            return answers.pop(0) if len(answers) > 1 else answers[0]

    def wait_for(self, count: int, start: str = "") -> list[Asked]:
        def look() -> list[Asked] | None:
            found = [one for one in self.asked if one.path.startswith(start)]
            return found if len(found) >= count else None

        return until(look, f"{count} requests")

    def close(self) -> None:
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()


def running_endpoint() -> Endpoint:
    return Endpoint()
