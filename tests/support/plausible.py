"""Parameters that a service's front end lets through: they fit the model, and name things that may well exist.

Requests that fail at the front door test nothing behind it. So texts obey the model's lengths and patterns, and members
that name resources mostly name the ones in `KNOWN`, some of which a test creates beforehand. What starts with an `@`
stands for an identifier that only the server can give; the test puts in what it was given.
"""

from datetime import UTC, datetime
from functools import cache
from typing import Any

from botocore.model import Shape
from hypothesis import strategies as st

from bulb.wire.constraints import compile_pattern
from tests.support.functions import PYTHON, zipped
from tests.support.plausible_messages import (
    ACCOUNT,
    ALIAS,
    FURTHER,
    KNOWN_MESSAGES,
    MAPS,
    OTHER_ACCOUNT,
    QUEUE_ARN,
    TOPIC_ARN,
)

BUCKET, KEY = "neighbour-bucket", "folder/one key.txt"
FUNCTION, GROUP, STREAM, ROLE, USER, POLICY = "neighbour", "/a/group", "stream", "neighbour-role", "ann", "reading"
ROLE_ARN = f"arn:aws:iam::{ACCOUNT}:role/{ROLE}"
POLICY_ARN = f"arn:aws:iam::{ACCOUNT}:policy/{POLICY}"
FUNCTION_ARN = f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:{FUNCTION}"
GROUP_ARN = f"arn:aws:logs:us-east-1:{ACCOUNT}:log-group:{GROUP}"
STATEMENT = '{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"}'
DOCUMENT = f'{{"Version":"2012-10-17","Statement":[{STATEMENT}]}}'
TRUST = (
    '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole",'
    '"Principal":{"Service":"lambda.amazonaws.com"}}]}'
)
LAYER = "neighbour-layer"
LAYER_ARN = f"arn:aws:lambda:us-east-1:{ACCOUNT}:layer:{LAYER}"
_STREAM_ARN = f"arn:aws:kinesis:us-east-1:{ACCOUNT}:stream/one"
FUNCTION_POLICY = (
    '{"Version":"2012-10-17","Statement":[{"Sid":"s","Effect":"Allow","Principal":"*",'
    f'"Action":"lambda:InvokeFunction","Resource":"{FUNCTION_ARN}"}}]}}'
)
_DESTINATIONS = [
    FUNCTION_ARN,
    f"{FUNCTION_ARN}:{ALIAS}",
    f"arn:aws:s3:::{BUCKET}",
    QUEUE_ARN,
    TOPIC_ARN,
    "arn:aws:s3",
]
_EVENTS = [b"{}", b'{"a": 1}', b"", b"[", b"\xff", b'"' + b"x" * 300_000 + b'"', b"[" * 9_000]
_NOT_POLICIES = ["{}", "[]", "null", '{"Statement":[]}', '{"Statement":{"Effect":1}}', '{"a":' * 500, "nonsense"]
_FUNCTIONS = [
    *[FUNCTION] * 6,
    FUNCTION_ARN,
    f"{FUNCTION}:1",
    f"{FUNCTION}:{ALIAS}",
    f"{FUNCTION_ARN}:$LATEST",
    "nobody",
    f"{OTHER_ACCOUNT}:function:{FUNCTION}",
    FUNCTION_ARN.replace("us-east-1", "eu-west-9"),
    FUNCTION_ARN.replace(ACCOUNT, OTHER_ACCOUNT),
]
_PACKAGE = zipped(app="def handler(event, context): return event")

