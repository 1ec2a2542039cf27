"""The alternatives of one field: what stands in a pattern's list, read and turned into tests.

Reasons are AWS's (event-ruler's) words. What is looked at first is what its reader meets first: the operator, what is
inside it, and only then whether something stands beside it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from bulb.delivery.patterns import wildcards
from bulb.delivery.patterns.addresses import within_block
from bulb.delivery.patterns.dialects import Dialect
from bulb.delivery.patterns.errors import PatternError
from bulb.delivery.patterns.numbers import number

TextTest = Callable[[str], bool]
NumberTest = Callable[[float], bool]
_ONE_KEY = "Only one key allowed in match expression"
_TOO_MANY = "Too many elements in numeric expression"
_NO_VALUE = "Match value must be String, number, true, false, or null"
_NO_DOUBLE = "Number cannot be represented as an IEEE-754 double"
_RANGE = 4  # Elements of a numeric range: two comparisons and their numbers.


@dataclass
class Alternatives:
    """What one field may be. `any_tests` see every scalar; `text_tests` texts alone; `number_tests` doubles alone."""

    texts: set[str] = field(default_factory=set)
    numbers: set[float] = field(default_factory=set)
    literals: set[bool | None] = field(default_factory=set)
    text_tests: list[TextTest] = field(default_factory=list)
    number_tests: list[NumberTest] = field(default_factory=list)
    any_tests: list[Callable[[Any], bool]] = field(default_factory=list)
    may_be_absent: bool = False
    globs: list[wildcards.Parts] = field(default_factory=list)


def read_alternatives(values: Sequence[Any], dialect: Dialect) -> Alternatives:
    """The list of a field. Raises PatternError."""
    found = Alternatives()
    for value in values:
        if isinstance(value, dict):
            _read_operator(value, found, dialect)
        elif isinstance(value, str):
            found.texts.add(value)
        elif isinstance(value, bool) or value is None:
            found.literals.add(value)
        elif isinstance(value, int | float):
            found.numbers.add(_number(value))
        else:
            raise PatternError(_NO_VALUE)
    if not values:
        raise PatternError("Empty arrays are not allowed")
    if not dialect.is_policy:
        wildcards.check_complexity(found.globs)
    return found


def _read_operator(expression: dict[str, Any], found: Alternatives, dialect: Dialect) -> None:
    if not expression:
        raise PatternError("Match expression name not found")
    name, operand = next(iter(expression.items()))
    if name not in dialect.operators:
        raise PatternError(f"Unrecognized match type {name}")
    match name:
        case "prefix" | "suffix":
            found.text_tests.append(_end(name, operand))
        case "equals-ignore-case":
            found.text_tests.append(_same(_text(operand, name)))
        case "wildcard":
            parts = wildcards.parse(_text(operand, name))
            found.globs.append(parts)
            found.text_tests.append(wildcards.matcher(parts))
        case "cidr":
            found.text_tests.append(within_block(operand))
        case "numeric":
            found.number_tests.append(_numeric(operand))
        case "exists":
            _read_exists(operand, found)
        case _:
            found.any_tests.append(_anything_but(operand, found, dialect))
    if len(expression) > 1:
        raise PatternError(_TOO_MANY if name in ("numeric", "anything-but") else _ONE_KEY)


def _read_exists(operand: Any, found: Alternatives) -> None:
    if not isinstance(operand, bool):
        raise PatternError("exists match pattern must be either true or false.")
    if operand:
        found.any_tests.append(lambda value: True)
    else:
        found.may_be_absent = True


def _text(operand: Any, operator: str) -> str:
    if not isinstance(operand, str):
        raise PatternError(f"{operator} match pattern must be a string")
    return operand


def _number(value: Any) -> float:
    double = number(value)
    if double is None:
        raise PatternError(_NO_DOUBLE)
    return double


def _end(name: str, operand: Any) -> TextTest:
    """`prefix` or `suffix`, of a text or of `{"equals-ignore-case": text}`."""
    if not isinstance(operand, dict):
        return _plain_end(name, _text(operand, name))
    if not operand:
        raise PatternError(f"{name.capitalize()} expression name not found")
    inner, text = next(iter(operand.items()))
    if inner != "equals-ignore-case":
        raise PatternError(f"Unsupported {name} pattern: {inner}")
    wanted = _text(text, inner).lower()
    if len(operand) > 1:
        raise PatternError(_ONE_KEY)
    plain = _plain_end(name, wanted)
    return lambda value: plain(value.lower())


def _plain_end(name: str, wanted: str) -> TextTest:
    return (lambda value: value.startswith(wanted)) if name == "prefix" else (lambda value: value.endswith(wanted))


def _same(text: str) -> TextTest:
    wanted = text.lower()
    return lambda value: value.lower() == wanted


def _numeric(operand: Any) -> NumberTest:
    """`["=", 1]`, or one or two bounds: the lower one first."""
    if not isinstance(operand, list):
        raise PatternError("Value of numeric must be an array.")
    if not operand or not isinstance(operand[0], str):
        raise PatternError(f"Invalid member in numeric match: {_token(operand)}")
    operator, rest = operand[0], operand[1:]
    if operator not in _COMPARISONS:
        raise PatternError(f"Unrecognized numeric range operator: {operator}")
    low = _bound(operator, rest)
    if len(rest) == 1:
        return _COMPARISONS[operator](low)
    if operator not in (">", ">="):
        raise PatternError(_TOO_MANY)
    upper = rest[1]
    if not isinstance(upper, str):
        raise PatternError(f"Bad value in numeric range: {_token(rest[1:])}")
    if upper not in ("<", "<="):
        raise PatternError(f"Bad numeric range operator: {upper}")
    high = _bound(upper, rest[2:])
    if len(operand) > _RANGE:
        raise PatternError("Too many terms in numeric range expression")
    if high <= low:
        raise PatternError("Bottom must be less than top")
    above, below = _COMPARISONS[operator](low), _COMPARISONS[upper](high)
    return lambda value: above(value) and below(value)


_COMPARISONS: dict[str, Callable[[float], NumberTest]] = {
    "=": lambda wanted: lambda value: value == wanted,
    "<": lambda wanted: lambda value: value < wanted,
    "<=": lambda wanted: lambda value: value <= wanted,
    ">": lambda wanted: lambda value: value > wanted,
    ">=": lambda wanted: lambda value: value >= wanted,
}


def _bound(operator: str, rest: Sequence[Any]) -> float:
    if not rest or isinstance(rest[0], bool) or not isinstance(rest[0], int | float):
        raise PatternError(f"Value of {'equals' if operator == '=' else operator} must be numeric")
    return _number(rest[0])


def _token(values: Sequence[Any]) -> str:
    """How AWS's reader prints the first of `values`: what opens it, or what closes the list."""
    if not values:
        return "]"
    value = values[0]
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return "{" if isinstance(value, dict) else "[" if isinstance(value, list) else str(value)


