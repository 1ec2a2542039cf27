"""FIFO queues as boto3 sees them."""

import hashlib
from collections.abc import Callable
from typing import Any

import pytest

from bulb.core.errors import AwsError
from bulb.services.sqs.model import Queue, QueueKey
from bulb.services.sqs.throughput import Throughput
from tests.services.sqs.conftest import Served, bodies, counts, received, refused

Make = Callable[..., str]
GROUPED = {"DeduplicationScope": "messageGroup", "FifoThroughputLimit": "perMessageGroupId"}


def send(sqs: Any, url: str, *words: str) -> list[str]:
    """Each word is a group's letter and the rest of the body; the sequence numbers."""
    sent = [
        sqs.send_message(QueueUrl=url, MessageBody=word, MessageGroupId=word[0], MessageDeduplicationId=word)
        for word in words
    ]
    return [one["SequenceNumber"] for one in sent]


def delete(sqs: Any, url: str, *messages: dict[str, Any]) -> None:
    for message in messages:
        sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])


def test_a_group_comes_in_order_and_one_receive_at_a_time(served: Served, sqs: Any, make: Make) -> None:
    url = make(fifo=True)
    numbers = send(sqs, url, "a1", "a2", "b1", "a3", "b2")
    assert numbers == sorted(numbers)
    assert all(len(number) == 20 for number in numbers)
    first = received(sqs, url, 2, AttributeNames=["All"])
    assert [message["Body"] for message in first] == ["a1", "a2"]
    assert [message["Attributes"]["SequenceNumber"] for message in first] == numbers[:2]
    assert first[0]["Attributes"]["MessageGroupId"] == "a"
    assert first[0]["Attributes"]["MessageDeduplicationId"] == "a1"
    second = received(sqs, url)
    assert [message["Body"] for message in second] == ["b1", "b2"]  # a3 waits for a1 and a2
    assert bodies(sqs, url) == []
    delete(sqs, url, first[0])
    assert bodies(sqs, url) == []
    delete(sqs, url, first[1])
    assert bodies(sqs, url) == ["a3"]
    served.clock.advance(31)
    assert sorted(bodies(sqs, url)) == ["a3", "b1", "b2"]


def test_what_is_given_up_comes_again_first(sqs: Any, make: Make) -> None:
    url = make(fifo=True)
    send(sqs, url, "a1", "a2", "a3")
    first, second = received(sqs, url, 2)
    for message in (second, first):
        sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=0)
    assert bodies(sqs, url) == ["a1", "a2", "a3"]


def test_a_group_gives_what_lies_before_the_first_that_is_hidden(served: Served, sqs: Any, make: Make) -> None:
    """As AWS is seen to do."""
    url = make(fifo=True)
    send(sqs, url, "a1", "a2", "a3", "a4", "b1")
    first, second, third = received(sqs, url, 3)

    def hide(message: dict[str, Any], seconds: int) -> None:
        handle = message["ReceiptHandle"]
        sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=handle, VisibilityTimeout=seconds)

    hide(first, 0)
    assert bodies(sqs, url) == ["b1", "a1"], "and no more of the group: the second is hidden"
    hide(third, 0)
    assert bodies(sqs, url) == [], "the third waits for those before it"
    hide(second, 100)
    served.clock.advance(31)
    assert sorted(bodies(sqs, url, VisibilityTimeout=10)) == ["a1", "b1"]
    served.clock.advance(70)
    found = bodies(sqs, url)
    assert (sorted(found), [body for body in found if body != "b1"]) == (
        ["a1", "a2", "a3", "a4", "b1"],
        ["a1", "a2", "a3", "a4"],
    )


def test_what_is_deleted_leaves_its_group_hidden_as_long_as_the_next_is(sqs: Any, make: Make) -> None:
    url = make(fifo=True)
    send(sqs, url, "a1", "a2", "a3")
    first, second = received(sqs, url, 2)
    delete(sqs, url, first)
    assert bodies(sqs, url) == []
    delete(sqs, url, second)
    assert bodies(sqs, url) == ["a3"]


def test_groups_take_turns(sqs: Any, make: Make) -> None:
    url = make(fifo=True)
    send(sqs, url, "a1", "a2", "b1", "c1")
    turns = []
    for _ in range(4):
        (message,) = received(sqs, url, 1)
        turns.append(message["Body"])
        delete(sqs, url, message)
    assert sorted(turns) == ["a1", "a2", "b1", "c1"]
    assert turns.index("a2") > turns.index("a1")


