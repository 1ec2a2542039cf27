"""Where credentials are required, nothing that was signed can be altered: no character, no path, no chunk."""

import base64
import hashlib
import hmac
import io
import random
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from string import ascii_letters
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests.support import functions
from tests.support.bulb import Running
from tests.support.rawhttp import Message
from tests.support.strict import (
    BUCKET,
    Keys,
    answered,
    by_service,
    fetched,
    outcome,
    refusal,
    root_of,
    signed,
)

LOGS = {"X_Amz_Target": "Logs_20140328.DescribeLogGroups", "Content_Type": "application/x-amz-json-1.1"}
FORM = {"Content_Type": "application/x-www-form-urlencoded; charset=utf-8"}


OTHER_METHODS = {"lambda": "POST", "s3": "DELETE"}
ADDITIONS = {"logs": b" ", "iam": b"&MaxItems=5"}


def examples(bulb: Running) -> dict[str, Message]:
    return {
        "lambda": signed(bulb, "lambda", "GET", "/2015-03-31/functions?MaxItems=5"),
        "s3": signed(bulb, "s3", "PUT", f"/{BUCKET}/signed", b"what was signed", X_Amz_Meta_A="b"),
        "logs": signed(bulb, "logs", "POST", "/", b'{"limit": 5}', **LOGS),
        "iam": signed(bulb, "iam", "POST", "/", b"Action=ListRoles&Version=2010-05-08", **FORM),
    }


@pytest.mark.parametrize("service", ["lambda", "s3", "logs", "iam"])
def test_what_was_signed_cannot_be_altered(strict: Running, service: str) -> None:
    message = examples(strict)[service]
    assert outcome(strict, message) == (200, "")
    mismatch = (
        403,
        by_service("SignatureDoesNotMatch", "InvalidSignatureException", "SignatureDoesNotMatch")[service][0],
    )

    scope = message.header("authorization")
    signature = scope.rpartition("=")[2]
    other_signature = ("0" if signature[0] != "0" else "1") + signature[1:]
    altered = {
        "signature": message.with_header("Authorization", scope.replace(signature, other_signature)),
        "signature's length": message.with_header("Authorization", scope[:-1]),
        "region": message.with_header("Authorization", scope.replace("us-east-1", "eu-west-1")),
        "time": message.with_header("X-Amz-Date", later(message.header("x-amz-date"))),
        "host": message.with_header("Host", "localhost:1"),
        "query": replace(message, target=message.target + ("&" if "?" in message.target else "?") + "x=1"),
    }
    if service in OTHER_METHODS:
        altered["method"] = replace(message, method=OTHER_METHODS[service], body=b"")
    if service in ADDITIONS:
        altered["body"] = replace(message, body=message.body + ADDITIONS[service])
    for what, changed in altered.items():
        assert outcome(strict, changed) == mismatch, what


def later(amz_date: str) -> str:
    signed = datetime.strptime(amz_date, "%Y%m%dT%H%M%SZ")
    return signed.replace(second=7 if signed.second != 7 else 8).strftime("%Y%m%dT%H%M%SZ")


def test_a_signature_opens_no_other_path(strict: Running) -> None:
    message = signed(strict, "s3", "GET", f"/{BUCKET}/one")
    assert outcome(strict, message) == (404, "NoSuchKey")
    for target in (
        f"/{BUCKET}/two",
        f"/{BUCKET}/one/",
        "/other/one",
        f"/{BUCKET}/ONE",
        f"/{BUCKET}/one?acl",
        f"/{BUCKET}",
    ):
        assert outcome(strict, replace(message, target=target)) == (403, "SignatureDoesNotMatch"), target
    function = signed(strict, "lambda", "DELETE", "/2015-03-31/functions/nobody")
    assert outcome(strict, function) == (404, "ResourceNotFoundException")
    for end in ("/policy/one", "/policy/..", "/policy/%2e%2e", "%2Fpolicy", "/", "?Qualifier=1"):
        changed = replace(function, target=function.target + end)
        assert outcome(strict, changed) == (403, "InvalidSignatureException"), end


