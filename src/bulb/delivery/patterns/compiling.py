"""From the tree of a pattern to functions of an event.

A function answers NO, ABSENT (met, but only because nothing is there) or MET. The three are needed for lists: of the
elements of a list of objects one must meet all that a pattern says of them (two fields of one pattern object never
come from two elements); what is met by absence alone must be absent from all of them. Lists in lists count as one.
Every value of an event is looked at once for each place of the pattern that leads to it, so nothing multiplies.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from bulb.delivery.patterns import policies
from bulb.delivery.patterns.dialects import Dialect
from bulb.delivery.patterns.errors import PatternError
from bulb.delivery.patterns.jsontext import parse_object
from bulb.delivery.patterns.numbers import number
from bulb.delivery.patterns.operators import Alternatives
from bulb.delivery.patterns.reading import Tree, read_tree, written_out

NO, ABSENT, MET = 0, 1, 2
_MISSING = object()
_On = Callable[[Any], int]


class Pattern:
    """A compiled pattern. `names` are the top-level names it asks for."""

    __slots__ = ("_on", "names", "text")

    def __init__(self, text: str, names: frozenset[str], on: _On) -> None:
        self.text = text
        self.names = names
        self._on = on

    def matches(self, event: Mapping[str, Any]) -> bool:
        """Whether an event, as JSON is read, is what the pattern describes."""
        return self._on(event if type(event) is dict else dict(event)) != NO


def compile_pattern(text: str, dialect: Dialect, data_key: str | None = None) -> Pattern:
    """The pattern that `text` is. Raises PatternError with AWS's reason.

    `data_key`: the top-level name whose value is a text in some events and JSON in others. A list asks there for a
    text, an object for JSON; the other one never matches, whatever the operator.
    """
    try:
        value = parse_object(text, dialect.bad_json)
        if dialect.is_policy:
            policies.check_shape(value, is_flat=dialect.is_flat)
        tree = read_tree(value, dialect)
        if dialect.is_policy:
            policies.check_limits(text, value, tree)
    except PatternError as error:
        raise PatternError(dialect.before + error.reason if error.reason != policies.NESTED else error.reason) from None
    trees = [_tree(each, data_key) for each in written_out(tree)]
    return Pattern(text, frozenset(tree.names()), trees[0] if len(trees) == 1 else _one_of(trees))


def _tree(tree: Tree, data_key: str | None = None) -> _On:
    if tree.leaf is None:
        return _object(tree, data_key)
    leaf = _leaf(tree.leaf)
    if not tree.fields:
        return leaf
    fields = _object(Tree(fields=tree.fields), None)

    def both(value: Any) -> int:
        if type(value) is list:
            return _element(both, value, both(_MISSING))
        scalar, structure = leaf(value), fields(value)
        return max(scalar, structure) if scalar and structure else NO

    return both


def _object(tree: Tree, data_key: str | None) -> _On:
    fields = [(name, _data(child) if name == data_key else _tree(child)) for name, child in tree.fields.items()]
    groups = [_one_of([_tree(member, data_key) for member in group]) for group in tree.groups]
    without = ABSENT if tree.may_be_absent() else NO

    def on(value: Any) -> int:
        kind = type(value)
        if kind is dict:
            answer = ABSENT
            for name, test in fields:
                found = test(value.get(name, _MISSING))
                if found == NO:
                    return NO
                if found == MET:
                    answer = MET
            for group in groups:
                found = group(value)
                if found == NO:
                    return NO
                if found == MET:
                    answer = MET
            return answer
        return _element(on, value, without) if kind is list else without

    return on


def _data(tree: Tree) -> _On:
    """The value under the data key: see `compile_pattern`."""
    on, takes_text, takes_json = _tree(tree), tree.leaf is not None, bool(tree.fields or tree.groups)

    def data(value: Any) -> int:
        kind = type(value)
        if (takes_text and kind is not str) or (takes_json and kind is not dict and kind is not list):
            return NO
        return on(value)

    return data


def _one_of(members: Sequence[_On]) -> _On:
    def group(value: Any) -> int:
        answer = NO
        for member in members:
            found = member(value)
            if found == MET:
                return MET
            answer = max(answer, found)
        return answer

    return group


def _leaf(leaf: Alternatives) -> _On:
    scalar, without = _scalar(leaf), ABSENT if leaf.may_be_absent else NO

    def on(value: Any) -> int:
        kind = type(value)
        if kind is dict or value is _MISSING:
            return without  # An object is no leaf: it counts as absent.
        if kind is list:
            return _element(on, value, without)
        return MET if scalar(value) else NO

    return on


def _scalar(leaf: Alternatives) -> Callable[[Any], bool]:
    texts, numbers, literals = frozenset(leaf.texts), frozenset(leaf.numbers), frozenset(leaf.literals)
    text_tests, number_tests, any_tests = tuple(leaf.text_tests), tuple(leaf.number_tests), tuple(leaf.any_tests)

    def test(value: Any) -> bool:
        kind = type(value)
        if kind is str:
            if value in texts:
                return True
            for text_test in text_tests:
                if text_test(value):
                    return True
        elif kind is bool or value is None:
            if value in literals:
                return True
        elif numbers or number_tests:
            double = number(value)
            if double is not None:
                if double in numbers:
                    return True
                for number_test in number_tests:
                    if number_test(double):
                        return True
        return any(any_test(value) for any_test in any_tests) if any_tests else False

    return test


def _element(on: _On, values: list[Any], without: int) -> int:
    """What `on` says of a list: see the top. `on` never sees an element that is a list: this is not entered twice."""
    is_absent, is_empty = True, True
    waiting = [iter(values)]
    while waiting:
        for value in waiting[-1]:
            if type(value) is list:
                waiting.append(iter(value))
                break
            is_empty = False
            found = on(value)
            if found == MET:
                return MET
            is_absent = is_absent and found == ABSENT
        else:
            waiting.pop()
    return without if is_empty else ABSENT if is_absent else NO
