"""The aws-chunked encoding, undone: bytes in, payload out. No I/O.

<hex size>[;chunk-signature=<64 hex>]\\r\\n <bytes> \\r\\n ... 0[;chunk-signature=...]\\r\\n [trailers] \\r\\n
"""

from collections.abc import Iterator
from typing import Protocol

from bulb.core.errors import AwsError

_MAX_LINE = 4_096
_MAX_TRAILERS = 16_384
_MAX_SIZE_DIGITS = 12
_SIGNATURE = "chunk-signature="


class ChunkObserver(Protocol):
    """Follows the chunks, to check their signatures. Raises AwsError when one is wrong."""

    def data(self, data: bytes) -> None:
        """Payload of the current chunk."""

    def end(self, signature: str | None) -> None:
        """The current chunk is complete; the last one is empty."""

    def trailers(self, trailers: dict[str, str]) -> None:
        """All trailers, names in lower case."""


class ChunkDecoder:
    """A state machine: `feed` it what arrives, `finish` when nothing more does."""

    def __init__(self, observer: ChunkObserver) -> None:
        self._observer = observer
        self._buffer = bytearray()
        self._left = 0
        self._signature: str | None = None
        self._state = "size"
        self._trailer_bytes = 0
        self.trailers: dict[str, str] = {}

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The payload in `data`, in pieces. Raises AwsError for what is not this encoding."""
        self._buffer += data
        while self._buffer and self._state != "done":
            if self._state == "data":
                yield self._take_data()
            elif (line := self._take_line()) is None:
                return
            else:
                self._read_line(line)
        if self._buffer and self._state == "done":
            raise _broken("Data follows the last chunk.")

    def finish(self) -> None:
        """Nothing more arrives. Raises AwsError IncompleteBody in the middle of a chunk or before the last one."""
        if self._state == "trailers" and not self._buffer:
            self._end_of_trailers()  # Some clients leave out the empty line after the last chunk.
        if self._state != "done":
            raise AwsError("IncompleteBody", "The request body terminated unexpectedly", status=400)

    def _take_data(self) -> bytes:
        piece = bytes(self._buffer[: self._left])
        del self._buffer[: self._left]
        self._left -= len(piece)
        self._observer.data(piece)
        if self._left == 0:
            self._state = "after data"
        return piece

    def _take_line(self) -> str | None:
        end = self._buffer.find(b"\r\n", 0, _MAX_LINE)
        if end < 0:
            if len(self._buffer) >= _MAX_LINE:
                raise _broken("A chunk's first line is too long.")
            return None
        line = self._buffer[:end].decode("latin-1")
        del self._buffer[: end + 2]
        return line

    def _read_line(self, line: str) -> None:
        match self._state:
            case "size":
                self._start_chunk(line)
            case "after data":
                if line:
                    raise _broken("A chunk is longer than it says.")
                self._observer.end(self._signature)
                self._state = "size"
            case _:
                self._read_trailer(line)

    def _start_chunk(self, line: str) -> None:
        size, _, extension = line.partition(";")
        size = size.strip()
        if not size or len(size) > _MAX_SIZE_DIGITS or not all(digit in "0123456789abcdefABCDEF" for digit in size):
            raise _broken("A chunk's size is not a hexadecimal number.")
        self._left = int(size, 16)
        extension = extension.strip()
        self._signature = extension[len(_SIGNATURE) :] if extension.startswith(_SIGNATURE) else None
        if self._left:
            self._state = "data"
            return
        self._observer.end(self._signature)
        self._state = "trailers"

    def _read_trailer(self, line: str) -> None:
        self._trailer_bytes += len(line)
        if self._trailer_bytes > _MAX_TRAILERS:
            raise _broken("The trailers are too long.")
        if not line:
            self._end_of_trailers()
            return
        name, colon, value = line.partition(":")
        if not colon:
            raise _broken("A trailer has no colon.")
        self.trailers[name.strip().lower()] = value.strip()

    def _end_of_trailers(self) -> None:
        self._observer.trailers(self.trailers)
        self._state = "done"


def _broken(message: str) -> AwsError:
    return AwsError("InvalidChunkSizeError" if "size" in message else "InvalidRequest", message, status=400)
