"""Whose request it is, with and without enforcement."""

import io
from collections.abc import Iterator
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request as UrlRequest
from urllib.request import urlopen

import boto3
import pytest
from botocore import UNSIGNED
from botocore.exceptions import ClientError

from bulb.core.errors import AwsError
from bulb.gateway.options import GatewayOptions
from bulb.identity.credentials import Identity
from tests.gateway.toys import ToyS3, toys
from tests.support.clock import MovableClock
from tests.support.gateway import client, running_gateway

KEY, SECRET = "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
SESSION = "a session token"


class Known:
    """One user, and one role session that can be ended."""

    def __init__(self) -> None:
        self.session_over = False

    def resolve(self, access_key: str, session_token: str | None, now: float) -> Identity | None:
        if access_key == KEY and session_token is None:
            return Identity("111122223333", "arn:aws:iam::111122223333:user/ann", "AIDAANN", SECRET)
        if access_key == "ASIASESSION" and session_token == SESSION:
            if self.session_over:
                raise AwsError("ExpiredToken", "The security token included in the request is expired", status=403)
            return Identity("111122223333", "arn:aws:sts::111122223333:assumed-role/r/s", "AROAR:s", SECRET)
        return None


@pytest.fixture(scope="module")
def clock() -> MovableClock:
    return MovableClock()


@pytest.fixture(scope="module")
def lenient(clock: MovableClock) -> Iterator[str]:
    with running_gateway(toys(), identities=Known(), clock=clock) as url:
        yield url


@pytest.fixture(scope="module")
def strict(clock: MovableClock) -> Iterator[str]:
    options = GatewayOptions(enforce_credentials=True)
    with running_gateway(toys(), identities=Known(), clock=clock, options=options) as url:
        yield url


def refused(call: Any, **arguments: Any) -> tuple[str, int]:
    with pytest.raises(ClientError) as error:
        call(**arguments)
    response = error.value.response
    return response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]


@pytest.mark.parametrize(
    ("keys", "account", "arn"),
    [
        ({}, "000000000000", "arn:aws:iam::000000000000:root"),
        ({"access_key": "123456789012"}, "123456789012", "arn:aws:iam::123456789012:root"),
        ({"access_key": KEY}, "111122223333", "arn:aws:iam::111122223333:user/ann"),
        (
            {"access_key": "ASIASESSION", "session_token": SESSION},
            "111122223333",
            "arn:aws:sts::111122223333:assumed-role/r/s",
        ),
    ],
)
def test_any_credentials_are_somebody_unless_enforced(
    lenient: str, keys: dict[str, str], account: str, arn: str
) -> None:
    who = client("sts", lenient, region="eu-west-3", **keys).get_caller_identity()
    assert (who["Account"], who["Arn"]) == (account, arn)
    assert who["UserId"].endswith(" in eu-west-3")


def test_no_credentials_are_the_default_account_unless_enforced(lenient: str) -> None:
    with urlopen(f"{lenient}/?Action=GetCallerIdentity&Version=2011-06-15") as answer:
        assert b"<Account>000000000000</Account>" in answer.read()


@pytest.mark.parametrize("service_call", ["sts", "lambda", "sqs", "s3 small", "s3 large", "s3 get", "cloudwatch"])
def test_right_signatures_pass(strict: str, service_call: str) -> None:
    service, _, what = service_call.partition(" ")
    asking = client(service, strict, access_key=KEY, secret_key=SECRET)
    match service, what:
        case "sts", _:
            assert asking.get_caller_identity()["Arn"].endswith("user/ann")
        case "lambda", _:
            asking.create_function(
                FunctionName="f", Role="arn:aws:iam::000000000000:role/r", Code={"ZipFile": bytes(2_000_000)}
            )
        case "sqs", _:
            asking.list_queues(QueueNamePrefix="ä b")
        case "s3", "small":
            asking.put_object(Bucket="bucket", Key="ä/b +c~.txt", Body=b"abc")
        case "s3", "large":
            body = io.BytesIO(b"z" * 3_000_000)
            assert asking.put_object(Bucket="bucket", Key="k", Body=body)["VersionId"] == "3000000"
        case "s3", "get":
            asking.get_object(Bucket="bucket", Key="k", Range="bytes=0-1")
        case _:
            data = [{"MetricName": f"m{i}", "Value": 1.0} for i in range(900)]
            asking.put_metric_data(Namespace="n", MetricData=data)