KNOWN: dict[str, list[Any]] = {
    "Action": [
        *["lambda:InvokeFunction"] * 3,
        "lambda:GetLayerVersion",
        "lambda:*",
        "lambda:InvokeFunctionUrl",
        "s3:Get",
    ],
    "AllowHeader": ["x-a", "*", "X-Ä", "a b"],
    "AllowMethod": ["GET", "*", "TRACE", "get"],
    "AllowOrigin": ["*", "https://example.com", "https://*.example.com", "null", "https://a\r\nb"],
    "Arn": [f"{LAYER_ARN}:1", LAYER_ARN, f"{LAYER_ARN}:999999999999"],
    "ClientContext": ["", "e30=", "e30", "%", "WzFd"],
    "CodeSha256": ["", "A" * 43 + "=", "bogus"],
    "CodeSigningConfigArn": [
        *["@signing"] * 4,
        f"arn:aws:lambda:us-east-1:{ACCOUNT}:code-signing-config:csc-{'0' * 17}",
    ],
    "Destination": _DESTINATIONS,
    "EventSourceArn": [
        QUEUE_ARN,
        f"{QUEUE_ARN}.fifo",
        _STREAM_ARN,
        f"arn:aws:dynamodb:us-east-1:{ACCOUNT}:table/t/stream/1",
    ],
    "FunctionVersion": [*["@published"] * 4, "1", "2", "$LATEST", "99999999999999999999"],
    "InvokeArgs": _EVENTS,
    "Layer": [f"{LAYER_ARN}:1", "@layer-arn", f"{LAYER_ARN}:77", LAYER_ARN.replace(ACCOUNT, OTHER_ACCOUNT) + ":1"],
    "LayerName": [*[LAYER] * 4, LAYER_ARN, "nobodys-layer", LAYER_ARN.replace(ACCOUNT, OTHER_ACCOUNT)],
    "Name": [*[ALIAS] * 4, "other", "1", "$LATEST"],
    "Payload": _EVENTS,
    "Pattern": ['{"a": [1]}', '{"a": [{"numeric": ["<", 1]}]}', "{", "[]", '{"a": {"b": []}}', '{"a":' * 900],
    "ResourceArn": [
        FUNCTION_ARN,
        f"{FUNCTION_ARN}:{ALIAS}",
        f"{FUNCTION_ARN}:1",
        FUNCTION_ARN.replace(ACCOUNT, OTHER_ACCOUNT),
    ],
    "RevisionId": ["@revision", "@alias-revision", "00000000-0000-0000-0000-000000000000", ""],
    "SourceAccount": [ACCOUNT, OTHER_ACCOUNT],
    "SourceArn": [f"arn:aws:s3:::{BUCKET}", FUNCTION_ARN, "arn:aws:s3:::*"],
    "TargetArn": [QUEUE_ARN, TOPIC_ARN, FUNCTION_ARN, ""],
    "UUID": ["00000000-0000-0000-0000-000000000000", "nobody"],
    "VersionNumber": [*["@layer-version"] * 4, 1, 77, 0, -1, 2**63 - 1],
    "AccessKeyId": [*["@access-key"] * 3, "AKIAAAAAAAAAAAAAAAAA", "ASIAAAAAAAAAAAAAAAAA"],
    "AssumeRolePolicyDocument": [TRUST, DOCUMENT, *_NOT_POLICIES],
    "Bucket": [*[BUCKET] * 16, "nobodys-bucket", "a.b.c", "Capital", "..", "with space", "xn--a", "1.2.3.4"],
    "ContentMD5": ["AAAAAAAAAAAAAAAAAAAAAA==", "short"],
    "ContinuationToken": ["", "bogus", "AAAA", "1"],
    "CopySource": [f"{BUCKET}/{KEY}", f"/{BUCKET}/folder%2Fone%20key.txt", "x", "/", "a/b?versionId=", "a/%zz", "é/b"],
    "CopySourceRange": ["bytes=0-1", "bytes=5-1", "bytes=-1", "bytes=0-99999999999999999999", "chars=1"],
    "Delimiter": ["/", "", "//", "é", "\u2028"],
    "Description": ["", "what it does"],
    "FunctionName": _FUNCTIONS,
    "Handler": ["app.handler", "..", "a", "app.handler.x"],
    "Key": [*[KEY] * 6, "..", "../../x", "a//b", "/", ".", "é\u2028", "x" * 1025, "%00", "a\\b", "tag"],
    "KeyMarker": ["", KEY, "zzz"],
    "LambdaFunctionArn": [FUNCTION_ARN, FUNCTION_ARN.replace(ACCOUNT, OTHER_ACCOUNT), "arn:aws:lambda", ""],
    "Marker": ["", "bogus", "AAAA", "1", KEY],
    "Path": ["/", "/a/b/", "a", "//"],
    "PathPrefix": ["/", "/a/", "/a/b"],
    "Policy": [DOCUMENT, *[FUNCTION_POLICY] * 3, *_NOT_POLICIES],
    "PolicyArn": [
        *[POLICY_ARN] * 3,
        "arn:aws:iam::aws:policy/ReadOnlyAccess",
        POLICY_ARN.replace(ACCOUNT, OTHER_ACCOUNT),
    ],
    "PolicyDocument": [DOCUMENT, TRUST, *_NOT_POLICIES],
    "PolicyName": [POLICY, "another"],
    "Principal": ["s3.amazonaws.com", "*", OTHER_ACCOUNT, ROLE_ARN],
    "Qualifier": ["$LATEST", *["@published", ALIAS] * 2, "1", "0", "nobody"],
    "Range": [
        "bytes=0-1",
        "bytes=5-1",
        "bytes=-0",
        "bytes=-99999999999999999999",
        "bytes=0-1,3-4",
        "lines=1",
        "bytes=",
    ],
    "RequestRoute": ["route"],
    "Resource": [FUNCTION_ARN, ROLE_ARN, FUNCTION_ARN.replace("us-east-1", "eu-west-9"), FUNCTION_ARN + ":1"],
    "Role": [ROLE_ARN, f"arn:aws:iam::{OTHER_ACCOUNT}:role/r", f"arn:aws:iam::{ACCOUNT}:role/a/b/r"],
    "RoleArn": [ROLE_ARN, f"arn:aws:iam::{OTHER_ACCOUNT}:role/r", "arn:aws:iam::1:user/very/long", "arn:" * 6],
    "RoleName": [*[ROLE] * 3, "nobody"],
    "Runtime": [PYTHON, "nodejs22.x", "python2.7", "cobol"],
    "S3Bucket": [BUCKET, "nobodys-bucket"],
    "S3Key": [KEY, "nothing"],
    "StatementId": ["one", "two"],
    "Tagging": ["a=b", "a=b&a=c", "=", "&&", "a=%zz", "aws:x=y", "a=" + "b" * 300],
    "UploadId": [*["@upload"] * 4, "bogus", "", "a" * 900, "é"],
    "UserName": [*[USER] * 3, "nobody"],
    "VersionId": [*["@version"] * 4, "null", "bogus", "", "v1", "v0", "v99999999999999999999", "é"],
    "ZipFile": [_PACKAGE, _PACKAGE, b"PK\x03\x04nonsense", b"PK\x05\x06" + bytes(18), b"", _PACKAGE[:-9]],
    "destinationArn": [FUNCTION_ARN, f"{FUNCTION_ARN}:live", "arn:aws:kinesis:us-east-1:0:stream/s", "arn", "é"],
    "filterName": ["one", "two", "three"],
    "filterPattern": ["", "ERROR", '{ $.a = "b" }', "[a, b]", "{ $.a", "%[%", "{{", '"', "?a -b", "%(a+)+$%", "[...]"],
    "logGroupIdentifier": [GROUP, GROUP_ARN, f"{GROUP_ARN}:*", GROUP_ARN.replace(ACCOUNT, OTHER_ACCOUNT)],
    "logGroupName": [*[GROUP] * 4, "nothing", f"/aws/lambda/{FUNCTION}"],
    "logGroupNamePattern": [GROUP, "a", "^/a", "group$"],
    "logStreamName": [*[STREAM] * 3, "nothing"],
    "nextToken": ["bogus", "f/0", "b/1/s", "f/99999999999999999999/s", "AAAA", "é"],
    "resourceArn": [GROUP_ARN, f"{GROUP_ARN}:*", FUNCTION_ARN, GROUP_ARN.replace(ACCOUNT, OTHER_ACCOUNT)],
    "sequenceToken": ["1"],
}
KNOWN |= KNOWN_MESSAGES
for _name, _values in FURTHER.items():
    KNOWN[_name] = [*KNOWN[_name], *_values]
