"""A server that requires credentials: whoever signs with a key of its own is served, others get AWS's code."""

import base64
import hashlib
import hmac
import io
import json
import random
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime
from string import ascii_letters
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest
from botocore import UNSIGNED
from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import ClientError
from click.testing import CliRunner

from bulb.cli.main import main
from tests.support import functions
from tests.support.bulb import Process, Running, running_bulb
from tests.support.plausible import TRUST
from tests.support.rawhttp import Message, Reply, send

BUCKET = "guarded"
Keys = dict[str, str]
# An operation of each service that anybody with credentials may call.
HARMLESS: dict[str, Callable[[Any], Any]] = {
    "lambda": lambda aws: aws.list_functions(),
    "s3": lambda aws: aws.list_objects_v2(Bucket=BUCKET),
    "logs": lambda aws: aws.describe_log_groups(),
    "iam": lambda aws: aws.list_roles(),
    "sts": lambda aws: aws.get_caller_identity(),
}


def root_of(bulb: Running) -> Keys:
    """The operator's key, as the client fixture takes it."""
    kept = json.loads((bulb.data / "root-key.json").read_text())
    return {"access_key": kept["AccessKeyId"], "secret_key": kept["SecretAccessKey"]}


def session_of(issued: dict[str, Any]) -> Keys:
    return {
        "access_key": issued["AccessKeyId"],
        "secret_key": issued["SecretAccessKey"],
        "session_token": issued["SessionToken"],
    }


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running_bulb(tmp_path_factory.mktemp("strict") / "data", credentials="required", stock=0) as bulb:
        bulb.client("s3", **root_of(bulb)).create_bucket(Bucket=BUCKET)
        yield bulb


@pytest.fixture
def own(tmp_path: Any) -> Iterator[Running]:
    """A server whose clock can be moved without anybody else noticing."""
    with running_bulb(tmp_path / "data", credentials="required", stock=0) as bulb:
        bulb.client("s3", **root_of(bulb)).create_bucket(Bucket=BUCKET)
        yield bulb


@pytest.fixture(scope="module")
def root(strict: Running) -> Keys:
    return root_of(strict)


def refusal(call: Callable[[], Any]) -> tuple[str, int]:
    with pytest.raises(ClientError) as caught:
        call()
    response = caught.value.response
    return response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]


def by_service(s3: str, json_services: str, query_services: str) -> dict[str, tuple[str, int]]:
    return {
        "s3": (s3, 403),
        **dict.fromkeys(("lambda", "logs"), (json_services, 403)),
        **dict.fromkeys(("iam", "sts"), (query_services, 403)),
    }


# Keys.


@pytest.mark.parametrize("service", HARMLESS)
def test_the_operators_key_opens_every_service(strict: Running, root: Keys, service: str) -> None:
    HARMLESS[service](strict.client(service, **root))


def test_the_operator_is_the_root_of_the_default_account(strict: Running, root: Keys) -> None:
    assert strict.client("sts", **root).get_caller_identity()["Arn"] == "arn:aws:iam::000000000000:root"
    assert (strict.data / "root-key.json").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("service", HARMLESS)
def test_those_who_cannot_prove_who_they_are_get_awss_own_codes(strict: Running, root: Keys, service: str) -> None:
    mismatch = by_service("SignatureDoesNotMatch", "InvalidSignatureException", "SignatureDoesNotMatch")
    unknown = by_service("InvalidAccessKeyId", "UnrecognizedClientException", "InvalidClientTokenId")
    missing = by_service("AccessDenied", "MissingAuthenticationTokenException", "MissingAuthenticationToken")
    call = HARMLESS[service]
    cases: list[tuple[dict[str, Any], dict[str, tuple[str, int]]]] = [
        ({**root, "secret_key": "guess"}, mismatch),
        ({**root, "secret_key": root["secret_key"].swapcase()}, mismatch),
        ({"access_key": "AKIAIOSFODNN7EXAMPLE", "secret_key": "x"}, unknown),
        ({"access_key": "123456789012", "secret_key": "test"}, unknown),
        ({"access_key": "test", "secret_key": "test"}, unknown),
        ({**root, "session_token": "made up"}, {**unknown, "s3": ("InvalidToken", 400)}),
        ({"signature_version": UNSIGNED}, missing),
    ]
    for keys, codes in cases:
        assert refusal(lambda keys=keys: call(strict.client(service, **keys))) == codes[service], keys


