"""Space-delimited patterns: `[ip, user, ..., status = 4* || status = 5*, bytes > 100]`.

A message is cut at spaces; what stands in brackets or double quotes is one field. Each part of the pattern names one
field and may put conditions on it; `...` stands for any number of fields, and a single part of `w1` form for one.
A message with fewer or more fields than the pattern says does not match.
"""

import re
from collections.abc import Callable
from functools import lru_cache

from bulb.services.logs.comparisons import comparison

_FIELD = re.compile(r'\s*(?:"((?:[^"\\]|\\.)*)"|\[([^\]]*)\]|(\S+))')
_SPLIT = re.compile(r"""("(?:[^"\\]|\\.)*"|%[^%]*%|,|&&|\|\|)""")
_CONDITION = re.compile(r"\s*([\w\-.@]*)\s*(?:(!=|<=|>=|=|<|>)\s*(.+?))?\s*", re.DOTALL)
_ELLIPSIS = "..."

Field = Callable[[str], bool]


def compile_fields(text: str) -> Callable[[str], bool]:
    """The test a space-delimited pattern is. Raises ValueError."""
    parts, gap = _shape(text)
    before = [_field(part) for part in parts[:gap]]
    after = [_field(part) for part in parts[gap + 1 :]] if gap is not None else []

    def matches(message: str) -> bool:
        fields = _fields(message)
        if len(fields) < len(before) + len(after) or (gap is None and len(fields) != len(before)):
            return False
        tail = fields[len(fields) - len(after) :]
        return all(test(value) for test, value in zip(before, fields, strict=False)) and all(
            test(value) for test, value in zip(after, tail, strict=True)
        )

    return matches


@lru_cache(maxsize=256)
def extractor(pattern: str) -> Callable[[str], dict[str, str]] | None:
    """What finds the fields of a message that matches a space-delimited pattern, by the names that it gives them or
    else by their numbers; None for other patterns.
    """
    text = pattern.strip()
    if not text.startswith("["):
        return None
    parts, gap = _shape(text)
    before = [_name(part) for part in parts[:gap]]
    after = [_name(part) for part in parts[gap + 1 :]] if gap is not None else []

    def extract(message: str) -> dict[str, str]:
        fields = _fields(message)
        between = [""] * (len(fields) - len(before) - len(after))
        names = [*before, *between, *after]
        return {name or str(number): value for number, (name, value) in enumerate(zip(names, fields, strict=True), 1)}

    return extract


def _shape(text: str) -> tuple[list[str], int | None]:
    """The parts of a pattern, and which of them is the gap. Raises ValueError."""
    if not text.endswith("]"):
        raise ValueError(text)
    parts = _parts(text[1:-1], ",")
    names = [part.strip() for part in parts]
    if names.count(_ELLIPSIS) > 1:
        raise ValueError(text)
    return parts, names.index(_ELLIPSIS) if _ELLIPSIS in names else None


def _name(part: str) -> str:
    match = _CONDITION.match(part)
    return match[1] if match is not None else ""


def _fields(message: str) -> list[str]:
    return ["".join(groups) for groups in _FIELD.findall(message)]


def _parts(text: str, separator: str) -> list[str]:
    """`text` cut at `separator` where it does not stand in a phrase or an expression."""
    parts = [""]
    for piece in _SPLIT.split(text):
        if piece == separator:
            parts.append("")
        else:
            parts[-1] += piece
    return parts


def _field(text: str) -> Field:
    choices = [[_condition(part) for part in _parts(choice, "&&")] for choice in _parts(text, "||")]
    return lambda value: any(all(test(value) for test in choice) for choice in choices)


def _condition(text: str) -> Field:
    match = _CONDITION.fullmatch(text)
    if match is None:
        raise ValueError(text)
    if match[2] is None:
        return lambda _: True
    return comparison(match[2], match[3])
