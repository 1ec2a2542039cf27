"""Event patterns: every operator, every refusal, and what holds of all of them.

The brute force below is how event-ruler's page puts it: a field of the event is chosen for every path of the pattern,
and no two of them may come from different elements of one list.
"""

import itertools
import json
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bulb.delivery.patterns import EVENTS, PatternError, compile_pattern, parse_event


def matches(pattern: Any, event: Any) -> bool:
    return compile_pattern(pattern if isinstance(pattern, str) else json.dumps(pattern), EVENTS).matches(event)


def refused(pattern: Any) -> str:
    with pytest.raises(PatternError) as info:
        compile_pattern(pattern if isinstance(pattern, str) else json.dumps(pattern), EVENTS)
    return info.value.reason


ABSENT = object()
OPERATORS: list[tuple[str, Any, list[Any], list[Any]]] = [
    ("exact text", "a", ["a", ["b", "a"]], ["b", "", "A", 1, None, ABSENT, {"a": "a"}, [], ["b"]]),
    ("empty text", "", [""], ["a", None, ABSENT]),
    ("true", True, [True], [1, "true", False, None]),
    ("false", False, [False], [0, "", True, None]),
    ("null", None, [None, ["a", None]], ["null", 0, False, ABSENT]),
    ("number", 1, [1, 1.0, [2, 1]], ["1", True, 2, None]),
    ("another spelling of it", 300.0, [300, 3e2], [301, "300"]),
    ("number as text", "1", ["1"], [1]),
    ("prefix", {"prefix": "us-"}, ["us-east-1", "us-"], ["us", "eu-us-", "US-east-1", 5, None, ABSENT, {}]),
    ("empty prefix", {"prefix": ""}, ["", "a"], [1, None, ABSENT]),
    ("prefix in any case", {"prefix": {"equals-ignore-case": "Us-"}}, ["uS-east-1"], ["xus-", "u"]),
    ("suffix", {"suffix": ".png"}, ["a.png", ".png"], ["png", "a.PNG", "a.png.gz", 1]),
    ("suffix in any case", {"suffix": {"equals-ignore-case": ".PNG"}}, ["a.pNg"], ["a.gif"]),
    ("equals-ignore-case", {"equals-ignore-case": "Alice"}, ["alice", "ALICE"], ["alic", "alice ", 1]),
    ("wildcard", {"wildcard": "dir/*.png"}, ["dir/.png", "dir/a.png", "dir/a/b.png"], ["dir/png", "x/dir/a.png", 1]),
    ("wildcards", {"wildcard": "*a*b*"}, ["ab", "xaxbx", "aab"], ["ba", "a", ""]),
    ("wildcard alone", {"wildcard": "*"}, ["", "x", "é\U0001f600"], [1, None, ABSENT, {}]),
    ("wildcard that overlaps", {"wildcard": "ab*ba"}, ["abba", "abxba"], ["aba", "ab"]),
    ("parts that overlap", {"wildcard": "*ab*ba*"}, ["abba", "xab-bax"], ["xabax", "aba"]),
    ("no wildcard at all", {"wildcard": "a"}, ["a"], ["ab", "*"]),
    ("escaped wildcard", {"wildcard": "a\\*b"}, ["a*b"], ["axb", "a\\*b"]),
    ("escaped backslash", {"wildcard": "a\\\\*"}, ["a\\", "a\\x"], ["ax"]),
    ("anything-but text", {"anything-but": "a"}, ["b", "", 1, None, True, ["a", "b"]], ["a", ["a"], ABSENT, {}, []]),
    ("anything-but texts", {"anything-but": ["a", "b"]}, ["c", 1], ["a", "b"]),
    ("anything-but number", {"anything-but": 1}, [2, "1", None], [1, 1.0, ABSENT]),
    ("anything-but numbers", {"anything-but": [1, 2.5]}, [3, "1"], [1, 2.5]),
    ("anything-but prefix", {"anything-but": {"prefix": "in"}}, ["out", 1, None], ["in", "init", ABSENT]),
    ("anything-but prefixes", {"anything-but": {"prefix": ["in", "o"]}}, ["x"], ["in", "out"]),
    ("anything-but suffix", {"anything-but": {"suffix": ".a"}}, ["b", "a.A"], ["b.a"]),
    ("anything-but suffixes", {"anything-but": {"suffix": [".a", ".b"]}}, ["c"], ["c.a", "c.b"]),
    ("anything-but in any case", {"anything-but": {"equals-ignore-case": "A"}}, ["b"], ["a", "A"]),
    ("anything-but some in any case", {"anything-but": {"equals-ignore-case": ["A", "b"]}}, ["c"], ["a", "B"]),
    ("anything-but wildcard", {"anything-but": {"wildcard": "*/x/*"}}, ["x", 5], ["a/x/b", ABSENT]),
    ("anything-but wildcards", {"anything-but": {"wildcard": ["a*", "*b"]}}, ["c"], ["ac", "cb"]),
    ("numeric =", {"numeric": ["=", 3.018e2]}, [301.8], [301, "301.8", True]),
    ("numeric <", {"numeric": ["<", 10]}, [9, -1e300], [10, 11, "9", None]),
    ("numeric range", {"numeric": [">", 0, "<=", 5]}, [5, 1, 0.1], [0, 5.1, "1", True, ABSENT]),
    ("numeric range, ends in", {"numeric": [">=", 0, "<", 5]}, [0, 4.9], [5, -0.1]),
    ("cidr", {"cidr": "10.0.0.0/24"}, ["10.0.0.0", "10.0.0.255"], ["10.0.1.0", "10.0.0", "x", "10.0.0.1/24", 1, "::1"]),
    ("cidr within the block", {"cidr": "10.0.0.7/24"}, ["10.0.0.1"], ["10.0.1.1"]),
    ("cidr of all", {"cidr": "0.0.0.0/0"}, ["255.255.255.255"], ["::1", "1.2.3.4.5", "1.2.3.4\0"]),
    ("cidr, version 6", {"cidr": "2001:db8::/32"}, ["2001:db8::1", "2001:0DB8:ffff::"], ["2001:db9::", "10.0.0.1"]),
    ("exists", {"exists": True}, ["", 0, None, False, [1], [[1]]], [ABSENT, {}, {"b": 1}, [], [[]], [{}]]),
    ("exists not", {"exists": False}, [ABSENT, {}, {"b": 1}, [], [{}], [{"b": 1}]], ["", 0, None, [1], [{}, 1]]),
]


