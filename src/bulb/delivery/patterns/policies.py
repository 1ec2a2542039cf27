"""The limits of a subscription's filter policy, of SNS's page on them. Texts marked so are recalled, not recorded.

The combinations of a policy are the product of how many values each list has, each multiplied by how deep the list is
nested; the members of an `$or` are added. Keys are the names that lead to a list; of an `$or` the member with most.
"""

from collections.abc import Iterator
from typing import Any

from bulb.delivery.patterns.errors import PatternError
from bulb.delivery.patterns.reading import OR, Tree, is_or

NESTED = "Filter policy scope MessageAttributes does not support nested filter policy"
_MOST_BYTES, _MOST_KEYS, _MOST_COMBINATIONS = 256 * 1024, 5, 150
_MOST_WILDCARDS, _MOST_POINTS, _POINTS = 3, 100, 3
_TOO_COMPLEX = "Filter policy is too complex"


def check_shape(policy: dict[str, Any], *, is_flat: bool) -> None:
    """What SNS says before it looks at values. Raises PatternError."""
    if len(policy) > _MOST_KEYS:
        raise PatternError(f"Filter policy can not have more than {_MOST_KEYS} keys")
    if is_flat and _is_nested(policy):
        raise PatternError(NESTED)


def _is_nested(policy: dict[str, Any]) -> bool:
    return any(
        isinstance(value, dict) or (name == OR and is_or(value) and any(map(_is_nested, value)))
        for name, value in policy.items()
    )


def check_limits(text: str, policy: dict[str, Any], tree: Tree) -> None:
    """Raises PatternError for a policy that is too long, or asks for too much."""
    if len(text.encode("utf-8", "surrogatepass")) > _MOST_BYTES:
        raise PatternError("Filter policy is too long")  # Recalled.
    if _keys(tree) > _MOST_KEYS:
        raise PatternError(f"Filter policy can not have more than {_MOST_KEYS} keys")
    if _combinations(policy, tree, 1) > _MOST_COMBINATIONS:
        raise PatternError(_TOO_COMPLEX)
    wildcards = [len(parts) - 1 for parts in _wildcards(tree)]
    if any(count > _MOST_WILDCARDS for count in wildcards):
        raise PatternError(_TOO_COMPLEX)  # Recalled, as is how wildcards are counted.
    if sum(count if count == 1 else count * _POINTS for count in wildcards) > _MOST_POINTS:
        raise PatternError(_TOO_COMPLEX)


def _keys(tree: Tree) -> int:
    own = sum(1 if child.leaf else _keys(child) for child in tree.fields.values())
    return own + sum(max(map(_keys, group)) for group in tree.groups)


def _combinations(policy: dict[str, Any], tree: Tree, depth: int) -> int:
    count = 1
    for name, child in tree.fields.items():
        value = policy[name]
        count *= len(value) * depth if isinstance(value, list) else _combinations(value, child, depth + 1)
    for group in tree.groups:
        count *= sum(_combinations(value, child, depth) for value, child in zip(policy[OR], group, strict=True))
    return count


def _wildcards(tree: Tree) -> Iterator[tuple[str, ...]]:
    if tree.leaf:
        yield from tree.leaf.globs
    for child in (*tree.fields.values(), *(member for group in tree.groups for member in group)):
        yield from _wildcards(child)
