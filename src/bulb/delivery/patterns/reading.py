"""The shape of a pattern: fields that lead to further fields or to alternatives, and `$or`.

Two forms come out. A plain one keeps `$or` where it stands, which is how nearly every pattern is matched. Where that
would not mean the same, as a path is named inside and outside an `$or`, or a member of it may be met by absence, the
pattern is written out: one tree for each combination, as event-ruler does with every pattern.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from bulb.delivery.patterns.dialects import Dialect
from bulb.delivery.patterns.errors import PatternError
from bulb.delivery.patterns.operators import Alternatives, read_alternatives

OR = "$or"
MOST_COMBINATIONS = 1_000
DEEPEST = 200  # Levels. AWS names none; matching recurses so far.
_MEMBERS = 2  # An `$or` has two at least; with fewer it is a field of that name.
_RESERVED = frozenset(
    {"exactly", "equals-ignore-case", "prefix", "suffix", "anything-but", "exists", "wildcard", "numeric", "cidr"}
    | {"=", "<", "<=", ">", ">=", "regex", "not-wildcard", "not-equals-ignore-case", "date-after", "date-on-or-after"}
    | {"date-before", "date-on-or-before", "in-date-range", "ip-address-in-range", "ip-address-not-in-range"}
)


@dataclass
class Tree:
    """What a value must be: one of `leaf`, or an object with `fields` and one tree of each group; or both in a list."""

    leaf: Alternatives | None = None
    fields: "dict[str, Tree]" = field(default_factory=dict)
    groups: "list[list[Tree]]" = field(default_factory=list)

    def may_be_absent(self) -> bool:
        """Whether nothing at all is enough."""
        return (
            (self.leaf is None or self.leaf.may_be_absent)
            and all(tree.may_be_absent() for tree in self.fields.values())
            and all(any(tree.may_be_absent() for tree in group) for group in self.groups)
        )

    def names(self) -> set[str]:
        """The names this object asks for, those of its groups included."""
        return set(self.fields).union(*(tree.names() for group in self.groups for tree in group))


def read_tree(value: dict[str, Any], dialect: Dialect) -> Tree:
    """A pattern's object. Raises PatternError."""
    tree = _read_object(value, dialect, 1)
    if not dialect.is_policy and _combinations(tree) > MOST_COMBINATIONS:
        raise PatternError(f"Rule has more than {MOST_COMBINATIONS} combinations of $or")
    return tree


def written_out(tree: Tree) -> list[Tree]:
    """Trees of which one must match; the tree itself where its groups can stay in their places."""
    if _is_plain(tree):
        return [tree]
    return [_planted(paths) for paths in _combined(tree, (), [{}])]


def _combinations(tree: Tree) -> int:
    """How many trees writing out makes."""
    count = 1
    for child in tree.fields.values():
        count *= _combinations(child)
    for group in tree.groups:
        count *= sum(map(_combinations, group))
    return count


def _read_object(value: dict[str, Any], dialect: Dialect, depth: int) -> Tree:
    if depth > DEEPEST:
        raise PatternError(f"Patterns can be nested {DEEPEST} levels deep at most")
    if not value:
        if depth == 1 and dialect.may_be_empty:
            return Tree()
        raise PatternError("Empty objects are not allowed")
    tree = Tree()
    for name, item in value.items():
        if name == OR and is_or(item):
            tree.groups.append([_read_object(member, dialect, depth + 1) for member in item])
        elif isinstance(item, list):
            tree.fields[name] = Tree(leaf=read_alternatives(item, dialect))
        elif isinstance(item, dict):
            tree.fields[name] = _read_object(item, dialect, depth + 1)
        else:
            raise PatternError(f'"{name}" must be an object or an array')
    return tree


def is_or(item: Any) -> bool:
    """Whether what stands under `$or` is the relation, and not a field that happens to be named like it."""
    return (
        isinstance(item, list)
        and len(item) >= _MEMBERS
        and all(isinstance(member, dict) and _RESERVED.isdisjoint(member) for member in item)
    )


def _is_plain(tree: Tree) -> bool:
    taken = set(tree.fields)
    for group in tree.groups:
        names: set[str] = set().union(*(member.names() for member in group))
        if not taken.isdisjoint(names) or any(member.may_be_absent() for member in group):
            return False
        taken |= names
    return all(map(_is_plain, _below(tree)))


def _below(tree: Tree) -> Iterator[Tree]:
    yield from tree.fields.values()
    for group in tree.groups:
        yield from group


_Paths = dict[tuple[str, ...], Alternatives]


def _combined(tree: Tree, path: tuple[str, ...], found: list[_Paths]) -> list[_Paths]:
    """Each of `found` with what `tree` asks for; a path that is there already is replaced."""
    if tree.leaf is not None:
        return [{**paths, path: tree.leaf} for paths in found]
    for name, child in tree.fields.items():
        found = _combined(child, (*path, name), found)
    for group in tree.groups:
        found = [paths for member in group for paths in _combined(member, path, found)]
    return found


def _planted(paths: _Paths) -> Tree:
    root = Tree()
    for path, leaf in paths.items():
        tree = root
        for name in path:
            tree = tree.fields.setdefault(name, Tree())
        tree.leaf = leaf
    return root
