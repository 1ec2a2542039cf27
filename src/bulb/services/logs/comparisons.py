"""Comparing a value of a log event with the right side of a condition: `= != < > <= >=`."""

import operator
import re
from collections.abc import Callable
from typing import Any

from bulb.services.logs.regexes import compile_regex, wildcard

OPERATORS = ("!=", "<=", ">=", "=", "<", ">")
_ORDERED: dict[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    ">": operator.gt,
    "<=": operator.le,
    ">=": operator.ge,
}
_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")
Test = Callable[[Any], bool]


def comparison(sign: str, operand: str) -> Test:
    """The test `sign operand`, for values from JSON or from fields. Raises ValueError when there is no such test.

    `operand` is a number, a word with wildcards, a "phrase" with wildcards, or a %regular expression%.
    """
    if sign in _ORDERED:
        return _ordered(_ORDERED[sign], operand)
    equal = _equal(operand)
    if sign == "=":
        return equal
    if sign == "!=":
        return lambda value: value is not None and not equal(value)
    raise ValueError(sign)


def number(value: Any) -> float | None:
    """The number a value is or spells, if any."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return float(value)
    if isinstance(value, str) and _NUMBER.fullmatch(value.strip()):
        return float(value)
    return None


def _ordered(compare: Callable[[float, float], bool], operand: str) -> Test:
    bound = number(operand)
    if bound is None:
        raise ValueError(operand)

    def test(value: Any) -> bool:
        found = number(value)
        return found is not None and compare(found, bound)

    return test


def _equal(operand: str) -> Test:
    if operand.startswith("%") and operand.endswith("%"):
        regex = compile_regex(operand[1:-1])
        return lambda value: isinstance(value, str) and regex.search(value) is not None
    is_phrase = operand.startswith('"')
    text = re.sub(r"\\(.)", r"\1", operand[1:-1]) if is_phrase else operand
    wanted = None if is_phrase else number(operand)
    pattern = wildcard(text)

    def test(value: Any) -> bool:
        if wanted is not None:
            return number(value) == wanted
        shown = str(value).lower() if isinstance(value, bool) else str(value)
        return value is not None and not isinstance(value, dict | list) and pattern.fullmatch(shown) is not None

    return test
