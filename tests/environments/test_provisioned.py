"""What the keeper of provisioned environments decides."""

import pytest

from bulb.environments.provisioned import Allocation, Paid, Plan, charge, plan


@pytest.mark.parametrize(
    ("allocation", "aged", "settled", "decided"),
    [
        (Allocation(3), 0, False, Plan(3, 0)),
        (Allocation(3, allocated=2, available=0), 0, False, Plan(1, 0)),
        (Allocation(3, allocated=3, available=3), 0, True, Plan(0, 0)),
        # Old ones stay until as many young ones are there.
        (Allocation(2, allocated=2, available=2), 2, True, Plan(2, 0)),
        (Allocation(2, allocated=4, available=2), 2, True, Plan(0, 0)),
        (Allocation(2, allocated=4, available=4), 2, True, Plan(0, 2)),
        # What is no longer wanted waits for the other versions of its function.
        (Allocation(0, allocated=2, available=2), 0, False, Plan(0, 0)),
        (Allocation(0, allocated=2, available=2), 0, True, Plan(0, 2)),
        (Allocation(1, allocated=3, available=2), 0, True, Plan(0, 1)),
    ],
)
def test_what_is_missing_is_started_and_a_surplus_ends_when_all_is_settled(
    allocation: Allocation, aged: int, settled: bool, decided: Plan
) -> None:
    assert plan(allocation, aged, settled) == decided


def test_settled_is_what_has_everything_or_has_failed() -> None:
    assert Allocation(2, 2, 2).is_settled
    assert Allocation(0).is_settled
    assert not Allocation(2, 2, 1).is_settled
    assert Allocation(2, 0, 0, "FUNCTION_ERROR_INIT_FAILURE").is_settled


def test_time_is_charged_five_minutes_at_a_time_when_it_begins() -> None:
    charged, paid = charge(Paid(), 2, 1000.0)
    assert (charged, paid) == (2, Paid(2, 1300.0))
    assert charge(paid, 2, 1299.0) == (0, paid)
    assert charge(paid, 3, 1200.0) == (1, Paid(3, 1300.0))
    assert charge(paid, 1, 1200.0) == (0, paid)
    assert charge(paid, 1, 1304.0) == (1, Paid(1, 1600.0))
    assert charge(paid, 1, 9000.0) == (1, Paid(1, 9300.0))
    assert charge(paid, 0, 1300.0) == (0, Paid())
