import json
from typing import Any

from tests.services.sns.room import Queue, invalid, refused, subscribe, topic
from tests.support.bulb import Running


def fifo(bulb: Running, name: str, **attributes: str) -> str:
    return topic(bulb, f"{name}.fifo", FifoTopic="true", **attributes)


def test_what_a_fifo_queue_gets(bulb: Running) -> None:
    sns, arn, queue = bulb.client("sns"), fifo(bulb, "ordered"), Queue(bulb, "ordered.fifo")
    subscription = subscribe(bulb, arn, queue)
    given = {"TopicArn": arn, "Message": "Test", "MessageGroupId": "group", "MessageDeduplicationId": "once"}
    first = sns.publish(**given)
    assert len(first["SequenceNumber"]) == 20
    again = sns.publish(**{**given, "Message": "other"})
    assert (again["MessageId"], again["SequenceNumber"]) == (first["MessageId"], first["SequenceNumber"])
    (message,) = queue.received(1)
    attributes = message["Attributes"]
    assert (attributes["MessageGroupId"], attributes["MessageDeduplicationId"]) == ("group", "once")
    document = json.loads(message["Body"])
    assert len(document.pop("Timestamp")) == 24
    assert document == {  # without a signature, as AWS has it
        "Type": "Notification",
        "MessageId": first["MessageId"],
        "SequenceNumber": first["SequenceNumber"],
        "TopicArn": arn,
        "Message": "Test",
        "UnsubscribeURL": f"{bulb.url}/?Action=Unsubscribe&SubscriptionArn={subscription}&Version=2010-03-31",
    }


def test_what_a_standard_queue_gets_of_a_fifo_topic(bulb: Running) -> None:
    sns, arn, queue = bulb.client("sns"), fifo(bulb, "mixed"), Queue(bulb, "mixed")
    subscribe(bulb, arn, queue, RawMessageDelivery="true")
    sns.publish(TopicArn=arn, Message="Test", MessageGroupId="group", MessageDeduplicationId="once")
    (message,) = queue.received(1)
    assert message["Body"] == "Test"
    assert not message["Attributes"].keys() & {"MessageGroupId", "MessageDeduplicationId"}


def test_order_within_groups_over_many_publishers(bulb: Running) -> None:
    sns, arn, queue = bulb.client("sns"), fifo(bulb, "groups", ContentBasedDeduplication="true"), None
    queue = Queue(bulb, "groups.fifo")
    subscribe(bulb, arn, queue, RawMessageDelivery="true")
    numbers = []
    for start in range(0, 60, 10):
        entries = [
            {"Id": str(n), "Message": f"{n % 3}:{n}", "MessageGroupId": f"g{n % 3}"} for n in range(start, start + 10)
        ]
        answer = sns.publish_batch(TopicArn=arn, PublishBatchRequestEntries=entries)
        numbers += [one["SequenceNumber"] for one in answer["Successful"]]
    assert numbers == sorted(numbers) and len(set(numbers)) == 60
    came = [one["Body"].split(":") for one in queue.received(60)]
    for group in "012":
        assert [int(number) for which, number in came if which == group] == list(range(int(group), 60, 3))


def test_the_scope_of_deduplication(bulb: Running) -> None:
    sns = bulb.client("sns")
    for scope, distinct in (("Topic", 1), ("MessageGroup", 2)):
        arn = fifo(bulb, f"scope-{scope}", FifoThroughputScope=scope, ContentBasedDeduplication="true")
        ids = {sns.publish(TopicArn=arn, Message="m", MessageGroupId=group)["MessageId"] for group in "abab"}
        assert len(ids) == distinct


def test_a_message_is_known_for_five_minutes(own: Running) -> None:
    sns, arn = own.client("sns"), fifo(own, "minutes", ContentBasedDeduplication="true")

    def publish() -> str:
        message_id: str = sns.publish(TopicArn=arn, Message="m", MessageGroupId="g")["MessageId"]
        return message_id

    first = publish()
    own.clock.advance(240)
    assert publish() == first
    own.clock.advance(61)
    assert publish() != first


def test_what_fifo_topics_want(bulb: Running) -> None:
    sns, arn = bulb.client("sns"), fifo(bulb, "wanting")
    group = "The MessageGroupId parameter is required for FIFO topics"
    assert refused(sns.publish, TopicArn=arn, Message="m", MessageDeduplicationId="d") == invalid(group)
    once = (
        "The topic should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly"
    )
    assert refused(sns.publish, TopicArn=arn, Message="m", MessageGroupId="g") == invalid(once)
    entries: list[Any] = [{"Id": "1", "Message": "m", "MessageGroupId": "g", "MessageDeduplicationId": "é"}]
    assert refused(sns.publish_batch, TopicArn=arn, PublishBatchRequestEntries=entries)[0] == "InvalidParameter"
    for protocol, target in (("lambda", "arn:aws:lambda:us-east-1:000000000000:function:f"), ("http", "http://a/")):
        assert refused(sns.subscribe, TopicArn=arn, Protocol=protocol, Endpoint=target)[0] == "InvalidParameter"
    queue, dead = Queue(bulb, "wanting.fifo"), Queue(bulb, "wanting-dead")
    redrive = {"RedrivePolicy": json.dumps({"deadLetterTargetArn": dead.arn})}
    refusal = refused(sns.subscribe, TopicArn=arn, Protocol="sqs", Endpoint=queue.arn, Attributes=redrive)
    said = "RedrivePolicy: must use a FIFO queue as DLQ for a FIFO Subscription to a FIFO Topic."
    assert refusal == invalid(f"Attributes Reason: {said}")


def test_a_fifo_message_that_nobody_takes_is_a_fifo_dead_letter(bulb: Running) -> None:
    sns, arn = bulb.client("sns"), fifo(bulb, "buried")
    queue, dead = Queue(bulb, "buried.fifo"), Queue(bulb, "buried-dead.fifo")
    subscribe(bulb, arn, queue, RedrivePolicy=json.dumps({"deadLetterTargetArn": dead.arn}))
    queue.sqs.delete_queue(QueueUrl=queue.url)
    for number in range(3):
        sns.publish(TopicArn=arn, Message=str(number), MessageGroupId="g", MessageDeduplicationId=str(number))
    messages = dead.received(3)
    assert [json.loads(one["Body"])["Message"] for one in messages] == ["0", "1", "2"]
    assert {one["Attributes"]["MessageGroupId"] for one in messages} == {"g"}
    assert [one["Attributes"]["MessageDeduplicationId"] for one in messages] == ["0", "1", "2"]
