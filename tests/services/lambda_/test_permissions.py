"""Resource policies: the statements, byte for byte, and who may not write them."""

import json
from pathlib import Path
from typing import Any

import pytest

from bulb.services.lambda_ import permissions
from bulb.services.lambda_.model import FunctionKey, Policy
from tests.services.lambda_.room import ARN, Room, open_room
from tests.services.lambda_.test_refusals import refused

KEY = FunctionKey("000000000000", "us-east-1", "f")
NOT_FOUND = "ResourceNotFoundException"
INVOKE = {"StatementId": "s", "Action": "lambda:InvokeFunction"}

STATEMENTS: list[tuple[dict[str, Any], Any, dict[str, Any] | None]] = [
    ({"Principal": "events.amazonaws.com"}, {"Service": "events.amazonaws.com"}, None),
    ({"Principal": "111111111111"}, {"AWS": "arn:aws:iam::111111111111:root"}, None),
    ({"Principal": "arn:aws:iam::111111111111:user/u"}, {"AWS": "arn:aws:iam::111111111111:user/u"}, None),
    ({"Principal": "*"}, "*", None),
    (
        {"Principal": "s3.amazonaws.com", "SourceArn": "arn:aws:s3:::b", "SourceAccount": "000000000000"},
        {"Service": "s3.amazonaws.com"},
        {
            "StringEquals": {"AWS:SourceAccount": "000000000000"},
            "ArnLike": {"AWS:SourceArn": "arn:aws:s3:::b"},
        },
    ),
    (
        {"Principal": "*", "PrincipalOrgID": "o-abcdefghij"},
        "*",
        {"StringEquals": {"aws:PrincipalOrgID": "o-abcdefghij"}},
    ),
    (
        {"Principal": "*", "FunctionUrlAuthType": "NONE", "InvokedViaFunctionUrl": True},
        "*",
        {
            "StringEquals": {"lambda:FunctionUrlAuthType": "NONE"},
            "Bool": {"lambda:InvokedViaFunctionUrl": "true"},
        },
    ),
    (
        {"Principal": "alexa-appkit.amazon.com", "EventSourceToken": "t-1"},
        {"Service": "alexa-appkit.amazon.com"},
        {"StringEquals": {"lambda:EventSourceToken": "t-1"}},
    ),
]


@pytest.mark.parametrize(("arguments", "principal", "condition"), STATEMENTS)
def test_statements(room: Room, arguments: dict[str, Any], principal: Any, condition: dict[str, Any] | None) -> None:
    room.create()
    aws = room.client()
    expected: dict[str, Any] = {
        "Sid": "s",
        "Effect": "Allow",
        "Principal": principal,
        "Action": "lambda:InvokeFunction",
        "Resource": f"{ARN}:f",
    }
    if condition is not None:
        expected["Condition"] = condition
    answer = aws.add_permission(FunctionName="f", **INVOKE, **arguments)
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 201
    assert answer["Statement"] == json.dumps(expected, separators=(",", ":"))
    policy = aws.get_policy(FunctionName="f")
    document = {"Version": "2012-10-17", "Id": "default", "Statement": [expected]}
    assert policy["Policy"] == json.dumps(document, separators=(",", ":"))
    assert policy["RevisionId"]


def test_statements_are_added_and_removed(room: Room) -> None:
    room.create()
    aws = room.client()
    for sid in ("a", "b"):
        aws.add_permission(FunctionName="f", StatementId=sid, Action="lambda:InvokeFunction", Principal="*")
    taken = (
        "The statement id (a) provided already exists. "
        "Please provide a new statement id, or remove the existing statement."
    )
    again = {"StatementId": "a", "Action": "lambda:InvokeFunction", "Principal": "*"}
    assert refused(aws.add_permission, FunctionName="f", **again) == ("ResourceConflictException", taken, 409)
    before = aws.get_policy(FunctionName="f")
    assert [entry["Sid"] for entry in json.loads(before["Policy"])["Statement"]] == ["a", "b"]
    unknown = (NOT_FOUND, "Statement c is not found in resource policy.", 404)
    assert refused(aws.remove_permission, FunctionName="f", StatementId="c") == unknown
    removed = aws.remove_permission(FunctionName="f", StatementId="a", RevisionId=before["RevisionId"])
    assert removed["ResponseMetadata"]["HTTPStatusCode"] == 204
    stale = (
        "PreconditionFailedException",
        "The Revision Id provided does not match the latest Revision Id. "
        "Call the GetPolicy API to retrieve the latest Revision Id",
        412,
    )
    old = before["RevisionId"]
    assert refused(aws.remove_permission, FunctionName="f", StatementId="b", RevisionId=old) == stale
    assert refused(aws.add_permission, FunctionName="f", RevisionId=old, **{**again, "StatementId": "d"}) == stale
    aws.remove_permission(FunctionName="f", StatementId="b")
    gone = (NOT_FOUND, "The resource you requested does not exist.", 404)
    assert refused(aws.get_policy, FunctionName="f") == gone
    none = (NOT_FOUND, "No policy is associated with the given resource.", 404)
    assert refused(aws.remove_permission, FunctionName="f", StatementId="b") == none


