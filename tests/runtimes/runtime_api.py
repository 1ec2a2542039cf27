"""A runtime under test as a plain process, and the Runtime API it talks to, played by the test.

The same `Host` answers over a socketpair (our loops) and over TCP (the official client), and records every request, so
the two can be compared.
"""

import contextlib
import json
import os
import select
import socket
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

FRAME_MAGIC = b"\xa5\x5a"
DEADLINE_S = 20.0


@dataclass
class Seen:
    """One request a runtime made."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def document(self) -> object:
        return json.loads(self.body)


@dataclass
class Answered:
    """How one event ended: `path` is `/response`, `/error` or `/init/error`."""

    request: Seen
    at: float

    @property
    def kind(self) -> str:
        return self.request.path.rsplit("/", 1)[1]


class Wire:
    """HTTP/1.1 requests read from a socket, one after the other."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        connection.settimeout(DEADLINE_S)
        self.unread = b""

    def request(self) -> Seen | None:
        while b"\r\n\r\n" not in self.unread:
            if not self._more():
                return None
        head, _, rest = self.unread.partition(b"\r\n\r\n")
        first, *lines = head.decode("utf-8", "surrogateescape").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        size = int(headers.get("content-length", 0))
        self.unread = rest
        if headers.get("transfer-encoding", "").lower() == "chunked":
            return Seen(first.split()[0], first.split()[1], headers, self._chunked())
        while len(self.unread) < size:
            if not self._more():
                return None
        body, self.unread = self.unread[:size], self.unread[size:]
        return Seen(first.split()[0], first.split()[1], headers, body)

    def _chunked(self) -> bytes:
        body = b""
        while True:
            while b"\r\n" not in self.unread:
                assert self._more()
            size_text, _, self.unread = self.unread.partition(b"\r\n")
            size = int(size_text, 16)
            while len(self.unread) < size + 2:
                assert self._more()
            body += self.unread[:size]
            self.unread = self.unread[size + 2 :]
            if size == 0:
                return body

    def _more(self) -> bool:
        try:
            data = self.connection.recv(1 << 16)
        except ConnectionResetError:
            return False
        self.unread += data
        return bool(data)

    def answer(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        lines = [f"HTTP/1.1 {status} OK", *(f"{name}: {value}" for name, value in headers.items())]
        lines.append(f"Content-Length: {len(body)}")
        self.connection.sendall("\r\n".join(lines).encode() + b"\r\n\r\n" + body)


@dataclass
class Event:
    """An event to hand out, and how to answer its report."""

    body: bytes
    request_id: str = "8476a536-e9f4-11e8-9739-2dfe598c3fcd"
    headers: Mapping[str, str] = field(default_factory=dict)
    report_status: int = 202
    deadline_in_ms: int = 60_000

    def all_headers(self) -> dict[str, str]:
        return {
            "Content-Type": "application/json",
            "Lambda-Runtime-Aws-Request-Id": self.request_id,
            "Lambda-Runtime-Deadline-Ms": str(int(time.time() * 1000) + self.deadline_in_ms),
            "Lambda-Runtime-Invoked-Function-Arn": "arn:aws:lambda:us-east-1:000000000000:function:f",
            "Lambda-Runtime-Trace-Id": "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Parent=9a9197af755a6419;Sampled=1",
            **self.headers,
        }


def hand_out(wire: Wire, event: Event) -> Answered | None:
    """Wait for `next`, give `event`, return its report (None when the process went away first)."""
    asked = wire.request()
    if asked is None or asked.path.endswith("/init/error"):
        if asked is not None:
            with contextlib.suppress(OSError):  # it ends anyway, and need not wait for this
                wire.answer(202, {"Content-Type": "application/json"}, b'{"status":"OK"}')
        return Answered(asked, time.time()) if asked else None
    assert asked.path == "/2018-06-01/runtime/invocation/next", asked.path
    wire.answer(200, event.all_headers(), event.body)
    report = wire.request()
    if report is None:
        return None
    wire.answer(event.report_status, {"Content-Type": "application/json"}, b'{"status":"OK"}')
    return Answered(report, time.time())


@dataclass
class Record:
    """One log record as the platform takes it from the pipe: `frame` is the 4-byte type, None for raw output."""

    frame: int | None
    text: str
    timestamp_us: int | None = None


def records(raw: bytes) -> list[Record]:
    """A pipe's content taken apart into frames and raw text."""
    found: list[Record] = []
    while raw:
        if raw[:2] == FRAME_MAGIC:
            size = int.from_bytes(raw[4:8], "big")
            kind, stamp = int.from_bytes(raw[:4], "big"), int.from_bytes(raw[8:16], "big")
            found.append(Record(kind, raw[16 : 16 + size].decode(), stamp))
            raw = raw[16 + size :]
        else:
            stop = raw.find(FRAME_MAGIC)
            text, raw = (raw, b"") if stop < 0 else (raw[:stop], raw[stop:])
            found.append(Record(None, text.decode()))
    return found


class Process:
    """A runtime process with its log pipe drained into memory."""

    def __init__(self, process: subprocess.Popen[bytes], log_read: int, wire: Wire) -> None:
        self.process = process
        self.wire = wire
        self._log = bytearray()
        self._log_fd = log_read
        self._taking = threading.Lock()
        self._reader = threading.Thread(target=self._drain, daemon=True)
        self._reader.start()

    def _drain(self) -> None:
        with contextlib.suppress(OSError):
            while self._take(1_000) is not False:
                pass

    def _take(self, patience_ms: int) -> bool | None:
        """Move what is in the pipe into memory. None where nothing came, False where nothing will come any more."""
        # Not select(): a worker that has run many servers holds more descriptors than that can name.
        pipe = select.poll()
        pipe.register(self._log_fd, select.POLLIN)
        if not pipe.poll(patience_ms):
            return None
        with self._taking:
            if not pipe.poll(0):
                return True  # the other thread has it
            data = os.read(self._log_fd, 1 << 16)
            self._log += data
            return bool(data)

    def invoke(self, event: Event | bytes) -> Answered | None:
        return hand_out(self.wire, event if isinstance(event, Event) else Event(event))

    def log_now(self) -> bytes:
        """What has reached the pipe so far, all of it."""
        while self._take(20):
            pass
        with self._taking:  # the reader may have taken something that is not in memory yet
            return bytes(self._log)

    def wait(self) -> int:
        """The exit status; afterwards the log is complete."""
        status = self.process.wait(DEADLINE_S)
        self._reader.join(DEADLINE_S)
        return status

    def close(self) -> None:
        """After the process has been stopped: the descriptor is nobody's afterwards."""
        self._reader.join(DEADLINE_S)
        os.close(self._log_fd)

    @property
    def log(self) -> bytes:
        return bytes(self._log)


@contextlib.contextmanager
def over_socketpair(
    command: Sequence[str], start: Mapping[str, object], cwd: Path, base: Mapping[str, str]
) -> Iterator[Process]:
    """`command` with the API on descriptor 3 and the log pipe on 1, 2 and 4; the start message is sent."""
    ours, theirs = socket.socketpair()
    log_read, log_write = os.pipe()
    descriptors = {1: log_write, 2: log_write, 3: theirs.fileno(), 4: log_write}
    process = _spawn(command, descriptors, cwd, base)
    theirs.close()
    os.close(log_write)
    message = json.dumps(start).encode()
    ours.sendall(len(message).to_bytes(4, "big") + message)
    running = Process(process, log_read, Wire(ours))
    try:
        yield running
    finally:
        ours.close()
        _stop(process)
        running.close()


@contextlib.contextmanager
def over_tcp(command: Sequence[str], environment: Mapping[str, str], cwd: Path) -> Iterator[Process]:
    """`command` with AWS_LAMBDA_RUNTIME_API naming a listener of ours, as the official client wants it."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(DEADLINE_S)
        log_read, log_write = os.pipe()
        api = f"127.0.0.1:{listener.getsockname()[1]}"
        variables = {**environment, "AWS_LAMBDA_RUNTIME_API": api, "_LAMBDA_TELEMETRY_LOG_FD": "4"}
        process = _spawn(command, {1: log_write, 2: log_write, 4: log_write}, cwd, variables)
        os.close(log_write)
        running = Process(process, log_read, ListeningWire(listener))
        try:
            yield running
        finally:
            running.wire.connection.close()
            _stop(process)
            running.close()


class ListeningWire(Wire):
    """A `Wire` that accepts the next connection whenever the present one ends: clients may open several."""

    def __init__(self, listener: socket.socket) -> None:
        self.listener = listener
        super().__init__(listener.accept()[0])

    def request(self) -> Seen | None:
        while (found := super().request()) is None:
            self.connection.close()
            self.listener.settimeout(10)
            try:
                self.connection = self.listener.accept()[0]
            except TimeoutError:
                return None
            self.connection.settimeout(DEADLINE_S)
            self.unread = b""
        return found


def _spawn(
    command: Sequence[str], descriptors: Mapping[int, int], cwd: Path, environment: Mapping[str, str]
) -> subprocess.Popen[bytes]:
    def arrange() -> None:
        safe = {number: os.dup(descriptor) for number, descriptor in descriptors.items()}
        # Numbers above everything in use first, so that no dup2 overwrites a descriptor still needed.
        high = {number: _move_up(descriptor) for number, descriptor in safe.items()}
        for number, descriptor in high.items():
            os.dup2(descriptor, number)
            os.close(descriptor)

    return subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        cwd=cwd,
        env=dict(environment),
        pass_fds=tuple(number for number in descriptors if number > 2),
        preexec_fn=arrange,  # noqa: PLW1509 - only dup, dup2 and close happen between fork and exec
        close_fds=True,
    )


def _move_up(descriptor: int) -> int:
    import fcntl

    moved = fcntl.fcntl(descriptor, fcntl.F_DUPFD, 200)
    os.close(descriptor)
    return moved


def _stop(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.kill()
    process.wait(DEADLINE_S)
