"""Policies weighed against each other: the caller's, the session's and the resource's, within accounts and across."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bulb.identity.decisions import Asking, Kind, Refusal, decide
from bulb.identity.documents import statements_of
from bulb.identity.evaluation import Statement, Verdict, evaluate
from bulb.identity.needs import Need

A, B = "111122223333", "444455556666"
USER = f"arn:aws:iam::{A}:user/ada"
ALLOW: Statement = {"Effect": "Allow", "Action": "*", "Resource": "*"}
DENY: Statement = {**ALLOW, "Effect": "Deny"}
TO_USER: Statement = {**ALLOW, "Principal": {"AWS": USER}}
TO_ACCOUNT: Statement = {**ALLOW, "Principal": {"AWS": f"arn:aws:iam::{A}:root"}}
TO_ALL: Statement = {**ALLOW, "Principal": "*"}
NOT_USER: Statement = {**DENY, "Principal": {"AWS": USER}}
NO_OWN, NO_GUARD, NO_SESSION = (Refusal(kind) for kind in (Kind.IDENTITY, Kind.RESOURCE, Kind.SESSION))
OWN_DENIES, GUARD_DENIES, SESSION_DENIES = (Refusal(kind, is_explicit=True) for kind in Kind)


def said(owner: str, own: Any = (), guard: Any = (), session: Any = None, **members: Any) -> Refusal | None:
    need = Need("lambda:InvokeFunction", f"arn:aws:lambda:us-east-1:{owner}:function:f", **members)
    return decide(Asking(USER, A, tuple(own), session if session is None else tuple(session)), need, tuple(guard), {})


@pytest.mark.parametrize(
    ("own", "guard", "session", "at_home", "elsewhere"),
    [
        ([], [], None, NO_OWN, NO_GUARD),
        ([ALLOW], [], None, None, NO_GUARD),
        ([], [TO_USER], None, None, NO_OWN),
        ([], [TO_ACCOUNT], None, NO_OWN, NO_OWN),
        ([], [TO_ALL], None, None, NO_OWN),
        ([ALLOW], [TO_ACCOUNT], None, None, None),
        ([ALLOW], [TO_USER], None, None, None),
        ([ALLOW, DENY], [TO_USER], None, OWN_DENIES, OWN_DENIES),
        ([ALLOW], [TO_USER, NOT_USER], None, GUARD_DENIES, GUARD_DENIES),
        ([ALLOW], [TO_USER], [], NO_SESSION, NO_SESSION),
        ([ALLOW], [TO_USER], [ALLOW], None, None),
        ([ALLOW], [TO_USER], [ALLOW, DENY], SESSION_DENIES, SESSION_DENIES),
        ([], [], [ALLOW], NO_OWN, NO_GUARD),
    ],
)
def test_who_must_allow(own: Any, guard: Any, session: Any, at_home: Any, elsewhere: Any) -> None:
    assert said(A, own, guard, session) == at_home
    assert said(B, own, guard, session) == elsewhere


def test_a_role_is_never_assumed_without_leave_of_its_trust_policy() -> None:
    assert said(A, [ALLOW], [], by_trust=True) == Refusal(None)
    assert said(A, [ALLOW], [TO_ACCOUNT], by_trust=True) is None
    assert said(A, [], [TO_USER], by_trust=True) is None
    assert said(A, [], [TO_ACCOUNT], by_trust=True) == NO_OWN
    assert said(B, [ALLOW], [TO_ACCOUNT], by_trust=True) is None


def test_the_root_of_an_account_may_do_everything_in_it_and_nothing_elsewhere() -> None:
    root = Asking(f"arn:aws:iam::{A}:root", A, is_root=True)
    at_home, elsewhere = (Need("lambda:X", f"arn:aws:lambda:us-east-1:{owner}:function:f") for owner in (A, B))
    assert decide(root, at_home, ({**DENY, "Principal": "*"},), {}) is None
    assert decide(root, elsewhere, (), {}) == NO_GUARD
    assert decide(root, elsewhere, (TO_ACCOUNT,), {}) is None


def test_nobody_in_particular_needs_a_policy_for_everybody() -> None:
    nobody, need = Asking("anonymous", None), Need("lambda:X", f"arn:aws:lambda:us-east-1:{A}:function:f")
    assert decide(nobody, need, (), {}) == NO_GUARD
    assert decide(nobody, need, (TO_USER, TO_ACCOUNT), {}) == NO_GUARD
    assert decide(nobody, need, (TO_ALL,), {}) is None


@pytest.mark.parametrize(
    ("refusal", "words"),
    [
        (NO_OWN, " because no identity-based policy allows the s3:GetObject action"),
        (NO_GUARD, " because no resource-based policy allows the s3:GetObject action"),
        (NO_SESSION, " because no session policy allows the s3:GetObject action"),
        (OWN_DENIES, " with an explicit deny in an identity-based policy"),
        (GUARD_DENIES, " with an explicit deny in a resource-based policy"),
        (SESSION_DENIES, " with an explicit deny in a session policy"),
        (Refusal(None), ""),
    ],
)
def test_the_words_of_a_refusal(refusal: Refusal, words: str) -> None:
    assert refusal.because("s3:GetObject") == words


# What holds of any policies.

ACTIONS = st.sampled_from(["*", "s3:*", "lambda:*", "lambda:Invoke*", "lambda:InvokeFunction", "lambda:G?t"])
RESOURCES = st.sampled_from(["*", "arn:aws:lambda:*", f"arn:aws:lambda:us-east-1:{A}:function:f", "arn:aws:s3:::b"])
PRINCIPALS = st.sampled_from(
    ["*", {"AWS": "*"}, {"AWS": USER}, {"AWS": A}, {"AWS": B}, {"Service": "s3.amazonaws.com"}]
)
CONDITIONS = st.sampled_from(
    [None, {"StringEquals": {"aws:a": "1"}}, {"StringNotEquals": {"aws:a": "1"}}, {"Null": {"aws:b": "true"}}]
)


@st.composite
def statements(draw: st.DrawFn, *, of_resource: bool) -> Statement:
    written: dict[str, Any] = {"Effect": draw(st.sampled_from(["Allow", "Deny"]))}
    written[draw(st.sampled_from(["Action", "NotAction"]))] = draw(ACTIONS)
    written[draw(st.sampled_from(["Resource", "NotResource"]))] = draw(RESOURCES)
    if of_resource:
        written[draw(st.sampled_from(["Principal", "NotPrincipal"]))] = draw(PRINCIPALS)
    if (condition := draw(CONDITIONS)) is not None:
        written["Condition"] = condition
    return written


OWN = st.lists(statements(of_resource=False), max_size=4)
GUARD = st.lists(statements(of_resource=True), max_size=4)


@settings(max_examples=300, deadline=None)
@given(own=OWN, guard=GUARD, session=st.none() | OWN, owner=st.sampled_from([A, B]))
def test_a_deny_always_wins(own: Any, guard: Any, session: Any, owner: str) -> None:
    assert said(owner, [*own, DENY], guard, session) == OWN_DENIES
    assert said(owner, own, [*guard, NOT_USER], session) is not None
    assert said(owner, own, guard, [*(session or ()), DENY]) is not None


@settings(max_examples=300, deadline=None)
@given(own=OWN, guard=GUARD, session=OWN, owner=st.sampled_from([A, B]), more=statements(of_resource=False))
def test_more_denials_and_session_policies_never_let_anybody_in(
    own: Any, guard: Any, session: Any, owner: str, more: Any
) -> None:
    if said(owner, own, guard) is not None:
        assert said(owner, own, guard, session) is not None
        assert said(owner, [*own, {**more, "Effect": "Deny"}], guard) is not None
    # A statement may name the resource of one of the accounts: denials that do are not the same in both.
    if owner == B and said(B, own, guard) is None and all(one["Effect"] == "Allow" for one in (*own, *guard)):
        assert said(A, own, guard) is None, "what both allow across accounts is allowed within one"


@settings(max_examples=200, deadline=None)
@given(policies=st.lists(statements(of_resource=False), max_size=5), order=st.randoms())
def test_the_order_of_statements_does_not_matter(policies: Any, order: Any) -> None:
    shuffled = list(policies)
    order.shuffle(shuffled)
    asked = ("lambda:InvokeFunction", f"arn:aws:lambda:us-east-1:{A}:function:f", {"aws:a": "1"})
    assert evaluate(policies, *asked) is evaluate(shuffled, *asked)


# Variables.


@pytest.mark.parametrize(
    ("resource", "name", "asked", "covers"),
    [
        ("arn:aws:s3:::b/${aws:username}/*", "ada", "arn:aws:s3:::b/ada/x", True),
        ("arn:aws:s3:::b/${aws:username}/*", "ada", "arn:aws:s3:::b/bob/x", False),
        ("arn:aws:s3:::b/${aws:username}", "*", "arn:aws:s3:::b/anything", False),
        ("arn:aws:s3:::b/${aws:username}", "*", "arn:aws:s3:::b/*", True),
        ("arn:aws:s3:::b/${aws:username}", "a?", "arn:aws:s3:::b/ab", False),
        ("arn:aws:s3:::b/${aws:absent}", "ada", "arn:aws:s3:::b/${aws:absent}", False),
        ("arn:aws:s3:::b/${*}", "ada", "arn:aws:s3:::b/x", False),
        ("arn:aws:s3:::b/${*}${?}${$}", "ada", "arn:aws:s3:::b/*?$", True),
    ],
)
def test_variables_in_resources(resource: str, name: str, asked: str, covers: bool) -> None:
    statement = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": resource}
    verdict = evaluate([statement], "s3:GetObject", asked, {"aws:username": name})
    assert (verdict is Verdict.ALLOW) is covers


@pytest.mark.parametrize("version", ["2008-10-17", None])
def test_policies_of_before_2012_have_no_variables(version: str | None) -> None:
    statement = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/${aws:username}"}
    document = {"Statement": statement, **({"Version": version} if version else {})}
    found = statements_of(json.dumps(document))
    context = {"aws:username": "ada"}
    assert evaluate(found, "s3:GetObject", "arn:aws:s3:::b/ada", context) is None
    assert evaluate(found, "s3:GetObject", "arn:aws:s3:::b/${aws:username}", context) is Verdict.ALLOW
