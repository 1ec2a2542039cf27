"""Filter policies of subscriptions, on attributes and on bodies, and their limits."""

import json
from typing import Any

import pytest

from bulb.delivery.patterns import (
    TOPICS_ATTRIBUTES,
    TOPICS_BODY,
    Dialect,
    PatternError,
    attributes_event,
    body_event,
    compile_pattern,
)


def text(value: str) -> dict[str, str]:
    return {"DataType": "String", "StringValue": value}


def kind(data_type: str, value: str) -> dict[str, str]:
    return {"DataType": data_type, "StringValue": value}


def by_attributes(policy: Any, attributes: dict[str, Any]) -> bool:
    return compile_pattern(json.dumps(policy), TOPICS_ATTRIBUTES).matches(attributes_event(attributes))


def by_body(policy: Any, body: str) -> bool:
    event = body_event(body)
    return event is not None and compile_pattern(json.dumps(policy), TOPICS_BODY).matches(event)


def refused(policy: Any, dialect: Dialect) -> str:
    with pytest.raises(PatternError) as info:
        compile_pattern(policy if isinstance(policy, str) else json.dumps(policy), dialect)
    return info.value.reason


ATTRIBUTES = [
    (["a"], text("a"), True),
    (["a"], text("b"), False),
    (["a"], kind("String.custom", "a"), True),
    ([{"prefix": "a"}], text("abc"), True),
    ([{"suffix": "c"}], text("abc"), True),
    ([{"equals-ignore-case": "ABC"}], text("abc"), True),
    ([{"anything-but": ["a", "b"]}], text("c"), True),
    ([{"anything-but": {"prefix": "c"}}], text("c"), False),
    ([{"anything-but": {"wildcard": "*c"}}], text("d"), True),
    ([{"wildcard": "*ball"}], text("football"), True),
    ([{"cidr": "10.0.0.0/24"}], text("10.0.0.9"), True),
    ([{"exists": True}], text(""), True),
    ([{"exists": False}], text(""), False),
    ([100], kind("Number", "100"), True),
    ([100], kind("Number", "1.0e2"), True),
    ([100], kind("Number.int", "+100"), True),
    ([0.5], kind("Number", ".5"), True),
    ([5], kind("Number", "5."), True),
    ([{"numeric": ["<", -1]}], kind("Number", "-1.5e3"), True),
    ([5], kind("Number", " 5"), False),
    ([{"exists": True}], kind("Number", "1_000"), False),
    ([{"exists": True}], kind("Number", "."), False),
    ([100], text("100"), False),
    (["100"], kind("Number", "100"), False),
    ([{"numeric": [">", 1, "<=", 5]}], kind("Number", "5"), True),
    ([{"numeric": [">", 1, "<=", 5]}], text("5"), False),
    ([{"numeric": [">", 1, "<=", 5]}], kind("Number", "nonsense"), False),
    (["b"], kind("String.Array", '["a", "b"]'), True),
    ([1], kind("String.Array", '["a", 1]'), True),
    ([None], kind("String.Array", "[null, true]"), True),
    ([{"anything-but": ["a"]}], kind("String.Array", '["a", "b"]'), True),
    ([{"anything-but": ["a"]}], kind("String.Array", '["a"]'), False),
    (["a"], kind("String.Array", "a"), False),
    (["a"], kind("String.Array", '{"a": "a"}'), False),
    ([{"exists": True}], {"DataType": "Binary", "BinaryValue": "YQ=="}, False),
    ([{"exists": False}], {"DataType": "Binary", "BinaryValue": "YQ=="}, True),
]


@pytest.mark.parametrize(("alternatives", "attribute", "wanted"), ATTRIBUTES)
def test_attributes(alternatives: Any, attribute: dict[str, str], wanted: bool) -> None:
    assert by_attributes({"k": alternatives}, {"k": attribute, "other": text("x")}) is wanted


def test_an_attribute_that_is_missing_matches_nothing_but_its_absence() -> None:
    for alternatives in (["a"], [{"anything-but": "a"}], [{"exists": True}], [None], [{"wildcard": "*"}]):
        assert not by_attributes({"k": alternatives}, {"other": text("a")})
    assert by_attributes({"k": [{"exists": False}]}, {})


def test_several_attributes_and_or() -> None:
    policy = {"a": ["1"], "$or": [{"b": ["2"]}, {"c": ["3"], "d": ["4"]}]}
    assert by_attributes(policy, {"a": text("1"), "b": text("2")})
    assert by_attributes(policy, {"a": text("1"), "c": text("3"), "d": text("4")})
    assert not by_attributes(policy, {"a": text("1"), "c": text("3")})
    assert not by_attributes(policy, {"b": text("2")})


