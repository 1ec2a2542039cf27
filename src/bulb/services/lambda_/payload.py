"""What an event must be: valid JSON of limited size, passed on byte for byte.

The service's front end parses with Jackson and quotes its parser, so a refusal here speaks like it. Which detail goes
with which mistake is close to Jackson's, not equal in every corner; the sentence around it is exact.
"""

import asyncio
import base64
import binascii
import json
import re

import orjson

from bulb.core.limits import ASYNC_REQUEST_BYTES, CLIENT_CONTEXT_BYTES, SYNC_REQUEST_BYTES
from bulb.services.lambda_ import errors

EMPTY = b"{}"
_INLINE_BYTES = 131_072  # parsing more than this takes over a millisecond: it goes to a thread
_MAX_DIGITS = 1_000
_LIMITS = {"RequestResponse": SYNC_REQUEST_BYTES, "DryRun": SYNC_REQUEST_BYTES, "Event": ASYNC_REQUEST_BYTES}
_TOKEN = re.compile(r"[\w$-]+")
_VALUES = "(JSON String, Number, Array, Object or token 'null', 'true' or 'false')"


async def event(payload: bytes, invocation_type: str) -> bytes:
    """The event to deliver: `payload` untouched, or `{}` when it is empty.

    Raises AwsError RequestTooLargeException 413 and InvalidRequestContentException 400.
    """
    if not payload:
        return EMPTY
    if len(payload) > _LIMITS[invocation_type]:
        raise errors.payload_too_large(len(payload), invocation_type, _LIMITS[invocation_type])
    if len(payload) <= _INLINE_BYTES:
        check_json(payload)
    else:
        await asyncio.to_thread(check_json, payload)
    return payload


def check_json(payload: bytes) -> None:
    """Refuse what is not one JSON value in UTF-8. Raises InvalidRequestContentException."""
    try:
        orjson.loads(payload)
    except orjson.JSONDecodeError:
        # orjson is stricter than Jackson about lone surrogates, so the slower parser has the last word.
        if (refusal := _refusal(payload)) is not None:
            raise errors.invalid_content(
                "Could not parse request body into json: Could not parse payload into json: " + refusal
            ) from None


def _refusal(payload: bytes) -> str | None:
    try:
        text = payload.decode()
    except UnicodeDecodeError as error:
        return _located(f"Invalid UTF-8 start byte 0x{payload[error.start]:02x}", 1, error.start + 1)
    try:
        json.loads(text, parse_constant=_refuse_constant, parse_int=_check_number, parse_float=_check_number)
    except json.JSONDecodeError as error:
        return _located(_detail(text, error), error.lineno, error.colno)
    except _ConstantError as error:
        return _located(f"Unrecognized token '{error}': was expecting {_VALUES}", 1, len(text) + 1)
    except _LongNumberError as error:
        return _located(f"Number value length ({error}) exceeds the maximum allowed ({_MAX_DIGITS})", 1, 1)
    except RecursionError:
        return _located("Document nesting depth exceeds the maximum allowed (1000)", 1, 1)
    return None


class _ConstantError(ValueError):
    """NaN or Infinity, which Python's parser takes and JSON does not have."""


class _LongNumberError(ValueError):
    """More digits than Jackson reads, and than Python's parser would turn into a number."""


def _check_number(digits: str) -> None:
    if len(digits) > _MAX_DIGITS:
        raise _LongNumberError(len(digits))


def _refuse_constant(name: str) -> None:
    raise _ConstantError(name)


def _located(detail: str, line: int, column: int) -> str:
    return (
        f"{detail}\n at [Source: REDACTED (`StreamReadFeature.INCLUDE_SOURCE_IN_LOCATION` disabled); "
        f"line: {line}, column: {column}]"
    )


def _detail(text: str, error: json.JSONDecodeError) -> str:
    rest = text[error.pos :]
    if not rest.strip() or error.msg.startswith("Unterminated string"):
        return "Unexpected end-of-input"
    if error.msg == "Expecting value" and (token := _TOKEN.match(rest)):
        return f"Unrecognized token '{token.group()}': was expecting {_VALUES}"
    found = f"Unexpected character ('{rest[0]}' (code {ord(rest[0])}))"
    match error.msg:
        case "Expecting property name enclosed in double quotes":
            return f"{found}: was expecting double-quote to start field name"
        case "Expecting ':' delimiter":
            return f"{found}: was expecting a colon to separate field name and value"
        case "Expecting ',' delimiter":
            return f"{found}: was expecting comma to separate entries"
        case _:
            return f"{found}: expected a valid value {_VALUES}"


def client_context(encoded: str | None) -> str | None:
    """The decoded ClientContext. Raises InvalidRequestContentException: too long, not Base64, not a JSON object."""
    if not encoded:
        return None
    if len(encoded) > CLIENT_CONTEXT_BYTES:
        raise errors.invalid_content(f"Client context must not exceed {CLIENT_CONTEXT_BYTES} bytes.")
    try:
        decoded = base64.b64decode(encoded, validate=True).decode()
        if isinstance(orjson.loads(decoded), dict):
            return decoded
    except (binascii.Error, UnicodeDecodeError, orjson.JSONDecodeError):
        pass
    raise errors.invalid_content("Client context must be a valid Base64-encoded JSON object.")
