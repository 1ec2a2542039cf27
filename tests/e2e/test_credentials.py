"""A server that requires credentials: whoever signs with a key of its own is served, others get AWS's code."""

import json
from collections.abc import Callable
from typing import Any

import boto3
import pytest
from botocore import UNSIGNED
from botocore.config import Config
from click.testing import CliRunner

from bulb.cli.main import main
from tests.support import functions
from tests.support.bulb import Process, Running, running_bulb
from tests.support.plausible import TRUST
from tests.support.strict import (
    BUCKET,
    Keys,
    by_service,
    fetched,
    refusal,
    root_of,
    session_of,
)

# An operation of each service that anybody with credentials may call.
HARMLESS: dict[str, Callable[[Any], Any]] = {
    "lambda": lambda aws: aws.list_functions(),
    "s3": lambda aws: aws.list_objects_v2(Bucket=BUCKET),
    "logs": lambda aws: aws.describe_log_groups(),
    "iam": lambda aws: aws.list_roles(),
    "sts": lambda aws: aws.get_caller_identity(),
}


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