def test_a_users_key_works_until_it_is_switched_off(strict: Running, root: Keys) -> None:
    iam = strict.client("iam", **root)
    iam.create_user(UserName="ann")
    issued = iam.create_access_key(UserName="ann")["AccessKey"]
    keys = {"access_key": issued["AccessKeyId"], "secret_key": issued["SecretAccessKey"]}
    for service, call in HARMLESS.items():
        call(strict.client(service, **keys))
    assert strict.client("sts", **keys).get_caller_identity()["Arn"] == "arn:aws:iam::000000000000:user/ann"

    iam.update_access_key(UserName="ann", AccessKeyId=issued["AccessKeyId"], Status="Inactive")
    assert refusal(strict.client("sts", **keys).get_caller_identity) == ("InvalidClientTokenId", 403)
    assert refusal(strict.client("s3", **keys).list_buckets) == ("InvalidAccessKeyId", 403)
    iam.update_access_key(UserName="ann", AccessKeyId=issued["AccessKeyId"], Status="Active")
    strict.client("s3", **keys).list_buckets()
    iam.delete_access_key(UserName="ann", AccessKeyId=issued["AccessKeyId"])
    assert refusal(strict.client("lambda", **keys).list_functions) == ("UnrecognizedClientException", 403)


def test_keys_are_still_known_after_a_restart(tmp_path: Any) -> None:
    data = tmp_path / "data"
    with running_bulb(data, credentials="required", stock=0) as bulb:
        root = root_of(bulb)
        bulb.client("iam", **root).create_user(UserName="ann")
        issued = bulb.client("iam", **root).create_access_key(UserName="ann")["AccessKey"]
        session = session_of(bulb.client("sts", **root).get_session_token()["Credentials"])
    user = {"access_key": issued["AccessKeyId"], "secret_key": issued["SecretAccessKey"]}
    with running_bulb(data, credentials="required", stock=0) as bulb:
        for keys in (root, user, session):
            bulb.client("sts", **keys).get_caller_identity()


EXPIRED = {**by_service("", "ExpiredTokenException", "ExpiredToken"), "s3": ("ExpiredToken", 400)}


def test_a_role_session_acts_as_its_role_until_it_expires(own: Running) -> None:
    root = root_of(own)
    role = own.client("iam", **root).create_role(RoleName="worker", AssumeRolePolicyDocument=TRUST)["Role"]["Arn"]
    sts = own.client("sts", **root)
    issued = sts.assume_role(RoleArn=role, RoleSessionName="today", DurationSeconds=900)["Credentials"]
    keys = session_of(issued)
    for service, call in HARMLESS.items():
        call(own.client(service, **keys))
    who = own.client("sts", **keys).get_caller_identity()
    assert who["Arn"] == "arn:aws:sts::000000000000:assumed-role/worker/today"
    another = session_of(sts.assume_role(RoleArn=role, RoleSessionName="other")["Credentials"])
    assert refusal(own.client("sts", **{**keys, "session_token": another["session_token"]}).get_caller_identity) == (
        "InvalidClientTokenId",
        403,
    )
    assert (
        refusal(own.client("sts", **{**keys, "session_token": None}).get_caller_identity)[0] == "InvalidClientTokenId"
    )
    assert (
        refusal(own.client("sts", **{**keys, "secret_key": "guess"}).get_caller_identity)[0] == "SignatureDoesNotMatch"
    )

    own.clock.advance(901)
    for service, call in HARMLESS.items():
        refused = refusal(lambda call=call, service=service: call(own.client(service, **keys)))
        assert refused == EXPIRED[service]


