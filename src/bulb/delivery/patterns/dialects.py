"""What each user of patterns may write. One grammar, fewer or more operators, other words and limits."""

from dataclasses import dataclass

_TESTS = frozenset({"prefix", "suffix", "equals-ignore-case", "anything-but", "numeric", "exists"})
_NEGATED = frozenset({"prefix", "suffix", "equals-ignore-case"})
_EVERY = _TESTS | {"wildcard", "cidr"}


@dataclass(frozen=True)
class Dialect:
    """One user's patterns. `before` stands in front of the reasons; `bad_json` is that of a text that is no JSON, None
    for one that says what is wrong with it.
    """

    name: str
    operators: frozenset[str] = _EVERY
    negated: frozenset[str] = _NEGATED | {"wildcard"}  # What `anything-but` may be applied to.
    before: str = ""
    bad_json: str | None = None
    is_flat: bool = False  # Names only, no objects.
    may_be_empty: bool = False
    is_policy: bool = False  # A filter policy of a subscription, with the limits of one.


EVENTS = Dialect("events")
FILTERS = Dialect("filters", operators=_TESTS, negated=_NEGATED)
TOPICS_ATTRIBUTES = Dialect(
    "topics-attributes",
    before="FilterPolicy: ",
    bad_json="failed to parse JSON.",
    is_flat=True,
    may_be_empty=True,
    is_policy=True,
)
TOPICS_BODY = Dialect(
    "topics-body", before="FilterPolicy: ", bad_json="failed to parse JSON.", may_be_empty=True, is_policy=True
)
