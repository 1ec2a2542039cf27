"""Spoilt parameters, as an SDK would send them if it did not look, and spoilt bodies."""

import json
import random
import re
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from tests.support.damage.texts import HOSTILE_TEXTS
from tests.support.rawhttp import Message

_NUMBERS: list[Any] = [0, -1, 2**31, 2**63, -(2**63) - 1, 10**40, 1.5, 1e308, -0.0]
_OTHER_TYPES: list[Any] = [None, True, [], {}, [[]], [None], {"a": None}, {"": {"": []}}, "", "text", *_NUMBERS]
_DEEP = 20_000


def spoilt_parameters(params: dict[str, Any], chance: random.Random) -> dict[str, Any]:
    """One value is left out or replaced by one of the same type, out of all bounds."""
    places = [(holder, key) for holder, key in _places(params) if not isinstance(holder[key], dict | list)]
    if places:
        holder, key = chance.choice(places)
        if isinstance(holder, dict) and chance.random() < 0.2:
            del holder[key]
        else:
            holder[key] = _out_of_bounds(holder[key], chance)
    return params


def _out_of_bounds(value: Any, chance: random.Random) -> Any:
    match value:
        case bool():
            return not value
        case int() | float():
            return chance.choice(_NUMBERS)
        case datetime():
            return chance.choice([datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)])
        case bytes():
            return chance.choice([b"", bytes(100_000), b"\xff\xfe"])
        case _:
            return chance.choice(HOSTILE_TEXTS)


def wrong_json_type(message: Message, chance: random.Random) -> Message:
    """One value in the document becomes something else, or is left out."""
    try:
        document = json.loads(message.body)
    except (ValueError, RecursionError):
        return other_body(message, chance)
    places = list(_places(document))
    if not places:
        return replace(message, body=json.dumps(chance.choice(_OTHER_TYPES)).encode())
    holder, key = chance.choice(places)
    if isinstance(holder, dict) and chance.random() < 0.2:
        del holder[key]
    else:
        holder[key] = chance.choice([*_OTHER_TYPES, *HOSTILE_TEXTS])
    return replace(message, body=json.dumps(document, allow_nan=True).encode())


def _places(node: Any) -> Any:
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, item in list(items):
        yield node, key
        yield from _places(item)


def wrong_form(message: Message, chance: random.Random) -> Message:
    """One pair of the form is spoilt, left out, or given twice."""
    pairs = message.body.split(b"&")
    place = chance.randrange(len(pairs))
    name, _, _ = pairs[place].partition(b"=")
    if name in (b"Action", b"Version"):
        pairs.append(
            chance.choice([b"Tags.member.1.Key.x=1", b"Tags.member.-1.Key=1", b"Tags.member.0.Key=1", b"Tags=1"])
        )
    else:
        text = chance.choice([*map(str, _NUMBERS), *HOSTILE_TEXTS])
        spoilt = [name + b"=" + quote(text).encode(), name + b"=%zz%ff", name, name + b".member.1=x", b"", b"="]
        pairs[place] = chance.choice(spoilt)
    return replace(message, body=b"&".join(pairs))


def wrong_xml(message: Message, chance: random.Random) -> Message:
    """One text of the document becomes something else, an element is left out or doubled, or it has entities."""
    text = message.body.decode("utf-8", "replace")
    kind = chance.randrange(4)
    if kind == 0:
        text = _XML_TEXT.sub(
            lambda found: f">{chance.choice(_XML_TEXTS)}<" if chance.random() < 0.5 else found[0], text
        )
    elif kind == 1:
        elements = _XML_ELEMENT.findall(text)
        if elements:
            one = chance.choice(elements)
            text = text.replace(one, chance.choice(["", one * 2, one * 2000]), 1)
    elif kind == 2:
        text = _BOMB + text
    else:
        text = text.replace("><", f">{chance.choice(_XML_TEXTS)}<", 1)
    return replace(message, body=text.encode("utf-8", "surrogatepass"))


_XML_TEXT = re.compile(r">[^<>]+<")
_XML_ELEMENT = re.compile(r"<(?:\w+)>[^<]*</\w+>")
_XML_TEXTS = [
    "&#0;",
    "&undefined;",
    "<![CDATA[x]]>",
    "<x/>",
    "&#xD800;",
    "9" * 400,
    "-1",
    "",
    " ",
    "é",
    "<!-- -->",
    "<?a?>",
]
_BOMB = (
    '<!DOCTYPE l [<!ENTITY a "lol"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;">'
    '<!ENTITY x SYSTEM "file:///etc/passwd">]>'
)


def wrong_document(message: Message, chance: random.Random) -> Message:
    """The kind of damage that suits the body's language."""
    kind = message.header("content-type")
    if "form" in kind:
        return wrong_form(message, chance)
    if message.body.startswith(b"<"):
        return wrong_xml(message, chance)
    if message.body.startswith((b"{", b"[")):
        return wrong_json_type(message, chance)
    return other_body(message, chance)


def other_body(message: Message, chance: random.Random) -> Message:
    """A body that is nothing of the kind."""
    if "form" in message.header("content-type"):
        return wrong_form(message, chance)
    return replace(message, body=chance.choice(_BODIES))


_BODIES = [
    b"",
    b"{",
    b"[]",
    b"null",
    b'"x"',
    b"\xff\xfe\x00",
    b"\xef\xbb\xbf{}",
    b"{}{}",
    b'{"a":NaN}',
    b'{"\\ud800":"\\udfff"}',
    b"{" + b'"a":{' * _DEEP,
    b"[" * _DEEP + b"]" * _DEEP,
    b'{"a":' * _DEEP + b"1" + b"}" * _DEEP,
    b'{"n":' + b"9" * 5_000 + b"}",
    b"<a>",
    b"<a/>",
    b"<a>" * _DEEP,
    b"\x00" * 100,
    b"x" * 100_000,
]


def cut_body(message: Message, chance: random.Random) -> Message:
    """A document that ends early, by a Content-Length that is right."""
    if "form" in message.header("content-type"):
        return wrong_form(message, chance)
    return replace(message, body=message.body[: chance.randint(0, len(message.body))])


def changed_byte(message: Message, chance: random.Random) -> Message:
    """One byte is another."""
    if not message.body or "form" in message.header("content-type"):
        return wrong_document(message, chance)
    body = bytearray(message.body)
    body[chance.randrange(len(body))] = chance.randrange(256)
    return replace(message, body=bytes(body))
