"""Ways to spoil a request that was right. Each takes the message and chances, and returns another message.

Those in `KEEPS_TARGET` leave alone what says which operation is asked for, so the refusal must be in its service's
own shape. Those in `LOSES_TARGET` may turn the request into any other. Those in `BREAKS_HTTP` may be answered in plain
text, or not at all: there is no request to answer.
"""

import json
import random
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from tests.support.rawhttp import Message

Damage = Callable[[Message, random.Random], Message]

HOSTILE_TEXTS = [
    "",
    " ",
    ".",
    "..",
    "../../etc/passwd",
    "a/b",
    "a:b:c",
    "*",
    "\x00",
    "a\x00b",
    "\r\nX: y",
    "\x7f\x1b[31m",
    "\u202e\ufeff",
    "é東😀",
    "%00%2f%zz",
    "'; DROP TABLE x; --",
    "${jndi:x}",
    "{{7*7}}",
    "-1",
    "1e309",
    "arn:aws:lambda:eu-west-9:999999999999:function:x",
    "arn:aws:iam::1:role/",
    "arn:::::::::",
    "x" * 300,
    "x" * 70_000,
    "9" * 400,
]
_NUMBERS: list[Any] = [0, -1, 2**31, 2**63, -(2**63) - 1, 10**40, 1.5, 1e308, -0.0]
_OTHER_TYPES: list[Any] = [None, True, [], {}, [[]], [None], {"a": None}, {"": {"": []}}, "", "text", *_NUMBERS]
_DEEP = 20_000


# Spoilt parameters: what an SDK would send if it did not look.


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


# Spoilt bodies.


def wrong_json_type(message: Message, chance: random.Random) -> Message:
    """One value in the document becomes something else, or is left out."""
    try:
        document = json.loads(message.body)
    except ValueError:
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


# Spoilt heads.


def strange_header(message: Message, chance: random.Random) -> Message:
    """A header that means something is given a value that means nothing."""
    name, values = chance.choice(_STRANGE_HEADERS)
    return message.with_header(name, chance.choice(values))


