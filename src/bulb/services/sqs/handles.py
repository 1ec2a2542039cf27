"""Receipt handles: which message, and which receive of it. Opaque to clients, and checked for typing mistakes only."""

import base64
import binascii
import struct
import zlib
from typing import NamedTuple

_LAYOUT = struct.Struct(">2sQQQ")
_CHECK = struct.Struct(">I")
_MAGIC = b"\x01\x01"
_MOST = 1 << 63


class Handle(NamedTuple):
    """The queue's id, the message's id, and the number of the receive."""

    queue_id: int
    id: int
    claim: int


def encode(queue_id: int, id_: int, claim: int) -> str:
    """The handle as clients get it."""
    packed = _LAYOUT.pack(_MAGIC, queue_id, id_, claim)
    return base64.urlsafe_b64encode(packed + _CHECK.pack(zlib.crc32(packed))).decode()


def decode(text: str) -> Handle | None:
    """What `encode` was given; None for anything else."""
    try:
        raw = base64.b64decode(text, altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
    if len(raw) != _LAYOUT.size + _CHECK.size:
        return None
    packed, check = raw[: _LAYOUT.size], raw[_LAYOUT.size :]
    magic, *numbers = _LAYOUT.unpack(packed)
    if magic != _MAGIC or _CHECK.pack(zlib.crc32(packed)) != check or max(numbers) >= _MOST:
        return None
    return Handle(*numbers)
