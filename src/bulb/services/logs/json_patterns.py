"""JSON patterns: `{ $.user.id = 1 && ($.items[0].price > 5 || $.error IS NULL) && $.a NOT EXISTS }`.

A message that is not a JSON object matches none. `&&` binds tighter than `||`.
"""

import re
from collections.abc import Callable
from typing import Any

import orjson

from bulb.services.logs.comparisons import OPERATORS, Test, comparison

_TOKEN = re.compile(
    r"""\s*(?:
      (?P<mark>&&|\|\||[(){}])
    | (?P<path>\$(?:\.[\w\-@:]+|\[(?:\d+|\*|"[^"]*"|'[^']*')\]|\.\*)+)
    | (?P<sign>!=|<=|>=|=|<|>)
    | (?P<operand>"(?:[^"\\]|\\.)*"|%[^%]+%)
    | (?P<word>[^\s(){}=<>!&|"%]+)
    )""",
    re.VERBOSE,
)
_STEP = re.compile(r"""\.([\w\-@:]+|\*)|\[(\d+|\*|"[^"]*"|'[^']*')\]""")

Document = Any
Condition = Callable[[Document], bool]
Token = tuple[str, str]


def compile_json(text: str) -> Callable[[str], bool]:
    """The test a JSON pattern is. Raises ValueError."""
    parser = _Parser(_tokens(text))
    parser.take("mark", "{")
    condition = parser.any_of()
    parser.take("mark", "}")
    parser.finish()

    def matches(message: str) -> bool:
        try:
            document = orjson.loads(message)
        except ValueError:
            return False
        return isinstance(document, dict) and condition(document)

    return matches


def _tokens(text: str) -> list[Token]:
    tokens: list[Token] = []
    position, text = 0, text.rstrip()
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None or match.lastgroup is None:
            raise ValueError(text)
        tokens.append((match.lastgroup, match[match.lastgroup]))
        position = match.end()
    return tokens


class _Parser:
    """Recursive descent over the tokens; the pattern's length (1,024 characters at most) bounds its depth."""

    def __init__(self, tokens: list[Token]) -> None:
        self._tokens = tokens
        self._at = 0

    def any_of(self) -> Condition:
        conditions = [self._all_of()]
        while self._skip("||"):
            conditions.append(self._all_of())
        return lambda document: any(condition(document) for condition in conditions)

    def take(self, kind: str, text: str | None = None) -> str:
        found_kind, found = self._peek()
        if found_kind != kind or (text is not None and found != text):
            raise ValueError(found)
        self._at += 1
        return found

    def finish(self) -> None:
        if self._at != len(self._tokens):
            raise ValueError(self._peek())

    def _all_of(self) -> Condition:
        conditions = [self._one()]
        while self._skip("&&"):
            conditions.append(self._one())
        return lambda document: all(condition(document) for condition in conditions)

    def _one(self) -> Condition:
        if self._skip("("):
            condition = self.any_of()
            self.take("mark", ")")
            return condition
        path = _steps(self.take("path"))
        kind, text = self._peek()
        if kind == "sign":
            self._at += 1
            return _compared(path, text, self._operand())
        return _worded(path, self._words())

    def _operand(self) -> str:
        kind, text = self._peek()
        if kind not in {"operand", "word"}:
            raise ValueError(text)
        self._at += 1
        return text

    def _words(self) -> str:
        words = []
        while self._peek()[0] == "word":
            words.append(self.take("word").upper())
        return " ".join(words)

    def _skip(self, mark: str) -> bool:
        if self._peek() == ("mark", mark):
            self._at += 1
            return True
        return False

    def _peek(self) -> Token:
        return self._tokens[self._at] if self._at < len(self._tokens) else ("end", "")


def _steps(path: str) -> list[str | int]:
    steps: list[str | int] = []
    for name, index in _STEP.findall(path):
        if name:
            steps.append(name)
        else:
            steps.append(int(index) if index.isdigit() else index.strip("\"'"))
    return steps


def _values(document: Document, steps: list[str | int]) -> list[Any]:
    """What the path leads to; several values where it has a `*`."""
    found = [document]
    for step in steps:
        found = [value for one in found for value in _below(one, step)]
    return found


def _below(value: Any, step: str | int) -> list[Any]:
    if isinstance(value, list):
        if step == "*":
            return value
        return [value[step]] if isinstance(step, int) and step < len(value) else []
    if isinstance(value, dict):
        if step == "*":
            return list(value.values())
        return [value[step]] if step in value else []
    return []


def _compared(path: list[str | int], sign: str, operand: str) -> Condition:
    assert sign in OPERATORS
    test = comparison(sign, operand)
    return lambda document: any(test(value) for value in _values(document, path))


def _worded(path: list[str | int], words: str) -> Condition:
    tests: dict[str, Test] = {
        "IS TRUE": lambda value: value is True,
        "IS FALSE": lambda value: value is False,
        "IS NULL": lambda value: value is None,
    }
    if words in tests:
        return lambda document: any(tests[words](value) for value in _values(document, path))
    if words == "EXISTS":
        return lambda document: bool(_values(document, path))
    if words == "NOT EXISTS":
        return lambda document: not _values(document, path)
    raise ValueError(words)
