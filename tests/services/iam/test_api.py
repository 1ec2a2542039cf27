"""IAM and STS as boto3 sees them, with credentials enforced and without."""

import json
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from bulb.gateway.options import GatewayOptions
from bulb.identity.credentials import Identities, Identity, RootKey
from bulb.services.iam.api import Iam
from bulb.services.sts.api import Sts
from bulb.storage.database import Database
from tests.support.gateway import client, running_gateway

BASIC = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"
ROOT = RootKey("AKIAROOTROOTROOTROOT", "root-secret")


def document(**statement: Any) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **statement}]})


TRUST = document(Principal={"Service": "lambda.amazonaws.com"}, Action="sts:AssumeRole")
POLICY = document(Action=["s3:GetObject", "s3:PutObject"], Resource="arn:aws:s3:::b/*")


class Later:
    """The identities of services that are opened after the gateway was told of them."""

    opened: Identities | None = None

    def resolve(self, access_key: str, session_token: str | None, now: float) -> Identity | None:
        assert self.opened is not None
        return self.opened.resolve(access_key, session_token, now)


@contextmanager
def running(folder: Path, *, enforce: bool) -> Iterator[str]:
    later = Later()

    @asynccontextmanager
    async def services() -> AsyncIterator[Mapping[str, object]]:
        database = await Database.open(folder / "bulb.db")
        identities = later.opened = await Identities.open(database, folder, root=ROOT)
        iam = Iam(database, identities.keys)
        yield {"iam": iam, "sts": Sts(identities, iam, enforce=enforce)}
        await database.close()

    options = GatewayOptions(enforce_credentials=enforce)
    with running_gateway(services, options=options, identities=later) as url:  # type: ignore[arg-type]
        yield url


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    with running(tmp_path, enforce=False) as url:
        yield url


@pytest.fixture
def iam(url: str) -> Any:
    return client("iam", url)


def refused(code: str) -> Any:
    return pytest.raises(ClientError, match=code)


def test_a_roles_life(url: str, iam: Any) -> None:
    made = iam.create_role(
        RoleName="Thumbs", Path="/service-role/", AssumeRolePolicyDocument=TRUST, Tags=[{"Key": "k", "Value": "v"}]
    )["Role"]
    assert made["Arn"] == "arn:aws:iam::000000000000:role/service-role/Thumbs"
    assert made["RoleId"].startswith("AROA")
    assert len(made["RoleId"]) == 21
    assert made["AssumeRolePolicyDocument"] == json.loads(TRUST)
    with refused("Role with name thumbs already exists"):
        iam.create_role(RoleName="thumbs", AssumeRolePolicyDocument=TRUST)
    iam.update_role(RoleName="Thumbs", Description="makes thumbnails", MaxSessionDuration=7200)
    role = iam.get_role(RoleName="Thumbs")["Role"]
    assert (role["Description"], role["MaxSessionDuration"]) == ("makes thumbnails", 7200)
    iam.tag_role(RoleName="Thumbs", Tags=[{"Key": "l", "Value": "w"}])
    iam.untag_role(RoleName="Thumbs", TagKeys=["k"])
    assert iam.list_role_tags(RoleName="Thumbs")["Tags"] == [{"Key": "l", "Value": "w"}]
    assert client("iam", url, region="eu-west-1").get_role(RoleName="Thumbs")["Role"]["RoleId"] == made["RoleId"]
    with refused("NoSuchEntity"):
        client("iam", url, access_key="111122223333").get_role(RoleName="Thumbs")
    iam.delete_role(RoleName="Thumbs")
    with refused("The role with name Thumbs cannot be found."):
        iam.get_role(RoleName="Thumbs")


def test_lists_come_in_pages(iam: Any) -> None:
    for i in range(5):
        iam.create_role(RoleName=f"r{i}", Path="/a/" if i % 2 else "/", AssumeRolePolicyDocument=TRUST)
    pages = list(iam.get_paginator("list_roles").paginate(PaginationConfig={"PageSize": 2}))
    assert [[role["RoleName"] for role in page["Roles"]] for page in pages] == [["r0", "r1"], ["r2", "r3"], ["r4"]]
    assert len(iam.list_roles(PathPrefix="/a/")["Roles"]) == 2


