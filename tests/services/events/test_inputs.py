"""What targets get: pure."""

import json
from typing import Any

import pytest

from bulb.core.errors import AwsError
from bulb.services.events.inputs import Happening, check_input, payload_for
from bulb.services.events.paths import MISSING, parse_path

EVENT = {
    "version": "0",
    "id": "an-id",
    "detail-type": "kind",
    "source": "app",
    "account": "1",
    "time": "2020-01-01T00:00:00Z",
    "region": "r",
    "resources": ["arn:one", "arn:two"],
    "detail": {
        "text": "hello",
        "quoted": 'say "hi"\n',
        "number": 1.5,
        "yes": True,
        "nothing": None,
        "list": [1, "two", {"n": 3}],
        "items": [{"n": 1, "m": {"k": "a"}}, {"n": 2}],
        "object": {"a": "b", "n": 1},
        "with/slash": "s",
    },
}
HAPPENING = Happening(
    EVENT, json.dumps(EVENT, separators=(",", ":")).encode(), "arn:rule", "rule", "2020-01-02T00:00:00Z"
)
PATHS = {
    name: f"$.detail.{name}" for name in ("text", "quoted", "number", "yes", "nothing", "list", "object", "missing")
}


def filled(template: str, **paths: str) -> str | None:
    target = {"Id": "1", "InputTransformer": {"InputPathsMap": {**PATHS, **paths}, "InputTemplate": template}}
    check_input(target)
    payload = payload_for(target, HAPPENING)
    return None if payload is None else payload.decode()


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("$", EVENT),
        ("$.source", "app"),
        ("$.detail-type", "kind"),
        ("$.detail.list[1]", "two"),
        ("$.detail.list[2].n", 3),
        ("$.detail.list[9]", MISSING),
        ("$.detail.items[*].n", [1, 2]),
        ("$.detail.items[*].m.k", ["a"]),
        ("$.detail.object.*", ["b", 1]),
        ("$.detail.items[*].nowhere", MISSING),
        ("$.detail['text']", "hello"),
        ("$.detail.with/slash", "s"),
        ("$.detail.nothing", None),
        ("$.detail.text.more", MISSING),
        ("$.resources[0]", "arn:one"),
        ("$.nowhere", MISSING),
    ],
)
def test_paths_lead_somewhere_or_nowhere(path: str, found: Any) -> None:
    assert parse_path(path).find(EVENT) == found


@pytest.mark.parametrize(
    "path", ["", "detail", "$detail", "$..detail", "$.a b", "$.a[", "$.a[-1]", "$.a[b]", "$.", "$.a[?(@.b)]"]
)
def test_what_is_no_path_is_refused(path: str) -> None:
    with pytest.raises(ValueError):
        parse_path(path)


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ('{"a": <text>}', '{"a":"hello"}'),
        ('{"a": "<text>"}', '{"a":"hello"}'),
        ('{"a": <number>, "b": <yes>, "c": <nothing>}', '{"a":1.5,"b":true,"c":null}'),
        ('{"a": <list>, "b": <object>}', '{"a":[1,"two",{"n":3}],"b":{"a":"b","n":1}}'),
        ('{"a": "x <object> y"}', '{"a":"x {a:b,n:1} y"}'),
        ('{"a": "<number> and <yes>"}', '{"a":"1.5 and true"}'),
        ('{"a": <quoted>, "b": "<quoted>"}', '{"a":"say \\"hi\\"\\n","b":"say \\"hi\\"\\n"}'),
        ('{"a": <missing>, "b": 1}', '{"a":"","b":1}'),
        ('{"a": "<missing>!", "b": [<missing>, 2]}', '{"a":"!","b":["",2]}'),
        ('{"n": 1.10, "big": 12345678901234567890123}', '{"n":1.10,"big":12345678901234567890123}'),
        ('{"<text>": {"deep": [<text>]}}', '{"hello":{"deep":["hello"]}}'),
        ("<object>", '{"a":"b","n":1}'),
        ("<text>", '"hello"'),
        ("<missing>", '""'),
        ('"<text> costs <number>"', '"hello costs 1.5"'),
        ('"first <text>"\n"second <missing>"', '"first hello"\n"second "'),
        ('"<quoted>"', '"say \\"hi\\"\\n"'),
        ('{"r": <aws.events.rule-arn>, "n": "<aws.events.rule-name>"}', '{"r":"arn:rule","n":"rule"}'),
        ('{"t": <aws.events.event.ingestion-time>}', '{"t":"2020-01-02T00:00:00Z"}'),
        ('{"a": "less < than >"}', '{"a":"less < than >"}'),
    ],
)
def test_templates_are_filled_in(template: str, expected: str | None) -> None:
    assert filled(template) == expected


def test_the_whole_event_and_its_head_can_be_put_in() -> None:
    whole = json.loads(filled('{"whole": <aws.events.event.json>, "head": <aws.events.event>}') or "")
    assert whole["whole"] == EVENT
    assert json.dumps(whole["head"]) == (
        '{"id": "an-id", "account": "1", "detailType": "kind", "time": "2020-01-01T00:00:00Z", "source": "app", '
        '"region": "r", "resources": ["arn:one", "arn:two"], "version": "0"}'
    )


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("<nobody>", "InputTemplate for target 1 contains invalid placeholder nobody."),
        ("<aws.events.nothing>", "InputTemplate for target 1 contains invalid placeholder aws.events.nothing."),
        ("plain text", 'Invalid InputTemplate for target 1 : [Source: (String)"plain text"; line: 1, column: 1].'),
        ('{"a": <text>', "Invalid InputTemplate for target 1"),
        ('"a"\nb', "Invalid InputTemplate for target 1"),
        ('{"a": NaN}', "Invalid InputTemplate for target 1"),
        ('{"a": "\\ud800"}', "Invalid InputTemplate for target 1"),
        ("[" * 5000, "Invalid InputTemplate for target 1"),
        *(
            (template, "contains placeholder aws.events.event.json valid only for JSON template.")
            for template in (
                "[<aws.events.event.json>]",
                '"all: <aws.events.event.json>"',
                "<aws.events.event.json>",
                '"a"\n"<aws.events.event.json>"',
            )
        ),
    ],
)
def test_templates_that_cannot_be_filled_in_are_refused(template: str, message: str) -> None:
    with pytest.raises(AwsError) as caught:
        filled(template)
    assert caught.value.code == "ValidationException"
    assert message in caught.value.message


def test_names_of_paths_are_not_reserved_ones() -> None:
    with pytest.raises(AwsError, match="reserved name aws"):
        filled('"a"', **{"aws.own": "$.a"})


def test_our_own_marks_in_a_template_do_no_harm() -> None:
    assert json.loads(filled('{"a": "\\ue000x\\ue002", "b": "\\ue001y\\ue002"}') or "") == {"a": "", "b": ""}


def test_a_constant_and_a_part_of_the_event() -> None:
    assert payload_for({"Input": '{"a": 1}'}, HAPPENING) == b'{"a": 1}'
    assert payload_for({"InputPath": "$.detail.text"}, HAPPENING) == b'"hello"'
    assert payload_for({"InputPath": "$.detail.nowhere"}, HAPPENING) is None
    assert payload_for({}, HAPPENING) == HAPPENING.payload
