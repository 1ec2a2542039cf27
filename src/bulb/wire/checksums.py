"""S3's checksums, computed while bytes pass.

CRC-32 and the SHAs come from the standard library; CRC-32C and CRC-64/NVME from `anycrc`, a small compiled module
(14 GB/s here) that is only imported when a client asks for one of them, because start-up time is promised.
"""

import base64
import hashlib
import zlib
from collections.abc import Callable
from typing import Protocol

HEADER_PREFIX = "x-amz-checksum-"


class Checksum(Protocol):
    """A checksum under way."""

    def update(self, data: bytes) -> None:
        """More bytes of the body."""

    def digest(self) -> bytes:
        """The checksum of all bytes so far, big-endian."""


class _Crc32:
    def __init__(self) -> None:
        self._crc = 0

    def update(self, data: bytes) -> None:
        self._crc = zlib.crc32(data, self._crc)

    def digest(self) -> bytes:
        return self._crc.to_bytes(4, "big")


class _TableCrc:
    """A CRC of `anycrc`'s catalogue."""

    def __init__(self, model: str, size: int) -> None:
        import anycrc  # type: ignore[import-untyped]  # noqa: PLC0415 - 28 ms that most servers never need

        self._calculate: Callable[[bytes, int | None], int] = anycrc.Model(model).calc
        self._size = size
        self._crc: int | None = None

    def update(self, data: bytes) -> None:
        self._crc = self._calculate(data, self._crc)

    def digest(self) -> bytes:
        return (self._crc or 0).to_bytes(self._size, "big")


def _sha1() -> Checksum:
    return hashlib.sha1(usedforsecurity=False)


# By the name S3 gives the algorithm; the header is `x-amz-checksum-` and the name in lower case.
ALGORITHMS: dict[str, Callable[[], Checksum]] = {
    "CRC32": _Crc32,
    "CRC32C": lambda: _TableCrc("CRC32-ISCSI", 4),
    "CRC64NVME": lambda: _TableCrc("CRC64-NVME", 8),
    "SHA1": _sha1,
    "SHA256": hashlib.sha256,
}


def algorithm_of(header: str) -> str | None:
    """The algorithm a header or trailer carries a checksum of, or None."""
    if not header.startswith(HEADER_PREFIX):
        return None
    name = header[len(HEADER_PREFIX) :].upper()
    return name if name in ALGORITHMS else None


def text(checksum: Checksum) -> str:
    """The checksum as it travels: base64."""
    return base64.b64encode(checksum.digest()).decode("ascii")