@pytest.mark.parametrize(
    ("alternative", "yes", "no"), [row[1:] for row in OPERATORS], ids=[row[0] for row in OPERATORS]
)
def test_each_operator(alternative: Any, yes: list[Any], no: list[Any]) -> None:
    for pattern in ({"f": [alternative]}, {"f": ["never this", alternative, -77]}):
        for value, wanted in [*((value, True) for value in yes), *((value, False) for value in no)]:
            event = {"g": 1} if value is ABSENT else {"f": value}
            assert matches(pattern, event) is wanted, (pattern, event)


COMPLEX = (
    "Rule is too complex - try using fewer wildcard characters or fewer repeating character sequences after a "
    "wildcard character"
)
NOT_IN_LIST = "Inside anything but list, start|null|boolean is not supported."
EXPECTED = "was expecting (JSON String, Number, Array, Object or token 'null', 'true' or 'false')"
NO_VALUE = "Value of anything-but must be an array or single string/number value."
MIXED = "Inside anything but list, either all values are number or string, mixed type is not supported"
REFUSED: list[tuple[Any, str]] = [
    ({"x": "a"}, '"x" must be an object or an array'),
    ({"x": {"y": None}}, '"y" must be an object or an array'),
    ({"x": []}, "Empty arrays are not allowed"),
    ({"x": {}}, "Empty objects are not allowed"),
    ({}, "Empty objects are not allowed"),
    ({"x": [{"EXISTS": True}]}, "Unrecognized match type EXISTS"),
    ({"x": [{"exists": True, "prefix": "a"}]}, "Only one key allowed in match expression"),
    ({"x": [{}]}, "Match expression name not found"),
    ({"x": [["a"]]}, "Match value must be String, number, true, false, or null"),
    ({"x": [{"exists": None}]}, "exists match pattern must be either true or false."),
    ({"x": [{"numeric": [">", 0, ">", 5]}]}, "Bad numeric range operator: >"),
    ({"x": [{"numeric": ["<", "5"]}]}, "Value of < must be numeric"),
    ({"x": [{"numeric": ["=", True]}]}, "Value of equals must be numeric"),
    ({"x": [{"numeric": [">"]}]}, "Value of > must be numeric"),
    ({"x": [{"numeric": []}]}, "Invalid member in numeric match: ]"),
    ({"x": [{"numeric": [5]}]}, "Invalid member in numeric match: 5"),
    ({"x": [{"numeric": ["!=", 5]}]}, "Unrecognized numeric range operator: !="),
    ({"x": [{"numeric": ["<", 5, ">", 1]}]}, "Too many elements in numeric expression"),
    ({"x": [{"numeric": [">", 0, 5]}]}, "Bad value in numeric range: 5"),
    ({"x": [{"numeric": [">", 0, "<", 5, "<", 6]}]}, "Too many terms in numeric range expression"),
    ({"x": [{"numeric": [">", 5, "<", 5]}]}, "Bottom must be less than top"),
    ({"x": [{"numeric": 5}]}, "Value of numeric must be an array."),
    ({"x": [{"prefix": 1}]}, "prefix match pattern must be a string"),
    ({"x": [{"prefix": {"suffix": "a"}}]}, "Unsupported prefix pattern: suffix"),
    ({"x": [{"prefix": {"equals-ignore-case": 1}}]}, "equals-ignore-case match pattern must be a string"),
    ({"x": [{"suffix": None}]}, "suffix match pattern must be a string"),
    ({"x": [{"equals-ignore-case": ["a"]}]}, "equals-ignore-case match pattern must be a string"),
    ({"x": [{"wildcard": 1}]}, "wildcard match pattern must be a string"),
    ({"x": [{"wildcard": "ab**"}]}, "Consecutive wildcard characters at pos 3"),
    ({"x": [{"wildcard": "é**"}]}, "Consecutive wildcard characters at pos 3"),
    ({"x": [{"wildcard": "a\\b"}]}, "Invalid escape character at pos 2"),
    ({"x": [{"wildcard": "a\\"}]}, "Invalid escape character at pos 2"),
    ({"x": [{"wildcard": "*a*a*a*a*a*a"}]}, COMPLEX),
    ({"x": [{"wildcard": f"*/dir/*.{end}"} for end in ("bif", "tif", "tiff", "svs")]}, COMPLEX),
    ({"x": [{"anything-but": {"wildcard": "*a*a*a*a*a*a"}}]}, COMPLEX),
    ({"x": [{"cidr": "10.0.0.0"}]}, "Malformed CIDR, one '/' required"),
    ({"x": [{"cidr": "10.0.0.0/x"}]}, "Malformed CIDR, mask bits must be an integer"),
    ({"x": [{"cidr": "10.0.0.0/-1"}]}, "Malformed CIDR, mask bits must not be negative"),
    ({"x": [{"cidr": "10.0.0/8"}]}, "Nonstandard IP address: 10.0.0"),
    ({"x": [{"cidr": "10.0.0.0/33"}]}, "IPv4 mask bits must be < 33"),
    ({"x": [{"cidr": 5}]}, "prefix match pattern must be a string"),
    ({"x": [{"anything-but": [None]}]}, NOT_IN_LIST),
    ({"x": [{"anything-but": [True]}]}, NOT_IN_LIST),
    ({"x": [{"anything-but": [["a"]]}]}, NOT_IN_LIST),
    ({"x": [{"anything-but": ["a", 1]}]}, MIXED),
    ({"x": [{"anything-but": []}]}, MIXED),
    ({"x": [{"anything-but": None}]}, NO_VALUE),
    ({"x": [{"anything-but": {"prefix": None}}]}, NO_VALUE),
    ({"x": [{"anything-but": {"exists": True}}]}, "Unsupported anything-but pattern: exists"),
    ({"x": [{"anything-but": {"prefix": ""}}]}, "Null prefix/suffix not allowed"),
    ({"x": [{"anything-but": {"suffix": ["a", ""]}}]}, "Null prefix/suffix not allowed"),
    ({"x": [{"anything-but": {"prefix": ["a", 1]}}]}, "prefix/suffix match pattern must be a string"),
    ({"x": [{"anything-but": {"wildcard": 5}}]}, "wildcard match pattern must be a string"),
    ({"$or": [{"x": ["a"]}]}, "Unrecognized match type x"),
    ({"$or": [{"x": ["a"]}, {}]}, "Empty objects are not allowed"),
    ("[1]", 'Filter is not an object\n at [Source: (String)"[1]"; line: 1, column: 2]'),
    ('{"x": [1e400]}', "Number cannot be represented as an IEEE-754 double"),
    ('{"x": [9007199254740993]}', "Number cannot be represented as an IEEE-754 double"),
    ('{"x": [{"numeric": ["<", 1%s]}]}' % ("0" * 5_000), "Number cannot be represented as an IEEE-754 double"),
    (
        "this is no JSON",
        f"Unrecognized token 'this': {EXPECTED}\n at [Source: (String)\"this is no JSON\"; line: 1, column: 5]",
    ),
    (
        '{"not": closed mark"',
        f"Unrecognized token 'closed': {EXPECTED}"
        '\n at [Source: (String)"{"not": closed mark""; line: 1, column: 15]',
    ),
    (
        "{'bad': 'quotation'}",
        "Unexpected character (''' (code 39)): was expecting double-quote to start field name"
        "\n at [Source: (String)\"{'bad': 'quotation'}\"; line: 1, column: 2]",
    ),
    (
        '{"a": [1],\n b: [2]}',
        "Unexpected character ('b' (code 98)): was expecting double-quote to start field name"
        '\n at [Source: (String)"{"a": [1],\n b: [2]}"; line: 2, column: 2]',
    ),
    ('{"x": ["a"]', "Invalid JSON"),
    ('{"x": [NaN]}', "Invalid JSON"),
    ('{"x":' * 50_000, "Invalid JSON"),
    ("", "Invalid JSON"),
]


