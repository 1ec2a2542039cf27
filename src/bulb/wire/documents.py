"""Shapes as documents: what JSON and CBOR bodies hold once their own syntax is undone.

Codecs are compiled once per shape into closures and kept; a structure compiles its members when it is first met, so
that recursive shapes (DynamoDB's AttributeValue) end. A `Dialect` says how the two formats differ.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from bulb.wire import timestamps
from bulb.wire.malformed import Malformed
from bulb.wire.scalars import decode_base64, decode_float, is_long
from bulb.wire.shapes import Shape

Codec = Callable[[Any], Any]

_FOUND = {str: "STRING_VALUE", int: "NUMBER_VALUE", float: "DECIMAL_VALUE", bool: "BOOLEAN_VALUE", bytes: "BLOB_VALUE"}


@dataclass(frozen=True, slots=True)
class Dialect:
    """What a format writes in its own way: blobs, and timestamps when the model names no format."""

    decode_blob: Codec
    encode_blob: Codec
    encode_timestamp: Callable[[timestamps.Moment], Any]
    # JSON has no NaN and no infinities; they travel as strings.
    encode_float: Codec
    # JSON honours a model's `timestampFormat`; CBOR always tags seconds.
    formatted_timestamps: bool


class Decoder:
    """Compiles decoders: from a document to the parameters boto3 would have been given."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._compiled: dict[Shape, Codec] = {}

    def of(self, shape: Shape) -> Codec:
        """The decoder of `shape`."""
        codec = self._compiled.get(shape)
        if codec is None:
            codec = self._compiled[shape] = self._compile(shape)
        return codec

    def structure(self, members: Mapping[str, Shape]) -> Codec:
        """A decoder of some of a structure's members. Unknown and null members are passed over, as AWS does."""
        compiled: dict[str, tuple[str, Codec]] = {}

        def decode(value: Any) -> dict[str, Any]:
            if type(value) is not dict:
                raise _unexpected(value, "structure or map")
            if not compiled and members:
                compiled.update({m.location_name or name: (name, self.of(m)) for name, m in members.items()})
            decoded = {}
            for wire_name, item in value.items():
                if item is not None and (member := compiled.get(wire_name)) is not None:
                    decoded[member[0]] = member[1](item)
            return decoded

        return decode

    def _compile(self, shape: Shape) -> Codec:  # noqa: PLR0911 - one return per type
        if shape.is_document:
            return lambda value: value
        match shape.type:
            case "structure":
                return self.structure(shape.members)
            case "list":
                return self._list(shape)
            case "map":
                return self._map(shape)
            case "blob":
                return self._dialect.decode_blob
            case "timestamp":
                form = shape.timestamp_format or "unixTimestamp"
                return lambda value: _timestamp(value, form)
            case kind:
                return _SCALARS[kind]

    def _list(self, shape: Shape) -> Codec:
        member: Codec | None = None

        def decode(value: Any) -> list[Any]:
            nonlocal member
            if type(value) is not list:
                raise _unexpected(value, "list")
            member = member or self.of(shape.member)
            return [None if item is None else member(item) for item in value]

        return decode

    def _map(self, shape: Shape) -> Codec:
        codec: Codec | None = None

        def decode(value: Any) -> dict[str, Any]:
            nonlocal codec
            if type(value) is not dict:
                raise _unexpected(value, "structure or map")
            codec = codec or self.of(shape.value)
            return {key: codec(item) for key, item in value.items() if item is not None}

        return decode


class Encoder:
    """Compiles encoders: from an answer to a document. A member the model does not have is a KeyError: our mistake."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._compiled: dict[Shape, Codec] = {}

    def of(self, shape: Shape) -> Codec:
        """The encoder of `shape`."""
        codec = self._compiled.get(shape)
        if codec is None:
            codec = self._compiled[shape] = self._compile(shape)
        return codec

    def structure(self, members: Mapping[str, Shape]) -> Codec:
        """An encoder of some of a structure's members; None is left out."""
        compiled: dict[str, tuple[str, Codec]] = {}

        def encode(value: Mapping[str, Any]) -> dict[str, Any]:
            if not compiled and members:
                compiled.update({name: (m.location_name or name, self.of(m)) for name, m in members.items()})
            encoded = {}
            for name, item in value.items():
                if item is not None:
                    wire_name, codec = compiled[name]
                    encoded[wire_name] = codec(item)
            return encoded

        return encode

    def _compile(self, shape: Shape) -> Codec:  # noqa: PLR0911 - one return per type
        if shape.is_document:
            return _as_is
        match shape.type:
            case "structure":
                return self.structure(shape.members)
            case "list":
                return lambda value: [None if item is None else self.of(shape.member)(item) for item in value]
            case "map":
                return lambda value: {key: self.of(shape.value)(item) for key, item in value.items()}
            case "blob":
                return self._dialect.encode_blob
            case "timestamp":
                return self._timestamp(shape)
            case "float" | "double":
                return self._dialect.encode_float
            case _:
                return _as_is

    def _timestamp(self, shape: Shape) -> Codec:
        form = shape.timestamp_format or "unixTimestamp"
        if form.lower() == "unixtimestamp" or not self._dialect.formatted_timestamps:
            return self._dialect.encode_timestamp
        return lambda value: timestamps.to_text(value, form)


def _as_is(value: Any) -> Any:
    return value


def float_as_json(value: Any) -> Any:
    """A float JSON can hold, or the name of the one it cannot."""
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")


def blob_from_text(value: Any) -> bytes:
    """A blob in JSON: base64."""
    if type(value) is not str:
        raise _cannot_be(value, "a Blob")
    return decode_base64(value)


def blob_as_is(value: Any) -> bytes:
    """A blob in CBOR: a byte string."""
    if type(value) is not bytes:
        raise _cannot_be(value, "a Blob")
    return value


def _string(value: Any) -> str:
    if type(value) is not str:
        raise _cannot_be(value, "a String")
    return value


def _integer(value: Any) -> int:
    whole = int(value) if type(value) is float and value.is_integer() else value
    if type(whole) is int and is_long(whole):
        return whole
    raise _cannot_be(value, "an Integer")


def _float(value: Any) -> float:
    if type(value) is float or type(value) is int:
        return float(value)
    if value in ("NaN", "Infinity", "-Infinity"):
        return decode_float(value)
    raise _cannot_be(value, "a Double")


def _boolean(value: Any) -> bool:
    if type(value) is not bool:
        raise _cannot_be(value, "a Boolean")
    return value


def _timestamp(value: Any, form: str) -> Any:
    if type(value) not in (int, float, str):
        raise _cannot_be(value, "a Timestamp")
    return timestamps.parse(value, form)


_SCALARS: dict[str, Codec] = {
    "string": _string,
    "character": _string,
    "integer": _integer,
    "long": _integer,
    "float": _float,
    "double": _float,
    "boolean": _boolean,
}


def _unexpected(value: Any, wanted: str) -> Malformed:
    if type(value) is dict:
        return Malformed("Start of structure or map found where not expected.")
    if type(value) is list:
        return Malformed("Start of list found where not expected.")
    return Malformed(f"Expected {wanted}, found {_FOUND.get(type(value), 'something else')}.")


def _cannot_be(value: Any, wanted: str) -> Malformed:
    if type(value) is dict or type(value) is list:
        return _unexpected(value, wanted)
    return Malformed(f"{_FOUND.get(type(value), 'The value')} can not be converted to {wanted}")
