"""JSON as patterns and events are read: numbers that keep their worth, nothing that is no JSON, no text too deep.

Python's reader is used because it keeps integers whole: whether a number can be represented is decided here, by
`numbers`, and not by a reader that rounds.
"""

import json
import re
from typing import Any

from bulb.delivery.patterns.errors import PatternError

_LONGEST_INTEGER = 400  # Digits; more is beyond every double anyway, and slow to read.
_SHOWN = 500  # So much of a text a reason quotes.
_TOKEN = re.compile(r"[A-Za-z_$][\w$]*")


def parse_event(text: str | bytes) -> Any:
    """The value of a JSON text. Raises ValueError for one that is none, or is nested too deeply to be read."""
    try:
        return _decoder.decode(text.decode() if isinstance(text, bytes) else text)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def parse_object(text: str, bad_json: str | None) -> dict[str, Any]:
    """The object a pattern is. Of a key that is there twice the last counts.

    Raises PatternError; for a text that is no JSON with `bad_json`, without one as the reader of AWS says it.
    """
    try:
        value = parse_event(text)
    except ValueError as error:
        raise PatternError(bad_json or _problem(text, error)) from None
    if not isinstance(value, dict):
        start = len(text) - len(text.lstrip())
        raise PatternError(f"Filter is not an object{_place(text, start + _opening(text[start:].rstrip()))}")
    return value


def _problem(text: str, error: ValueError) -> str:
    """What the reader of AWS says of the two mistakes that people make; of others its words are not known."""
    if isinstance(error, json.JSONDecodeError) and error.pos < len(text):
        token, letter = _TOKEN.match(text, error.pos), text[error.pos]
        if error.msg == "Expecting value" and token is not None:
            expected = "(JSON String, Number, Array, Object or token 'null', 'true' or 'false')"
            return f"Unrecognized token '{token[0]}': was expecting {expected}{_place(text, token.end())}"
        if error.msg.startswith("Expecting property name"):
            unexpected = f"Unexpected character ('{letter}' (code {ord(letter)}))"
            return f"{unexpected}: was expecting double-quote to start field name{_place(text, error.pos)}"
    return "Invalid JSON"


def _opening(value: str) -> int:
    """How much of a value the reader has read when it knows what it is."""
    return 1 if value[0] in '["' else len(value)


def _place(text: str, read: int) -> str:
    """Where the reader stood, when it had read so many characters."""
    line, column = text.count("\n", 0, read) + 1, read - text.rfind("\n", 0, read)
    shown = f'"{text}"' if len(text) <= _SHOWN else f'"{text[:_SHOWN]}"[truncated {len(text) - _SHOWN} chars]'
    return f"\n at [Source: (String){shown}; line: {line}, column: {column}]"


def _integer(digits: str) -> int | float:
    return int(digits) if len(digits) <= _LONGEST_INTEGER else float(digits)


def _constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


_decoder = json.JSONDecoder(parse_int=_integer, parse_constant=_constant)
