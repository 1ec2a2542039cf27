"""The regular expressions of filter patterns: a small language without groups, so that none runs away."""

import re
from functools import lru_cache

# What CloudWatch allows: letters, digits, these signs, and escapes. No parentheses, so no nested repetition.
_ALLOWED = re.compile(r"(?:[^\W_]|[:_#=@/;,\-. \[\]{}|?+*^$<>!~&'\"]|\\[ -~])*", re.ASCII)
_REPEATS = re.compile(r"(?<!\\)(?:[*+]|\{\d+,?\d*\})")
_MOST_REPEATS = 5


@lru_cache(maxsize=256)
def compile_regex(text: str) -> re.Pattern[str]:
    """The expression between the percent signs. Raises ValueError for what is not allowed."""
    if not text or _ALLOWED.fullmatch(text) is None or len(_REPEATS.findall(text)) > _MOST_REPEATS:
        raise ValueError(text)
    try:
        return re.compile(text, re.ASCII)
    except (re.error, OverflowError):
        raise ValueError(text) from None


def wildcard(text: str) -> re.Pattern[str]:
    """`*` stands for any characters."""
    return re.compile(".*".join(re.escape(part) for part in re.split(r"\*+", text)), re.DOTALL)