def test_a_roles_policies(iam: Any) -> None:
    iam.create_role(RoleName="r", AssumeRolePolicyDocument=TRUST)
    iam.put_role_policy(RoleName="r", PolicyName="inline", PolicyDocument=POLICY)
    assert iam.get_role_policy(RoleName="r", PolicyName="inline")["PolicyDocument"] == json.loads(POLICY)
    assert iam.list_role_policies(RoleName="r")["PolicyNames"] == ["inline"]
    for _ in range(2):
        iam.attach_role_policy(RoleName="r", PolicyArn=BASIC)
    attached = iam.list_attached_role_policies(RoleName="r")["AttachedPolicies"]
    assert attached == [{"PolicyName": "AWSLambdaBasicExecutionRole", "PolicyArn": BASIC}]
    with refused("must detach all policies first"):
        iam.delete_role(RoleName="r")
    iam.detach_role_policy(RoleName="r", PolicyArn=BASIC)
    with refused("NoSuchEntity"):
        iam.detach_role_policy(RoleName="r", PolicyArn=BASIC)
    with refused("must delete policies first"):
        iam.delete_role(RoleName="r")
    iam.delete_role_policy(RoleName="r", PolicyName="inline")
    iam.delete_role(RoleName="r")


def test_a_managed_policys_life(iam: Any) -> None:
    arn = iam.create_policy(PolicyName="p", PolicyDocument=POLICY)["Policy"]["Arn"]
    assert arn == "arn:aws:iam::000000000000:policy/p"
    with refused("EntityAlreadyExists"):
        iam.create_policy(PolicyName="P", PolicyDocument=POLICY)
    for i in range(4):
        iam.create_policy_version(PolicyArn=arn, PolicyDocument=POLICY, SetAsDefault=i == 0)
    with refused("LimitExceeded"):
        iam.create_policy_version(PolicyArn=arn, PolicyDocument=POLICY)
    assert iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"] == "v2"
    assert iam.get_policy_version(PolicyArn=arn, VersionId="v2")["PolicyVersion"]["Document"] == json.loads(POLICY)
    with refused("default version"):
        iam.delete_policy_version(PolicyArn=arn, VersionId="v2")
    iam.create_role(RoleName="r", AssumeRolePolicyDocument=TRUST)
    iam.attach_role_policy(RoleName="r", PolicyArn=arn)
    assert iam.get_policy(PolicyArn=arn)["Policy"]["AttachmentCount"] == 1
    assert iam.list_entities_for_policy(PolicyArn=arn)["PolicyRoles"][0]["RoleName"] == "r"
    with refused("attached to entities"):
        iam.delete_policy(PolicyArn=arn)
    iam.detach_role_policy(RoleName="r", PolicyArn=arn)
    with refused("more than one version"):
        iam.delete_policy(PolicyArn=arn)
    iam.set_default_policy_version(PolicyArn=arn, VersionId="v5")
    for version in ("v1", "v2", "v3", "v4"):
        iam.delete_policy_version(PolicyArn=arn, VersionId=version)
    assert [version["VersionId"] for version in iam.list_policy_versions(PolicyArn=arn)["Versions"]] == ["v5"]
    iam.delete_policy(PolicyArn=arn)
    with refused("NoSuchEntity"):
        iam.get_policy(PolicyArn=arn)
    with refused("does not exist or is not attachable"):
        iam.attach_role_policy(RoleName="r", PolicyArn=arn)


def test_aws_own_policies_can_be_read(iam: Any) -> None:
    assert iam.get_policy(PolicyArn=BASIC)["Policy"]["PolicyName"] == "AWSLambdaBasicExecutionRole"
    statement = iam.get_policy_version(PolicyArn=BASIC, VersionId="v1")["PolicyVersion"]["Document"]["Statement"][0]
    assert "logs:PutLogEvents" in statement["Action"]
    assert iam.list_policies(Scope="Local")["Policies"] == []
    assert BASIC in [policy["Arn"] for policy in iam.list_policies(Scope="AWS")["Policies"]]


@pytest.mark.parametrize(
    "trust",
    [
        "{",
        "[]",
        "{}",
        document(Action="sts:AssumeRole"),
        document(Principal={"Service": "lambda.amazonaws.com"}, Action="s3:GetObject"),
        document(Principal={"Service": "x"}, Action="sts:AssumeRole", Resource="*"),
        document(Principal={"Nobody": "x"}, Action="sts:AssumeRole"),
        "[" * 5000,
    ],
)
def test_malformed_trust_policies(iam: Any, trust: str) -> None:
    with refused("MalformedPolicyDocument"):
        iam.create_role(RoleName="r", AssumeRolePolicyDocument=trust)


