"""Accounts that let each other in: both sides must allow, and the call is carried out where the function is."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests.support.bulb import Running, running_bulb
from tests.support.functions import create, invoke, zipped
from tests.support.guarded import ELSEWHERE, HOME, allow, denied, deny, document, guarded_server, say, user
from tests.support.rawhttp import Message
from tests.support.strict import Keys, answered, root_of

SAYING = """
    def handler(event, context):
        return context.invoked_function_arn
"""
WHOLE = {"access_key": ELSEWHERE, "secret_key": "any"}


class Two:
    """A server with two accounts: the operator's, and another one whose administrator has a key."""

    def __init__(self, bulb: Running, other: Keys) -> None:
        self.bulb, self.root, self.other = bulb, root_of(bulb), other

    def user(self, name: str, *statements: dict[str, Any]) -> Keys:
        return user(self.bulb, name, *statements, by=self.other)


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Two]:
    """The other account gets its first user while any credentials do."""
    data: Path = tmp_path_factory.mktemp("two") / "data"
    with running_bulb(data, stock=0) as open_to_all:
        other = user(open_to_all, "admin", allow("*"), by=WHOLE)
    with guarded_server(data) as bulb:
        yield Two(bulb, other)


@pytest.fixture(scope="module")
def arn(two: Two) -> str:
    return create(two.bulb.client("lambda", **two.root), "shared", SAYING)


def test_both_accounts_must_allow(two: Two, arn: str) -> None:
    owner, iam = two.bulb.client("lambda", **two.root), two.bulb.client("iam", **two.other)
    guest = two.bulb.client("lambda", **two.user("guest"))
    me = f"arn:aws:iam::{ELSEWHERE}:user/guest"

    def refusal(kind: str) -> str:
        return (
            f"User: {me} is not authorized to perform: lambda:InvokeFunction on resource: {arn} "
            f"because no {kind} policy allows the lambda:InvokeFunction action"
        )

    say(iam, "guest", allow("lambda:*"))
    assert denied(guest.invoke, FunctionName=arn) == refusal("resource-based")
    owner.add_permission(FunctionName="shared", StatementId="x", Action="lambda:InvokeFunction", Principal=ELSEWHERE)
    assert invoke(guest, arn)[0] == arn
    assert invoke(guest, f"{HOME}:function:shared")[0] == arn
    guest.invoke(FunctionName=arn, InvocationType="Event")
    stream = guest.invoke_with_response_stream(FunctionName=arn)["EventStream"]
    assert b"".join(event["PayloadChunk"]["Payload"] for event in stream if "PayloadChunk" in event) == (
        json.dumps(arn).encode()
    )
    say(iam, "guest", allow("lambda:Get*"))
    assert denied(guest.invoke, FunctionName=arn) == refusal("identity-based")
    say(iam, "guest", allow("lambda:*"), deny("lambda:InvokeFunction", arn))
    assert denied(guest.invoke, FunctionName=arn).endswith("with an explicit deny in an identity-based policy")
    say(iam, "guest", allow("lambda:*"))
    assert f"{arn}:$LATEST because no resource-based" in denied(guest.invoke, FunctionName=f"{arn}:$LATEST")
    owner.remove_permission(FunctionName="shared", StatementId="x")
    assert denied(guest.invoke, FunctionName=arn) == refusal("resource-based")


def test_a_function_that_is_not_there_is_not_told_from_one_that_may_not_be_seen(two: Two) -> None:
    guest = two.bulb.client("lambda", **two.user("prober", allow("*")))
    missing = f"arn:aws:lambda:us-east-1:{HOME}:function:missing"
    assert "no resource-based policy" in denied(guest.invoke, FunctionName=missing)


