"""The books of concurrency: who is let in, who is refused, and with which reason."""

import pytest

from bulb.core.facts import FunctionRef
from bulb.invoke.concurrency import Bucket, Concurrency, Lease, Limits, ThrottledError

ONE = FunctionRef("000000000000", "us-east-1", "one", "$LATEST")
ONE_V1 = FunctionRef("000000000000", "us-east-1", "one", "1")
TWO = FunctionRef("000000000000", "us-east-1", "two", "$LATEST")
ABROAD = FunctionRef("000000000000", "eu-west-1", "one", "$LATEST")
NAME = ("000000000000", "us-east-1", "one")
POOL_FULL = "ConcurrentInvocationLimitExceeded"
RESERVED_FULL = "ReservedFunctionConcurrentInvocationLimitExceeded"
TOO_FAST = "FunctionInvocationRateLimitExceeded"
RESERVED_TOO_FAST = "ReservedFunctionInvocationRateLimitExceeded"


def books(account: int = 10, request_rate: float = 0.0, scaling_rate: float = 0.0) -> Concurrency:
    return Concurrency(Limits(account, request_rate, scaling_rate))


def enter(
    concurrency: Concurrency, ref: FunctionRef, count: int, now: float = 0.0, provisioned: bool = False
) -> list[Lease]:
    return [concurrency.enter(ref, now, provisioned=provisioned) for _ in range(count)]


def refused(concurrency: Concurrency, ref: FunctionRef, now: float = 0.0, provisioned: bool = False) -> str:
    with pytest.raises(ThrottledError) as refusal:
        concurrency.enter(ref, now, provisioned=provisioned)
    return refusal.value.reason


def test_the_account_is_shared_by_its_functions_and_each_region_has_its_own() -> None:
    concurrency = books(3)
    leases = enter(concurrency, ONE, 2) + enter(concurrency, TWO, 1)
    assert refused(concurrency, ONE) == refused(concurrency, TWO) == POOL_FULL
    enter(concurrency, ABROAD, 3)
    leases[0].release()
    enter(concurrency, TWO, 1)
    assert refused(concurrency, TWO) == POOL_FULL


def test_a_reservation_is_a_ceiling_for_all_versions_together_and_a_guarantee() -> None:
    concurrency = books(5)
    concurrency.reserve(NAME, 2)
    assert concurrency.unreserved("000000000000", "us-east-1") == 3
    enter(concurrency, TWO, 3)
    assert refused(concurrency, TWO) == POOL_FULL
    enter(concurrency, ONE, 1)
    (lease,) = enter(concurrency, ONE_V1, 1)
    assert refused(concurrency, ONE) == refused(concurrency, ONE_V1) == RESERVED_FULL
    lease.release()
    enter(concurrency, ONE, 1)


def test_zero_stops_at_once_and_what_runs_goes_on() -> None:
    concurrency = books()
    leases = enter(concurrency, ONE, 2)
    concurrency.reserve(NAME, 0)
    assert refused(concurrency, ONE) == RESERVED_FULL
    for lease in leases:
        lease.release()
    assert refused(concurrency, ONE) == RESERVED_FULL
    concurrency.reserve(NAME, None)
    assert concurrency.reserved(NAME) is None
    enter(concurrency, ONE, 10)
    assert refused(concurrency, TWO) == POOL_FULL


def test_reserving_while_it_runs_moves_what_runs_out_of_the_pool_and_back() -> None:
    concurrency = books(4)
    leases = enter(concurrency, ONE, 2)
    concurrency.reserve(NAME, 2)
    enter(concurrency, TWO, 2)
    assert refused(concurrency, TWO) == POOL_FULL
    concurrency.reserve(NAME, None)
    assert refused(concurrency, TWO) == POOL_FULL
    leases[0].release()
    enter(concurrency, TWO, 1)


def test_provisioned_environments_are_taken_out_of_the_pool_and_never_wait_for_it() -> None:
    concurrency = books(5)
    concurrency.allocate(ONE_V1, 2)
    assert concurrency.unreserved("000000000000", "us-east-1") == 3
    enter(concurrency, TWO, 3)
    assert refused(concurrency, ONE_V1) == POOL_FULL
    enter(concurrency, ONE_V1, 2, provisioned=True)
    concurrency.allocate(ONE_V1, 0)
    assert concurrency.unreserved("000000000000", "us-east-1") == 5