@pytest.mark.parametrize(("pattern", "reason"), REFUSED)
def test_each_refusal(pattern: Any, reason: str) -> None:
    assert refused(pattern) == reason


def test_wildcards_that_are_not_too_many() -> None:
    assert matches({"x": [{"wildcard": "*a*a*a*a*a"}]}, {"x": "-a-a-a-a-a"})
    assert matches({"x": [{"wildcard": f"*.{end}"} for end in ("bif", "tif", "tiff", "svs")]}, {"x": "x.svs"})


def test_every_name_must_match_and_a_duplicate_name_counts_last() -> None:
    assert not matches({"a": [1], "b": [2]}, {"a": 1, "b": 3})
    assert matches({"a": [1], "b": [2]}, {"a": 1, "b": 2, "c": 3})
    assert matches('{"a": [1], "a": [2]}', {"a": 2})
    assert not matches('{"a": [1], "a": [2]}', {"a": 1})


def test_numbers_that_no_double_holds_match_nothing() -> None:
    assert matches({"a": [2**53]}, {"a": 2**53})
    assert matches({"a": [2**60]}, {"a": 2**60})
    assert not matches({"a": [2**53]}, {"a": 2**53 + 1})
    assert not matches({"a": [{"numeric": [">", 0]}]}, {"a": 10**400})
    assert matches({"a": [{"exists": True}]}, {"a": 10**400})


