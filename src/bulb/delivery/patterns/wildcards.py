"""Wildcards: `*` stands for any text, `\\*` and `\\\\` for themselves.

Matching looks for the literal parts from left to right, which is enough for `*` alone: time is linear, whatever the
pattern. How many wildcards a rule may have is AWS's measure, not ours: the greatest number of beginnings of patterns
that one text can have matched at once.
"""

from collections.abc import Callable, Sequence

from bulb.delivery.patterns.errors import PatternError

TOO_COMPLEX = (
    "Rule is too complex - try using fewer wildcard characters or fewer repeating character sequences after a "
    "wildcard character"
)
_MOST_BEGINNINGS = 10
_MOST_SETS = 2_000  # Sets of beginnings looked at; matching does not need the measure, so it may stop there.
_QUOTE = 1  # AWS counts positions in the quoted text, in bytes.

Parts = tuple[str, ...]


def parse(pattern: str) -> Parts:
    """The literal parts between the wildcards of `pattern`. Raises PatternError."""
    parts, literal, index, last = [], "", 0, len(pattern)
    while index < last:
        char = pattern[index]
        if char == "*":
            if pattern[index + 1 : index + 2] == "*":
                raise PatternError(f"Consecutive wildcard characters at pos {_position(pattern, index)}")
            parts.append(literal)
            literal = ""
        elif char == "\\":
            index += 1
            if pattern[index : index + 1] not in ("*", "\\"):
                raise PatternError(f"Invalid escape character at pos {_position(pattern, index - 1)}")
            literal += pattern[index]
        else:
            literal += char
        index += 1
    return (*parts, literal)


def _position(pattern: str, index: int) -> int:
    return len(pattern[:index].encode("utf-8", "surrogatepass")) + _QUOTE


def matcher(parts: Parts) -> Callable[[str], bool]:
    """Whether a text matches, in time linear in its length."""
    if len(parts) == 1:
        return parts[0].__eq__
    first, *middle, last = parts
    least, ahead, behind = sum(map(len, parts)), len(first), len(last)

    def test(text: str) -> bool:
        if len(text) < least or not text.startswith(first) or not text.endswith(last):
            return False
        place, end = ahead, len(text) - behind
        for part in middle:
            place = text.find(part, place, end)
            if place < 0:
                return False
            place += len(part)
        return True

    return test


def check_complexity(patterns: Sequence[Parts]) -> None:
    """Raises PatternError where the wildcards of one field are too many together."""
    tokens = [_tokens(parts) for parts in patterns if len(parts) > 1]
    if not tokens:
        return
    start = _closed(tokens, {(number, 0) for number in range(len(tokens))})
    seen, waiting = {start}, [start]
    while waiting and len(seen) < _MOST_SETS:
        reached = waiting.pop()
        nexts = {tokens[number][place] for number, place in reached if place < len(tokens[number])}
        for char in sorted(nexts):  # The wildcard among them stands for a character that no literal has.
            following = _closed(tokens, set(_moves(tokens, reached, char)))
            if sum(1 for _, place in following if place) > _MOST_BEGINNINGS:
                raise PatternError(TOO_COMPLEX)
            if following not in seen:
                seen.add(following)
                waiting.append(following)


_ANY = ""


def _tokens(parts: Parts) -> list[str]:
    """A quoted pattern's characters; `_ANY` for a wildcard."""
    tokens = ['"', *parts[0]]
    for part in parts[1:]:
        tokens += [_ANY, *part]
    return [*tokens, '"']


def _moves(tokens: list[list[str]], reached: frozenset[tuple[int, int]], char: str) -> list[tuple[int, int]]:
    moved = []
    for number, place in reached:
        if place and tokens[number][place - 1] == _ANY:
            moved.append((number, place))  # The wildcard takes one more.
        if char != _ANY and place < len(tokens[number]) and tokens[number][place] == char:
            moved.append((number, place + 1))
    return moved


def _closed(tokens: list[list[str]], reached: set[tuple[int, int]]) -> frozenset[tuple[int, int]]:
    """With what a wildcard that takes nothing reaches too."""
    return frozenset(reached) | {
        (number, place + 1)
        for number, place in reached
        if place < len(tokens[number]) and tokens[number][place] == _ANY
    }
