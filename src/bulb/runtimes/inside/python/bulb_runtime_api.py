"""The Runtime API over a socket that is already connected.

awslambdaric drives this class exactly as it drives its own client, so everything a handler can observe stays its
behaviour; only the transport differs. Two things make it fast: a response and the request for the next event leave in
one write, and the answers come from a server we know (HTTP/1.1, Content-Length always present), so a dozen lines parse
them. Runs in any Python awslambdaric runs in; imports nothing of the host's.
"""

import os
import socket
import sys
import time
from http import HTTPStatus
from typing import Any, NoReturn

from awslambdaric.lambda_runtime_client import (
    InvocationRequest,
    LambdaRuntimeClient,
    LambdaRuntimeClientError,
    _user_agent,
    to_json,
)

_PREFIX = "/2018-06-01/runtime/invocation/"
_READ_SIZE = 65536
# The Runtime API takes no longer error cause, and a longer one would cost the whole report.
_MAX_ERROR_CAUSE = 65536


class Closed(SystemExit):
    """The host closed the connection: this environment is over."""


class SocketRuntimeClient(LambdaRuntimeClient):  # type: ignore[misc]  # awslambdaric has no types
    """awslambdaric's runtime client on one end of a socketpair. Not for use from several threads."""

    def __init__(self, connection: socket.socket, restorer: Any = None) -> None:
        super().__init__("127.0.0.1:9001")
        self._socket = connection
        self._restorer = restorer
        self._pid = os.getpid()
        self._unread = b""
        self._asked = False
        self._common = f"Host: 127.0.0.1:9001\r\nUser-Agent: {_user_agent()}\r\n".encode()
        self._get_next = b"GET " + _PREFIX.encode() + b"next HTTP/1.1\r\n" + self._common + b"\r\n"

    def wait_next_invocation(self) -> InvocationRequest:
        """The next event; blocks until there is one (the environment is frozen meanwhile)."""
        if not self._asked:
            self._socket.sendall(self._get_next)
        self._asked = False
        status, headers, body = self._read_answer()
        if status != HTTPStatus.OK:
            raise RuntimeError(f"Failed to get next invocation, status {status}")
        get = headers.get
        return InvocationRequest(
            invoke_id=get("lambda-runtime-aws-request-id"),
            x_amzn_trace_id=get("lambda-runtime-trace-id") or None,
            invoked_function_arn=get("lambda-runtime-invoked-function-arn") or None,
            deadline_time_in_ms=int(get("lambda-runtime-deadline-ms") or 0),
            client_context=get("lambda-runtime-client-context") or None,
            cognito_identity=get("lambda-runtime-cognito-identity") or None,
            tenant_id=get("lambda-runtime-aws-tenant-id") or None,
            content_type=get("content-type") or None,
            event_body=body,
            invocation_id=get("lambda-runtime-invocation-id") or None,
        )

    def post_invocation_result(
        self,
        invoke_id: str,
        result_data: bytes | str,
        content_type: str = "application/json",
        invocation_id: str | None = None,
    ) -> None:
        """Send what the handler returned, and ask for the next event."""
        body = result_data if isinstance(result_data, bytes) else result_data.encode("utf-8")
        self._report(invoke_id, "/response", f"Content-Type: {content_type}\r\n", invocation_id, body)

    def post_invocation_error(
        self, invoke_id: str, error_response_data: str, xray_fault: str, invocation_id: str | None = None
    ) -> None:
        """Send what the handler raised, and ask for the next event."""
        headers = "Content-Type: application/json\r\n"
        if len(xray_fault) <= _MAX_ERROR_CAUSE and len(xray_fault.encode("utf-8", "replace")) <= _MAX_ERROR_CAUSE:
            headers += f"Lambda-Runtime-Function-XRay-Error-Cause: {xray_fault}\r\n"
        self._report(invoke_id, "/error", headers, invocation_id, error_response_data.encode("utf-8"))

    def restore_next(self) -> None:
        """Init is over: say so, and go on in each fork, whose own connection is on the same descriptor."""
        _flush_streams()
        self._socket.sendall(self._request("GET", "/2018-06-01/runtime/restore/next", "", b""))
        self._restorer.wait()
        self._pid = os.getpid()

    def call_rapid(
        self,
        http_method: str,
        endpoint: str,
        expected_http_code: int,
        payload: Any = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        """One request of the rarer kind (init error, restore), as awslambdaric makes it."""
        body = b"" if http_method == "GET" else to_json(payload).encode("utf-8")
        lines = "".join(f"{name}: {value}\r\n" for name, value in (headers or {}).items())
        self._socket.sendall(self._request(http_method, endpoint, lines, body))
        status, _, answer = self._read_answer()
        if status != expected_http_code:
            raise LambdaRuntimeClientError(endpoint, status, answer)

    def _report(self, invoke_id: str, end: str, headers: str, invocation_id: str | None, body: bytes) -> None:
        if os.getpid() != self._pid:
            os._exit(0)  # a fork of the handler's that came back here: its parent answers, once
        _flush_streams()
        if invocation_id:
            headers += f"Lambda-Runtime-Invocation-Id: {invocation_id}\r\n"
        self._socket.sendall(self._request("POST", _PREFIX + invoke_id + end, headers, body) + self._get_next)
        self._asked = True
        status, _, answer = self._read_answer()
        if status != HTTPStatus.ACCEPTED:
            self._refused(end, status, answer.decode("utf-8", "replace"))

    @staticmethod
    def _refused(end: str, status: int, answer: str) -> NoReturn:
        """Say and raise what the official client does: the process then ends with status 1."""
        kind = "success" if end == "/response" else "failure"
        print(
            f"[ERROR] [{int(time.time() * 1000)}] LAMBDA_RUNTIME Failed to post handler {kind} response. "
            f"Http response code: {status}. {answer}",
            file=sys.stderr,
        )
        raise RuntimeError(f"Failed to post invocation {end[1:]}")

    def _request(self, method: str, path: str, headers: str, body: bytes) -> bytes:
        head = f"{method} {path} HTTP/1.1\r\n{headers}Content-Length: {len(body)}\r\n"
        return head.encode("utf-8", "replace") + self._common + b"\r\n" + body

    def _read_answer(self) -> tuple[int, dict[str, str], bytes]:
        """(status, headers by lower-case name, body)."""
        data = self._unread
        while (end := data.find(b"\r\n\r\n")) < 0:
            data += self._receive()
        lines = data[:end].decode("latin-1").split("\r\n")
        headers = {}
        for line in lines[1:]:
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        start = end + 4
        stop = start + int(headers.get("content-length") or 0)
        if len(data) < stop:
            data = self._receive_until(data, stop)
        self._unread = data[stop:]
        return int(lines[0][9:12]), headers, data[start:stop]

    def _receive_until(self, data: bytes, size: int) -> bytes:
        parts = bytearray(data)
        while len(parts) < size:
            parts += self._receive()
        return bytes(parts)

    def _receive(self) -> bytes:
        data = self._socket.recv(_READ_SIZE)
        if not data:
            raise Closed(0)
        return data


def _flush_streams() -> None:
    """Whatever the handler wrote is in the log before the answer is out. A stream it broke costs no answer."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except Exception:  # noqa: S112 - closed, None, or an object of the handler's own: anything may be raised
            continue