def test_a_function_calls_its_server_with_its_roles_credentials(strict: Running, root: Keys) -> None:
    aws = strict.client("lambda", **root)
    source = """
        import boto3

        def handler(event, context):
            s3 = boto3.client("s3")
            s3.put_object(Bucket=event["bucket"], Key="from inside", Body=b"written inside")
            body = s3.get_object(Bucket=event["bucket"], Key="from inside")["Body"].read().decode()
            listed = boto3.client("lambda").list_functions()["Functions"]
            stranger = boto3.client("sts", aws_access_key_id="AKIAIOSFODNN7EXAMPLE", aws_secret_access_key="x",
                                    aws_session_token=None)
            try:
                stranger.get_caller_identity()
                refused = None
            except Exception as error:
                refused = error.response["Error"]["Code"]
            return [boto3.client("sts").get_caller_identity()["Arn"], body, len(listed) > 0, refused]
    """
    functions.create(aws, "caller", source, Timeout=30, MemorySize=512)
    answer, response = functions.invoke(aws, "caller", {"bucket": BUCKET})
    assert "FunctionError" not in response, answer
    arn = "arn:aws:sts::000000000000:assumed-role/test/caller"
    assert answer == [arn, "written inside", True, "InvalidClientTokenId"]
    body = strict.client("s3", **root).get_object(Bucket=BUCKET, Key="from inside")["Body"].read()
    assert body == b"written inside"


# Signatures.


def signed(bulb: Running, service: str, method: str, path: str, body: bytes = b"", **headers: str) -> Message:
    """A request signed with the operator's key by botocore's own signer."""
    root = root_of(bulb)
    request = AWSRequest(
        method, bulb.url + path, {name.replace("_", "-"): value for name, value in headers.items()}, body
    )
    request.headers["Host"] = urlsplit(bulb.url).netloc
    signer = S3SigV4Auth if service == "s3" else SigV4Auth
    signer(Credentials(root["access_key"], root["secret_key"]), service, "us-east-1").add_auth(request)
    return Message(method, path, tuple((name, str(value)) for name, value in request.headers.items()), body)


def answered(bulb: Running, message: Message) -> Reply:
    reply = send(bulb.url, message)
    assert reply is not None
    return reply


def outcome(bulb: Running, message: Message) -> tuple[int, str]:
    reply = answered(bulb, message)
    return reply.status, reply.error_code() if reply.status >= 400 else ""


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
    return datetime.strptime(amz_date, "%Y%m%dT%H%M%SZ").replace(second=7).strftime("%Y%m%dT%H%M%SZ")


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


# Presigned URLs and forms.


def presigner(bulb: Running, keys: Keys, version: str = "s3v4") -> Any:
    return bulb.client("s3", signature_version=version, s3={"addressing_style": "path"}, **keys)


def fetched(url: str, method: str = "GET", body: bytes | None = None, **headers: str) -> tuple[int, bytes]:
    request = urllib.request.Request(
        url, body, {name.replace("_", "-"): v for name, v in headers.items()}, method=method
    )
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


@pytest.mark.parametrize("version", ["s3v4", "s3"])
def test_presigned_urls(own: Running, version: str) -> None:
    s3 = presigner(own, root_of(own), version)
    put = s3.generate_presigned_url("put_object", Params={"Bucket": BUCKET, "Key": "a b/ü"}, ExpiresIn=60)
    get = s3.generate_presigned_url("get_object", Params={"Bucket": BUCKET, "Key": "a b/ü"}, ExpiresIn=60)
    assert fetched(put, "PUT", b"by link", Content_Type="")[0] == 200
    assert fetched(get) == (200, b"by link")
    for changed in (get.replace("a%20b", "a%20c"), get.replace("Signature=", "Signature=0")):
        status, body = fetched(changed)
        assert (status, b"<Code>SignatureDoesNotMatch</Code>" in body) == (403, True), changed
    assert b"SignatureDoesNotMatch" in fetched(get, "DELETE")[1]
    assert b"SignatureDoesNotMatch" in fetched(put)[1]
    own.clock.advance(61)
    status, body = fetched(get)
    assert (status, b"<Code>AccessDenied</Code>" in body, b"Request has expired" in body) == (403, True, True)
    assert fetched(put, "PUT", b"late", Content_Type="")[0] == 403


def test_presigned_urls_of_strangers_and_of_sessions(strict: Running, root: Keys) -> None:
    for access_key in ("AKIAIOSFODNN7EXAMPLE", "123456789012"):
        stranger = presigner(strict, {"access_key": access_key, "secret_key": "x"})
        url = stranger.generate_presigned_url("list_objects_v2", Params={"Bucket": BUCKET})
        assert b"<Code>InvalidAccessKeyId</Code>" in fetched(url)[1]
    session = session_of(strict.client("sts", **root).get_session_token()["Credentials"])
    url = presigner(strict, session).generate_presigned_url("list_objects_v2", Params={"Bucket": BUCKET})
    assert fetched(url)[0] == 200
    assert fetched(url.replace("X-Amz-Security-Token", "X-Amz-Nothing"))[0] == 403
    link = presigner(strict, root).generate_presigned_url("list_objects_v2", Params={"Bucket": BUCKET}, ExpiresIn=60)
    assert b"SignatureDoesNotMatch" in fetched(link.replace("X-Amz-Expires=60", "X-Amz-Expires=6000"))[1]


