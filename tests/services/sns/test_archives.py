"""Archives of FIFO topics: what they keep and for how long, and what subscriptions are sent again."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.services.sns.room import OTHER, Queue, invalid, refused, subscribe, topic
from tests.support.bulb import Running
from tests.support.waiting import until

DAY_S = 86_400


def archiving(bulb: Running, name: str, days: int = 7) -> str:
    policy = json.dumps({"MessageRetentionPeriod": days})
    return topic(bulb, f"{name}.fifo", FifoTopic="true", ContentBasedDeduplication="true", ArchivePolicy=policy)


def attributes_of(bulb: Running, arn: str) -> dict[str, str]:
    found: dict[str, str] = bulb.client("sns").get_topic_attributes(TopicArn=arn)["Attributes"]
    return found


def publish(bulb: Running, arn: str, *texts: str) -> list[dict[str, Any]]:
    sns = bulb.client("sns")
    return [sns.publish(TopicArn=arn, Message=text, MessageGroupId=text[0]) for text in texts]


def moment(unix_seconds: float) -> str:
    return datetime.fromtimestamp(unix_seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def replay_of(bulb: Running, arn: str, end: float | None = None) -> dict[str, str]:
    """All of a topic's archive."""
    points = {"PointType": "Timestamp", "StartingPoint": attributes_of(bulb, arn)["BeginningArchiveTime"]}
    if end is not None:
        points["EndingPoint"] = moment(end)
    return {"ReplayPolicy": json.dumps(points)}


def status(bulb: Running, subscription: str) -> str | None:
    found = bulb.client("sns").get_subscription_attributes(SubscriptionArn=subscription)["Attributes"]
    told: str | None = found.get("ReplayStatus")
    return told


def completed(bulb: Running, subscription: str) -> None:
    until(
        lambda: status(bulb, subscription) == "Completed", f"the end of the replay, it is {status(bulb, subscription)}"
    )


def texts(queue: Queue, count: int) -> list[str]:
    return [document["Message"] for document in queue.documents(count)]


def test_a_late_subscriber_catches_up_and_goes_on(own: Running) -> None:
    arn, queue = archiving(own, "late"), Queue(own, "late.fifo")
    sent = publish(own, arn, "a1", "b1", "a2")
    own.clock.advance(600)
    subscription = subscribe(own, arn, queue, **replay_of(own, arn))
    documents = queue.documents(3)
    assert {one["Message"] for one in documents} == {"a1", "b1", "a2"}
    assert [one["Message"] for one in documents if one["Message"] != "b1"] == ["a1", "a2"]
    first = next(one for one in documents if one["Message"] == "a1")
    assert (first["MessageId"], first["SequenceNumber"]) == (sent[0]["MessageId"], sent[0]["SequenceNumber"])
    assert first["Timestamp"] < moment(own.clock.now() - 500)
    assert (first["Replayed"], list(first)[-1]) == ("true", "Replayed")
    completed(own, subscription)
    publish(own, arn, "a3")
    (fresh,) = queue.documents(1)
    assert fresh["Message"] == "a3" and "Replayed" not in fresh


def test_nothing_is_left_out_or_doubled_while_publishers_go_on(own: Running) -> None:
    arn, queue = archiving(own, "busy"), Queue(own, "busy.fifo")
    publish(own, arn, *(f"g{number}" for number in range(110)))  # more than one step takes
    own.clock.advance(600)
    subscription = subscribe(own, arn, queue, **replay_of(own, arn), RawMessageDelivery="true")
    publish(own, arn, *(f"g{number}" for number in range(110, 120)))
    completed(own, subscription)
    publish(own, arn, "g120")
    assert [one["Body"] for one in queue.received(121)] == [f"g{number}" for number in range(121)]