_MAP_KEYS: dict[str, list[str]] = {
    "AdditionalVersionWeights": ["@published", "1", "2", "$LATEST", "", "one"],
    "MessageAttributes": ["kind", "a.b", "a..b", ".a", "é", "", "x" * 300],
    "Attributes": KNOWN["AttributeName"],
}
_MAP_VALUES = {"Attributes": "AttributeValue"}
_MOMENTS = [datetime(1970, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC)]
_WORDS = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), max_size=30)
_SHORTEST_LIMIT, _MOST_OPTIONAL, _DEEPEST = 60, 4, 6


def parameters(shape: Shape) -> st.SearchStrategy[dict[str, Any]]:
    """Values of an operation's input shape: all that is required and a little of the rest."""
    return _structure(shape, 0)


def _structure(shape: Any, depth: int) -> st.SearchStrategy[dict[str, Any]]:
    members = {name: one for name, one in shape.members.items() if not one.serialization.get("eventstream")}
    required = {name for name in shape.required_members if name in members}
    optional = sorted(set(members) - required) if depth < _DEEPEST else []

    @st.composite
    def build(draw: st.DrawFn) -> dict[str, Any]:
        chosen = draw(st.lists(st.sampled_from(optional), max_size=_MOST_OPTIONAL, unique=True)) if optional else []
        return {name: draw(value(name, members[name], depth + 1)) for name in sorted({*required, *chosen})}

    return build()


