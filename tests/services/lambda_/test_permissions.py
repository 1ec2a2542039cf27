"""Resource policies: the statements, byte for byte, and who may not write them."""

import json
from typing import Any

import pytest

from bulb.delivery.doors import Doors
from bulb.services.lambda_ import permissions
from bulb.services.lambda_.model import Policy
from tests.services.lambda_.room import ARN, Room
from tests.services.lambda_.test_refusals import refused

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


def alias(room: Room, name: str = "live") -> None:
    """The function `f` with a version and an alias of it."""
    room.create()
    room.client().publish_version(FunctionName="f")
    room.client().create_alias(FunctionName="f", Name=name, FunctionVersion="1")


def sids(room: Room, **named: str) -> list[str]:
    policy = json.loads(room.client().get_policy(FunctionName="f", **named)["Policy"])
    return [statement["Sid"] for statement in policy["Statement"]]


def test_every_qualifier_has_a_policy_of_its_own(room: Room) -> None:
    alias(room)
    aws = room.client()
    for qualifier in (None, "1", "live"):
        named = {"Qualifier": qualifier} if qualifier else {}
        sid = qualifier or "bare"
        answer = aws.add_permission(
            FunctionName="f", StatementId=sid, Action="lambda:InvokeFunction", Principal="*", **named
        )
        assert json.loads(answer["Statement"])["Resource"] == f"{ARN}:f" + (f":{qualifier}" if qualifier else "")
        assert sids(room, **named) == [sid]
    unknown = (NOT_FOUND, "Statement live is not found in resource policy.", 404)
    assert refused(aws.remove_permission, FunctionName="f", Qualifier="1", StatementId="live") == unknown
    aws.remove_permission(FunctionName="f:live", StatementId="live")
    nothing = (NOT_FOUND, "The resource you requested does not exist.", 404)
    assert refused(aws.get_policy, FunctionName="f", Qualifier="live") == nothing
    assert sids(room) == ["bare"]
    version = (NOT_FOUND, f"Function not found: {ARN}:f:2", 404)
    assert refused(aws.add_permission, FunctionName="f:2", Principal="*", **INVOKE) == version


def test_a_policy_goes_with_its_alias_or_version(room: Room) -> None:
    alias(room)
    aws = room.client()
    for qualifier in ("1", "live"):
        aws.add_permission(FunctionName="f", Qualifier=qualifier, Principal="*", **INVOKE)
    aws.delete_alias(FunctionName="f", Name="live")
    aws.create_alias(FunctionName="f", Name="live", FunctionVersion="1")
    nothing = (NOT_FOUND, "The resource you requested does not exist.", 404)
    assert refused(aws.get_policy, FunctionName="f:live") == nothing
    assert sids(room, Qualifier="1") == ["s"]
    aws.delete_alias(FunctionName="f", Name="live")
    aws.delete_function(FunctionName="f:1")
    assert refused(aws.get_policy, FunctionName="f:1") == nothing


def whole(arn: str, **further: Any) -> dict[str, Any]:
    """A policy document of one statement."""
    statement = {"Effect": "Deny", "Principal": {"AWS": "*"}, "Action": ["lambda:*"], "Resource": arn, **further}
    return {"Version": "2012-10-17", "Statement": [statement]}


@pytest.mark.parametrize("end", ["", ":live", ":1"])
def test_a_whole_policy_replaces_what_there_was(room: Room, end: str) -> None:
    alias(room)
    aws, arn = room.client(), f"{ARN}:f{end}"
    aws.add_permission(FunctionName=arn, Principal="*", **INVOKE)
    document = whole(arn)
    put = aws.put_resource_policy(ResourceArn=arn, Policy=json.dumps(document))
    assert json.loads(put["Policy"]) == document
    got = aws.get_resource_policy(ResourceArn=arn)
    assert (got["Policy"], got["RevisionId"]) == (put["Policy"], put["RevisionId"])
    assert aws.get_policy(FunctionName=arn)["Policy"] == put["Policy"]
    assert room.run(room.opened["api"].policy_of(arn)) == document
    added = json.loads(aws.add_permission(FunctionName=arn, Principal="*", **INVOKE)["Statement"])
    policy = aws.get_resource_policy(ResourceArn=arn)
    assert json.loads(policy["Policy"])["Statement"] == [*document["Statement"], added]
    stale = (
        "PreconditionFailedException",
        "The Revision Id provided does not match the latest Revision Id. "
        "Call the GetResourcePolicy API to retrieve the latest Revision Id",
        412,
    )
    old = {"ResourceArn": arn, "RevisionId": put["RevisionId"]}
    assert refused(aws.put_resource_policy, Policy=json.dumps(document), **old) == stale
    assert refused(aws.delete_resource_policy, **old) == stale
    deleted = aws.delete_resource_policy(ResourceArn=arn, RevisionId=policy["RevisionId"])
    assert deleted["ResponseMetadata"]["HTTPStatusCode"] == 204
    nothing = (NOT_FOUND, "The resource you requested does not exist.", 404)
    assert refused(aws.get_resource_policy, ResourceArn=arn) == nothing
    assert refused(aws.delete_resource_policy, ResourceArn=arn) == nothing
    assert room.run(room.opened["api"].policy_of(arn)) is None


