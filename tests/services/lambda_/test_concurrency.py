"""What may be reserved and provisioned, and how it is shown: pure rules."""

import pytest

from bulb.core.errors import AwsError
from bulb.environments.provisioned import Allocation
from bulb.services.lambda_.concurrency import (
    Concurrency,
    Provision,
    check_provision,
    check_reserved,
    split,
    state,
)
from bulb.services.lambda_.model import Alias

LIVE = Alias("live", "1", "r")
WEIGHTED = Alias("live", "1", "r", weights={"2": 0.25})
NOTHING = Concurrency(None, (), (LIVE,))


@pytest.mark.parametrize(
    ("alias", "executions", "shares"),
    [
        (LIVE, 3, {"1": 3}),
        (WEIGHTED, 4, {"1": 3, "2": 1}),
        (WEIGHTED, 1, {"1": 1, "2": 0}),
        (Alias("live", "1", "r", weights={"2": 1.0}), 3, {"1": 0, "2": 3}),
    ],
)
def test_an_alias_parts_its_environments_by_weight(alias: Alias, executions: int, shares: dict[str, int]) -> None:
    assert split(alias, executions) == shares


def test_each_version_is_to_have_what_all_provisions_say() -> None:
    function = Concurrency(None, (Provision("3", 5, 0.0), Provision("live", 4, 0.0)), (WEIGHTED,))
    assert function.wanted() == {"1": 3, "2": 1, "3": 5}
    assert function.provisioned == 9


def test_a_reservation_leaves_a_hundred_to_the_others_and_covers_what_is_provisioned() -> None:
    check_reserved(900, NOTHING, 1000)
    with pytest.raises(AwsError, match=r"below its minimum value of \[100\]\."):
        check_reserved(901, NOTHING, 1000)
    provided = Concurrency(None, (Provision("1", 2, 0.0),), ())
    check_reserved(2, provided, 1000)
    with pytest.raises(AwsError) as refusal:
        check_reserved(1, provided, 1000)
    assert refusal.value.message == (
        " ReservedConcurrentExecutions  1 should not be lower than function's total provisioned concurrency [2]."
    )


def test_provisions_together_stay_within_the_reservation() -> None:
    function = Concurrency(5, (Provision("1", 3, 0.0),), ())
    check_provision("2", 2, function, 0)
    check_provision("1", 5, function, 0)  # in place of its own
    with pytest.raises(AwsError, match="should not be greater than the reservedConcurrentExecution for function"):
        check_provision("2", 3, function, 0)


def test_without_a_reservation_a_provision_leaves_a_hundred_to_the_others() -> None:
    check_provision("1", 900, NOTHING, 1000)
    with pytest.raises(AwsError, match=r"below its minimum value of \[100\]\."):
        check_provision("1", 901, NOTHING, 1000)
    with pytest.raises(AwsError, match=r"greater than account's unreserved concurrency \[1000\]\."):
        check_provision("1", 1001, NOTHING, 1000)


@pytest.mark.parametrize(
    ("qualifier", "held", "message"),
    [
        (
            "live",
            "1",
            "Alias can't be used for Provisioned Concurrency configuration on an already Provisioned version",
        ),
        (
            "live",
            "2",
            "Alias can't be used for Provisioned Concurrency configuration on an already Provisioned version",
        ),
        ("1", "live", "Version is pointed by a Provisioned Concurrency alias"),
        ("2", "live", "Version is pointed by a Provisioned Concurrency alias"),
    ],
)
def test_a_version_is_provided_for_once(qualifier: str, held: str, message: str) -> None:
    function = Concurrency(None, (Provision(held, 1, 0.0),), (WEIGHTED,))
    with pytest.raises(AwsError) as refusal:
        check_provision(qualifier, 1, function, 1000)
    assert (refusal.value.code, refusal.value.message) == ("ResourceConflictException", message)
    check_provision("3", 1, function, 1000)


def test_the_state_of_a_provision_is_that_of_its_versions() -> None:
    shares = {"1": 3, "2": 1}

    def shown(one: Allocation, two: Allocation) -> tuple[object, ...]:
        answer = state(shares, {"1": one, "2": two})
        assert answer["RequestedProvisionedConcurrentExecutions"] == 4
        allocated = answer["AllocatedProvisionedConcurrentExecutions"]
        available = answer["AvailableProvisionedConcurrentExecutions"]
        return allocated, available, answer["Status"], answer.get("StatusReason")

    assert shown(Allocation(3), Allocation(1)) == (0, 0, "IN_PROGRESS", None)
    assert shown(Allocation(3, 3, 1), Allocation(1, 1, 1)) == (4, 2, "IN_PROGRESS", None)
    assert shown(Allocation(3, 3, 3), Allocation(1, 1, 1)) == (4, 4, "READY", None)
    # One more than wanted while an old one is being replaced.
    assert shown(Allocation(3, 4, 4), Allocation(1, 1, 1)) == (4, 4, "READY", None)
    failed = Allocation(1, 0, 0, "FUNCTION_ERROR_INIT_FAILURE")
    assert shown(Allocation(3, 3, 3), failed) == (3, 3, "FAILED", "FUNCTION_ERROR_INIT_FAILURE")