def test_wrong_secrets_unknown_keys_and_no_keys_are_refused(strict: str) -> None:
    wrong = {"access_key": KEY, "secret_key": "guess"}
    assert refused(client("sts", strict, **wrong).get_caller_identity) == ("SignatureDoesNotMatch", 403)
    assert refused(client("lambda", strict, **wrong).list_functions) == ("InvalidSignatureException", 403)
    assert refused(client("s3", strict, **wrong).list_objects_v2, Bucket="b") == ("SignatureDoesNotMatch", 403)
    assert refused(client("sts", strict).get_caller_identity) == ("InvalidClientTokenId", 403)
    assert refused(client("lambda", strict).list_functions) == ("UnrecognizedClientException", 403)
    assert refused(client("s3", strict).list_objects_v2, Bucket="b") == ("InvalidAccessKeyId", 403)
    unsigned = {"signature_version": UNSIGNED}
    assert refused(client("sts", strict, **unsigned).get_caller_identity) == ("MissingAuthenticationToken", 403)
    assert refused(client("lambda", strict, **unsigned).list_functions) == ("MissingAuthenticationTokenException", 403)
    assert refused(client("s3", strict, **unsigned).list_objects_v2, Bucket="b") == ("AccessDenied", 403)


def test_operations_that_need_no_credentials_pass_without(strict: str) -> None:
    tokens = client("sts", strict, signature_version=UNSIGNED)
    answer = tokens.assume_role_with_web_identity(
        RoleArn="arn:aws:iam::000000000000:role/r", RoleSessionName="session", WebIdentityToken="token"
    )
    assert answer["SubjectFromWebIdentityToken"] == "anybody"


def test_a_changed_body_is_refused(strict: str) -> None:
    asking = client("sqs", strict, access_key=KEY, secret_key=SECRET)

    def tamper(request: Any, **_: Any) -> None:
        request.body = request.body.replace(b"honest", b"forged")

    asking.meta.events.register("before-send.sqs.ListQueues", tamper)
    assert refused(asking.list_queues, QueueNamePrefix="honest")[1] == 403


def test_form_uploads_are_refused_while_their_policies_are_not_verified(strict: str) -> None:
    form = UrlRequest(
        f"{strict}/bucket", b"--x\r\n\r\n--x--\r\n", {"Content-Type": "multipart/form-data; boundary=x"}, method="POST"
    )
    with pytest.raises(HTTPError) as error:
        urlopen(form)
    assert error.value.code in {403, 501}


def test_an_ended_session_is_refused_in_both_modes(clock: MovableClock) -> None:
    for enforce in (False, True):
        known = Known()
        options = GatewayOptions(enforce_credentials=enforce)
        with running_gateway(toys(), identities=known, clock=clock, options=options) as url:
            asking = client("sts", url, access_key="ASIASESSION", secret_key=SECRET, session_token=SESSION)
            assert asking.get_caller_identity()["UserId"].startswith("AROAR:s")
            known.session_over = True
            assert refused(asking.get_caller_identity) == ("ExpiredToken", 403)


@pytest.mark.parametrize("enforce", [False, True])
def test_presigned_urls_work_until_they_expire(enforce: bool) -> None:
    clock = MovableClock()
    options = GatewayOptions(enforce_credentials=enforce)
    with running_gateway({"s3": ToyS3()}, identities=Known(), clock=clock, options=options) as url:
        signing = boto3.client(
            "s3",
            endpoint_url=url,
            region_name="us-east-1",
            aws_access_key_id=KEY,
            aws_secret_access_key=SECRET,
            config=boto3.session.Config(signature_version="s3v4", s3={"addressing_style": "path"}),
        )
        link = signing.generate_presigned_url("get_object", Params={"Bucket": "b", "Key": "k"}, ExpiresIn=60)
        with urlopen(link) as answer:
            assert answer.status == 200
        clock.advance(61)
        with pytest.raises(HTTPError) as expired:
            urlopen(link)
        assert expired.value.code == 403
        assert b"Request has expired" in expired.value.read()