def test_documents_that_are_no_policies(room: Room) -> None:
    alias(room)
    aws, arn = room.client(), f"{ARN}:f"

    def refusal(policy: Any, arn: str = arn) -> tuple[str, str, int]:
        text = policy if isinstance(policy, str) else json.dumps(policy)
        return refused(aws.put_resource_policy, ResourceArn=arn, Policy=text)

    for policy in ("{", "[]", {"Statement": []}, whole(arn, Effect="Perhaps"), whole(arn, NotPrincipal="*")):
        assert refusal(policy)[0] == "InvalidParameterValueException"
    latest = "We currently do not support adding policies for $LATEST."
    assert refusal(whole(arn), f"{arn}:$LATEST") == ("InvalidParameterValueException", latest, 400)
    assert refusal(whole(arn), f"{arn}:2") == (NOT_FOUND, f"Function not found: {arn}:2", 404)
    assert refusal(whole(arn), f"{arn}:no") == (NOT_FOUND, f"Cannot find alias arn: {arn}:no", 404)
    elsewhere = arn.replace("us-east-1", "eu-west-1")
    text = "Functions from 'eu-west-1' are not reachable in this region ('us-east-1')"
    assert refusal(whole(arn), elsewhere) == (NOT_FOUND, text, 404)
    assert refusal(whole(arn), "f")[0] == "ValidationException"
    assert refusal(whole(arn), arn.replace("function:f", "runtime/r"))[2] == 501


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
    entry = permissions.statement(f"{ARN}:f", {**INVOKE, **arguments})
    assert lets_in("arn:aws:s3:::photos-2026", entry) is allowed


def lets_in(bucket: str, *statements: dict[str, Any]) -> bool:
    """Does a policy of these statements let S3 invoke the function for a bucket?"""
    return Doors(enforced=True).lets_in(
        service="s3.amazonaws.com",
        source_arn=bucket,
        source_account="000000000000",
        policy=permissions.document(Policy("r", statements)),
        action="lambda:InvokeFunction",
        target_arn=f"{ARN}:f",
        owner="000000000000",
    )


@pytest.mark.parametrize(
    ("statement", "allowed"),
    [
        ({}, True),
        ({"Effect": "Deny"}, False),
        ({"Principal": {"AWS": "*"}}, True),
        ({"Principal": {"Service": ["s3.amazonaws.com", "sns.amazonaws.com"]}}, True),
        ({"Principal": {"AWS": "111111111111"}}, False),
        ({"Resource": f"{ARN}:f:*"}, False),
        ({"Resource": [f"{ARN}:other", f"{ARN}:f"]}, True),
        ({"Condition": {"StringEquals": {"aws:SourceAccount": ["1", "000000000000"]}}}, True),
        ({"Condition": {"NumericLessThan": {"aws:SourceAccount": "0"}}}, False),
    ],
)
def test_whom_a_whole_policy_lets_in(statement: dict[str, Any], allowed: bool) -> None:
    entry = {"Effect": "Allow", "Principal": "*", "Action": ["lambda:Invoke*"], "Resource": f"{ARN}:f", **statement}

    def allows(*statements: dict[str, Any]) -> bool:
        return lets_in("arn:aws:s3:::photos", *statements)

    assert allows(entry) is allowed
    everything = {"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}
    assert allows(everything, entry) is (entry["Effect"] == "Allow")
    otherwise = {"Effect": "Deny", "Principal": "*", "NotAction": "s3:*", "Resource": "*"}
    assert allows(everything, otherwise) is False
