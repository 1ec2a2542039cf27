"""What policies say, statement by statement."""

import json
from typing import Any

import pytest

from bulb.core.errors import AwsError
from bulb.identity.evaluation import ANYBODY, Principal, Verdict, evaluate
from bulb.identity.policy import check_policy

ARN = "arn:aws:lambda:us-east-1:111122223333:function:f"
USER = Principal("arn:aws:iam::111122223333:user/team/ada", "111122223333")
SESSION = Principal("arn:aws:sts::111122223333:assumed-role/worker/one", "111122223333")


def statement(**members: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": "lambda:InvokeFunction", "Resource": ARN, **members}


def says(*statements: dict[str, Any], principal: Principal | None = None, **context: Any) -> Verdict | None:
    known = {name.replace("__", ":"): value for name, value in context.items()}
    return evaluate(statements, "lambda:InvokeFunction", ARN, known, principal)


@pytest.mark.parametrize(
    ("members", "applies"),
    [
        ({}, True),
        ({"Action": "LAMBDA:invokefunction"}, True),
        ({"Action": "lambda:Invoke*"}, True),
        ({"Action": ["s3:*", "*"]}, True),
        ({"Action": "lambda:InvokeFunctio?"}, True),
        ({"Action": "lambda:Get*"}, False),
        ({"Resource": ARN.upper()}, False),
        ({"Resource": f"{ARN}:*"}, False),
        ({"Resource": "arn:aws:lambda:*:111122223333:function:*"}, True),
        ({"Resource": []}, False),
    ],
)
def test_actions_and_resources(members: dict[str, Any], applies: bool) -> None:
    assert (says(statement(**members)) is Verdict.ALLOW) is applies


def test_the_opposites_of_action_and_resource() -> None:
    base = {"Effect": "Allow"}
    assert says({**base, "NotAction": "s3:*", "Resource": "*"}) is Verdict.ALLOW
    assert says({**base, "NotAction": "lambda:*", "Resource": "*"}) is None
    assert says({**base, "Action": "*", "NotResource": "arn:aws:s3:::*"}) is Verdict.ALLOW
    assert says({**base, "Action": "*", "NotResource": ARN}) is None
    assert says({**base, "Action": "*"}) is None


@pytest.mark.parametrize(
    ("named", "principal", "applies"),
    [
        ("*", ANYBODY, True),
        ({"AWS": "*"}, ANYBODY, True),
        ({"AWS": "111122223333"}, ANYBODY, False),
        ({"AWS": "111122223333"}, USER, True),
        ({"AWS": "arn:aws:iam::111122223333:root"}, SESSION, True),
        ({"AWS": "arn:aws:iam::444455556666:root"}, USER, False),
        ({"AWS": ["arn:x", "arn:aws:iam::111122223333:user/team/ada"]}, USER, True),
        ({"AWS": "arn:aws:iam::111122223333:role/worker"}, SESSION, True),
        ({"AWS": "arn:aws:iam::111122223333:role/path/worker"}, SESSION, True),
        ({"AWS": "arn:aws:iam::111122223333:role/other"}, SESSION, False),
        ({"AWS": "arn:aws:iam::111122223333:user/*"}, USER, False),
        ({"Service": "s3.amazonaws.com"}, Principal(service="s3.amazonaws.com"), True),
        ({"Service": "sns.amazonaws.com"}, Principal(service="s3.amazonaws.com"), False),
        ({"Service": "s3.amazonaws.com"}, USER, False),
        ({"AWS": "*"}, Principal(service="s3.amazonaws.com"), True),
    ],
)
def test_principals(named: Any, principal: Principal, applies: bool) -> None:
    assert (says(statement(Principal=named), principal=principal) is Verdict.ALLOW) is applies
    assert (says(statement(NotPrincipal=named), principal=principal) is Verdict.ALLOW) is not applies


def test_a_statement_of_a_resource_must_name_a_principal() -> None:
    assert says(statement(), principal=USER) is None
    assert says(statement(Principal="nobody"), principal=USER) is None


def test_deny_wins_wherever_it_stands() -> None:
    deny = statement(Effect="Deny", Resource="*")
    assert says(statement(), deny) is says(deny, statement()) is Verdict.DENY
    assert says(statement(), statement(Effect="Deny", Action="s3:*")) is Verdict.ALLOW
    assert says() is None


@pytest.mark.parametrize(
    ("operator", "expected", "actual", "holds"),
    [
        ("StringEquals", "a", "a", True),
        ("StringEquals", ["b", "a"], "a", True),
        ("StringEquals", "a", "A", False),
        ("StringEqualsIgnoreCase", "a", "A", True),
        ("StringNotEquals", ["a", "b"], "b", False),
        ("StringNotEquals", "a", "c", True),
        ("StringNotEqualsIgnoreCase", "a", "A", False),
        ("StringLike", "a*c?", "abbcd", True),
        ("StringLike", "a.c", "abc", False),
        ("StringNotLike", "a*", "abc", False),
        ("StringEquals", "a", None, False),
        ("StringNotEquals", "a", None, True),
        ("StringEqualsIfExists", "a", None, True),
        ("StringEqualsIfExists", "a", "b", False),
        ("Bool", "true", "true", True),
        ("Bool", True, "true", True),
        ("Bool", "true", "false", False),
        ("Bool", "true", None, False),
        ("Null", "true", None, True),
        ("Null", "true", "x", False),
        ("Null", "false", "x", True),
        ("NumericLessThan", "10", "9.5", True),
        ("NumericGreaterThanEquals", 10, "9", False),
        ("NumericNotEquals", "1", "1.0", False),
        ("NumericEquals", "1", "one", False),
        ("DateGreaterThan", "2026-01-01T00:00:00Z", "2026-06-01T00:00:00.000Z", True),
        ("DateLessThan", "1767225600", "2026-06-01T00:00:00Z", False),
        ("IpAddress", "10.0.0.0/8", "10.1.2.3", True),
        ("IpAddress", ["192.0.2.1", "::1/128"], "::1", True),
        ("NotIpAddress", "10.0.0.0/8", "10.1.2.3", False),
        ("ArnLike", "arn:aws:s3:::b*", "arn:aws:s3:::bucket", True),
        ("ArnEquals", "arn:aws:*:us-east-1:*:x", "arn:aws:sns:us-east-1:1:x", True),
        ("ArnLike", "arn:*:x", "arn:aws:sns:us-east-1:1:x", False),
        ("ArnNotLike", "arn:aws:s3:::b*", "arn:aws:s3:::bucket", False),
        ("ForAnyValue:StringEquals", ["a", "b"], ["x", "b"], True),
        ("ForAnyValue:StringEquals", ["a", "b"], ["x"], False),
        ("ForAnyValue:StringEquals", "a", None, False),
        ("ForAllValues:StringEquals", ["a", "b"], ["a", "b"], True),
        ("ForAllValues:StringEquals", ["a", "b"], ["a", "c"], False),
        ("ForAllValues:StringEquals", "a", None, True),
        ("Null", [], None, False),
        ("StringEquals", [], "a", False),
        ("StringNotLikeIfExists", "a*", None, True),
        ("StringNotLikeIfExists", "a*", "ab", False),
        ("NumericLessThanEquals", "10", "10", True),
        ("NumericGreaterThan", "10", "10", False),
        ("NumericLessThanIfExists", "10", None, True),
        ("DateEquals", "2026-01-01T00:00:00Z", "2026-01-01T01:00:00+01:00", True),
        ("DateNotEquals", "2026-01-01", "2026-01-01T00:00:00Z", False),
        ("DateGreaterThanEquals", "2026-01-01T00:00:00Z", "2025-12-31T23:59:59Z", False),
        ("DateLessThanEquals", "someday", "2026-01-01T00:00:00Z", False),
        ("NotIpAddress", "10.0.0.0/8", "192.0.2.1", True),
        ("IpAddress", "10.0.0.0/8", "::1", False),
        ("IpAddress", "nowhere", "10.1.2.3", False),
        ("ArnNotEquals", "arn:aws:s3:::a", "arn:aws:s3:::b", True),
        ("BinaryEquals", "QmluYXJ5", "QmluYXJ5", True),
        ("ForAllValues:StringNotEquals", ["a"], ["b", "c"], True),
        ("ForAllValues:StringNotEquals", ["a"], ["a", "c"], False),
        ("ForAnyValue:StringNotEquals", ["a"], ["a", "c"], True),
        ("ForAnyValue:StringLike", ["a*"], ["b", "ab"], True),
        ("ForAllValues:StringEqualsIfExists", "a", None, True),
        ("Invented", "a", "a", False),
    ],
)
def test_condition_operators(operator: str, expected: Any, actual: Any, holds: bool) -> None:
    conditioned = statement(Condition={operator: {"AWS:SomeKey": expected}})
    context = {} if actual is None else {"aws__somekey": actual}
    assert (says(conditioned, **context) is Verdict.ALLOW) is holds


def test_every_test_of_a_condition_must_hold() -> None:
    both = statement(Condition={"StringEquals": {"aws:a": "1", "aws:b": "2"}, "Bool": {"aws:c": "true"}})
    assert says(both, aws__a="1", aws__b="2", aws__c="true") is Verdict.ALLOW
    assert says(both, aws__a="1", aws__b="2", aws__c="false") is None
    assert says(both, aws__a="1", aws__c="true") is None


def test_policy_variables() -> None:
    own = statement(Condition={"StringLike": {"s3:prefix": "home/${aws:username}/*"}})
    assert says(own, aws__username="ada", s3__prefix="home/ada/x") is Verdict.ALLOW
    assert says(own, aws__username="bob", s3__prefix="home/ada/x") is None
    default = statement(Condition={"StringEquals": {"aws:a": "${aws:team, 'none'}"}})
    assert says(default, aws__a="none") is Verdict.ALLOW


@pytest.mark.parametrize("operator", ["Invented", "StringLikes", "ForSome:StringEquals", "BoolNot", "NotStringEquals"])
def test_operators_that_iam_does_not_have_cannot_be_stored(operator: str) -> None:
    document = {"Version": "2012-10-17", "Statement": [statement(Condition={operator: {"aws:a": "b"}})]}
    with pytest.raises(AwsError, match=f"Invalid Condition type : {operator}"):
        check_policy(json.dumps(document))


@pytest.mark.parametrize("operator", ["StringNotLikeIfExists", "ForAnyValue:ArnLike", "Null", "DateLessThanEquals"])
def test_operators_that_iam_has_can(operator: str) -> None:
    document = {"Version": "2012-10-17", "Statement": [statement(Condition={operator: {"aws:a": "b"}})]}
    check_policy(json.dumps(document))


def test_a_deny_that_cannot_be_judged_denies() -> None:
    assert says(statement(), statement(Effect="Deny", Condition={"Invented": {"a": "b"}})) is Verdict.DENY
