"""Endpoints that do not take messages: the documented retries, then the dead letter; all under a clock that moves."""

import json
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bulb.core.facts import Delivered
from tests.services.sns.room import Endpoint, Queue, check_signature, confirmed, subscribe, topic
from tests.support import functions
from tests.support.bulb import Running, running_bulb
from tests.support.like import MILLISECOND
from tests.support.strict import root_of
from tests.support.waiting import until

HANDLER = "def handler(event, context):\n    return None\n"


def redrive(dead: Queue) -> dict[str, str]:
    return {"RedrivePolicy": json.dumps({"deadLetterTargetArn": dead.arn})}


def outcomes(bulb: Running, topic_arn: str) -> list[tuple[str, int, str | None]]:
    """What the server said of a topic's deliveries, without those of its dead letters."""
    facts = [fact for fact in bulb.facts if isinstance(fact, Delivered) and fact.source_arn == topic_arn]
    return [(fact.outcome, fact.attempts, fact.code) for fact in facts if "dead" not in fact.destination_arn]


def until_told(bulb: Running, topic_arn: str, count: int) -> list[tuple[str, int, str | None]]:
    until(lambda: len(outcomes(bulb, topic_arn)) >= count, f"{count} attempts, {outcomes(bulb, topic_arn)}")
    return outcomes(bulb, topic_arn)


def test_a_queue_that_is_gone(own: Running) -> None:
    sns, arn = own.client("sns"), topic(own, "gone")
    queue, dead = Queue(own, "gone"), Queue(own, "gone-dead")
    subscription = subscribe(own, arn, queue, **redrive(dead))
    queue.sqs.delete_queue(QueueUrl=queue.url)
    sent = sns.publish(TopicArn=arn, Message="undeliverable", MessageAttributes=_attributes())
    (letter,) = dead.received(1)
    document = json.loads(letter["Body"])
    assert (document["MessageId"], document["Message"]) == (sent["MessageId"], "undeliverable")
    assert document["UnsubscribeURL"].endswith(f"{subscription}&Version=2010-03-31")
    assert document["MessageAttributes"] == {"n": {"Type": "Number", "Value": "1"}}
    assert "MessageAttributes" not in letter  # AWS adds none either
    assert until_told(own, arn, 1) == [("dead-lettered", 1, "NO_RESOURCE")]
    assert sns.list_subscriptions_by_topic(TopicArn=arn)["Subscriptions"]  # it stays


def test_a_queue_that_is_gone_raw(own: Running) -> None:
    sns, arn = own.client("sns"), topic(own, "gone-raw")
    queue, dead = Queue(own, "gone-raw"), Queue(own, "gone-raw-dead")
    subscribe(own, arn, queue, RawMessageDelivery="true", **redrive(dead))
    queue.sqs.delete_queue(QueueUrl=queue.url)
    sns.publish(TopicArn=arn, Message="undeliverable", MessageAttributes=_attributes())
    (letter,) = dead.received(1)
    assert letter["Body"] == "undeliverable" and letter["MessageAttributes"] == _attributes()


def test_a_function_that_is_gone(own: Running) -> None:
    sns, arn, lam = own.client("sns"), topic(own, "function"), own.client("lambda")
    dead = Queue(own, "function-dead")
    function = functions.create(lam, "gone", HANDLER)
    subscription = sns.subscribe(TopicArn=arn, Protocol="lambda", Endpoint=function, Attributes=redrive(dead))
    lam.delete_function(FunctionName="gone")
    sent = sns.publish(TopicArn=arn, Message="undeliverable", Subject="s", MessageAttributes=_attributes())
    (letter,) = dead.received(1)
    document = json.loads(letter["Body"])
    check_signature(document)
    # A letter has the form that queues get, whatever the endpoint was.
    assert list(document) == [
        "Type",
        "MessageId",
        "TopicArn",
        "Subject",
        "Message",
        "Timestamp",
        "SignatureVersion",
        "Signature",
        "SigningCertURL",
        "UnsubscribeURL",
        "MessageAttributes",
    ]
    assert document == {
        "Type": "Notification",
        "MessageId": sent["MessageId"],
        "TopicArn": arn,
        "Subject": "s",
        "Message": "undeliverable",
        "Timestamp": MILLISECOND,
        "SignatureVersion": "1",
        "Signature": document["Signature"],
        "SigningCertURL": document["SigningCertURL"],
        "UnsubscribeURL": f"{own.url}/?Action=Unsubscribe&SubscriptionArn={subscription['SubscriptionArn']}"
        "&Version=2010-03-31",
        "MessageAttributes": {"n": {"Type": "Number", "Value": "1"}},
    }
    assert until_told(own, arn, 1) == [("dead-lettered", 1, "NO_RESOURCE")]