def test_other_operations_run_in_the_functions_account(two: Two, arn: str) -> None:
    owner = two.bulb.client("lambda", **two.root)
    guest = two.bulb.client("lambda", **two.user("reader", allow("*")))
    let_in = {"Sid": "r", **allow(["lambda:Get*", "lambda:UpdateFunctionCode", "lambda:Add*"], arn)}
    owner.put_resource_policy(ResourceArn=arn, Policy=document({**let_in, "Principal": {"AWS": ELSEWHERE}}))
    assert guest.get_function(FunctionName=arn)["Configuration"]["FunctionArn"] == arn
    grant = {"StatementId": "me", "Action": "lambda:InvokeFunction", "Principal": ELSEWHERE}
    assert denied(guest.add_permission, FunctionName=arn, **grant) == ""
    assert guest.list_functions()["Functions"] == []

    s3 = two.bulb.client("s3", **two.root)
    s3.create_bucket(Bucket="private-code")
    s3.put_object(Bucket="private-code", Key="k", Body=zipped(app="SECRET = 1"))
    with pytest.raises(guest.exceptions.ClientError):
        guest.update_function_code(FunctionName=arn, S3Bucket="private-code", S3Key="k")
    guest.update_function_code(FunctionName=arn, ZipFile=zipped(app=SAYING))
    owner.get_waiter("function_updated_v2").wait(FunctionName="shared", WaiterConfig={"Delay": 0.05})
    owner.delete_resource_policy(ResourceArn=arn)


def test_layers_are_shared_by_their_policies(two: Two) -> None:
    owner, guest = (two.bulb.client("lambda", **keys) for keys in (two.root, two.user("layered", allow("*"))))
    made = owner.publish_layer_version(LayerName="tools", Content={"ZipFile": zipped(tool="")})
    layer = {"LayerName": "tools", "VersionNumber": made["Version"]}
    assert "no resource-based policy" in denied(guest.get_layer_version_by_arn, Arn=made["LayerVersionArn"])
    owner.add_layer_version_permission(**layer, StatementId="x", Action="lambda:GetLayerVersion", Principal=ELSEWHERE)
    found = guest.get_layer_version_by_arn(Arn=made["LayerVersionArn"])
    assert found["LayerVersionArn"] == made["LayerVersionArn"]


def test_buckets_and_logs_stay_in_their_account(two: Two) -> None:
    two.bulb.client("s3", **two.root).create_bucket(Bucket="homely")
    guest = two.user("curious", allow("*"))
    denied(two.bulb.client("s3", **guest).list_objects_v2, Bucket="homely")
    logs = two.bulb.client("logs", **guest)
    group = f"arn:aws:logs:us-east-1:{HOME}:log-group:/aws/lambda/shared"
    assert "no resource-based policy" in denied(logs.filter_log_events, logGroupIdentifier=group)


def test_callers_of_a_function_url_are_judged_alike(two: Two) -> None:
    owner = two.bulb.client("lambda", **two.root)
    create(owner, "reached", SAYING)
    url = owner.create_function_url_config(FunctionName="reached", AuthType="AWS_IAM")["FunctionUrl"]
    url_id = url.split("/")[2].partition(".")[0]
    both = ["lambda:InvokeFunctionUrl", "lambda:InvokeFunction"]
    at_home = user(two.bulb, "visitor")
    away = two.user("visitor", allow(both))

    def status(keys: Keys) -> int:
        request = AWSRequest("GET", f"{two.bulb.url}/_url/{url_id}/")
        credentials = Credentials(keys["access_key"], keys["secret_key"])
        SigV4Auth(credentials, "lambda", "us-east-1").add_auth(request)
        headers = tuple((name, str(value)) for name, value in request.headers.items())
        host = two.bulb.url.removeprefix("http://")
        return answered(two.bulb, Message("GET", f"/_url/{url_id}/", (("Host", host), *headers))).status

    assert [status(keys) for keys in (two.root, at_home, away)] == [200, 403, 403]
    say(two.bulb.client("iam", **two.root), "visitor", allow(both[0]))
    assert status(at_home) == 403
    via_url = {"Bool": {"lambda:InvokedViaFunctionUrl": "true"}}
    say(two.bulb.client("iam", **two.root), "visitor", allow(both[0]), allow(both[1], Condition=via_url))
    assert status(at_home) == 200
    for action in both:
        assert status(away) == 403
        owner.add_permission(FunctionName="reached", StatementId=action[7:], Action=action, Principal=ELSEWHERE)
    assert status(away) == 200
    say(two.bulb.client("iam", **two.root), "visitor", allow(both), deny(both[0]))
    assert status(at_home) == 403