@pytest.mark.parametrize("service", ["lambda", "s3", "logs", "iam"])
def test_no_character_of_a_signed_request_can_be_another(strict: Running, service: str) -> None:
    message = examples(strict)[service]
    chance = random.Random(service)
    signed_headers = message.header("authorization").partition("SignedHeaders=")[2].partition(",")[0].split(";")
    signed_headers.remove("host")  # Most changes of it are no host at all, and refused as such.
    for _ in range(60):
        changed = with_another_character(message, chance, signed_headers)
        status, code = outcome(strict, changed)
        assert 400 <= status < 500 or status == 501, changed  # 501: a service that is not there.
        assert code, changed


def with_another_character(message: Message, chance: random.Random, signed_headers: list[str]) -> Message:
    """One letter or digit of the target, the body, the authorization or a signed header is another one."""
    name = chance.choice([*signed_headers, "authorization", "target", "target", "body"])
    match name:
        case "target" if message.target != "/":
            return replace(message, target=another_character(message.target, chance))
        case "body" if message.body:
            return replace(message, body=another_character(message.body.decode(), chance).encode())
        case "target" | "body":
            return replace(message, target=f"/{chance.choice(ascii_letters)}")
        case _:
            value = message.header(name)
            return message.with_header(name, another_character(value, chance))


def another_character(text: str, chance: random.Random) -> str:
    place = chance.choice([number for number, letter in enumerate(text) if letter.isalnum()])
    return (
        text[:place] + chance.choice([x for x in ascii_letters if x.lower() != text[place].lower()]) + text[place + 1 :]
    )


def test_a_link_to_code_needs_no_credentials_and_cannot_be_altered(strict: Running, root: Keys) -> None:
    aws = strict.client("lambda", **root)
    functions.create(aws, "linked", "def handler(event, context): return 1")
    link = aws.get_function(FunctionName="linked")["Code"]["Location"]
    status, package = fetched(link)
    assert (status, package[:2]) == (200, b"PK")
    for changed in (link[:-4] + "0000", link.replace("expires=1", "expires=2"), link.partition("&signature")[0]):
        assert 400 <= fetched(changed)[0] < 500, changed


def test_what_is_stored_is_what_was_signed(strict: Running, root: Keys) -> None:
    message = signed(strict, "s3", "PUT", f"/{BUCKET}/body", b"what was signed", X_Amz_Meta_A="b")
    forged = replace(message, body=b"what was forged")
    assert outcome(strict, forged) == (400, "XAmzContentSHA256Mismatch")
    assert (
        outcome(strict, message.with_header("x-amz-content-sha256", "UNSIGNED-PAYLOAD"))[1] == "SignatureDoesNotMatch"
    )
    assert outcome(strict, message.with_header("X-Amz-Meta-A", "c")) == (403, "SignatureDoesNotMatch")
    unsigned_header = replace(message, headers=(*message.headers, ("x-amz-acl", "public-read")))
    assert outcome(strict, unsigned_header) == (403, "AccessDenied")
    assert refusal(lambda: strict.client("s3", **root).get_object(Bucket=BUCKET, Key="body"))[0] == "NoSuchKey"


