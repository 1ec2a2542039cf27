"""Filters of event source mappings: which records they let through."""

import json
from typing import Any

import pytest

from bulb.delivery.patterns import FILTERS, PatternError, compile_filters, compile_pattern


def accepts(patterns: list[Any], body: str, key: str | None = "body", **record: Any) -> bool:
    return compile_filters([json.dumps(each) for each in patterns], key).accepts({**record, "body": body})


JSON_BODY, TEXT_BODY = '{"a": 1, "b": {"c": ["x", "y"]}}', "plain"


@pytest.mark.parametrize(
    ("pattern", "body", "wanted"),
    [
        ({"body": {"a": [1]}}, JSON_BODY, True),
        ({"body": {"a": [2]}}, JSON_BODY, False),
        ({"body": {"b": {"c": ["y"]}}}, f"  {JSON_BODY}", True),
        ({"body": {"a": [1]}}, '[{"a": 2}, {"a": 1}]', True),
        ({"body": ["plain"]}, TEXT_BODY, True),
        ({"body": [{"prefix": "pl"}]}, TEXT_BODY, True),
        ({"body": ["other"]}, TEXT_BODY, False),
        # The wrong kind of data never matches, whatever is asked of it.
        ({"body": {"z": [{"exists": False}]}}, TEXT_BODY, False),
        ({"body": {"z": [{"exists": False}]}}, JSON_BODY, True),
        ({"body": {"z": [{"exists": False}]}}, "{broken", False),
        ({"body": [{"anything-but": "q"}]}, TEXT_BODY, True),
        ({"body": [{"anything-but": "q"}]}, JSON_BODY, False),
        ({"body": [{"exists": False}]}, JSON_BODY, False),
        ({"body": ["x"]}, '["x"]', False),
        ({"body": [JSON_BODY]}, JSON_BODY, False),
        ({"body": ["{broken"]}, "{broken", True),
        ({"body": ["42"]}, "42", True),
        # Without the key any data passes.
        ({"messageId": ["m"]}, TEXT_BODY, True),
        ({"messageId": ["m"]}, JSON_BODY, True),
        ({"messageId": ["n"]}, JSON_BODY, False),
        # Under $or the key keeps its meaning.
        ({"$or": [{"body": {"a": [1]}}, {"body": ["plain"]}]}, JSON_BODY, True),
        ({"$or": [{"body": {"a": [1]}}, {"body": ["plain"]}]}, TEXT_BODY, True),
        ({"$or": [{"body": {"a": [1]}}, {"body": ["plain"]}]}, "else", False),
        ({"$or": [{"body": {"z": [{"exists": False}]}}, {"messageId": ["n"]}]}, TEXT_BODY, False),
        ({"$or": [{"body": {"z": [{"exists": False}]}}, {"messageId": ["n"]}]}, JSON_BODY, True),
    ],
)
def test_the_data_of_a_record(pattern: Any, body: str, wanted: bool) -> None:
    assert accepts([pattern], body, messageId="m") is wanted


def test_one_filter_is_enough_and_none_lets_everything_through() -> None:
    assert accepts([{"body": ["a"]}, {"body": ["b"]}], "b")
    assert not accepts([{"body": ["a"]}, {"body": ["b"]}], "c")
    assert accepts([], "anything")


def test_bodies_too_deep_or_too_long_are_texts() -> None:
    assert not accepts([{"body": {"a": [1]}}], '{"a":' * 100_000)
    assert accepts([{"body": [{"prefix": "[[["}]}], "[" * 100_000)


def test_rows_of_a_table_as_they_were_recorded() -> None:
    """A number is a text in a row, and a whole attribute is no leaf: it counts as absent."""

    def let_through(condition: Any, image: Any) -> bool:
        pattern = {"dynamodb": {"NewImage": condition}}
        return compile_filters([json.dumps(pattern)]).accepts({"dynamodb": {"NewImage": image}})

    assert not let_through({"n": {"N": [{"numeric": [">", 100]}]}}, {"n": {"N": "101"}})
    assert let_through({"n": {"N": [{"anything-but": "101"}]}}, {"n": {"N": "42"}})
    assert let_through({"key": [{"exists": False}]}, {"other": {"S": "x"}})
    assert let_through({"key": [{"exists": False}]}, {"key": {"S": "x"}})
    assert not let_through({"key": {"S": [{"exists": False}]}}, {"key": {"S": "x"}})
    created = {"dynamodb": {"ApproximateCreationDateTime": [{"numeric": [">", 5]}]}}
    record = {"dynamodb": {"ApproximateCreationDateTime": 1678831218.0}}
    assert compile_filters([json.dumps(created)]).accepts(record)


@pytest.mark.parametrize(
    "pattern", ['"x"', "[]", "{}", "{", '{"a": [{"wildcard": "*"}]}', '{"a": [{"cidr": "10.0.0.0/8"}]}', '{"a": "b"}']
)
def test_what_is_no_filter(pattern: str) -> None:
    with pytest.raises(PatternError):
        compile_pattern(pattern, FILTERS)
    with pytest.raises(PatternError):
        compile_filters(['{"a": [1]}', pattern])