PEOPLE = {"people": [{"first": "Anna", "last": "Smith"}, {"first": "Peter", "last": "Jones"}], "n": 1}


def test_fields_of_one_object_come_from_one_element() -> None:
    assert matches({"people": {"first": ["Anna"], "last": ["Smith"]}}, PEOPLE)
    assert not matches({"people": {"first": ["Anna"], "last": ["Jones"]}}, PEOPLE)
    nested = {"people": [[PEOPLE["people"][0]], [PEOPLE["people"][1]]]}  # type: ignore[index]
    assert matches({"people": {"first": ["Peter"], "last": ["Jones"]}}, nested)
    assert not matches({"people": {"first": ["Anna"], "last": ["Jones"]}}, nested)


def test_absence_in_a_list() -> None:
    event = {"a": [{"b": 1}, {"c": 2}]}
    assert matches({"a": {"c": [2], "b": [{"exists": False}]}}, event)
    assert not matches({"a": {"b": [{"exists": False}]}}, event)
    assert matches({"a": {"d": [{"exists": False}]}}, event)


def test_or_is_one_of_several_and_not_a_name() -> None:
    pattern = {"source": ["s"], "$or": [{"a": [1], "b": [2]}, {"c": [{"exists": False}]}, {"d": {"e": [5]}}]}
    assert matches(pattern, {"source": "s", "a": 1, "b": 2, "c": 0})
    assert matches(pattern, {"source": "s", "a": 2})
    assert matches(pattern, {"source": "s", "c": 0, "d": [{"e": 4}, {"e": 5}]})
    assert not matches(pattern, {"source": "s", "a": 1, "c": 0})
    assert not matches(pattern, {"source": "t", "a": 1, "b": 2})
    assert matches({"$or": ["x"]}, {"$or": "x"})
    assert matches({"$or": {"a": [1]}}, {"$or": {"a": 1}})
    assert matches({"$or": [{"prefix": "a"}, {"suffix": "b"}]}, {"$or": "xb"})


