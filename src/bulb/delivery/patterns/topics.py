"""What a subscription's filter policy sees of a message: its attributes as a flat event, or its body as JSON."""

import re
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from bulb.delivery.patterns.jsontext import parse_event

_NUMBER = re.compile(r"[+-]?(?=\.?[0-9])[0-9]*(?P<rest>(?:\.[0-9]*)?(?:[eE][+-]?[0-9]+)?)")
_NUMBER_CHARACTERS = 100


def attributes_event(attributes: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """The event that message attributes ({name: {"DataType", "StringValue"}}) are for TOPICS_ATTRIBUTES.

    A text, a number, or the values of a `String.Array`. What is binary, or is not what its type says, is not there.
    """
    event = {}
    for name, attribute in attributes.items():
        text = attribute.get("StringValue")
        if isinstance(text, str):
            with suppress(ValueError):
                event[name] = _value(attribute.get("DataType", ""), text)
    return event


def _value(data_type: str, text: str) -> Any:
    kind = data_type.partition(".")[0]
    if kind == "Number":
        return _number(text)
    if data_type == "String.Array":
        value = parse_event(text)
        if not isinstance(value, list):
            raise ValueError(f"no {data_type}")
        return value
    if kind != "String":
        raise ValueError(f"{data_type} is not compared")
    return text


def _number(text: str) -> int | float:
    """The number of an attribute, which may be written as JSON's are not: `+1`, `.5`, `5.`."""
    if (matched := _NUMBER.fullmatch(text)) is None or len(text) > _NUMBER_CHARACTERS:
        raise ValueError("no number")
    return int(text) if matched["rest"] == "" else float(text)


def body_event(message: str) -> dict[str, Any] | None:
    """The event that a message is for TOPICS_BODY; None where it is no JSON object, which matches no policy."""
    try:
        value = parse_event(message)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None
