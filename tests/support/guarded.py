"""A server that enforces policies, and people on it: users and roles made through IAM, as anybody would."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.support.bulb import Running, running_bulb
from tests.support.strict import Keys, root_of

HOME, ELSEWHERE = "000000000000", "111122223333"
BY_LAMBDA = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}


@contextmanager
def guarded_server(data: Path, **settings: Any) -> Iterator[Running]:
    """With the role `arn:aws:iam::000000000000:role/test`, which functions may have and which may do nothing."""
    with running_bulb(data, credentials="required", policies="enforced", stock=0, **settings) as bulb:
        bulb.client("iam", **root_of(bulb)).create_role(RoleName="test", AssumeRolePolicyDocument=document(BY_LAMBDA))
        yield bulb


def document(*statements: dict[str, Any], version: str = "2012-10-17") -> str:
    return json.dumps({"Version": version, "Statement": list(statements)})


def allow(action: str | list[str], resource: str | list[str] = "*", **members: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": resource, **members}


def deny(action: str | list[str], resource: str | list[str] = "*", **members: Any) -> dict[str, Any]:
    return {**allow(action, resource, **members), "Effect": "Deny"}


def user(bulb: Running, name: str, *statements: dict[str, Any], path: str = "/", by: Keys | None = None) -> Keys:
    """A user with these statements, and a key of theirs. `by` is the key of who makes them, else the operator's."""
    iam = bulb.client("iam", **(by or root_of(bulb)))
    iam.create_user(UserName=name, Path=path)
    say(iam, name, *statements)
    issued = iam.create_access_key(UserName=name)["AccessKey"]
    return {"access_key": issued["AccessKeyId"], "secret_key": issued["SecretAccessKey"]}


def say(iam: Any, name: str, *statements: dict[str, Any]) -> None:
    """Give a user these statements in place of those they had."""
    if statements:
        iam.put_user_policy(UserName=name, PolicyName="own", PolicyDocument=document(*statements))


def denied(call: Any, **arguments: Any) -> str:
    """The message of the refusal; it must be one of policies."""
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    error = caught.value.response
    assert error["ResponseMetadata"]["HTTPStatusCode"] == 403, error
    assert error["Error"]["Code"] in {"AccessDenied", "AccessDeniedException"}, error
    message: str = error["Error"]["Message"]
    return message