@pytest.mark.parametrize(
    "policy", ["no", document(Action="s3:*"), document(Resource="*"), document(Action="x", Resource="*")]
)
def test_malformed_policies(iam: Any, policy: str) -> None:
    with refused("MalformedPolicyDocument"):
        iam.create_policy(PolicyName="p", PolicyDocument=policy)


def test_who_am_i(url: str) -> None:
    assert client("sts", url).get_caller_identity()["Account"] == "000000000000"
    other = client("sts", url, access_key="111122223333").get_caller_identity()
    assert (other["Account"], other["Arn"]) == ("111122223333", "arn:aws:iam::111122223333:root")


def assumed(url: str, issued: dict[str, Any]) -> dict[str, Any]:
    keys = {"access_key": issued["AccessKeyId"], "secret_key": issued["SecretAccessKey"]}
    return {**keys, "session_token": issued["SessionToken"]}


def test_a_role_that_was_never_created_can_be_assumed_when_nothing_is_enforced(url: str) -> None:
    role = "arn:aws:iam::111122223333:role/x/Thumbs"
    answer = client("sts", url).assume_role(RoleArn=role, RoleSessionName="me")
    who = client("sts", url, **assumed(url, answer["Credentials"])).get_caller_identity()
    assert who["Arn"] == "arn:aws:sts::111122223333:assumed-role/Thumbs/me" == answer["AssumedRoleUser"]["Arn"]
    assert who["UserId"] == answer["AssumedRoleUser"]["AssumedRoleId"]
    with refused("ValidationError"):
        client("sts", url).assume_role(RoleArn="arn:aws:iam::1:role/Thumbs-and-more", RoleSessionName="me")
    with refused("NotImplemented"):
        client("sts", url).assume_role(RoleArn=role, RoleSessionName="me", Policy=POLICY)


def test_sessions_are_as_long_as_the_role_allows(url: str, iam: Any) -> None:
    role = iam.create_role(RoleName="r", AssumeRolePolicyDocument=TRUST)["Role"]
    with refused("MaxSessionDuration"):
        client("sts", url).assume_role(RoleArn=role["Arn"], RoleSessionName="me", DurationSeconds=3601)
    answer = client("sts", url).assume_role(RoleArn=role["Arn"], RoleSessionName="me")
    assert answer["AssumedRoleUser"]["AssumedRoleId"] == f"{role['RoleId']}:me"


def test_enforced_credentials(tmp_path: Path) -> None:
    root = {"access_key": ROOT.access_key, "secret_key": ROOT.secret}
    with running(tmp_path, enforce=True) as url:
        with refused("InvalidClientTokenId"):
            client("sts", url).get_caller_identity()
        with refused("SignatureDoesNotMatch"):
            client("sts", url, **{**root, "secret_key": "wrong"}).get_caller_identity()
        assert client("sts", url, **root).get_caller_identity()["Arn"] == "arn:aws:iam::000000000000:root"
        iam = client("iam", url, **root)
        iam.create_user(UserName="ann", Path="/people/")
        key = iam.create_access_key(UserName="ann")["AccessKey"]
        iam.create_access_key(UserName="ann")
        with refused("AccessKeysPerUser: 2"):
            iam.create_access_key(UserName="ann")
        with refused("AccessDenied"):
            client("sts", url, **root).assume_role(
                RoleArn="arn:aws:iam::000000000000:role/nobody", RoleSessionName="me"
            )
    with running(tmp_path, enforce=True) as url:
        ann = {"access_key": key["AccessKeyId"], "secret_key": key["SecretAccessKey"]}
        assert client("sts", url, **ann).get_caller_identity()["Arn"] == "arn:aws:iam::000000000000:user/people/ann"
        assert client("iam", url, **ann).get_user()["User"]["UserName"] == "ann"
        session = client("sts", url, **ann).get_session_token()["Credentials"]
        who = client("sts", url, **assumed(url, session)).get_caller_identity()
        assert who["Arn"] == "arn:aws:iam::000000000000:user/people/ann"
        iam = client("iam", url, **root)
        with refused("DeleteConflict"):
            iam.delete_user(UserName="ann")
        iam.update_access_key(UserName="ann", AccessKeyId=key["AccessKeyId"], Status="Inactive")
        with refused("InvalidClientTokenId"):
            client("sts", url, **ann).get_caller_identity()
        for one in iam.list_access_keys(UserName="ann")["AccessKeyMetadata"]:
            iam.delete_access_key(UserName="ann", AccessKeyId=one["AccessKeyId"])
        iam.delete_user(UserName="ann")
        assert iam.list_users()["Users"] == []
