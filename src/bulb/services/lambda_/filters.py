"""Whether a filter of an event source mapping is one. Pure; matching records is the business of who reads them.

A pattern is a JSON object: keys lead to objects again or to a list of alternatives, each a text, a number, a boolean,
null or one operator. `$or` takes a list of patterns.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from bulb.services.lambda_ import errors

MAX_FILTERS = 5
_COMPARISONS = {"=", "<", "<=", ">", ">="}
_SCALARS = (str, int, float, bool, type(None))


def check_filters(criteria: Mapping[str, Any]) -> None:
    """The filters of a FilterCriteria. Raises InvalidParameterValueException."""
    filters: Sequence[Mapping[str, str]] = criteria.get("Filters") or ()
    if len(filters) > MAX_FILTERS:
        raise errors.invalid(f"A maximum of {MAX_FILTERS} filters is allowed in FilterCriteria.")
    for each in filters:
        if not is_pattern_text(each.get("Pattern", "")):
            raise errors.invalid("Invalid filter pattern definition.")


def is_pattern_text(text: str) -> bool:
    """Whether `text` is the JSON of a pattern."""
    try:
        return _is_pattern(json.loads(text))
    except (ValueError, RecursionError):
        return False


def _is_pattern(value: Any) -> bool:
    return isinstance(value, dict) and bool(value) and all(_is_entry(key, item) for key, item in value.items())


def _is_entry(key: str, value: Any) -> bool:
    if key == "$or" and isinstance(value, list):
        return len(value) > 1 and all(map(_is_pattern, value))
    if isinstance(value, list):
        return bool(value) and all(map(_is_alternative, value))
    return _is_pattern(value)


def _is_alternative(value: Any) -> bool:
    if isinstance(value, dict):
        return len(value) == 1 and all(_is_operator(name, operand) for name, operand in value.items())
    return isinstance(value, _SCALARS)


def _is_operator(name: str, operand: Any) -> bool:
    match name:
        case "prefix" | "suffix" | "equals-ignore-case":
            return isinstance(operand, str)
        case "exists":
            return isinstance(operand, bool)
        case "numeric":
            return _is_numeric(operand)
        case "anything-but":
            return _is_anything_but(operand)
    return False


def _is_anything_but(operand: Any) -> bool:
    if isinstance(operand, dict):
        return len(operand) == 1 and all(
            name in {"prefix", "suffix", "equals-ignore-case"} and isinstance(text, str)
            for name, text in operand.items()
        )
    values = operand if isinstance(operand, list) else [operand]
    return bool(values) and all(isinstance(value, str) or _is_number(value) for value in values)


def _is_numeric(operand: Any) -> bool:
    """`["=", 1]`, or a range of two comparisons."""
    return (
        isinstance(operand, list)
        and len(operand) in (2, 4)
        and all(comparison in _COMPARISONS for comparison in operand[::2] if isinstance(comparison, str))
        and all(isinstance(comparison, str) for comparison in operand[::2])
        and all(map(_is_number, operand[1::2]))
    )


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