def test_a_clock_that_is_wrong_is_told(own: Running) -> None:
    messages = examples(own)
    own.clock.advance(3600)
    assert outcome(own, messages["s3"]) == (403, "RequestTimeTooSkewed")
    assert outcome(own, messages["logs"]) == (403, "InvalidSignatureException")
    assert outcome(own, messages["iam"]) == (403, "SignatureDoesNotMatch")
    assert b"Signature expired" in answered(own, messages["iam"]).body
    own.clock.advance(-2 * 3600)
    assert outcome(own, messages["s3"]) == (403, "RequestTimeTooSkewed")
    assert b"not yet current" in answered(own, messages["logs"]).body


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (lambda text: text.replace("SignedHeaders=host;", "SignedHeaders="), "InvalidSignatureException"),
        (lambda text: text.replace("/us-east-1/", "/eu-west-1/"), "InvalidSignatureException"),
        (lambda text: text.replace("/lambda/", "/logs/"), "UnknownOperationException"),  # the scope says whose it is
        (lambda text: re.sub(r"/\d{8}/", "/20200101/", text), "InvalidSignatureException"),
        (lambda text: text.replace("aws4_request", "aws5_request"), "IncompleteSignature"),
        (lambda text: text.partition(", SignedHeaders")[0], "IncompleteSignature"),
        (lambda text: text.partition(", Signature=")[0], "IncompleteSignature"),
        (lambda text: text.replace("AWS4-HMAC-SHA256", "AWS4-HMAC-SHA1"), "InvalidRequest"),
        (lambda text: "Bearer " + text, "MissingAuthenticationTokenException"),
    ],
)
def test_a_scope_and_what_is_signed_are_as_aws_wants_them(
    strict: Running, spoil: Callable[[str], str], code: str
) -> None:
    message = signed(strict, "lambda", "GET", "/2015-03-31/functions")
    spoilt = message.with_header("Authorization", spoil(message.header("authorization")))
    assert outcome(strict, spoilt)[1] == code


def test_the_host_and_no_date_at_all(strict: Running) -> None:
    message = signed(strict, "lambda", "GET", "/2015-03-31/functions")
    authorization = message.header("authorization")
    names = authorization.partition("SignedHeaders=")[2].partition(",")[0]
    without_host = message.with_header("Authorization", authorization.replace(names, names.replace("host;", "")))
    assert b"must be a 'SignedHeader'" in answered(strict, without_host).body
    undated = replace(message, headers=tuple(item for item in message.headers if item[0].lower() != "x-amz-date"))
    assert outcome(strict, undated) == (400, "IncompleteSignature")


def test_a_signature_for_one_region_is_for_that_region(strict: Running, root: Keys) -> None:
    functions.create(strict.client("lambda", **root), "regional", "def handler(event, context): return 1")
    path = "/2015-03-31/functions/regional"
    assert outcome(strict, signed(strict, "lambda", "GET", path)) == (200, "")
    elsewhere = signed(strict, "lambda", "GET", path, region="eu-west-1")
    assert outcome(strict, elsewhere) == (404, "ResourceNotFoundException")


def test_five_minutes_are_the_most_a_clock_may_be_off(own: Running) -> None:
    message = signed(own, "lambda", "GET", "/2015-03-31/functions")
    own.clock.advance(290)
    assert outcome(own, message) == (200, "")
    own.clock.advance(20)
    assert outcome(own, message) == (403, "InvalidSignatureException")
    assert re.search(rb"Signature expired: \d{8}T\d{6}Z is now earlier than \d{8}T\d{6}Z", answered(own, message).body)


# Bodies that are signed piece by piece.


