from bulb.core.errors import AwsError
from bulb.invoke.model import AsyncRules
from bulb.invoke.retries import Again, Done, Drop, after_answer, after_refusal, too_old

RULES = AsyncRules()
THROTTLED = AwsError("TooManyRequestsException", "Rate Exceeded.", status=429)


def test_a_function_error_is_retried_after_one_and_two_more_minutes_and_then_dropped() -> None:
    assert after_answer(True, RULES, 0, 0.0, 5.0) == Again(65.0, 1)
    assert after_answer(True, RULES, 1, 0.0, 70.0) == Again(190.0, 2)
    assert after_answer(True, RULES, 2, 0.0, 195.0) == Drop("RetriesExhausted")
    assert after_answer(False, RULES, 2, 0.0, 195.0) == Done()


def test_a_retry_that_would_come_after_six_hours_does_not_come() -> None:
    assert after_answer(True, RULES, 0, 0.0, 21_590.0) == Drop("EventAgeExceeded")


def test_throttles_use_no_attempt_and_wait_longer_each_time() -> None:
    now, delays = 0.0, []
    while True:
        verdict = after_refusal(THROTTLED, RULES, None, 1, 0.0, now)
        if not isinstance(verdict, Again):
            break
        assert verdict.attempts == 1
        delays.append(verdict.at - now)
        now = verdict.at
    assert delays[:5] == [1.0, 1.0, 2.0, 4.0, 8.0]
    assert max(delays) == 300.0
    assert verdict == Drop("EventAgeExceeded")
    assert now == 21_600.0


def test_an_event_for_a_function_that_is_gone_is_dropped() -> None:
    assert after_refusal(AwsError("ResourceNotFoundException", "", status=404), RULES, None, 0, 0.0, 1.0) == Drop(
        "FunctionNotFound"
    )


def test_no_retry_is_a_setting_like_another() -> None:
    assert after_answer(True, AsyncRules(max_retries=0), 0, 0.0, 5.0) == Drop("RetriesExhausted")
    assert after_answer(True, AsyncRules(max_retries=1), 0, 0.0, 5.0) == Again(65.0, 1)
    assert after_answer(True, AsyncRules(max_retries=1), 1, 0.0, 70.0) == Drop("RetriesExhausted")


def test_the_configured_age_ends_waiting() -> None:
    young = AsyncRules(max_age_s=60)
    assert after_answer(True, young, 0, 0.0, 0.5) == Drop("EventAgeExceeded")
    assert after_refusal(THROTTLED, young, None, 0, 0.0, 50.0) == Again(60.0, 0), "a last try at the limit"
    assert after_refusal(THROTTLED, young, None, 0, 0.0, 60.0) == Drop("EventAgeExceeded")
    assert not too_old(young, 0.0, 60.5)
    assert too_old(young, 0.0, 70.0)


def test_nothing_reserved_ends_at_once_and_so_does_a_loop() -> None:
    assert after_refusal(THROTTLED, RULES, 0, 0, 0.0, 1.0) == Drop("ZeroReservedConcurrency")
    assert isinstance(after_refusal(THROTTLED, RULES, 1, 0, 0.0, 1.0), Again)
    loop = AwsError("RecursiveInvocationException", "")
    assert after_refusal(loop, RULES, None, 0, 0.0, 1.0) == Drop("RecursiveInvocation")