def test_without_a_dead_letter_queue_the_message_is_dropped_and_told(own: Running) -> None:
    sns, arn, queue = own.client("sns"), topic(own, "dropped"), Queue(own, "dropped")
    subscribe(own, arn, queue)
    queue.sqs.delete_queue(QueueUrl=queue.url)
    sns.publish(TopicArn=arn, Message="undeliverable")
    assert until_told(own, arn, 1) == [("dropped", 1, "NO_RESOURCE")]


def test_an_endpoint_that_fails_twice_and_then_works(own: Running, there: Endpoint) -> None:
    sns, arn = own.client("sns"), topic(own, "flaky")
    confirmed(own, arn, there)
    told = len(until_told(own, arn, 1))  # that it is to confirm
    there.answers += [500, 503]
    sent = sns.publish(TopicArn=arn, Message="persistent")
    there.got(1)
    for attempt in (2, 3):
        until_told(own, arn, told + attempt - 1)
        assert len(there.posts) == attempt - 1
        own.clock.advance(20)  # the default: three retries, twenty seconds apart
        there.got(attempt)
    assert {post.headers["x-amz-sns-message-id"] for post in there.posts} == {sent["MessageId"]}
    assert until_told(own, arn, told + 3)[told:] == [
        ("retrying", 1, "ERROR_FROM_TARGET"),
        ("retrying", 2, "ERROR_FROM_TARGET"),
        ("delivered", 3, None),
    ]


def test_an_endpoint_that_never_works(own: Running, there: Endpoint) -> None:
    sns, arn, dead = own.client("sns"), topic(own, "broken"), Queue(own, "broken-dead")
    retry = {
        "numRetries": 5,
        "numNoDelayRetries": 1,
        "numMinDelayRetries": 1,
        "numMaxDelayRetries": 1,
        "minDelayTarget": 200,
        "maxDelayTarget": 800,
        "backoffFunction": "linear",
    }
    confirmed(own, arn, there, DeliveryPolicy=json.dumps({"healthyRetryPolicy": retry}), **redrive(dead))
    told = len(until_told(own, arn, 1))  # that it is to confirm
    there.answers += [500] * 99
    sns.publish(TopicArn=arn, Message="undeliverable")
    there.got(2)  # the first retry comes at once
    for attempt, wait in ((3, 200), (4, 200), (5, 800), (6, 800)):
        until_told(own, arn, told + attempt - 1)
        own.clock.advance(wait - 100)
        _stays(lambda: len(there.posts), attempt - 1)
        own.clock.advance(100)
        there.got(attempt)
    assert json.loads(dead.received(1)[0]["Body"])["Message"] == "undeliverable"
    assert until_told(own, arn, told + 6)[told:][-1] == ("dead-lettered", 6, "ERROR_FROM_TARGET")
    assert len(there.posts) == 6


@pytest.mark.parametrize("status", [400, 404, 302])
def test_a_final_answer_is_not_asked_for_again(own: Running, there: Endpoint, status: int) -> None:
    sns, arn, dead = own.client("sns"), topic(own, f"final-{status}"), Queue(own, f"final-{status}-dead")
    confirmed(own, arn, there, RawMessageDelivery="true", **redrive(dead))
    there.answers.append(status)
    there.headers["location"] = there.url
    sns.publish(TopicArn=arn, Message="refused", MessageAttributes=_attributes())
    (letter,) = dead.received(1)
    assert letter["Body"] == "refused" and letter["MessageAttributes"] == _attributes()
    assert len(there.posts) == 1


def test_too_many_requests_are_tried_again(own: Running, there: Endpoint) -> None:
    sns, arn = own.client("sns"), topic(own, "busy")
    confirmed(own, arn, there)
    told = len(until_told(own, arn, 1))  # that it is to confirm
    there.answers.append(429)
    sns.publish(TopicArn=arn, Message="m")
    assert until_told(own, arn, told + 1)[-1] == ("retrying", 1, "THROTTLING")
    own.clock.advance(20)
    there.got(2)


def test_nobody_listens(own: Running, there: Endpoint) -> None:
    sns, arn, dead = own.client("sns"), topic(own, "closed"), Queue(own, "closed-dead")
    policy = json.dumps({"healthyRetryPolicy": {"numRetries": 2, "numNoDelayRetries": 2}})
    subscription = confirmed(own, arn, there, DeliveryPolicy=policy, **redrive(dead))
    assert subscription
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # and does not listen; so nobody else gets that port
        again = {
            "TopicArn": arn,
            "Protocol": "http",
            "Endpoint": f"http://127.0.0.1:{closed.getsockname()[1]}/",
            "ReturnSubscriptionArn": True,
        }
        silent = sns.subscribe(**again, Attributes={"DeliveryPolicy": policy, **redrive(dead)})["SubscriptionArn"]
        until(lambda: ("dropped", 3, "SDK_CLIENT_ERROR") in outcomes(own, arn), "nobody can be asked to confirm")
    assert sns.get_subscription_attributes(SubscriptionArn=silent)["Attributes"]["PendingConfirmation"] == "true"