def test_a_replay_with_an_end_is_the_end(own: Running) -> None:
    sns, arn, queue = own.client("sns"), archiving(own, "ended"), Queue(own, "ended.fifo")
    publish(own, arn, "a1")
    own.clock.advance(600)
    end = own.clock.now()
    own.clock.advance(600)
    publish(own, arn, "a2")
    subscription = subscribe(own, arn, queue, **replay_of(own, arn, end))
    assert texts(queue, 1) == ["a1"]
    completed(own, subscription)
    publish(own, arn, "a3")  # nothing new comes after the end, as the documentation has it
    own.clock.advance(600)
    policy = replay_of(own, arn)["ReplayPolicy"]
    set_to = {"SubscriptionArn": subscription, "AttributeName": "ReplayPolicy"}
    sns.set_subscription_attributes(**set_to, AttributeValue=policy)
    assert texts(queue, 3) == ["a1", "a2", "a3"]
    completed(own, subscription)
    sns.set_subscription_attributes(**set_to, AttributeValue="{}")
    found = sns.get_subscription_attributes(SubscriptionArn=subscription)["Attributes"]
    assert not found.keys() & {"ReplayPolicy", "ReplayStatus"}
    publish(own, arn, "a4")
    assert texts(queue, 1) == ["a4"]


def test_a_replay_is_filtered(own: Running) -> None:
    arn, queue = archiving(own, "filtered"), Queue(own, "filtered.fifo")
    publish(own, arn, *(json.dumps({"n": number}) for number in range(4)))
    own.clock.advance(600)
    wanted = {"FilterPolicyScope": "MessageBody", "FilterPolicy": json.dumps({"n": [1, 3]})}
    subscription = subscribe(own, arn, queue, **replay_of(own, arn), **wanted)
    assert [json.loads(one)["n"] for one in texts(queue, 2)] == [1, 3]
    completed(own, subscription)
    assert queue.is_empty()


def test_a_replay_waits_until_its_subscription_is_confirmed(own: Running) -> None:
    sns, arn, theirs = own.client("sns"), archiving(own, "asked"), Queue(own, "asked.fifo", access_key=OTHER)
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "sns.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": theirs.arn,
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    theirs.sqs.set_queue_attributes(QueueUrl=theirs.url, Attributes={"Policy": policy})
    publish(own, arn, "a1")
    subscription = subscribe(own, arn, theirs, **replay_of(own, arn))
    (asked,) = theirs.documents(1)
    publish(own, arn, "a2")
    assert status(own, subscription) == "Pending"
    own.client("sns", access_key=OTHER).confirm_subscription(TopicArn=arn, Token=asked["Token"])
    assert texts(theirs, 2) == ["a1", "a2"]
    completed(own, subscription)
    sns.unsubscribe(SubscriptionArn=subscription)
    assert refused(sns.get_subscription_attributes, SubscriptionArn=subscription)[0] == "NotFound"


def test_messages_leave_when_their_retention_ends(own: Running) -> None:
    sns, arn, queue = own.client("sns"), archiving(own, "aging", days=2), Queue(own, "aging.fifo")
    began = attributes_of(own, arn)["BeginningArchiveTime"]
    assert abs(datetime.fromisoformat(began).timestamp() - own.clock.now()) < 60
    publish(own, arn, "a1")
    own.clock.advance(1.5 * DAY_S)
    publish(own, arn, "a2")
    own.clock.advance(DAY_S)
    later = datetime.fromisoformat(attributes_of(own, arn)["BeginningArchiveTime"]).timestamp()
    assert abs(later - (own.clock.now() - 2 * DAY_S)) < 60
    # A longer retention begins where the archive did, and brings back nothing that the sweep took.
    points = {"PointType": "Timestamp", "StartingPoint": moment(later + 60)}
    subscribe(own, arn, queue, ReplayPolicy=json.dumps(points))
    assert texts(queue, 1) == ["a2"]
    given = {"TopicArn": arn, "AttributeName": "ArchivePolicy"}
    sns.set_topic_attributes(**given, AttributeValue='{"MessageRetentionPeriod": "365"}')
    assert attributes_of(own, arn)["BeginningArchiveTime"] == began


