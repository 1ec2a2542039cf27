import json
from itertools import pairwise
from typing import Any

import pytest

from bulb.core.errors import AwsError
from bulb.delivery.http_client import Answer
from bulb.delivery.http_courier import refusal_of
from bulb.delivery.model import Again, GiveUp, Refusal
from bulb.services.sns import delivery_policy, documents
from bulb.services.sns.model import Message, Subscription, Topic, TopicKey
from bulb.services.sns.retries import after_refusal, wait_s
from bulb.storage.outbox import Entry

BUSY, GONE = Refusal("THROTTLING", "busy", is_final=False), Refusal("NO_RESOURCE", "gone")


def waits(**retry: Any) -> list[float]:
    policy = json.dumps({"healthyRetryPolicy": retry})
    return list(delivery_policy.policy(None, delivery_policy.subscription_policy(policy)).waits_s)


def test_the_phases_of_the_documented_example() -> None:
    found = waits(
        minDelayTarget=1,
        maxDelayTarget=60,
        numRetries=50,
        numNoDelayRetries=3,
        numMinDelayRetries=2,
        numMaxDelayRetries=35,
        backoffFunction="exponential",
    )
    assert len(found) == 50
    assert found[:5] == [0, 0, 0, 1, 1] and found[15:] == [60] * 35
    backing_off = found[5:15]
    assert backing_off[0] == 1 and backing_off[-1] == 60 and backing_off == sorted(backing_off)


@pytest.mark.parametrize(
    ("function", "middle"),
    [("linear", [5, 90, 175, 260]), ("geometric", [5, 18.66, 69.65, 260]), ("exponential", [5, 41.43, 114.29, 260])],
)
def test_the_backoff_functions(function: str, middle: list[float]) -> None:
    found = waits(minDelayTarget=5, maxDelayTarget=260, numRetries=4, backoffFunction=function)
    assert found == pytest.approx(middle, abs=0.01)


def test_arithmetic_steps_grow_by_the_same() -> None:
    found = waits(minDelayTarget=5, maxDelayTarget=260, numRetries=10, backoffFunction="arithmetic")
    steps = [after - before for before, after in pairwise(found)]
    growth = {round(after - before, 6) for before, after in pairwise(steps)}
    assert (found[0], found[-1]) == (5, pytest.approx(260)) and len(growth) == 1


def test_the_default_is_three_retries_twenty_seconds_apart() -> None:
    assert delivery_policy.policy(None, None).waits_s == (20.0, 20.0, 20.0)


def test_aws_own_endpoints_are_tried_for_23_days() -> None:
    about: dict[str, Any] = {}
    times = [wait_s(about, retry) for retry in range(1, 100_017)]
    assert times[:5] == [0, 0, 0, 1, 1] and times[5] == 1 and times[14] == pytest.approx(20)
    assert set(times[15:100_015]) == {20.0} and times[100_015] is None
    known = [one for one in times if one is not None]
    assert len(known) == 100_015 and 23 < sum(known) / 86_400 < 23.3


def entry(**about: Any) -> Entry:
    common = {"source": "sns", "source_arn": "t", "account": "a", "trace_header": None, "protocol": "sqs"}
    return Entry(1, "q", b"payload", {**common, **about}, 0.0, "d")


def test_what_follows_a_refusal() -> None:
    assert after_refusal(entry(), BUSY, 4, 100.0) == Again(101.0)
    asked = Refusal("THROTTLING", "busy", is_final=False, retry_after_s=7.0)
    assert after_refusal(entry(), asked, 4, 100.0) == Again(101.0)  # the policy says when, not the other side
    assert after_refusal(entry(), GONE, 1, 100.0) == GiveUp()
    assert after_refusal(entry(waits_s=[5.0]), BUSY, 1, 100.0) == Again(105.0)
    assert after_refusal(entry(waits_s=[5.0]), BUSY, 2, 100.0) == GiveUp()
    verdict = after_refusal(entry(dead_letter="dead", dead_letter_ids={"message_group_id": "g"}), GONE, 1, 0.0)
    assert isinstance(verdict, GiveUp)
    (letter,) = verdict.letters
    assert (letter.arn, letter.payload, letter.attributes["message_group_id"]) == ("dead", b"payload", "g")
    # A letter that nobody takes is no reason for another one.
    again = Entry(2, letter.arn, letter.payload, letter.attributes, 0.0, "d")
    assert after_refusal(again, GONE, 1, 0.0) == GiveUp()