def chunked(bulb: Running, key: str, chunks: list[bytes], *, trailer: bool = False) -> Message:
    """An upload in signed chunks, as AWS' documents describe it and its C and Java SDKs send it."""
    size = sum(len(chunk) for chunk in chunks)
    mode = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD" + ("-TRAILER" if trailer else "")
    headers = {"Content_Encoding": "aws-chunked", "X_Amz_Decoded_Content_Length": str(size)}
    checksum = base64.b64encode(hashlib.sha256(b"".join(chunks)).digest()).decode()
    if trailer:
        headers["X_Amz_Trailer"] = "x-amz-checksum-sha256"
    seed = seeded(bulb, key, mode, headers)
    authorization = seed.header("authorization")
    scope = authorization.split("Credential=")[1].split(",")[0].partition("/")[2]
    date, region, service, _ = scope.split("/")
    signing = b"AWS4" + root_of(bulb)["secret_key"].encode()
    for part in (date, region, service, "aws4_request"):
        signing = hmac.digest(signing, part.encode(), "sha256")
    previous = authorization.rpartition("Signature=")[2]
    empty = hashlib.sha256(b"").hexdigest()
    body = b""
    for chunk in [*chunks, b""]:
        lines = ["AWS4-HMAC-SHA256-PAYLOAD", seed.header("x-amz-date"), scope, previous, empty]
        text = "\n".join([*lines, hashlib.sha256(chunk).hexdigest()])
        previous = hmac.digest(signing, text.encode(), "sha256").hex()
        end = b"" if trailer and not chunk else b"\r\n"
        body += f"{len(chunk):x};chunk-signature={previous}\r\n".encode() + chunk + end
    if trailer:
        line = f"x-amz-checksum-sha256:{checksum}"
        hashed = hashlib.sha256(f"{line}\n".encode()).hexdigest()
        text = "\n".join(["AWS4-HMAC-SHA256-TRAILER", seed.header("x-amz-date"), scope, previous, hashed])
        signature = hmac.digest(signing, text.encode(), "sha256").hex()
        body += f"{line}\r\nx-amz-trailer-signature:{signature}\r\n\r\n".encode()
    return replace(seed, body=body)


def seeded(bulb: Running, key: str, mode: str, headers: dict[str, str]) -> Message:
    """The head of an upload, signed with `mode` in place of the body's hash."""

    class Signer(S3SigV4Auth):
        def payload(self, request: Any) -> str:
            return mode

    root = root_of(bulb)
    path = f"/{BUCKET}/{key}"
    request = AWSRequest(
        "PUT", bulb.url + path, {name.replace("_", "-"): value for name, value in headers.items()}, b""
    )
    request.headers["Host"] = urlsplit(bulb.url).netloc
    Signer(Credentials(root["access_key"], root["secret_key"]), "s3", "us-east-1").add_auth(request)
    return Message("PUT", path, tuple((name, str(value)) for name, value in request.headers.items()))


CHUNKS = [b"a" * 70_000, b"b" * 66_000, b"the end"]


@pytest.mark.parametrize("trailer", [False, True])
def test_uploads_in_signed_chunks(strict: Running, root: Keys, trailer: bool) -> None:
    s3 = strict.client("s3", **root)
    key = f"chunked-{trailer}"
    message = chunked(strict, key, CHUNKS, trailer=trailer)
    forged = [
        replace(message, body=message.body.replace(b"the end", b"forged!")),
        replace(message, body=message.body.replace(b"aaa;chunk", b"aab;chunk").replace(b"bbbb", b"bbbc", 1)),
        replace(message, body=message.body.replace(b"chunk-signature=", b"chunk-signature=0", 1)),
        replace(message, body=message.body.replace(b"chunk-signature", b"other", 1)),
    ]
    if trailer:
        forged.append(replace(message, body=message.body.replace(b"checksum-sha256:", b"checksum-sha256:A")))
        forged.append(replace(message, body=message.body.replace(b"trailer-signature:", b"trailer-signature:0")))
    for one in forged:
        assert 400 <= answered(strict, one).status < 500
        assert refusal(lambda: s3.head_object(Bucket=BUCKET, Key=key)) == ("404", 404)
    assert outcome(strict, message) == (200, "")
    assert s3.get_object(Bucket=BUCKET, Key=key)["Body"].read() == b"".join(CHUNKS)


def test_uploads_that_the_sdk_checks_as_they_go(strict: Running, root: Keys) -> None:
    for style in ("when_supported", "when_required"):
        s3 = strict.client("s3", request_checksum_calculation=style, **root)
        s3.upload_fileobj(io.BytesIO(b"z" * 9_000_000), BUCKET, f"large-{style}")
        assert s3.head_object(Bucket=BUCKET, Key=f"large-{style}")["ContentLength"] == 9_000_000