def test_a_topic_with_an_archive_is_not_deleted(bulb: Running) -> None:
    sns, arn = bulb.client("sns"), archiving(bulb, "locked")
    assert refused(sns.delete_topic, TopicArn=arn) == (
        "InvalidState",
        "Invalid state: Cannot delete a topic with an ArchivePolicy",
    )
    publish(bulb, arn, "a1")
    given = {"TopicArn": arn, "AttributeName": "ArchivePolicy"}
    sns.set_topic_attributes(**given, AttributeValue="{}")
    assert not attributes_of(bulb, arn).keys() & {"ArchivePolicy", "BeginningArchiveTime"}
    sns.set_topic_attributes(**given, AttributeValue='{"MessageRetentionPeriod": 1}')
    queue = Queue(bulb, "locked.fifo")
    subscription = subscribe(bulb, arn, queue, **replay_of(bulb, arn))
    completed(bulb, subscription)
    assert queue.is_empty()  # the archive that was closed took its messages with it
    sns.set_topic_attributes(**given, AttributeValue="")
    sns.delete_topic(TopicArn=arn)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("{", "Unable to parse JSON"),
        ("[]", "JSON is missing required fields"),
        ('{"Days": 1}', "JSON is missing required fields"),
        ('{"MessageRetentionPeriod": 0}', "MessageRetentionPeriod value is invalid"),
        ('{"MessageRetentionPeriod": 366}', "MessageRetentionPeriod value is invalid"),
        ('{"MessageRetentionPeriod": 1.5}', "MessageRetentionPeriod value is invalid"),
        ('{"MessageRetentionPeriod": "many"}', "MessageRetentionPeriod value is invalid"),
    ],
)
def test_what_archive_policies_cannot_be(bulb: Running, value: str, reason: str) -> None:
    sns = bulb.client("sns")
    given = {"Name": "odd.fifo", "Attributes": {"FifoTopic": "true", "ArchivePolicy": value}}
    assert refused(sns.create_topic, **given) == invalid(f"Attributes Reason: ArchivePolicy: {reason}")
    arn = topic(bulb, "plain-archive.fifo", FifoTopic="true")
    given = {"TopicArn": arn, "AttributeName": "ArchivePolicy", "AttributeValue": value}
    assert refused(sns.set_topic_attributes, **given) == invalid(f"ArchivePolicy: {reason}")
    assert "ArchivePolicy" not in attributes_of(bulb, arn)


def test_what_replay_policies_cannot_be(bulb: Running) -> None:
    sns, arn, queue = bulb.client("sns"), archiving(bulb, "strict"), Queue(bulb, "strict.fifo")
    subscription = subscribe(bulb, arn, queue)
    now = bulb.clock.now()
    good = {"PointType": "Timestamp", "StartingPoint": attributes_of(bulb, arn)["BeginningArchiveTime"]}

    def said(value: Any, of: str = subscription) -> tuple[str, str]:
        text = value if isinstance(value, str) else json.dumps(value)
        given = {"SubscriptionArn": of, "AttributeName": "ReplayPolicy", "AttributeValue": text}
        return refused(sns.set_subscription_attributes, **given)

    assert said("x") == invalid("ReplayPolicy: Unable to parse JSON")
    assert said({"PointType": "Timestamp"}) == invalid("ReplayPolicy: JSON is missing required fields")
    assert said({**good, "PointType": "Offset"}) == invalid("ReplayPolicy: Invalid PointType")
    for start in ("yesterday", 7, None, moment(now - 60 * DAY_S), moment(now + 60 * DAY_S)):
        assert said({**good, "StartingPoint": start}) == invalid("ReplayPolicy: Invalid StartingPoint value")
    for end in ("tomorrow", 7, moment(now - 60 * DAY_S), moment(now + 60 * DAY_S)):
        assert said({**good, "EndingPoint": end}) == invalid("ReplayPolicy: Invalid EndingPoint value")
    without = topic(bulb, "no-archive.fifo", FifoTopic="true")
    plain = topic(bulb, "no-fifo")
    of_fifo, of_plain = subscribe(bulb, without, queue), subscribe(bulb, plain, Queue(bulb, "no-fifo"))
    assert said(good, of_fifo) == invalid("ReplayPolicy: Topic does not have an ArchivePolicy")
    assert said(good, of_plain) == invalid("AttributeName")
    assert status(bulb, subscription) is None