def test_twins_are_sent_once_in_five_minutes(served: Served, sqs: Any, make: Make) -> None:
    url = make(fifo=True)
    given = {"QueueUrl": url, "MessageGroupId": "g", "MessageDeduplicationId": "same"}
    first = sqs.send_message(**given, MessageBody="one")
    second = sqs.send_message(**{**given, "MessageGroupId": "h"}, MessageBody="two")
    assert (second["MessageId"], second["SequenceNumber"]) == (first["MessageId"], first["SequenceNumber"])
    assert second["MD5OfMessageBody"] == hashlib.md5(b"two").hexdigest()
    (message,) = received(sqs, url)
    delete(sqs, url, message)
    served.clock.advance(280)
    assert sqs.send_message(**given, MessageBody="three")["MessageId"] == first["MessageId"]
    assert counts(sqs, url) == (0, 0, 0)
    served.clock.advance(21)
    assert sqs.send_message(**given, MessageBody="four")["MessageId"] != first["MessageId"]
    assert bodies(sqs, url) == ["four"]


def test_twins_within_a_batch(sqs: Any, make: Make) -> None:
    url = make(fifo=True)
    entries = [
        {"Id": str(at), "MessageBody": str(at), "MessageGroupId": "g", "MessageDeduplicationId": id_}
        for at, id_ in enumerate("aba")
    ]
    one, _, three = sqs.send_message_batch(QueueUrl=url, Entries=entries)["Successful"]
    assert (three["MessageId"], three["SequenceNumber"]) == (one["MessageId"], one["SequenceNumber"])
    assert bodies(sqs, url) == ["0", "1"]


def test_a_batch_that_lacks_what_the_queue_needs_is_refused_whole(sqs: Any, make: Make) -> None:
    url = make(fifo=True)
    whole = {"Id": "a", "MessageBody": "x", "MessageGroupId": "g", "MessageDeduplicationId": "a"}
    lacking = {"MessageGroupId": "MessageGroupId.", "MessageDeduplicationId": "MessageDeduplicationId provided"}
    for name, told in lacking.items():
        other = {key: value for key, value in {**whole, "Id": "b"}.items() if key != name}
        code, message = refused(sqs.send_message_batch, QueueUrl=url, Entries=[whole, other])
        assert (code, told in message) == ("InvalidParameterValue", True)
    assert counts(sqs, url) == (0, 0, 0)
    unsound = {**whole, "Id": "b", "MessageGroupId": "a b"}
    answer = sqs.send_message_batch(QueueUrl=url, Entries=[whole, unsound])
    assert [[one["Id"] for one in answer[kind]] for kind in ("Successful", "Failed")] == [["a"], ["b"]]


def test_twins_by_content(sqs: Any, make: Make) -> None:
    url = make(fifo=True, ContentBasedDeduplication="true")
    for group in "gh":
        sqs.send_message(QueueUrl=url, MessageBody="x", MessageGroupId=group)
    digest = hashlib.sha256(b"x").hexdigest()
    sqs.send_message(QueueUrl=url, MessageBody="y", MessageGroupId="g", MessageDeduplicationId=digest)
    sqs.send_message(QueueUrl=url, MessageBody="x", MessageGroupId="g", MessageDeduplicationId="own")
    found = received(sqs, url, AttributeNames=["MessageDeduplicationId"])
    assert [message["Attributes"]["MessageDeduplicationId"] for message in found] == [digest, "own"]


def test_twins_in_one_group_only(sqs: Any, make: Make) -> None:
    url = make(fifo=True, **GROUPED)
    for group in "ggh":
        sqs.send_message(QueueUrl=url, MessageBody=group, MessageGroupId=group, MessageDeduplicationId="same")
    assert sorted(bodies(sqs, url)) == ["g", "h"]


def test_what_a_fifo_message_needs(sqs: Any, make: Make) -> None:
    url = make(fifo=True)
    assert refused(sqs.send_message, QueueUrl=url, MessageBody="x") == (
        "MissingParameter",
        "The request must contain the parameter MessageGroupId.",
    )
    code, message = refused(sqs.send_message, QueueUrl=url, MessageBody="x", MessageGroupId="g")
    assert (code, "ContentBasedDeduplication" in message) == ("InvalidParameterValue", True)
    for group, id_ in (("", "a"), ("g" * 129, "a"), ("é", "a"), ("g", ""), ("g", "a b")):
        code, _ = refused(
            sqs.send_message, QueueUrl=url, MessageBody="x", MessageGroupId=group, MessageDeduplicationId=id_
        )
        assert code == "InvalidParameterValue"
    code, _ = refused(
        sqs.send_message,
        QueueUrl=url,
        MessageBody="x",
        MessageGroupId="g",
        MessageDeduplicationId="a",
        DelaySeconds=1,
    )
    assert code == "InvalidParameterValue"
    assert counts(sqs, url) == (0, 0, 0)


def test_only_the_queue_delays_and_that_for_all_in_it(served: Served, sqs: Any, make: Make) -> None:
    url = make(fifo=True, DelaySeconds="100")
    send(sqs, url, "a1", "b1", "a2")
    assert (bodies(sqs, url), counts(sqs, url)) == ([], (0, 0, 3))
    served.clock.advance(50)
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"DelaySeconds": "60"})
    assert bodies(sqs, url) == []
    served.clock.advance(11)
    found = received(sqs, url)
    assert sorted(message["Body"] for message in found) == ["a1", "a2", "b1"]
    send(sqs, url, "a3")
    delete(sqs, url, *found)
    assert bodies(sqs, url) == []
    served.clock.advance(61)
    assert bodies(sqs, url) == ["a3"]