def test_what_became_of_messages_is_logged_where_the_topic_asks(own: Running, there: Endpoint) -> None:
    role = "arn:aws:iam::000000000000:role/feedback"
    feedback = {f"{kind}FailureFeedbackRoleArn": role for kind in ("HTTP", "SQS", "Lambda")}
    feedback |= {"SQSSuccessFeedbackRoleArn": role, "SQSSuccessFeedbackSampleRate": "100"}
    sns, arn = own.client("sns"), topic(own, "logged", **feedback)
    queue = Queue(own, "logged")
    subscribe(own, arn, queue)
    confirmed(own, arn, there)
    there.answers.append(404)
    sent = sns.publish(TopicArn=arn, Message="seen")["MessageId"]
    queue.received(1)

    def lines(group: str) -> list[dict[str, Any]]:
        logs = own.client("logs")
        try:
            events = logs.filter_log_events(logGroupName=f"sns/us-east-1/000000000000/logged{group}")["events"]
        except logs.exceptions.ResourceNotFoundException:
            return []
        return [json.loads(event["message"]) for event in events]

    until(lambda: lines("") and lines("/Failure"), "the log groups")
    (success,), (failure,) = lines(""), lines("/Failure")
    assert success["status"] == "SUCCESS" and failure["status"] == "FAILURE"
    assert success["notification"]["messageId"] == failure["notification"]["messageId"] == sent
    assert success["notification"]["topicArn"] == arn
    assert success["notification"]["messageMD5Sum"] == _md5("seen")
    assert success["delivery"]["destination"] == queue.arn
    assert failure["delivery"]["destination"] == there.url
    assert (success["delivery"]["statusCode"], failure["delivery"]["statusCode"]) == (200, 400)


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder: Path = tmp_path_factory.mktemp("sns-strict")
    with running_bulb(folder / "data", credentials="required", stock=0, egress="none") as running:
        yield running


def test_a_queue_whose_policy_lets_nobody_in(strict: Running) -> None:
    keys = root_of(strict)
    sns = strict.client("sns", **keys)
    arn = sns.create_topic(Name="kept-out")["TopicArn"]
    queue, dead = Queue(strict, "kept-out", **keys), Queue(strict, "kept-out-dead", **keys)
    _let_in(dead, arn)
    sns.subscribe(TopicArn=arn, Protocol="sqs", Endpoint=queue.arn, Attributes=redrive(dead))
    sns.publish(TopicArn=arn, Message="kept out")
    assert json.loads(dead.received(1)[0]["Body"])["Message"] == "kept out"
    assert until_told(strict, arn, 1)[-1] == ("dead-lettered", 1, "NO_PERMISSIONS")
    _let_in(queue, arn)
    sns.publish(TopicArn=arn, Message="let in")
    assert json.loads(queue.received(1)[0]["Body"])["Message"] == "let in"


def test_links_need_no_credentials(strict: Running, there: Endpoint) -> None:
    sns = strict.client("sns", **root_of(strict))
    arn = sns.create_topic(Name="linked")["TopicArn"]
    sns.subscribe(TopicArn=arn, Protocol="http", Endpoint=there.url)
    from tests.services.sns.room import fetched

    assert fetched(there.got(1)[0].document["SubscribeURL"])[0] == 200
    sns.publish(TopicArn=arn, Message="m")
    document = there.got(2)[1].document
    assert fetched(document["SigningCertURL"])[0] == 200
    assert fetched(document["UnsubscribeURL"])[0] == 200
    assert there.got(3)[2].kind == "UnsubscribeConfirmation"
    # What a signed request began, nobody ends without signing.
    queue = Queue(strict, "linked", **root_of(strict))
    _let_in(queue, arn)
    sns.subscribe(TopicArn=arn, Protocol="sqs", Endpoint=queue.arn)
    sns.publish(TopicArn=arn, Message="m")
    assert fetched(json.loads(queue.received(1)[0]["Body"])["UnsubscribeURL"])[0] == 403


def _let_in(queue: Queue, topic_arn: str) -> None:
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "sns.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": queue.arn,
        "Condition": {"ArnEquals": {"aws:SourceArn": topic_arn}},
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    queue.sqs.set_queue_attributes(QueueUrl=queue.url, Attributes={"Policy": policy})


def _attributes() -> dict[str, Any]:
    return {"n": {"DataType": "Number", "StringValue": "1"}}


def _md5(text: str) -> str:
    import hashlib

    return hashlib.md5(text.encode()).hexdigest()


def _stays(look: Callable[[], int], value: int) -> None:
    """Long enough for the server to have done something about a clock that moved."""
    import time

    for _ in range(10):
        assert look() == value
        time.sleep(0.02)
