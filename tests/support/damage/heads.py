"""Spoilt headers, targets, and HTTP that is none."""

import random
from dataclasses import replace
from urllib.parse import quote

from tests.support.damage.texts import HOSTILE_TEXTS
from tests.support.rawhttp import Message


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