def test_an_or_and_a_field_that_name_the_same_path_mean_one_element() -> None:
    pattern = {"people": {"last": ["Jones"]}, "$or": [{"people": {"first": ["Anna"]}}, {"n": [2]}]}
    assert not matches(pattern, PEOPLE)
    assert matches(pattern, {**PEOPLE, "n": 2})
    assert matches({**pattern, "people": {"last": ["Smith"]}}, PEOPLE)


def test_a_path_that_is_a_value_and_leads_further() -> None:
    pattern = {"a": ["x"], "$or": [{"a": {"b": [1]}}, {"z": [1]}]}
    assert not matches(pattern, {"a": "x"})
    assert not matches(pattern, {"a": ["x", {"b": 1}]})
    assert matches({**pattern, "a": [{"exists": False}]}, {"a": {"b": 1}})


def test_absence_under_an_or_is_absence_from_the_whole_list() -> None:
    pattern = {"a": {"$or": [{"b": [{"exists": False}]}, {"c": [{"exists": False}]}]}}
    assert not matches(pattern, {"a": [{"c": 1}, {"b": 1}]})
    assert matches(pattern, {"a": [{"c": 1}, {"c": 1}]})


def test_how_many_combinations_are_too_many() -> None:
    def pattern(groups: int) -> Any:
        return {str(n): {"$or": [{"a": [1]}, {"b": [1]}]} for n in range(groups)}

    assert matches(pattern(9), {str(n): {"a": 1} for n in range(9)})
    assert refused(pattern(10)) == "Rule has more than 1000 combinations of $or"
    assert refused(pattern(60)) == "Rule has more than 1000 combinations of $or"


def nested(levels: int) -> str:
    return '{"a":' * levels + "[1]" + "}" * levels


def test_depth() -> None:
    event: Any = 1
    for _ in range(200):
        event = [[{"a": event}]]
    assert matches(nested(200), event[0][0])
    assert refused(nested(201)) == "Patterns can be nested 200 levels deep at most"


def test_hostile_pairs_take_no_time() -> None:
    """What would take years if anything multiplied, or went back, takes a moment."""
    many = [{"a": [{"a": [{"a": str(n)} for n in range(30)]} for _ in range(30)]} for _ in range(30)]
    deep: Any = "x"
    for _ in range(50_000):
        deep = [deep]
    pairs: list[tuple[Any, Any]] = [
        ({"a": {"a": {"a": ["x"]}}}, {"a": many}),
        ({"$or": [{"a": {"a": {"a": [str(n) + "x"]}}} for n in range(20)]}, {"a": many}),
        ({"a": [{"wildcard": "*a*a*a*a*a"}]}, {"a": "a" * 100_000 + "b"}),
        ({"a": [{"wildcard": "*" + "ab" * 5 + "*" + "b"}]}, {"a": "ab" * 100_000 + "a"}),
        ({"a": ["y"]}, {"a": deep}),
        ({"a": [{"anything-but": {"suffix": "x" * 1_000}}]}, {"a": "x" * 1_000_000}),
    ]
    start = time.thread_time()  # not what others have of the processor
    for pattern, event in pairs:
        assert not matches(pattern, event)
    assert time.thread_time() - start < 2


def test_a_small_event_takes_microseconds() -> None:
    pattern = compile_pattern(
        '{"source": ["aws.s3"], "detail": {"bucket": {"name": ["b"]}, "object": {"size": [{"numeric": ["<", 9]}]}}}',
        EVENTS,
    )
    event = {"source": "aws.s3", "detail": {"bucket": {"name": "b"}, "object": {"size": 5}}}
    start = time.thread_time()
    for _ in range(10_000):
        assert pattern.matches(event)
    assert time.thread_time() - start < 0.5  # 50 µs each; measured 3.


def test_what_is_read_as_an_event() -> None:
    assert parse_event(b'{"a": 9007199254740993}') == {"a": 2**53 + 1}
    for text in ("{", "NaN", '{"a": -Infinity}', "[" * 100_000, ""):
        with pytest.raises(ValueError):
            parse_event(text)


# The brute force.