@pytest.mark.parametrize(
    ("status", "code", "is_final"),
    [
        (200, None, None),
        (299, None, None),
        (301, "SDK_CLIENT_ERROR", True),
        (404, "SDK_CLIENT_ERROR", True),
        (429, "THROTTLING", False),
        (500, "ERROR_FROM_TARGET", False),
        (599, "ERROR_FROM_TARGET", False),
    ],
)
def test_what_statuses_mean(status: int, code: str | None, is_final: bool | None) -> None:
    refusal = refusal_of(Answer(status, {"retry-after": "9" * 400}))
    assert (refusal and (refusal.code, refusal.is_final)) == (code and (code, is_final))


def test_a_functions_event_turns_back_into_what_queues_get() -> None:
    topic = Topic(TopicKey("000000000000", "us-east-1", "t"), {}, None, {}, 0.0)
    subscription = Subscription(
        "arn:s", topic.arn, "a", "r", "lambda", "f", {}, "confirmed", "t", "p", True, False, "", 0.0
    )
    signature = documents.Signature("1", "c2ln", "http://here/_sns/cert.pem")
    for subject in (None, "S"):
        attributes = {"n": {"DataType": "Number", "StringValue": "1"}} if subject else {}
        message = Message("id", "tëxt\n", 1.5, subject, attributes)
        document = documents.notification(topic, subscription, message, signature, "http://here")
        assert documents.of_event(documents.function_event(subscription, document)) == documents.written(document)


@pytest.mark.parametrize(
    "text", ['{"healthyRetryPolicy": 1}', '{"x": 1}', '{"throttlePolicy": {"maxReceivesPerSecond": 0}}']
)
def test_what_is_no_delivery_policy(text: str) -> None:
    with pytest.raises(AwsError) as caught:
        delivery_policy.subscription_policy(text)
    assert caught.value.message.startswith("Invalid parameter: DeliveryPolicy: ")


@pytest.mark.parametrize(
    ("retry", "message"),
    [
        ({"minDelayTarget": 0}, "minDelayTarget must be greater than or equal to 1"),
        ({"maxDelayTarget": 3601}, "maxDelayTarget must be less than or equal to 3600"),
        ({"numRetries": 101}, "numRetries must be less than or equal to 100"),
        (
            {"minDelayTarget": 5, "maxDelayTarget": 4},
            "maxDelayTarget must be greater than or equal to minDelayTarget",
        ),
        (
            {"numRetries": 1, "numNoDelayRetries": 2},
            "numRetries must be greater than or equal to total of numMinDelayRetries, numNoDelayRetries and "
            "numMaxDelayRetries",
        ),
        ({"backoffFunction": "cubic"}, "the value [cubic] is not a valid backoff function"),
    ],
)
def test_numbers_of_a_delivery_policy_are_refused_in_the_words_of_the_service(retry: Any, message: str) -> None:
    with pytest.raises(AwsError) as caught:
        delivery_policy.subscription_policy(json.dumps({"healthyRetryPolicy": retry}))
    assert caught.value.message.endswith(message)


def test_a_throttle_lets_something_through() -> None:
    with pytest.raises(AwsError) as caught:
        delivery_policy.subscription_policy('{"throttlePolicy": {"maxReceivesPerSecond": 0}}')
    assert caught.value.message.endswith("DeliveryPolicy: throttlePolicy.maxReceivesPerSecond must be >= 1")