def value(name: str, shape: Any, depth: int) -> st.SearchStrategy[Any]:
    """A value for a member of that name and shape."""
    kind = shape.type_name
    if kind == "structure":
        return _structure(shape, depth)
    if kind == "list":
        least = shape.metadata.get("min", 0)
        return st.lists(value(name.removesuffix("s"), shape.member, depth + 1), min_size=least, max_size=least + 2)
    if kind == "map":
        is_free = name in _MAP_KEYS and not getattr(shape.key, "enum", None)
        keys = st.sampled_from(_MAP_KEYS[name]) if is_free else value("", shape.key, depth + 1)
        made = st.dictionaries(keys, value(_MAP_VALUES.get(name, ""), shape.value, depth + 1), max_size=2)
        return st.sampled_from(MAPS[shape.name]) | made if shape.name in MAPS else made
    limits = tuple((fact, shape.metadata[fact]) for fact in ("min", "max", "pattern") if fact in shape.metadata)
    return _scalar(name, kind, tuple(getattr(shape, "enum", None) or ()), limits)


@cache
def _scalar(name: str, kind: str, enum: tuple[str, ...], limits: tuple[tuple[str, Any], ...]) -> st.SearchStrategy[Any]:
    facts = dict(limits)
    if enum:
        return st.sampled_from(enum)
    if name in KNOWN and kind in ("string", "blob", "long", "integer"):
        return st.sampled_from(KNOWN[name])
    match kind:
        case "boolean":
            strategy: st.SearchStrategy[Any] = st.booleans()
        case "timestamp":
            strategy = st.sampled_from(_MOMENTS)
        case "blob":
            strategy = st.binary(max_size=40)
        case "string":
            strategy = _text(facts)
        case "double" | "float":
            strategy = st.sampled_from([0.0, 0.5, 1.0, 1e-9]) | st.floats(-1, 2)
        case _:
            bits = 63 if kind == "long" else 31
            low, high = int(facts.get("min", -3)), int(facts.get("max", 2**bits - 1))
            strategy = st.sampled_from([low, high, min(low + 1, high)]) | st.integers(low, high)
    return strategy


def _text(facts: dict[str, Any]) -> st.SearchStrategy[str]:
    least = facts.get("min", 0)
    most = min(facts.get("max", _SHORTEST_LIMIT), max(least, _SHORTEST_LIMIT))
    pattern = compile_pattern(facts["pattern"]) if "pattern" in facts else None
    if pattern is None:
        return st.text("abc-1", min_size=least, max_size=most) | _WORDS.map(lambda text: text.ljust(least, "a")[:most])
    fitting = st.from_regex(pattern, fullmatch=True)
    return fitting.filter(lambda text: least <= len(text) <= facts.get("max", 10_000))