def test_bodies() -> None:
    policy = {"a": {"b": ["x"], "c": [{"numeric": [">", 1]}]}}
    assert by_body(policy, '{"a": {"b": "x", "c": 2}}')
    assert by_body(policy, '{"a": [{"b": "y"}, {"b": "x", "c": 2}]}')
    assert not by_body(policy, '{"a": [{"b": "x", "c": 1}, {"b": "y", "c": 2}]}')
    for body in ("text", "[]", '["a"]', "1", "null", "", '{"a":' * 100_000, "{"):
        assert not by_body({"a": [{"exists": False}]}, body)
    assert by_body({"a": [{"exists": False}]}, "{}")
    assert by_body({"a": [None]}, '{"a": null}')


def test_an_empty_policy_takes_everything() -> None:
    assert by_attributes({}, {})
    assert by_body({}, "{}")


KEYS = "FilterPolicy: Filter policy can not have more than 5 keys"
COMPLEX = "FilterPolicy: Filter policy is too complex"
NESTED = "Filter policy scope MessageAttributes does not support nested filter policy"
LETTERS = "abcdefghij"


@pytest.mark.parametrize(
    ("policy", "reason"),
    [
        ("{", "FilterPolicy: failed to parse JSON."),
        ({"a": []}, "FilterPolicy: Empty arrays are not allowed"),
        ({"a": "x"}, 'FilterPolicy: "a" must be an object or an array'),
        ({"a": [["x"]]}, "FilterPolicy: Match value must be String, number, true, false, or null"),
        ({"a": [{"error": True}]}, "FilterPolicy: Unrecognized match type error"),
        ({"a": [{"exists": None}]}, "FilterPolicy: exists match pattern must be either true or false."),
        ({"a": [{"prefix": "a", "suffix": "b"}]}, "FilterPolicy: Only one key allowed in match expression"),
        ({"a": [{"prefix": 100}]}, "FilterPolicy: prefix match pattern must be a string"),
        ({"a": [{"numeric": []}]}, "FilterPolicy: Invalid member in numeric match: ]"),
        ({"a": [{"numeric": ["<", "1"]}]}, "FilterPolicy: Value of < must be numeric"),
        ({"a": [{"numeric": [">", 2, "<", 1]}]}, "FilterPolicy: Bottom must be less than top"),
        ({"a": [{"anything-but": {"exists": True}}]}, "FilterPolicy: Unsupported anything-but pattern: exists"),
        ({"a": [{"cidr": "x"}]}, "FilterPolicy: Malformed CIDR, one '/' required"),
        ({letter: ["x"] for letter in LETTERS[:6]}, KEYS),
        ({"a": [str(number) for number in range(151)]}, COMPLEX),
        ({"a": list(LETTERS), "b": list(LETTERS), "c": ["x", "y"]}, COMPLEX),
        ({"a": [{"wildcard": "*a*b*c*"}]}, COMPLEX),
        ({"a": [{"wildcard": f"*{number}*{number}*"} for number in range(12)]}, COMPLEX),
        ({"a": ["x" * 262_144]}, "FilterPolicy: Filter policy is too long"),
    ],
)
def test_what_both_scopes_refuse(policy: Any, reason: str) -> None:
    assert refused(policy, TOPICS_ATTRIBUTES) == refused(policy, TOPICS_BODY) == reason


def test_what_one_scope_refuses() -> None:
    assert refused({"a": {"b": ["x"]}}, TOPICS_ATTRIBUTES) == NESTED
    assert refused({"$or": [{"a": ["x"]}, {"a": {"b": ["x"]}}]}, TOPICS_ATTRIBUTES) == NESTED
    assert refused({"a": {letter: ["x"] for letter in LETTERS[:6]}}, TOPICS_BODY) == KEYS


def test_how_combinations_are_counted() -> None:
    """Each list counts as often as it is deep: 3 x 4 x 2 x 3 is 72, and with two more values 144."""
    policy: Any = {"a": {"b": {"c": list(LETTERS[:4])}}, "d": {"e": list(LETTERS[:3])}}
    compile_pattern(json.dumps({**policy, "f": ["x", "y"]}), TOPICS_BODY)
    assert refused({**policy, "f": ["x", "y", "z"]}, TOPICS_BODY) == COMPLEX
    both = {"a": list(LETTERS), "$or": [{"b": list(LETTERS)}, {"c": list(LETTERS[:5])}]}
    compile_pattern(json.dumps(both), TOPICS_ATTRIBUTES)
    both["$or"][1]["c"].append("x")  # type: ignore[index, call-overload]
    assert refused(both, TOPICS_ATTRIBUTES) == COMPLEX
    assert refused('{"$or": [' + ",".join('{"a": ["x"]}' for _ in range(151)) + "]}", TOPICS_BODY) == COMPLEX


def test_depth_is_bounded() -> None:
    def nested(levels: int) -> str:
        return '{"a":' * levels + '["x"]' + "}" * levels

    event: Any = "x"
    for _ in range(150):
        event = {"a": event}
    assert compile_pattern(nested(150), TOPICS_BODY).matches(event)
    assert refused(nested(151), TOPICS_BODY) == COMPLEX
    assert refused(nested(5_000), TOPICS_BODY).startswith("FilterPolicy: ")
