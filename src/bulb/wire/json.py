"""JSON bodies: the json protocols and rest-json."""

import base64
from typing import Any

import orjson

from bulb.wire import timestamps
from bulb.wire.documents import Decoder, Dialect, Encoder, blob_from_text, float_as_json
from bulb.wire.malformed import Malformed


def _blob_to_text(value: Any) -> str:
    return base64.b64encode(value.encode() if isinstance(value, str) else value).decode("ascii")


_DIALECT = Dialect(
    decode_blob=blob_from_text,
    encode_blob=_blob_to_text,
    encode_timestamp=timestamps.to_unix,
    encode_float=float_as_json,
    formatted_timestamps=True,
)
DECODER = Decoder(_DIALECT)
ENCODER = Encoder(_DIALECT)


def loads(body: bytes) -> Any:
    """The document in `body`; an empty body is an empty object. Raises Malformed."""
    if not body:
        return {}
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Malformed("Could not parse request body into json: " + str(error)[:200]) from error


def dumps(document: Any) -> bytes:
    """`document` as compact JSON; integers of any size."""
    try:
        return orjson.dumps(document, option=orjson.OPT_NON_STR_KEYS)
    except orjson.JSONEncodeError:
        import json  # noqa: PLC0415 - only for what orjson refuses: integers past 64 bits, lone surrogates

        return json.dumps(document, separators=(",", ":")).encode()