def _anything_but(operand: Any, found: Alternatives, dialect: Dialect) -> Callable[[Any], bool]:
    """Whether a scalar, of whatever type, is something else."""
    if isinstance(operand, dict):
        return _not(_negated_tests(operand, found, dialect))
    if isinstance(operand, list):
        return _none_of(operand)
    if isinstance(operand, bool) or not isinstance(operand, str | int | float):
        raise PatternError("Value of anything-but must be an array or single string/number value.")
    return _none_of([operand])


def _none_of(values: Sequence[Any]) -> Callable[[Any], bool]:
    if any(isinstance(value, bool) or not isinstance(value, str | int | float) for value in values):
        raise PatternError("Inside anything but list, start|null|boolean is not supported.")
    texts = frozenset(value for value in values if isinstance(value, str))
    numbers = frozenset(_number(value) for value in values if not isinstance(value, str))
    if bool(texts) == bool(numbers):
        raise PatternError(
            "Inside anything but list, either all values are number or string, mixed type is not supported"
        )
    if texts:
        return lambda value: type(value) is not str or value not in texts
    return lambda value: number(value) not in numbers


def _negated_tests(operand: dict[str, Any], found: Alternatives, dialect: Dialect) -> list[TextTest]:
    if not operand:
        raise PatternError("Anything-But expression name not found")
    name, value = next(iter(operand.items()))
    if name not in dialect.negated:
        raise PatternError(f"Unsupported anything-but pattern: {name}")
    if isinstance(value, bool) or not isinstance(value, str | int | float | list):
        raise PatternError("Value of anything-but must be an array or single string/number value.")
    texts = [_negated(name, text) for text in (value if isinstance(value, list) else [value])]
    if len(operand) > 1:
        raise PatternError(_TOO_MANY)
    if name == "wildcard":
        parts = [wildcards.parse(text) for text in texts]
        found.globs += parts
        return [wildcards.matcher(each) for each in parts]
    return [_same(text) if name == "equals-ignore-case" else _plain_end(name, text) for text in texts]


def _negated(name: str, text: Any) -> str:
    if not isinstance(text, str):
        if name == "equals-ignore-case":
            raise PatternError(
                "Inside anything-but/equals-ignore-case list, number|start|null|boolean is not supported."
            )
        raise PatternError(f"{name if name == 'wildcard' else 'prefix/suffix'} match pattern must be a string")
    if not text and name in ("prefix", "suffix"):
        raise PatternError("Null prefix/suffix not allowed")
    return text


def _not(tests: Sequence[TextTest]) -> Callable[[Any], bool]:
    return lambda value: type(value) is not str or not any(test(value) for test in tests)
