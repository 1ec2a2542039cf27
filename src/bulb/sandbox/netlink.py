"""Netlink: how the kernel is asked about links, addresses, routes and packet rules.

Only the frame of the protocol lives here: messages, attributes, answers. What is said in them is `links.py` (routing)
and `packetrules.py` (nf_tables). It is spoken directly because a network is made on the path of a cold start: four
requests in one system call take a tenth of a millisecond, where a general library takes longer to be imported than a
server has to start. Everything is in the machine's byte order unless a field says otherwise.
"""

import os
import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass

ROUTE, NETFILTER = 0, 12

REQUEST, ACK, ROOT_DUMP = 0x1, 0x4, 0x300
EXCLUSIVE, CREATE, APPEND = 0x200, 0x400, 0x800

_ERROR, _DONE = 2, 3
_HEADER = struct.Struct("IHHII")
_ATTRIBUTE = struct.Struct("HH")
_TYPE_MASK, _NESTED = 0x3FFF, 0x8000
_RECEIVE_BYTES = 65_536
# The kernel answers before the request returns; silence means the protocol is not spoken as we think.
_PATIENCE_S = 5.0


@dataclass(frozen=True, slots=True)
class Request:
    """One message: its type, flags beside REQUEST, and everything after the header. `about` names it in errors."""

    kind: int
    flags: int
    body: bytes
    about: str


def attribute(kind: int, value: bytes) -> bytes:
    """One attribute, padded to four bytes."""
    length = _ATTRIBUTE.size + len(value)
    return _ATTRIBUTE.pack(length, kind) + value + bytes(-length % 4)


def nested(kind: int, *attributes: bytes) -> bytes:
    """An attribute made of attributes."""
    return attribute(kind | _NESTED, b"".join(attributes))


def text(kind: int, value: str) -> bytes:
    """An attribute holding a string."""
    return attribute(kind, value.encode() + b"\0")


def number(kind: int, value: int) -> bytes:
    """An attribute holding 32 bits."""
    return attribute(kind, struct.pack("I", value))


def attributes_of(body: bytes, offset: int) -> dict[int, bytes]:
    """The attributes of `body` from `offset` on, by type."""
    found: dict[int, bytes] = {}
    while offset + _ATTRIBUTE.size <= len(body):
        length, kind = _ATTRIBUTE.unpack_from(body, offset)
        if length < _ATTRIBUTE.size:
            break
        found[kind & _TYPE_MASK] = body[offset + _ATTRIBUTE.size : offset + length]
        offset += length + (-length % 4)
    return found


class Netlink:
    """A socket in the network namespace of the thread that makes it, wherever that thread goes later."""

    def __init__(self, protocol: int) -> None:
        """Raises OSError when the kernel does not speak `protocol`."""
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, protocol)
        self._socket.bind((0, 0))
        self._socket.settimeout(_PATIENCE_S)
        self._sequence = 0

    def __enter__(self) -> "Netlink":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the socket, and so of what the kernel keeps only as long as it is open."""
        self._socket.close()

    def send(self, *requests: Request) -> None:
        """Make `requests` in one system call. Raises the OSError of the first refused; the others are carried out."""
        self._exchange([self._frame(request, ACK) for request in requests], [request.about for request in requests])

    def send_batch(self, begin: Request, requests: list[Request], end: Request) -> None:
        """Make all of `requests` or none. Raises the OSError of the first refused."""
        frames = [self._frame(begin, 0), *(self._frame(request, ACK) for request in requests), self._frame(end, 0)]
        self._exchange(frames, [begin.about, *(request.about for request in requests), end.about], framed=True)

    def _exchange(self, frames: list[bytes], abouts: list[str], framed: bool = False) -> None:
        first = self._sequence + 1 - len(frames)
        waiting = set(range(first, self._sequence + 1))
        if framed:
            waiting -= {first, self._sequence}
        refused: OSError | None = None
        self._socket.send(b"".join(frames))
        while waiting:
            for kind, sequence, body in self._answers():
                if kind != _ERROR or sequence < first:
                    continue
                errno = -struct.unpack_from("i", body)[0]
                if errno and refused is None:
                    refused = OSError(errno, f"{abouts[sequence - first]}: {os.strerror(errno)}")
                if refused is not None and sequence not in waiting:
                    raise refused  # the batch as such: no other answer follows
                waiting.discard(sequence)
        if refused is not None:
            raise refused

    def dump(self, request: Request) -> Iterator[bytes]:
        """The bodies of all that `request` lists."""
        self._socket.send(self._frame(request, ROOT_DUMP))
        while True:
            for kind, sequence, body in self._answers():
                if sequence != self._sequence:
                    continue
                if kind == _DONE:
                    return
                if kind == _ERROR:
                    errno = -struct.unpack_from("i", body)[0]
                    raise OSError(errno, f"{request.about}: {os.strerror(errno)}")
                yield body

    def _frame(self, request: Request, flags: int) -> bytes:
        self._sequence += 1
        length = _HEADER.size + len(request.body)
        header = _HEADER.pack(length, request.kind, request.flags | REQUEST | flags, self._sequence, 0)
        return header + request.body + bytes(-length % 4)

    def _answers(self) -> Iterator[tuple[int, int, bytes]]:
        data = self._socket.recv(_RECEIVE_BYTES)
        offset = 0
        while offset + _HEADER.size <= len(data):
            length, kind, _, sequence, _ = _HEADER.unpack_from(data, offset)
            yield kind, sequence, data[offset + _HEADER.size : offset + length]
            offset += length + (-length % 4)