def test_what_is_beyond_the_provisioned_spills_over_unless_all_of_the_reservation_is_provisioned() -> None:
    concurrency = books(10)
    concurrency.reserve(NAME, 3)
    concurrency.allocate(ONE_V1, 2)
    enter(concurrency, ONE_V1, 2, provisioned=True)
    enter(concurrency, ONE_V1, 1)
    assert refused(concurrency, ONE_V1) == RESERVED_FULL
    concurrency.allocate(ONE_V1, 3)
    assert refused(concurrency, ONE) == RESERVED_FULL
    assert concurrency.unreserved("000000000000", "us-east-1") == 7


def test_a_function_that_is_all_provisioned_runs_nothing_else_even_while_idle() -> None:
    concurrency = books(10)
    concurrency.reserve(NAME, 1)
    concurrency.allocate(ONE_V1, 1)
    assert refused(concurrency, ONE) == RESERVED_FULL
    enter(concurrency, ONE_V1, 1, provisioned=True)


def test_a_deleted_function_leaves_nothing_behind_but_what_still_runs() -> None:
    concurrency = books(4)
    concurrency.reserve(NAME, 2)
    concurrency.allocate(ONE_V1, 1)
    leases = enter(concurrency, ONE, 1)
    concurrency.forget(NAME)
    assert concurrency.unreserved("000000000000", "us-east-1") == 4
    assert concurrency.reserved(NAME) is None
    enter(concurrency, ONE, 3)
    assert refused(concurrency, ONE) == POOL_FULL
    leases[0].release()
    enter(concurrency, ONE, 1)
    concurrency.allocate(ONE_V1, 0)
    assert concurrency.unreserved("000000000000", "us-east-1") == 4


def test_invocations_begin_at_ten_a_second_for_each_unit_of_concurrency() -> None:
    concurrency = books(2, request_rate=10)
    for _ in range(20):
        concurrency.enter(ONE, 100.0).release()
    assert refused(concurrency, TWO, 100.0) == TOO_FAST
    concurrency.enter(TWO, 100.0625).release()
    assert refused(concurrency, TWO, 100.0625) == TOO_FAST


def test_a_reservation_and_a_provision_have_rates_of_their_own() -> None:
    concurrency = books(10, request_rate=10)
    concurrency.reserve(NAME, 1)
    for _ in range(10):
        concurrency.enter(ONE, 100.0).release()
    assert refused(concurrency, ONE, 100.0) == RESERVED_TOO_FAST
    concurrency.enter(TWO, 100.0)
    concurrency.reserve(NAME, 2)
    concurrency.allocate(ONE_V1, 1)
    for _ in range(10):
        concurrency.enter(ONE_V1, 100.0, provisioned=True).release()
    assert refused(concurrency, ONE_V1, 100.0, provisioned=True) == TOO_FAST
    concurrency.enter(ONE, 100.0)


def test_a_refusal_for_want_of_room_costs_no_token() -> None:
    concurrency = books(1, request_rate=2)
    (lease,) = enter(concurrency, ONE, 1, 50.0)
    for _ in range(5):
        assert refused(concurrency, ONE, 50.0) == POOL_FULL
    lease.release()
    concurrency.enter(ONE, 50.0)


def test_a_function_starts_a_thousand_environments_in_ten_seconds() -> None:
    concurrency = books(5000, scaling_rate=1000)
    for _ in range(1000):
        concurrency.start(ONE, 7.0)
    with pytest.raises(ThrottledError, match=TOO_FAST):
        concurrency.start(ONE_V1, 7.0)
    concurrency.start(TWO, 7.0)
    for _ in range(100):
        concurrency.start(ONE, 8.0)
    with pytest.raises(ThrottledError, match=TOO_FAST):
        concurrency.start(ONE, 8.0)


def test_tokens_do_not_accumulate_and_a_clock_set_back_gives_none_and_takes_none() -> None:
    bucket = Bucket(rate=1, most=2)
    assert [bucket.take(1000.0) for _ in range(3)] == [True, True, False]
    assert [bucket.take(500.0), bucket.take(501.0), bucket.take(501.0)] == [False, True, False]
    assert [bucket.take(9000.0) for _ in range(3)] == [True, True, False]