SCALARS = st.sampled_from(["x", "y", 1])
EVENT = st.recursive(
    SCALARS | st.just({}) | st.just([]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)
LEAF = st.lists(st.sampled_from(["x", 1, {"exists": False}, {"anything-but": "x"}]), min_size=1, max_size=2)
PATTERN = st.recursive(
    st.dictionaries(st.sampled_from("abc"), LEAF, min_size=1, max_size=2),
    lambda inner: (
        st.dictionaries(st.sampled_from("abc"), inner | LEAF, min_size=1, max_size=2)
        | st.tuples(st.dictionaries(st.sampled_from("abc"), LEAF, max_size=1), inner, inner).map(
            lambda parts: {**parts[0], "$or": [parts[1], parts[2]]}
        )
    ),
    max_leaves=5,
)
Place = dict[int, int]  # Which element of which list.


def fields(value: Any, path: str = "", place: Place | None = None) -> list[tuple[str, Any, Place]]:
    place = place or {}
    if isinstance(value, dict):
        return [field for key, item in value.items() for field in fields(item, f"{path}.{key}", place)]
    if isinstance(value, list):
        return [f for number, item in enumerate(value) for f in fields(item, path, {**place, id(value): number})]
    return [(path, value, place)]


def branches(pattern: Any, path: str, found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    for key, item in ((key, item) for key, item in pattern.items() if key != "$or"):
        if isinstance(item, list):
            found = [{**paths, f"{path}.{key}": item} for paths in found]
        else:
            found = branches(item, f"{path}.{key}", found)
    members = pattern.get("$or", ())
    return [paths for member in members for paths in branches(member, path, found)] if members else found


def agree(one: Place, other: Place) -> bool:
    return all(other.get(key, number) == number for key, number in one.items())


def met(alternatives: list[Any], value: Any) -> bool:
    return value in alternatives or ({"anything-but": "x"} in alternatives and value != "x")


def brute(pattern: Any, event: Any) -> bool:
    found = fields(event)
    for paths in branches(pattern, "", [{}]):
        names = list(paths)
        choices = [
            [field for field in found if field[0] == name and met(paths[name], field[1])]
            + ([None] if {"exists": False} in paths[name] else [])
            for name in names
        ]
        for chosen in itertools.product(*choices):
            present = [field for field in chosen if field is not None]
            if not all(agree(one[2], other[2]) for one, other in itertools.combinations(present, 2)):
                continue
            together = {key: number for field in present for key, number in field[2].items()}
            absent = {name for name, field in zip(names, chosen, strict=True) if field is None}
            if not any(field[0] in absent and agree(field[2], together) for field in found):
                return True
    return False


@settings(max_examples=500, deadline=None, derandomize=True, database=None)
@given(PATTERN, st.dictionaries(st.sampled_from("abc"), EVENT, max_size=3))
def test_matching_is_what_brute_force_finds(pattern: Any, event: Any) -> None:
    event = json.loads(json.dumps(event))  # No list twice.
    assert matches(pattern, event) is brute(pattern, event)


def naive(parts: list[str], text: str) -> bool:
    """A wildcard, one character after the other."""
    if not parts:
        return not text
    if parts[0] == "*":
        return naive(parts[1:], text) or (bool(text) and naive(parts, text[1:]))
    return text[:1] == parts[0].removeprefix("\\") and naive(parts[1:], text[1:])


PARTS = st.lists(st.sampled_from(["a", "b", "\\*", "\\\\", "*"]), max_size=8).map(
    lambda parts: [part for place, part in enumerate(parts) if part != "*" or place == 0 or parts[place - 1] != "*"]
)


@settings(max_examples=300, deadline=None, derandomize=True, database=None)
@given(PARTS, st.text("ab*\\", max_size=8))
def test_wildcards_are_what_a_naive_matcher_finds(parts: list[str], text: str) -> None:
    try:
        pattern = compile_pattern(json.dumps({"x": [{"wildcard": "".join(parts)}]}), EVENTS)
    except PatternError as error:
        assert error.reason == COMPLEX
        return
    assert pattern.matches({"x": text}) is naive(parts, text)


@settings(max_examples=200, deadline=None, derandomize=True, database=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(
                st.sampled_from(["$or", "a", "numeric", "anything-but", "prefix", "wildcard", "cidr", "exists"]), inner
            )
        ),
    )
)
def test_nothing_but_a_reason_comes_of_nonsense(value: Any) -> None:
    try:
        pattern = compile_pattern(json.dumps(value), EVENTS)
    except PatternError as error:
        assert error.reason
    else:
        assert pattern.matches(value) in (True, False)