def test_a_visible_message_can_neither_be_hidden_nor_deleted_with_its_old_handle(
    served: Served, sqs: Any, make: Make
) -> None:
    url = make(fifo=True, VisibilityTimeout="10")
    send(sqs, url, "a1")
    (message,) = received(sqs, url)
    served.clock.advance(11)
    asked = {"QueueUrl": url, "ReceiptHandle": message["ReceiptHandle"]}
    code, _ = refused(sqs.change_message_visibility, **asked, VisibilityTimeout=5)
    assert code == "AWS.SimpleQueueService.MessageNotInflight"
    code, text = refused(sqs.delete_message, **asked)
    assert (code, "The receipt handle has expired" in text) == ("InvalidParameterValue", True)
    done = sqs.delete_message_batch(QueueUrl=url, Entries=[{"Id": "a", "ReceiptHandle": message["ReceiptHandle"]}])
    assert [one["Code"] for one in done["Failed"]] == ["InvalidParameterValue"]
    (again,) = received(sqs, url)
    sqs.delete_message(**asked)  # stale: nothing happens
    assert counts(sqs, url) == (0, 1, 0)
    delete(sqs, url, again)
    assert counts(sqs, url) == (0, 0, 0)


def test_a_receive_can_be_tried_again(served: Served, sqs: Any, make: Make) -> None:
    url = make(fifo=True)
    send(sqs, url, "a1", "a2", "b1")
    first = received(sqs, url, 2, ReceiveRequestAttemptId="try")
    served.clock.advance(20)
    again = received(sqs, url, 2, ReceiveRequestAttemptId="try")
    assert [one["ReceiptHandle"] for one in again] == [one["ReceiptHandle"] for one in first]
    served.clock.advance(20)  # 40 s after the first receive, 20 after the second
    assert bodies(sqs, url, ReceiveRequestAttemptId="other") == ["b1"]
    assert [one["Body"] for one in received(sqs, url, 2, ReceiveRequestAttemptId="try")] == ["a1", "a2"]
    delete(sqs, url, first[0])
    assert bodies(sqs, url, ReceiveRequestAttemptId="try") == []  # one was deleted: this is a new receive
    served.clock.advance(31)
    assert sorted(bodies(sqs, url, ReceiveRequestAttemptId="try")) == ["a2", "b1"]


def test_an_attempt_is_over_once_a_visibility_was_changed(sqs: Any, make: Make) -> None:
    url = make(fifo=True)
    send(sqs, url, "a1")
    (message,) = received(sqs, url, ReceiveRequestAttemptId="try")
    (again,) = received(sqs, url, VisibilityTimeout=60, ReceiveRequestAttemptId="try")
    (third,) = received(sqs, url, ReceiveRequestAttemptId="try")
    assert message["ReceiptHandle"] == again["ReceiptHandle"] == third["ReceiptHandle"]
    sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=100)
    assert bodies(sqs, url, ReceiveRequestAttemptId="try") == []


def test_an_attempt_is_forgotten_after_five_minutes(served: Served, sqs: Any, make: Make) -> None:
    url = make(fifo=True, VisibilityTimeout="1000")
    send(sqs, url, "a1")
    assert bodies(sqs, url, ReceiveRequestAttemptId="try") == ["a1"]
    served.clock.advance(301)
    assert bodies(sqs, url, ReceiveRequestAttemptId="try") == []


def test_a_queue_takes_three_hundred_calls_a_second_unless_it_counts_by_group() -> None:

    plain = Queue(1, QueueKey("0", "r", "a.fifo"), True, 0.0, 0.0)
    grouped = Queue(2, QueueKey("0", "r", "b.fifo"), True, 0.0, 0.0, attributes=GROUPED)
    throughput = Throughput()
    for _ in range(300):
        throughput.take(plain, "SendMessage", ["a"] * 10, 100.0)
        throughput.take(grouped, "SendMessage", ["a"], 100.0)
        throughput.take(grouped, "ReceiveMessage", [], 100.0)
    for queue, groups in ((plain, ["b"]), (grouped, ["a"])):
        with pytest.raises(AwsError) as caught:
            throughput.take(queue, "SendMessage", groups, 100.0)
        assert caught.value.code == "RequestThrottled"
    throughput.take(plain, "ReceiveMessage", [], 100.0)
    throughput.take(grouped, "SendMessage", ["b"], 100.0)
    throughput.take(grouped, "ReceiveMessage", [], 100.0)
    throughput.take(plain, "SendMessage", ["b"], 100.1)  # thirty more after a tenth of a second
    standard = Queue(3, QueueKey("0", "r", "c"), False, 0.0, 0.0)
    for _ in range(1_000):
        throughput.take(standard, "SendMessage", [None], 100.0)
