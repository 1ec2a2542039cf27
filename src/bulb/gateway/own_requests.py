"""JSON documents as the parameters of an operation: what targets and rules say of a call that Bulb shall make.

Members go by the names the API documents, with the first letter in either case (SDKs differ). Texts that are a
request's whole HTTP body (a function's Payload, an object's Body) are given as they are, or as the JSON they shall be;
blobs within a document are base64, as in JSON everywhere. Times are ISO 8601 or Unix seconds.
"""

import math
from typing import Any

import orjson

from bulb.wire import timestamps
from bulb.wire.catalog import Operation
from bulb.wire.malformed import Malformed
from bulb.wire.scalars import decode_base64, is_long
from bulb.wire.shapes import Shape


def parameters(operation: Operation, document: bytes) -> dict[str, Any]:
    """The parameters `document` gives to `operation`. Raises Malformed, saying which member is wrong."""
    try:
        value = orjson.loads(document)
    except orjson.JSONDecodeError as error:
        raise Malformed("The request is not JSON.") from error
    if operation.input is None:
        return {}
    body = operation.input.payload
    try:
        return _structure(operation.input, value, "", body)
    except RecursionError as error:
        raise Malformed("The request is nested too deeply.") from error


def _structure(shape: Shape, value: Any, path: str, body: str | None = None) -> dict[str, Any]:
    if type(value) is not dict:
        raise _wrong(path or "The request", "an object")
    found: dict[str, Any] = {}
    for given, item in value.items():
        name = given if given in shape.members else _other_case(given)
        member = shape.members.get(name)
        if member is None:
            raise Malformed(f"There is no parameter {path}{given}.")
        if item is not None:
            found[name] = _body(item) if name == body and member.type == "blob" else _value(member, item, path + name)
    return found


def _other_case(name: str) -> str:
    return name[:1].swapcase() + name[1:]


def _body(value: Any) -> bytes:
    """A text is the body itself; anything else is what the body is the JSON of."""
    return value.encode() if type(value) is str else orjson.dumps(value)


def _value(shape: Shape, value: Any, path: str) -> Any:  # noqa: PLR0911 - one return per type
    if shape.is_document:
        return value
    match shape.type:
        case "structure":
            return _structure(shape, value, f"{path}.")
        case "list":
            items = _of_type(value, list, path, "a list")
            return [_value(shape.member, item, f"{path}[{number}]") for number, item in enumerate(items)]
        case "map":
            items = _of_type(value, dict, path, "an object")
            return {key: _value(shape.value, item, f"{path}.{key}") for key, item in items.items()}
        case "blob":
            return decode_base64(_of_type(value, str, path, "a base64 text"))
        case "timestamp":
            if type(value) not in (int, float, str):
                raise _wrong(path, "a time")
            return timestamps.parse(value, shape.timestamp_format or "iso8601")
        case kind:
            return _scalar(kind, value, path)


def _scalar(kind: str, value: Any, path: str) -> Any:
    match kind:
        case "boolean":
            return _of_type(value, bool, path, "true or false")
        case "integer" | "long":
            if not is_long(_of_type(value, int, path, "a whole number")):
                raise _wrong(path, "a whole number of 64 bits")
            return value
        case "float" | "double":
            if type(value) not in (int, float) or not math.isfinite(value):
                raise _wrong(path, "a number")
            return float(value)
        case _:
            return _of_type(value, str, path, "a text")


def _of_type(value: Any, wanted: type, path: str, called: str) -> Any:
    if type(value) is not wanted:
        raise _wrong(path, called)
    return value


def _wrong(path: str, wanted: str) -> Malformed:
    return Malformed(f"{path.rstrip('.')} must be {wanted}.")
