"""Single values that travel as text: path labels, query items, headers, form fields, XML elements."""

import base64
import binascii
import math
from collections.abc import Callable
from datetime import datetime
from typing import Any

from bulb.wire import timestamps
from bulb.wire.malformed import Malformed
from bulb.wire.shapes import Shape

TextDecoder = Callable[[str], Any]
TextEncoder = Callable[[Any], str]

_MAX_DIGITS = 40
_TWO_TO_63 = 2**63


def text_decoder(shape: Shape, timestamp_format: str) -> TextDecoder:
    """How text becomes a value of `shape`; `timestamp_format` is the place's default."""
    if shape.type == "timestamp":
        form = shape.timestamp_format or timestamp_format
        return lambda text: _timestamp(text, form)
    return _DECODERS.get(shape.type, str)


def text_encoder(shape: Shape, timestamp_format: str, always_millis: bool = False) -> TextEncoder:
    """How a value of `shape` becomes text."""
    if shape.type == "timestamp":
        form = shape.timestamp_format or timestamp_format
        return lambda value: timestamps.to_text(value, form, always_millis)
    return _ENCODERS.get(shape.type, str)


def is_long(number: int) -> bool:
    """It fits into 64 bits, as every integer of the protocols does and as databases need it."""
    return -_TWO_TO_63 <= number < _TWO_TO_63


def decode_base64(text: str) -> bytes:
    """Strict base64, padding required. Raises Malformed."""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Malformed("Invalid base64 data") from error


def decode_float(text: str) -> float:
    """A number, `NaN`, `Infinity` or `-Infinity`. Raises Malformed."""
    try:
        return float(text)
    except ValueError as error:
        raise Malformed(f"Invalid number: {text[:100]}") from error


def encode_float(value: float) -> str:
    """The counterpart of `decode_float`."""
    if math.isfinite(value):
        return repr(float(value)) if isinstance(value, float) else str(value)
    return "NaN" if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")


def _timestamp(text: str, form: str) -> datetime:
    return timestamps.parse(text, form)


def _integer(text: str) -> int:
    try:
        number = int(text[:_MAX_DIGITS])
    except ValueError as error:
        raise Malformed(f"Invalid integer: {text[:100]}") from error
    if not is_long(number):
        raise Malformed(f"Invalid integer: {text[:100]}")
    return number


def _boolean(text: str) -> bool:
    lowered = text.strip().lower()
    if lowered not in ("true", "false"):
        raise Malformed(f"Invalid boolean: {text[:100]}")
    return lowered == "true"


def _encode_boolean(value: Any) -> str:
    return "true" if value else "false"


def _encode_blob(value: Any) -> str:
    return base64.b64encode(value.encode() if isinstance(value, str) else value).decode("ascii")


_DECODERS: dict[str, TextDecoder] = {
    "integer": _integer,
    "long": _integer,
    "boolean": _boolean,
    "float": decode_float,
    "double": decode_float,
    "blob": decode_base64,
}
_ENCODERS: dict[str, TextEncoder] = {
    "boolean": _encode_boolean,
    "float": encode_float,
    "double": encode_float,
    "blob": _encode_blob,
}
