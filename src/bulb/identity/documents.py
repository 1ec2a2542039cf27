"""Stored policy documents as statements that can be judged. Pure."""

import json
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from bulb.identity.conditions import without_variables
from bulb.identity.evaluation import Statement

_WITH_VARIABLES = "2012-10-17"


@lru_cache(maxsize=1024)
def statements_of(document: str) -> tuple[Statement, ...]:
    """The statements of a document that was checked when it was stored."""
    parsed = json.loads(document)
    return judged(parsed["Statement"], parsed.get("Version"))


def judged(given: Any, version: str | None) -> tuple[Statement, ...]:
    """Statements with their variables as the version of their document has them: before 2012 there were none."""
    statements = tuple(given) if isinstance(given, list | tuple) else (given,)
    if version == _WITH_VARIABLES:
        return statements
    return tuple(_mapped(statement, without_variables) for statement in statements)


def _mapped(value: Any, change: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, list):
        return [_mapped(one, change) for one in value]
    if isinstance(value, dict):
        return {key: _mapped(one, change) for key, one in value.items()}
    return value
