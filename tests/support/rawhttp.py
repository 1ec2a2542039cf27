"""Requests as bytes of one's own choosing, and what came back."""

import http.client
import socket
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlsplit

from botocore.awsrequest import HeadersDict
from botocore.model import Shape
from botocore.parsers import ResponseParserError, create_parser


@dataclass(frozen=True)
class Message:
    """A request in parts. `length` replaces the Content-Length that fits the body; None in it leaves the header out.

    `ends`: the client says that it will send no more, as one does that broke off in the middle.
    """

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body: bytes = b""
    length: str | None = "fits"
    ends: bool = False

    def with_header(self, name: str, value: str) -> "Message":
        """With one header set; those of the same name are dropped."""
        return replace(self, headers=(*((n, v) for n, v in self.headers if n.lower() != name.lower()), (name, value)))

    def header(self, name: str) -> str:
        """The header's value, or nothing."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), "")

    def encode(self) -> bytes:
        """What goes on the wire."""
        lines = [f"{self.method} {self.target} HTTP/1.1", *(f"{name}: {value}" for name, value in self.headers)]
        if self.length == "fits" and (self.body or self.method in ("POST", "PUT")):
            lines.append(f"Content-Length: {len(self.body)}")
        elif self.length not in ("fits", None):
            lines.append(f"Content-Length: {self.length}")
        return "\r\n".join([*lines, "", ""]).encode("latin-1", "replace") + self.body


@dataclass(frozen=True)
class Reply:
    """An answer. `headers` have lower-case names."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def protocol(self) -> str | None:
        """The protocol whose shape an error has, by its content type and first element."""
        kind = self.headers.get("content-type", "")
        if kind.startswith("application/x-amz-json"):
            return "json"
        if kind.startswith("application/json"):
            return "rest-json"
        if kind.endswith("/xml"):
            return "query" if b"<ErrorResponse" in self.body else "rest-xml"
        return None

    def error_code(self, shape: Shape | None = None) -> str:
        """The error's code as botocore reads it. The answer must have a protocol's shape."""
        assert self.protocol is not None, self
        answer = {
            "body": self.body,
            "headers": HeadersDict(self.headers),
            "status_code": self.status,
            "context": {"operation_name": "x"},
        }
        try:
            parsed: dict[str, Any] = create_parser(self.protocol).parse(answer, shape)
        except ResponseParserError as error:
            raise AssertionError(f"{self} cannot be read: {error}") from error
        code = parsed["Error"]["Code"]
        return str(code) if code != str(self.status) else ""


def send(url: str, message: Message, timeout: float = 30) -> Reply | None:
    """One request on a connection of its own. None when the server hung up without an answer."""
    place = urlsplit(url)
    with socket.create_connection((str(place.hostname), int(place.port or 80)), timeout) as connection:
        try:
            connection.sendall(message.encode())
            if message.ends:
                connection.shutdown(socket.SHUT_WR)
        except ConnectionError:
            pass  # It was refused before it was all sent; the answer may still be there.
        return _read(connection, message.method)


def _read(connection: socket.socket, method: str) -> Reply | None:
    response = http.client.HTTPResponse(connection, method=method)
    try:
        response.begin()
        while response.status == http.client.CONTINUE:
            response.begin()
        body = response.read()
    except TimeoutError:
        raise AssertionError("The server neither answered nor hung up") from None
    except (http.client.RemoteDisconnected, ConnectionError):
        return None
    headers = {name.lower(): value for name, value in response.headers.items()}
    return Reply(response.status, headers, body)