_TEXTS = ["", "x", "é\xff", "-1", "9" * 400, "0", "Thu, 32 Foo 2026 99:99:99 GMT", "x" * 65_536, '"', ",", "a=b;c"]
_STRANGE_HEADERS: list[tuple[str, list[str]]] = [
    (name, _TEXTS)
    for name in (
        "Content-MD5",
        "Accept",
        "Expires",
        "If-Match",
        "If-None-Match",
        "If-Modified-Since",
        "If-Unmodified-Since",
        "Range",
        "User-Agent",
        "Cookie",
        "X-Forwarded-For",
        "X-Amz-Acl",
        "X-Amz-Checksum-Crc32",
        "X-Amz-Checksum-Sha256",
        "X-Amz-Client-Context",
        "X-Amz-Copy-Source-Range",
        "X-Amz-Expected-Bucket-Owner",
        "X-Amz-Invocation-Type",
        "X-Amz-Log-Type",
        "X-Amz-Meta-",
        "X-Amz-Security-Token",
        "X-Amz-Tagging",
        "X-Amz-Trailer",
        "X-Amzn-Trace-Id",
        "X-Amz-Sdk-Checksum-Algorithm",
    )
] + [
    ("Content-Encoding", ["gzip", "aws-chunked", "gzip, aws-chunked", "br", ""]),
    ("X-Amz-Content-Sha256", ["UNSIGNED-PAYLOAD", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "0" * 64, "x", ""]),
    ("X-Amz-Content-Sha256", ["STREAMING-UNSIGNED-PAYLOAD-TRAILER", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"]),
    ("X-Amz-Decoded-Content-Length", ["-1", "x", "99999999999999999999", "0"]),
]


def huge_header(message: Message, chance: random.Random) -> Message:
    """64 KiB and more in one header, or hundreds of headers."""
    if chance.random() < 0.5:
        return message.with_header("X-Amz-Meta-Huge", chance.choice("aé\xff ") * 65_536)
    return replace(message, headers=message.headers + tuple((f"X-Filler-{n}", "x") for n in range(500)))


def repeated_header(message: Message, chance: random.Random) -> Message:
    """A header that is there is there twice, with another value."""
    name, value = chance.choice(message.headers)
    if name.lower() == "host":
        return message
    return replace(message, headers=(*message.headers, (name, chance.choice([value, "", "x"]))))


def wrong_content_type(message: Message, chance: random.Random) -> Message:
    """Another language is claimed."""
    return message.with_header("Content-Type", chance.choice(_CONTENT_TYPES))


_CONTENT_TYPES = [
    "",
    "text/plain",
    "application/json; charset=utf-16",
    "application/x-amz-json-9.9",
    "application/xml",
    "multipart/form-data",
    "multipart/form-data; boundary=x",
    "application/x-www-form-urlencoded",
    "application/cbor",
    "é/\xff",
]


def wrong_authorization(message: Message, chance: random.Random) -> Message:
    """A signature that cannot be read, or of something else, or of no day."""
    if chance.random() < 0.2:
        return message.with_header("X-Amz-Date", chance.choice(["", "now", "20261301T000000Z", "99999999T999999Z"]))
    return message.with_header("Authorization", chance.choice(_AUTHORIZATIONS))


_SCOPE = "AWS4-HMAC-SHA256 Credential=a/20260101/us-east-1/{}/aws4_request, SignedHeaders=host, Signature=0"
_AUTHORIZATIONS = [
    "AWS4-HMAC-SHA256",
    "AWS4-HMAC-SHA256 nonsense",
    "AWS4-HMAC-SHA256 Credential=,SignedHeaders=,Signature=",
    "AWS4-HMAC-SHA256 Credential=a/b/c/d/e, SignedHeaders=é, Signature=\xff",
    "AWS4-ECDSA-P256-SHA256 Credential=a",
    "AWS a:b",
    "Bearer x",
    "Basic \xff",
    "x" * 65_536,
    *(_SCOPE.format(service) for service in ("s3", "lambda", "iam", "logs", "ec2", "", "a/b", "é")),
    _SCOPE.format("lambda").replace("20260101", "99999999"),
    _SCOPE.format("lambda").replace("us-east-1", "é" * 300),
]


# Spoilt targets.


def strange_path(message: Message, chance: random.Random) -> Message:
    """A segment of the path is replaced, added or broken."""
    path, mark, query = message.target.partition("?")
    segments = path.split("/")
    place = chance.randrange(1, len(segments)) if len(segments) > 1 else 0
    kept = message.target.startswith("/_")
    spoilt = chance.choice(
        ["%", "%zz", "%00", "%ff%fe", "%c0%ae", "%2e%2e", "%2F", "..", ".", "", "%0d%0a", "x" * 2000, "%25" * 900]
        + [quote(text, safe="") for text in HOSTILE_TEXTS if len(text) < 1_000]
    )
    if chance.random() < 0.2:
        segments.insert(place, spoilt)
    else:
        segments[place] = spoilt
    return message if kept else replace(message, target=("/".join(segments) or "/") + mark + query)


def strange_query(message: Message, chance: random.Random) -> Message:
    """Parameters nobody knows, doubled ones, numbers out of range, encodings that are none."""
    path, _, query = message.target.partition("?")
    pairs = [pair for pair in query.split("&") if pair]
    number = chance.choice(["-1", "0", "99999999999999999999", "1.5", "x", "", "%ff", "%", "%00", "+", "NaN"])
    name = chance.choice(_PARAMETERS)
    if pairs and chance.random() < 0.5:
        place = chance.randrange(len(pairs))
        pairs[place] = chance.choice(
            [f"{pairs[place].partition('=')[0]}={number}", "=", f"{pairs[place]}&{pairs[place]}"]
        )
    else:
        pairs.append(f"{name}={number}")
    return replace(message, target=f"{path}?{'&'.join(pairs)}")


_PARAMETERS = [
    "MaxItems",
    "Marker",
    "max-keys",
    "versionId",
    "partNumber",
    "uploadId",
    "encoding-type",
    "nobody-knows-this",
]
_PARAMETERS += [
    "%zz",
    "",
    "Qualifier",
    "delimiter",
    "continuation-token",
    "list-type",
    "tagKeys",
    "a" * 3_000,
    "%00",
    "delete",
]


def presigned_garbage(message: Message, chance: random.Random) -> Message:
    """A presigned URL that is not one."""
    parts = {
        "X-Amz-Algorithm": ["AWS4-HMAC-SHA256", "x", ""],
        "X-Amz-Credential": ["a%2F20260101%2Fus-east-1%2Fs3%2Faws4_request", "a", "", "%ff"],
        "X-Amz-Date": ["20260101T000000Z", "99999999T000000Z", "", "x"],
        "X-Amz-Expires": ["60", "-1", "99999999999", "x", ""],
        "X-Amz-SignedHeaders": ["host", "", "%ff"],
        "X-Amz-Signature": ["0" * 64, "", "%C3%A9"],
        "Expires": ["0", "x"],
        "AWSAccessKeyId": ["a", ""],
        "Signature": ["x", ""],
    }
    chosen = [f"{name}={chance.choice(values)}" for name, values in parts.items() if chance.random() < 0.7]
    headers = tuple((n, v) for n, v in message.headers if n.lower() != "authorization")
    mark = "&" if "?" in message.target else "?"
    return replace(message, target=message.target + mark + "&".join(chosen), headers=headers)


def wrong_method(message: Message, chance: random.Random) -> Message:
    """Another verb."""
    return replace(message, method=chance.choice(["GET", "PUT", "POST", "DELETE", "PATCH", "OPTIONS", "TRACE", "HEAD"]))


def unknown_operation(message: Message, chance: random.Random) -> Message:
    """A target or action that no service has."""
    name = chance.choice(["", "Nothing", "Logs_20140328.Nothing", ".", "x" * 9_000, "Logs_20140328.__class__", "é"])
    body = b"Action=" + quote(name).encode() + b"&Version=2010-05-08"
    return (
        message.with_header("X-Amz-Target", name)
        if "json" in message.header("content-type")
        else replace(message, body=body)
    )


# Spoilt HTTP.


def broken_off(message: Message, chance: random.Random) -> Message:
    """Less of the body than Content-Length says, and then the client is gone."""
    return replace(message, length=str(len(message.body) + chance.choice([1, 10, 2_000_000])), ends=True)


def chunked_garbage(message: Message, chance: random.Random) -> Message:
    """Chunks that are none."""
    body = chance.choice(
        [b"zz\r\n", b"-1\r\n", b"5\r\nab", b"ffffffffffffffffffff\r\nx", b"1\r\nab\r\n0\r\n\r\n", b"\r\n", b"0\r\n"]
    )
    headers = (*message.headers, ("Transfer-Encoding", chance.choice(["chunked", "gzip, chunked"])))
    return replace(message, body=body, length=None, headers=headers, ends=True)


def impossible_head(message: Message, chance: random.Random) -> Message:
    """No HTTP, or HTTP that says two things."""
    return chance.choice(
        [
            replace(message, length="-1"),
            replace(message, length="1e3"),
            replace(message, length="9" * 40),
            replace(message, headers=(*message.headers, ("Content-Length", "1"), ("Content-Length", "2"))),
            replace(message, headers=(*message.headers, ("Transfer-Encoding", "chunked")), ends=True),
            replace(message, headers=(*message.headers, ("Bad Name", "x"))),
            replace(message, headers=(*message.headers, ("Expect", "tea"))),
            replace(message, headers=message.headers[1:]),
            replace(message, target="no slash"),
            replace(message, target="/a b c"),
            replace(message, method="G\xe9T"),
            message.with_header("Host", "a b"),
            message.with_header("X-Filler", "x" * 1_100_000),
            replace(message, headers=message.headers + tuple((f"X-{n}", "x") for n in range(1_100))),
        ]
    )


KEEPS_TARGET: tuple[Damage, ...] = (
    wrong_document,
    wrong_document,
    wrong_document,
    other_body,
    cut_body,
    changed_byte,
    strange_header,
    strange_header,
    huge_header,
)
LOSES_TARGET: tuple[Damage, ...] = (
    strange_path,
    strange_path,
    strange_query,
    repeated_header,
    wrong_content_type,
    wrong_authorization,
    presigned_garbage,
    wrong_method,
    unknown_operation,
)
BREAKS_HTTP: tuple[Damage, ...] = (broken_off, chunked_garbage, impossible_head)
