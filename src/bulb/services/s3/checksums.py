"""Checksums of objects in several parts: of the parts' checksums (composite) or of the whole (full object). Pure.

The full-object CRC of a concatenation follows from the parts' CRCs and lengths alone, so completing an upload reads no
byte of it again: appending `n` zero bytes to a message is a linear map of its CRC over GF(2), and that map is raised
to the power `n` by repeated squaring.
"""

import base64
import hashlib
import zlib
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from bulb.core.errors import AwsError
from bulb.services.s3.model import Checksum, Part

ALGORITHMS = ("CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256")
UNSUPPORTED = ("SHA512", "MD5", "XXHASH64", "XXHASH3", "XXHASH128")

# Width in bits and the reflected polynomial of each CRC.
_CRCS = {"CRC32": (32, 0xEDB88320), "CRC32C": (32, 0x82F63B78), "CRC64NVME": (64, 0x9A6C9329AC4BC9B5)}


def default_type(algorithm: str) -> str:
    """The type an upload has that names only an algorithm."""
    return "FULL_OBJECT" if algorithm == "CRC64NVME" else "COMPOSITE"


def is_possible(algorithm: str, kind: str) -> bool:
    """Whether the algorithm can have that type: CRC64NVME is never composite, SHA never of the full object."""
    return algorithm != "CRC64NVME" if kind == "COMPOSITE" else algorithm in _CRCS


def given(params: Mapping[str, Any]) -> dict[str, str]:
    """The checksums a request states as parameters, by algorithm."""
    return {name: params[f"Checksum{name}"] for name in (*ALGORITHMS, *UNSUPPORTED) if params.get(f"Checksum{name}")}


def member(checksum: Checksum) -> dict[str, str]:
    """The members an answer tells a checksum in."""
    return {f"Checksum{checksum.algorithm}": checksum.value, "ChecksumType": checksum.type}


def of_parts(algorithm: str, kind: str, parts: Sequence[Part]) -> Checksum | None:
    """The checksum of the object that `parts` make; None when a part has none."""
    values = [part.checksum for part in parts]
    if any(value is None for value in values):
        return None
    raw = [base64.b64decode(value) for value in values if value is not None]
    if kind == "FULL_OBJECT":
        sizes = [part.size for part in parts]
        return Checksum(algorithm, base64.b64encode(_combined(algorithm, zip(raw, sizes, strict=True))).decode())
    return Checksum(
        algorithm, f"{base64.b64encode(_composite(algorithm, b''.join(raw))).decode()}-{len(parts)}", "COMPOSITE"
    )


def check_stated(stated: Mapping[str, str], checksum: Checksum | None) -> None:
    """Raise BadDigest when a completing request states another checksum than the parts have."""
    if checksum is None:
        return
    value = stated.get(checksum.algorithm)
    if value is not None and value.partition("-")[0] != checksum.value.partition("-")[0]:
        message = f"The {checksum.algorithm} you specified did not match the calculated checksum."
        raise AwsError("BadDigest", message)


def _combined(algorithm: str, pieces: Iterable[tuple[bytes, int]]) -> bytes:
    width, _ = _CRCS[algorithm]
    crc = 0
    for raw, size in pieces:
        crc = _apply(_zeros(algorithm, size), crc) ^ int.from_bytes(raw, "big")
    return crc.to_bytes(width // 8, "big")


def _composite(algorithm: str, raw: bytes) -> bytes:
    if algorithm == "SHA1":
        return hashlib.sha1(raw, usedforsecurity=False).digest()
    if algorithm == "SHA256":
        return hashlib.sha256(raw).digest()
    if algorithm == "CRC32":
        return zlib.crc32(raw).to_bytes(4, "big")
    return _crc32c(raw).to_bytes(4, "big")


def _crc32c(data: bytes) -> int:
    """Bit by bit: the input is four bytes a part, so a table would not pay."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (_CRCS["CRC32C"][1] if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


@lru_cache(maxsize=64)
def _zeros(algorithm: str, count: int) -> tuple[int, ...]:
    """The map that appending `count` zero bytes is: column `i` is where bit `i` goes."""
    width, polynomial = _CRCS[algorithm]
    one_bit = (polynomial, *(1 << bit for bit in range(width - 1)))
    power = one_bit
    for _ in range(3):
        power = _square(power)
    result = tuple(1 << bit for bit in range(width))
    while count:
        if count & 1:
            result = tuple(_apply(power, column) for column in result)
        power = _square(power)
        count >>= 1
    return result


def _square(matrix: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(_apply(matrix, column) for column in matrix)


def _apply(matrix: tuple[int, ...], vector: int) -> int:
    result = 0
    bit = 0
    while vector:
        if vector & 1:
            result ^= matrix[bit]
        vector >>= 1
        bit += 1
    return result
