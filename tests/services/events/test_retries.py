"""When a delivery is tried again, and what the dead-letter queue is told: pure."""

from itertools import pairwise

from bulb.delivery.model import Again, GiveUp, Refusal
from bulb.services.events.retries import after_refusal
from bulb.storage.outbox import Entry

BUSY = Refusal("THROTTLING", "busy", is_final=False)
QUEUE = "arn:aws:sqs:us-east-1:000000000000:dlq"


def entry(**attributes: object) -> Entry:
    about = {"source": "events", "source_arn": "arn:rule", "account": "000000000000", **attributes}
    return Entry(1, "arn:target", b"sent", about, 1000.0, "delivery")


def test_waits_double_up_to_ten_minutes_less_up_to_half_by_chance() -> None:
    for chance, part in ((0.0, 1.0), (1.0, 0.5)):
        rule = after_refusal(lambda chance=chance: chance)
        waits = [rule(entry(), BUSY, attempts, 1000.0).at - 1000.0 for attempts in range(1, 13)]  # type: ignore[union-attr] # all are Again
        assert waits == [part * min(2.0**number, 600.0) for number in range(12)]


def test_by_default_it_goes_on_for_185_times_and_a_day() -> None:
    rule, now, attempts, times = after_refusal(lambda: 0.5), 1000.0, 0, [1000.0]
    while True:
        attempts += 1
        verdict = rule(entry(dead_letter=QUEUE), BUSY, attempts, now)
        if isinstance(verdict, GiveUp):
            break
        now = verdict.at
        times.append(now)
    assert attempts == 186
    assert now <= 1000.0 + 86_400
    assert all(later > earlier for earlier, later in pairwise(times))
    assert _said(verdict)["EXHAUSTED_RETRY_CONDITION"] == "MaximumRetryAttempts"
    assert _said(verdict)["RETRY_ATTEMPTS"] == "185"


def test_an_age_ends_with_a_last_attempt() -> None:
    rule = after_refusal(lambda: 0.0)
    old = entry(dead_letter=QUEUE, retry={"MaximumEventAgeInSeconds": 60})
    assert rule(old, BUSY, 7, 1050.0) == Again(1060.0)
    verdict = rule(old, BUSY, 8, 1060.0)
    assert isinstance(verdict, GiveUp)
    assert _said(verdict)["EXHAUSTED_RETRY_CONDITION"] == "MaximumEventAgeInSeconds"


def test_a_target_that_asks_for_more_time_gets_it() -> None:
    asking = Refusal("THROTTLING", "busy", is_final=False, retry_after_s=120.0)
    assert after_refusal(lambda: 0.0)(entry(), asking, 1, 1000.0) == Again(1120.0)


def test_what_is_final_goes_to_the_dead_letter_queue_at_once() -> None:
    gone = Refusal("NO_RESOURCE", "gone")
    rule = after_refusal(lambda: 0.0)
    assert rule(entry(), gone, 1, 1000.0) == GiveUp()
    verdict = rule(entry(dead_letter=QUEUE, event="the event"), gone, 1, 1000.0)
    assert isinstance(verdict, GiveUp)
    letter = verdict.letters[0]
    assert (letter.arn, letter.payload) == (QUEUE, b"the event")
    assert _said(verdict) == {
        "RULE_ARN": "arn:rule",
        "TARGET_ARN": "arn:target",
        "ERROR_CODE": "NO_RESOURCE",
        "ERROR_MESSAGE": "gone",
        "RETRY_ATTEMPTS": "0",
    }


def test_nothing_in_an_event_or_a_reason_keeps_the_letter_from_its_queue() -> None:
    odd = entry(dead_letter=QUEUE, event='{"a":"\uffff"}')
    verdict = after_refusal(lambda: 0.0)(odd, Refusal("NO_RESOURCE", "gone\x00"), 1, 1000.0)
    assert isinstance(verdict, GiveUp)
    assert verdict.letters[0].payload == b'{"a":"\\uffff"}'
    assert _said(verdict)["ERROR_MESSAGE"] == "gone\ufffd"


def _said(verdict: Again | GiveUp) -> dict[str, str]:
    assert isinstance(verdict, GiveUp)
    given = verdict.letters[0].attributes["message_attributes"]
    return {name: one["StringValue"] for name, one in given.items()}
