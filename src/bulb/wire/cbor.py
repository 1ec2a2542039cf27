"""CBOR (RFC 8949) bodies of rpc-v2-cbor: the syntax, and the dialect for `documents`.

Only what the protocol uses is read: no tags but 1 (seconds since 1970), text keys, definite and indefinite lengths.
A declared length never makes us allocate: it is held against the bytes that are there.
"""

import struct
from typing import Any

from bulb.wire import timestamps
from bulb.wire.documents import Decoder, Dialect, Encoder, blob_as_is
from bulb.wire.malformed import Malformed

_MAX_DEPTH = 200
_BREAK = 0xFF
# Lengths of a head's argument: less than 24 is in the initial byte, 24 to 27 say 1, 2, 4 or 8 bytes follow.
_ONE_BYTE, _EIGHT_BYTES = 24, 27
_INDEFINITE = 31
_EPOCH_TAG = 1
_SIMPLE = {20: False, 21: True, 22: None, 23: None}
_FLOATS = {25: ">e", 26: ">f", 27: ">d"}


class EpochSeconds(float):
    """A number that is to be written with tag 1."""


def loads(body: bytes) -> Any:
    """The one data item in `body`; an empty body is an empty map. Raises Malformed."""
    if not body:
        return {}
    reader = _Reader(body)
    value = reader.item(0)
    if reader.at != len(body):
        raise Malformed("Data follows the CBOR item.")
    return value


def dumps(document: Any) -> bytes:
    """`document` as CBOR, definite lengths."""
    out = bytearray()
    _write(out, document)
    return bytes(out)


class _Reader:
    def __init__(self, body: bytes) -> None:
        self._body = body
        self.at = 0

    def item(self, depth: int) -> Any:  # noqa: PLR0911 - one return per major type
        if depth > _MAX_DEPTH:
            raise Malformed("The CBOR body is nested too deeply.")
        major, info = self._initial()
        match major:
            case 0:
                return self._argument(info)
            case 1:
                return -1 - self._argument(info)
            case 2:
                return self._bytes(major, info)
            case 3:
                return self._text(info)
            case 4:
                return self._array(info, depth)
            case 5:
                return self._map(info, depth)
            case 6:
                return self._tagged(info, depth)
            case _:
                return self._simple(info)

    def _take(self, count: int) -> bytes:
        taken = self._body[self.at : self.at + count]
        if len(taken) != count:
            raise Malformed("The CBOR body ends too early.")
        self.at += count
        return taken

    def _initial(self) -> tuple[int, int]:
        byte = self._take(1)[0]
        return byte >> 5, byte & 0x1F

    def _argument(self, info: int) -> int:
        if info < _ONE_BYTE:
            return info
        if info > _EIGHT_BYTES:
            raise Malformed("Invalid CBOR length.")
        return int.from_bytes(self._take(1 << (info - _ONE_BYTE)), "big")

    def _bytes(self, major: int, info: int) -> bytes:
        if info != _INDEFINITE:
            return self._take(self._argument(info))
        parts = []
        while not self._break():
            part_major, part_info = self._initial()
            if part_major != major or part_info == _INDEFINITE:
                raise Malformed("Invalid part of a CBOR string.")
            parts.append(self._take(self._argument(part_info)))
        return b"".join(parts)

    def _text(self, info: int) -> str:
        try:
            return self._bytes(3, info).decode("utf-8")
        except UnicodeDecodeError as error:
            raise Malformed("Invalid UTF-8 in a CBOR string.") from error

    def _array(self, info: int, depth: int) -> list[Any]:
        if info != _INDEFINITE:
            return [self.item(depth + 1) for _ in range(self._count(info))]
        items = []
        while not self._break():
            items.append(self.item(depth + 1))
        return items

    def _map(self, info: int, depth: int) -> dict[str, Any]:
        items: dict[str, Any] = {}
        if info != _INDEFINITE:
            for _ in range(self._count(info)):
                self._entry(items, depth)
            return items
        while not self._break():
            self._entry(items, depth)
        return items

    def _entry(self, items: dict[str, Any], depth: int) -> None:
        key = self.item(depth + 1)
        if type(key) is not str:
            raise Malformed("A CBOR map key is not text.")
        items[key] = self.item(depth + 1)

    def _count(self, info: int) -> int:
        count = self._argument(info)
        if count > len(self._body) - self.at:
            raise Malformed("The CBOR body ends too early.")
        return count

    def _tagged(self, info: int, depth: int) -> Any:
        tag = self._argument(info)
        value = self.item(depth + 1)
        if tag != _EPOCH_TAG or type(value) not in (int, float):
            raise Malformed(f"Unsupported CBOR tag {tag}.")
        return value

    def _simple(self, info: int) -> Any:
        if info in _SIMPLE:
            return _SIMPLE[info]
        if info not in _FLOATS:
            raise Malformed("Unsupported CBOR simple value.")
        return struct.unpack(_FLOATS[info], self._take(2 << (info - 25)))[0]

    def _break(self) -> bool:
        if self.at >= len(self._body):
            raise Malformed("The CBOR body ends too early.")
        if self._body[self.at] != _BREAK:
            return False
        self.at += 1
        return True


def _write(out: bytearray, value: Any) -> None:
    match value:
        case bool():
            out.append(0xF5 if value else 0xF4)
        case None:
            out.append(0xF6)
        case EpochSeconds():
            _head(out, 6, _EPOCH_TAG)
            _write(out, int(value) if value.is_integer() else float(value))
        case int():
            _head(out, 0, value) if value >= 0 else _head(out, 1, -1 - value)
        case float():
            out.append(0xFB)
            out += struct.pack(">d", value)
        case str():
            encoded = value.encode("utf-8")
            _head(out, 3, len(encoded))
            out += encoded
        case bytes() | bytearray():
            _head(out, 2, len(value))
            out += value
        case dict():
            _head(out, 5, len(value))
            for key, item in value.items():
                _write(out, key)
                _write(out, item)
        case _:
            _head(out, 4, len(value))
            for item in value:
                _write(out, item)


def _head(out: bytearray, major: int, argument: int) -> None:
    if argument < _ONE_BYTE:
        out.append(major << 5 | argument)
        return
    power = next(power for power in range(4) if argument < 1 << (8 << power))
    out.append(major << 5 | (_ONE_BYTE + power))
    out += argument.to_bytes(1 << power, "big")


def _encode_blob(value: Any) -> bytes:
    return value.encode() if isinstance(value, str) else bytes(value)


_DIALECT = Dialect(
    decode_blob=blob_as_is,
    encode_blob=_encode_blob,
    encode_timestamp=lambda moment: EpochSeconds(timestamps.to_unix(moment)),
    encode_float=float,
    formatted_timestamps=False,
)
DECODER = Decoder(_DIALECT)
ENCODER = Encoder(_DIALECT)