def form(fields: dict[str, str], content: bytes) -> tuple[bytes, str]:
    boundary = "a-boundary"
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in fields.items()
    ]
    parts.append(f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\n')
    body = "".join(parts).encode() + content + f"\r\n--{boundary}--\r\n".encode()
    return body, f"multipart/form-data; boundary={boundary}"


def test_form_uploads_are_held_to_their_policy(own: Running) -> None:
    s3 = presigner(own, root_of(own))
    conditions = [["content-length-range", 1, 10], {"acl": "private"}]
    post = s3.generate_presigned_post(BUCKET, "up/${filename}", {"acl": "private"}, conditions, ExpiresIn=60)

    def post_form(content: bytes = b"content", **changes: str) -> tuple[int, bytes]:
        body, kind = form({**post["fields"], **changes}, content)
        return fetched(post["url"], "POST", body, Content_Type=kind)

    assert post_form()[0] == 204
    assert s3.get_object(Bucket=BUCKET, Key="up/f")["Body"].read() == b"content"
    refused = [
        (post_form(key="elsewhere"), b"AccessDenied"),
        (post_form(acl="public-read"), b"AccessDenied"),
        (post_form(content=b"x" * 11), b"EntityTooLarge"),
        (post_form(**{"x-amz-signature": "0" * 64}), b"SignatureDoesNotMatch"),
        (
            post_form(policy=base64.b64encode(b'{"expiration":"2999-01-01T00:00:00Z","conditions":[]}').decode()),
            b"Signature",
        ),
        (
            post_form(**{"x-amz-credential": post["fields"]["x-amz-credential"].replace("AKIA", "AKIB")}),
            b"InvalidAccessKey",
        ),
    ]
    for (status, body), code in refused:
        assert status in (400, 403)
        assert code in body
    body, kind = form({"key": "anonymous"}, b"content")
    assert fetched(f"{own.url}/{BUCKET}", "POST", body, Content_Type=kind)[0] == 403
    own.clock.advance(61)
    status, body = post_form()
    assert (status, b"AccessDenied" in body) == (403, True)
    assert [item["Key"] for item in boto_after(own).list_objects_v2(Bucket=BUCKET)["Contents"]] == ["up/f"]


def boto_after(bulb: Running) -> Any:
    """A client of the operator's; the server's clock has moved by little, so its signatures still stand."""
    return bulb.client("s3", **root_of(bulb))


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


# What needs no credentials.


def test_health_and_status_still_answer(strict: Running) -> None:
    for path in ("/_bulb/health", "/_localstack/health", "/_bulb/status"):
        assert fetched(strict.url + path)[0] == 200
    shown = CliRunner().invoke(main, ["status", "--endpoint", strict.url])
    assert shown.exit_code == 0, shown.output
    assert strict.isolation in shown.output


def test_the_command_line_can_require_them(tmp_path: Any) -> None:
    server = Process(tmp_path / "data", "--credentials", "required")
    server.start()
    try:
        assert refusal(server.client("sts").get_caller_identity) == ("InvalidClientTokenId", 403)
        kept = json.loads((server.data / "root-key.json").read_text())
        keys = {"access_key": kept["AccessKeyId"], "secret_key": kept["SecretAccessKey"]}
        assert server.client("sts", **keys).get_caller_identity()["Account"] == "000000000000"
    finally:
        server.stop()


def test_any_credentials_do_where_they_are_not_required(tmp_path: Any) -> None:
    with running_bulb(tmp_path / "data", stock=0) as bulb:
        anybody = boto3.client(
            "sts", endpoint_url=bulb.url, region_name="us-east-1", config=Config(signature_version=UNSIGNED)
        )
        assert anybody.get_caller_identity()["Account"] == "000000000000"
        keys = {"access_key": "123456789012", "secret_key": "whatever"}
        assert bulb.client("sts", **keys).get_caller_identity()["Account"] == "123456789012"