def test_what_is_not_there(room: Room) -> None:
    aws = room.client()
    grant = {**INVOKE, "Principal": "*"}
    missing = (NOT_FOUND, f"Function not found: {ARN}:f", 404)
    assert refused(aws.add_permission, FunctionName="f", **grant) == missing
    unknown = (NOT_FOUND, f"No policy found for: {ARN}:f", 404)
    assert refused(aws.remove_permission, FunctionName="f", StatementId="s") == unknown
    nothing = (NOT_FOUND, "The resource you requested does not exist.", 404)
    assert refused(aws.get_policy, FunctionName="f") == nothing
    room.create()
    assert refused(aws.get_policy, FunctionName="f") == nothing
    assert refused(aws.get_policy, FunctionName="f", Qualifier="1") == nothing
    latest = ("InvalidParameterValueException", "We currently do not support adding policies for $LATEST.", 400)
    assert refused(aws.add_permission, FunctionName="f", Qualifier="$LATEST", **grant) == latest
    alias = (NOT_FOUND, f"Cannot find alias arn: {ARN}:f:live", 404)
    assert refused(aws.add_permission, FunctionName="f", Qualifier="live", **grant) == alias
    assert refused(aws.remove_permission, FunctionName="f", Qualifier="live", StatementId="s") == alias


@pytest.mark.parametrize("principal", ["me", "1234", "arn:aws:s3:::b", "amazonaws.com", "x.example.com"])
def test_principals_that_are_none(room: Room, principal: str) -> None:
    room.create()
    text = "The provided principal was invalid. Please check the principal and try again."
    got = refused(room.client().add_permission, FunctionName="f", Principal=principal, **INVOKE)
    assert got == ("InvalidParameterValueException", text, 400)


def test_policies_are_limited_to_20_kb(room: Room) -> None:
    room.create()
    aws = room.client()
    source = "arn:aws:s3:::" + "b" * 6_000
    for number in range(3):
        aws.add_permission(
            FunctionName="f",
            StatementId=f"s{number}",
            Action="lambda:InvokeFunction",
            Principal="s3.amazonaws.com",
            SourceArn=source,
        )
    got = refused(aws.add_permission, FunctionName="f", Principal="s3.amazonaws.com", SourceArn=source, **INVOKE)
    assert (got[0], got[2]) == ("PolicyLengthExceededException", 400)


@pytest.mark.parametrize("enforced", [False, True])
def test_s3_asks_whether_it_may_invoke(tmp_path: Path, enforced: bool) -> None:
    with open_room(tmp_path, policies_enforced=enforced) as room:

        def ask(arn: str = f"{ARN}:f", bucket: str = "arn:aws:s3:::b") -> str | None:
            answer: str | None = room.run(room.opened["api"].s3_may_invoke(bucket, "000000000000", arn))
            return answer

        assert ask() == f"Function not found: {ARN}:f"
        assert ask("arn:aws:sqs:us-east-1:000000000000:q") is not None
        room.create()
        assert (ask() is None) is not enforced
        assert ask(f"{ARN}:f:live") == f"Function not found: {ARN}:f:live"
        room.client().add_permission(
            FunctionName="f", Principal="s3.amazonaws.com", SourceArn="arn:aws:s3:::b", **INVOKE
        )
        assert ask() is None
        assert (ask(bucket="arn:aws:s3:::other") is None) is not enforced


@pytest.mark.parametrize(
    ("arguments", "allowed"),
    [
        ({"Principal": "s3.amazonaws.com"}, True),
        ({"Principal": "*", "Action": "lambda:*"}, True),
        ({"Principal": "s3.amazonaws.com", "SourceArn": "arn:aws:s3:::photos*"}, True),
        ({"Principal": "s3.amazonaws.com", "SourceArn": "arn:aws:s3:::photo"}, False),
        ({"Principal": "s3.amazonaws.com", "SourceAccount": "111111111111"}, False),
        ({"Principal": "sns.amazonaws.com"}, False),
        ({"Principal": "111111111111"}, False),
        ({"Principal": "s3.amazonaws.com", "Action": "lambda:GetFunction"}, False),
        ({"Principal": "s3.amazonaws.com", "EventSourceToken": "t"}, False),
    ],
)
def test_whom_a_statement_lets_in(arguments: dict[str, Any], allowed: bool) -> None:
    entry = permissions.statement(KEY, {**INVOKE, **arguments})
    policy = Policy("r", (entry,))
    got = permissions.allows_service(policy, "s3.amazonaws.com", "arn:aws:s3:::photos-2026", "000000000000")
    assert got is allowed
