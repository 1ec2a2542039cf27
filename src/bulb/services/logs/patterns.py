"""Filter patterns: text in, a test of a message out.

    error "out of memory"         all of these terms are in the message
    ?error ?warning               any of them is
    error -timeout                the first is, the second is not
    %4\\d\\d%                       a regular expression matches
    { $.level = "ERROR" && ... }  see json_patterns
    [ip, user, status = 4*]       see field_patterns

Terms are compared letter by letter. With any `?` term, the plain terms beside it are as optional as it is.
"""

import re
from collections.abc import Callable
from functools import lru_cache

from bulb.core.errors import AwsError
from bulb.services.logs.field_patterns import compile_fields
from bulb.services.logs.json_patterns import compile_json
from bulb.services.logs.regexes import compile_regex

Matcher = Callable[[str], bool]
_TERM = re.compile(
    r"""\s*(?P<sign>[-?]?)(?:"(?P<phrase>(?:[^"\\]|\\.)*)"|%(?P<regex>[^%]*)%|(?P<word>[^\s"%]+))(?=\s|$)"""
)
_REGEXES = 2


@lru_cache(maxsize=256)
def compile_pattern(pattern: str) -> Matcher:
    """The test that `pattern` is. Raises AwsError InvalidParameterException for what is not a pattern."""
    text = pattern.strip()
    try:
        if text.startswith("{"):
            return compile_json(text)
        if text.startswith("["):
            return compile_fields(text)
        return _compile_terms(text)
    except (ValueError, RecursionError):
        is_open = text.startswith("[") and not text.endswith("]")
        reason = "If a filter pattern starts with '[' it must end with ']'" if is_open else "Invalid filter pattern"
        raise AwsError("InvalidParameterException", reason) from None


def _compile_terms(text: str) -> Matcher:
    needed: list[Matcher] = []
    optional: list[Matcher] = []
    excluded: list[Matcher] = []
    position = regexes = 0
    while position < len(text):
        match = _TERM.match(text, position)
        if match is None:
            raise ValueError(text)
        position = match.end()
        regexes += match["regex"] is not None
        {"": needed, "?": optional, "-": excluded}[match["sign"]].append(_term(match))
    if regexes > _REGEXES:
        raise ValueError(text)
    if optional:
        needed, optional = [], needed + optional

    def matches(message: str) -> bool:
        return (
            all(term(message) for term in needed)
            and (not optional or any(term(message) for term in optional))
            and not any(term(message) for term in excluded)
        )

    return matches


def _term(match: re.Match[str]) -> Matcher:
    if match["regex"] is not None:
        found = compile_regex(match["regex"])
        return lambda message: found.search(message) is not None
    text = re.sub(r"\\(.)", r"\1", match["phrase"]) if match["phrase"] is not None else match["word"]
    return lambda message: text in message
