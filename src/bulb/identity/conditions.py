"""The Condition element of a policy statement: does it hold for a request. Pure.

A block is operators, each with keys, each with values: any value of a key will do, every key and every operator must.
Operators with a negative name hold where no value matches. A key the request does not have fails its test, except for
negative operators, `...IfExists` and `Null`. Source: IAM's reference of policy elements.
"""

import ipaddress
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

# What a request is known by: condition key in lower case -> its value, or its values where the key has several.
Context = Mapping[str, str | Sequence[str]]
_Test = Callable[[str, str], bool]

_VARIABLE = re.compile(r"\$\{([^}]*)\}")
_ARN_PARTS = 5
# What stands for a character that means itself: no text has these, for Unicode will never make them characters.
_LITERAL = {"*": "\ufdd0", "?": "\ufdd1", "$": "\ufdd2"}
_MEANT = str.maketrans({mark: one for one, mark in _LITERAL.items()})
_NOTHING = "\ufdd3"  # for a variable without a value: nothing equals it


class UnknownOperatorError(ValueError):
    """An operator IAM does not have; the statement cannot be judged."""


def holds(condition: Mapping[str, Mapping[str, Any]], context: Context) -> bool:
    """Do all tests of the block hold? Raises UnknownOperatorError."""
    return all(
        _key_holds(operator, key, texts(expected), context)
        for operator, tests in condition.items()
        for key, expected in tests.items()
    )


def is_operator(name: str) -> bool:
    """Is it one that IAM has?"""
    quantifier, _, rest = name.rpartition(":")
    rest = rest.removesuffix("IfExists")
    try:
        return quantifier in ("", "ForAllValues", "ForAnyValue") and (rest == "Null" or _operator(rest) is not None)
    except UnknownOperatorError:
        return False


def texts(value: Any) -> tuple[str, ...]:
    """One value or a list of them, as policies may have it, as texts."""
    if type(value) is str:  # nearly always, and every statement asks with every call
        return (value,)
    values = value if isinstance(value, list | tuple) else (value,)
    return tuple([one if type(one) is str else _text(one) for one in values])


@lru_cache(maxsize=4096)
def wildcard(pattern: str, *, any_case: bool = False) -> re.Pattern[str]:
    """`*` is any text and `?` any character; everything else is itself."""
    source = "".join(
        ".*" if one == "*" else "." if one == "?" else re.escape(one.translate(_MEANT))
        for one in re.sub(r"\*+", "*", pattern)
    )
    return re.compile(source, re.DOTALL | (re.IGNORECASE if any_case else 0))


def _key_holds(operator: str, key: str, expected: Sequence[str], context: Context) -> bool:
    quantifier, _, name = operator.rpartition(":")
    if_exists = name.endswith("IfExists")
    name = name.removesuffix("IfExists")
    actual = context.get(key.lower())
    if name == "Null":
        return bool(expected) and (actual is None) == (expected[0].lower() == "true")
    test, negative = _operator(name)
    if actual is None:
        # ForAllValues over nothing is true, ForAnyValue over nothing is not.
        return if_exists or (quantifier == "ForAllValues") or (negative and quantifier != "ForAnyValue")
    values = [actual] if isinstance(actual, str) else list(actual)
    wanted = [filled_in(one, context, plain=test not in _GLOBS) for one in expected]

    def matches(value: str) -> bool:
        return any(_safely(test, value, one) for one in wanted) != negative

    if quantifier == "ForAllValues" or (negative and not quantifier):
        return all(matches(value) for value in values)
    return any(matches(value) for value in values)


def _operator(name: str) -> tuple[_Test, bool]:
    if name in _TESTS:
        return _TESTS[name], False
    if name in _NEGATIVE:
        return _TESTS[_NEGATIVE[name]], True
    raise UnknownOperatorError(name)


def _safely(test: _Test, actual: str, expected: str) -> bool:
    """A value that is no number, date or address equals none."""
    try:
        return test(actual, expected)
    except (ValueError, OverflowError):
        return False


def filled_in(expected: str, context: Context, *, plain: bool = False) -> str:
    """Policy variables: `${aws:username}`, with a default after a comma; `${*}`, `${?}` and `${$}` are themselves.

    What is filled in is no pattern, whatever is in it. `plain` texts are compared as they are, others are patterns.
    """
    if "${" not in expected:
        return expected

    def fill(found: re.Match[str]) -> str:
        name, _, default = found[1].partition(",")
        if name in _LITERAL:
            return _LITERAL[name]
        value = context.get(name.strip().lower())
        if not isinstance(value, str):
            value = default.strip().strip("'") if default else _NOTHING
        return "".join(_LITERAL.get(one, one) for one in value)

    filled = _VARIABLE.sub(fill, expected)
    return filled.translate(_MEANT) if plain else filled


def without_variables(expected: str) -> str:
    """The text as policies of 2008 mean it, which knew no variables."""
    return expected.replace("${", _LITERAL["$"] + "{")


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _same(actual: str, expected: str) -> bool:
    return actual == expected


def _same_in_any_case(actual: str, expected: str) -> bool:
    return actual.lower() == expected.lower()


def _like(actual: str, expected: str) -> bool:
    return wildcard(expected).fullmatch(actual) is not None


def _arn_like(actual: str, expected: str) -> bool:
    """Each of the six parts by itself: a wildcard does not reach over a colon, but in the last part."""
    given, wanted = actual.split(":", _ARN_PARTS), expected.split(":", _ARN_PARTS)
    return len(given) == len(wanted) and all(map(_like, given, wanted))


def _in_network(actual: str, expected: str) -> bool:
    return ipaddress.ip_address(actual) in ipaddress.ip_network(expected, strict=False)


def _seconds(text: str) -> float:
    """A date of ISO 8601, or seconds since 1970."""
    try:
        return float(text)
    except ValueError:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _compared(read: Callable[[str], float], decide: Callable[[float, float], bool]) -> _Test:
    return lambda actual, expected: decide(read(actual), read(expected))


def _ordered(kind: str, read: Callable[[str], float]) -> dict[str, _Test]:
    return {
        f"{kind}Equals": _compared(read, lambda a, b: a == b),
        f"{kind}LessThan": _compared(read, lambda a, b: a < b),
        f"{kind}LessThanEquals": _compared(read, lambda a, b: a <= b),
        f"{kind}GreaterThan": _compared(read, lambda a, b: a > b),
        f"{kind}GreaterThanEquals": _compared(read, lambda a, b: a >= b),
    }


_TESTS: dict[str, _Test] = {
    "StringEquals": _same,
    "StringEqualsIgnoreCase": _same_in_any_case,
    "StringLike": _like,
    "BinaryEquals": _same,
    "Bool": _same_in_any_case,
    "ArnEquals": _arn_like,
    "ArnLike": _arn_like,
    "IpAddress": _in_network,
    **_ordered("Numeric", float),
    **_ordered("Date", _seconds),
}
# Tests of patterns; others compare the text as it is.
_GLOBS = (_like, _arn_like)
_NEGATIVE = {
    "StringNotEquals": "StringEquals",
    "StringNotEqualsIgnoreCase": "StringEqualsIgnoreCase",
    "StringNotLike": "StringLike",
    "ArnNotEquals": "ArnEquals",
    "ArnNotLike": "ArnLike",
    "NotIpAddress": "IpAddress",
    "NumericNotEquals": "NumericEquals",
    "DateNotEquals": "DateEquals",
}
