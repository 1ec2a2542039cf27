"""Dead-letter queues and redrives as boto3 sees them."""

import asyncio
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bulb.services.sqs.model import NewMessage, Queue, QueueKey
from tests.services.sqs.conftest import Served, arn_of, bodies, counts, name_of, opened, received, refused
from tests.support.clock import MovableClock
from tests.support.waiting import until

Make = Callable[..., str]


def redrive(target: str, times: int = 2) -> str:
    return json.dumps({"deadLetterTargetArn": arn_of(target), "maxReceiveCount": times})


def pair(make: Make, times: int = 2, *, fifo: bool = False, **letters: str) -> tuple[str, str]:
    """A queue whose messages are received without being hidden, and where its dead letters go."""
    target = make("letters", fifo=fifo, **letters)
    return make(fifo=fifo, VisibilityTimeout="0", RedrivePolicy=redrive(target, times)), target


def test_a_message_received_too_often_moves(served: Served, sqs: Any, make: Make) -> None:
    url, letters = pair(make)
    attributes = {"a": {"DataType": "String", "StringValue": "b"}}
    sent = sqs.send_message(QueueUrl=url, MessageBody="x", MessageAttributes=attributes)
    (first,) = received(sqs, url, AttributeNames=["All"])
    assert bodies(sqs, url) == ["x"]
    assert counts(sqs, letters) == (0, 0, 0)
    assert bodies(sqs, url) == []  # it moves instead of being received a third time
    assert (counts(sqs, url), counts(sqs, letters)) == ((0, 0, 0), (1, 0, 0))
    (dead,) = received(sqs, letters, AttributeNames=["All"], MessageAttributeNames=["All"])
    assert (dead["MessageId"], dead["Body"]) == (sent["MessageId"], "x")
    assert dead["MessageAttributes"] == attributes
    told = dead["Attributes"]
    assert told["DeadLetterQueueSourceArn"] == arn_of(url)
    assert told["SentTimestamp"] == first["Attributes"]["SentTimestamp"]
    assert told["ApproximateReceiveCount"] == "3"


def test_others_come_in_its_place(sqs: Any, make: Make) -> None:
    url, letters = pair(make, 1)
    for number in range(4):
        sqs.send_message(QueueUrl=url, MessageBody=str(number))
    assert bodies(sqs, url, 2) == ["0", "1"]
    assert bodies(sqs, url, 2) == ["2", "3"]
    assert bodies(sqs, url, 2) == []
    assert sorted(bodies(sqs, letters)) == ["0", "1", "2", "3"]


def test_a_receive_that_hides_nothing_has_each_message_once(sqs: Any, make: Make) -> None:
    """Also where others come in the place of what moves."""
    url, _ = pair(make, 1)
    sqs.send_message(QueueUrl=url, MessageBody="worn")
    assert bodies(sqs, url) == ["worn"]
    for body in ("1", "2"):
        sqs.send_message(QueueUrl=url, MessageBody=body)
    found = received(sqs, url, VisibilityTimeout=0, AttributeNames=["ApproximateReceiveCount"])
    assert [message["Body"] for message in found] == ["1", "2"]
    assert {message["Attributes"]["ApproximateReceiveCount"] for message in found} == {"1"}


def test_dead_letters_of_dead_letters(sqs: Any, make: Make) -> None:
    """Only receives from the queue itself count."""
    url, letters = pair(make, 2)
    last = make("last")
    sqs.set_queue_attributes(QueueUrl=letters, Attributes={"RedrivePolicy": redrive(last, 2), "VisibilityTimeout": "0"})
    sqs.send_message(QueueUrl=url, MessageBody="x")
    assert [bodies(sqs, url) for _ in range(3)] == [["x"], ["x"], []]
    assert [bodies(sqs, letters) for _ in range(3)] == [["x"], ["x"], []]
    assert bodies(sqs, last) == ["x"]


def test_a_dead_letter_grows_old_from_its_sending(served: Served, sqs: Any, make: Make) -> None:
    url, letters = pair(make, 1, MessageRetentionPeriod="100")
    sqs.send_message(QueueUrl=url, MessageBody="x")
    bodies(sqs, url)
    served.clock.advance(60)
    bodies(sqs, url)
    assert counts(sqs, letters) == (1, 0, 0)
    served.clock.advance(41)
    assert (counts(sqs, letters), bodies(sqs, letters)) == ((0, 0, 0), [])


def test_a_dead_letter_of_a_fifo_queue_grows_old_from_its_move(served: Served, sqs: Any, make: Make) -> None:
    url, letters = pair(make, 1, fifo=True, MessageRetentionPeriod="100")
    for body in ("a1", "a2"):
        sqs.send_message(QueueUrl=url, MessageBody=body, MessageGroupId="a", MessageDeduplicationId=body)
    assert bodies(sqs, url, 1) == ["a1"]
    served.clock.advance(60)
    assert bodies(sqs, url, 1) == ["a2"]  # the group goes on behind the one that moved
    served.clock.advance(60)
    found = received(sqs, letters, AttributeNames=["All"])
    assert [message["Body"] for message in found] == ["a1"]
    assert found[0]["Attributes"]["MessageGroupId"] == "a"
    assert found[0]["Attributes"]["MessageDeduplicationId"] == found[0]["MessageId"]


def test_without_its_target_a_message_stays(sqs: Any, make: Make) -> None:
    url, letters = pair(make, 1)
    sqs.send_message(QueueUrl=url, MessageBody="x")
    sqs.delete_queue(QueueUrl=letters)
    assert [bodies(sqs, url) for _ in range(3)] == [["x"]] * 3


_OUT = "valid values are from 1 to 1000 both inclusive."


@pytest.mark.parametrize(
    ("policy", "reason"),
    [
        ("x", "Redrive policy is not a valid JSON map."),
        ("[]", "Redrive policy is not a valid JSON map."),
        ("{}", "Redrive policy does not contain mandatory attribute: deadLetterTargetArn."),
        ('{"deadLetterTargetArn": "x", "maxReceiveCount": 1}', "Invalid value for deadLetterTargetArn."),
        (
            '{"deadLetterTargetArn": "arn:aws:sns:us-east-1:000000000000:t", "maxReceiveCount": 1}',
            "Only SQS queues are valid resources for deadLetterTargetArn",
        ),
        ('{"maxReceiveCount": 1}', "Redrive policy does not contain mandatory attribute: deadLetterTargetArn."),
        ('{"deadLetterTargetArn": "ARN"}', "Redrive policy does not contain mandatory attribute: maxReceiveCount."),
        ('{"deadLetterTargetArn": "ARN", "maxReceiveCount": 0}', f"Invalid value for maxReceiveCount: 0, {_OUT}"),
        ('{"deadLetterTargetArn": "ARN", "maxReceiveCount": 1001}', f"Invalid value for maxReceiveCount: 1001, {_OUT}"),
        ('{"deadLetterTargetArn": "ARN", "maxReceiveCount": "x"}', f"Invalid value for maxReceiveCount: x, {_OUT}"),
        ('{"deadLetterTargetArn": "ARN", "maxReceiveCount": true}', f"Invalid value for maxReceiveCount: True, {_OUT}"),
        (
            '{"deadLetterTargetArn": "ARN", "maxReceiveCount": 1, "more": 2}',
            "Only following attributes are supported: ",
        ),
        ('{"deadLetterTargetArn": "ARNx", "maxReceiveCount": 1}', "Dead letter target does not exist."),
        (
            '{"deadLetterTargetArn": "OWN", "maxReceiveCount": 1}',
            "Dead-letter queue cannot be the source queue itself.",
        ),
        (
            '{"deadLetterTargetArn": "FIFO", "maxReceiveCount": 1}',
            "Dead-letter queue must be same type of queue as the source.",
        ),
        (
            '{"deadLetterTargetArn": "arn:aws:sqs:us-east-1:111122223333:q", "maxReceiveCount": 1}',
            "Dead letter target owner should be same as the source.",
        ),
        (
            '{"deadLetterTargetArn": "arn:aws:sqs:eu-west-1:000000000000:q", "maxReceiveCount": 1}',
            "Dead-letter target must be in same region as the source.",
        ),
    ],
)
def test_redrive_policies_that_cannot_be(sqs: Any, make: Make, policy: str, reason: str) -> None:
    url = make()
    arns = {"FIFO": arn_of(make(fifo=True)), "OWN": arn_of(url), "ARN": arn_of(make())}
    for name, arn in arns.items():
        policy = policy.replace(name, arn)
    code, message = refused(sqs.set_queue_attributes, QueueUrl=url, Attributes={"RedrivePolicy": policy})
    assert code == "InvalidParameterValue"
    assert message.startswith(f"Value {policy} for parameter RedrivePolicy is invalid. Reason: {reason}")


def test_the_number_may_be_a_text(sqs: Any, make: Make) -> None:
    url, letters = make(VisibilityTimeout="0"), make()
    policy = json.dumps({"deadLetterTargetArn": arn_of(letters), "maxReceiveCount": "1"})
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"RedrivePolicy": policy})
    sqs.send_message(QueueUrl=url, MessageBody="x")
    assert [bodies(sqs, url), bodies(sqs, url), bodies(sqs, letters)] == [["x"], [], ["x"]]
    shown = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["RedrivePolicy"])["Attributes"]["RedrivePolicy"]
    assert shown == f'{{"deadLetterTargetArn":"{arn_of(letters)}","maxReceiveCount":1}}'
    for same in (policy, shown):
        assert sqs.create_queue(QueueName=name_of(url), Attributes={"RedrivePolicy": same})["QueueUrl"] == url


def test_a_target_says_whose_letters_it_takes(sqs: Any, make: Make) -> None:
    letters, mine, other = make("letters"), make(), make()

    def allow(**policy: Any) -> None:
        sqs.set_queue_attributes(QueueUrl=letters, Attributes={"RedriveAllowPolicy": json.dumps(policy)})

    def ask(url: str) -> None:
        sqs.set_queue_attributes(QueueUrl=url, Attributes={"RedrivePolicy": redrive(letters)})

    allow(redrivePermission="denyAll")
    assert refused(ask, mine)[0] == "InvalidParameterValue"
    allow(redrivePermission="byQueue", sourceQueueArns=[arn_of(mine)])
    ask(mine)
    assert refused(ask, other)[0] == "InvalidParameterValue"
    allow(redrivePermission="allowAll")
    ask(other)
    elsewhere = arn_of(mine).replace("us-east-1", "eu-west-1")
    bad: list[tuple[Any, str]] = [
        ({}, "unsupported format."),
        ([], "not a valid JSON map."),
        ({"redrivePermission": "some"}, "unsupported format."),
        ({"redrivePermission": "byQueue"}, "between 1 and 10 source queue ARNs."),
        ({"redrivePermission": "byQueue", "sourceQueueArns": ["x"]}, "between 1 and 10 source queue ARNs."),
        (
            {"redrivePermission": "byQueue", "sourceQueueArns": [arn_of(mine)] * 11},
            "between 1 and 10 source queue ARNs.",
        ),
        (
            {"redrivePermission": "byQueue", "sourceQueueArns": [elsewhere]},
            "in the same region as the current SQS queue.",
        ),
        (
            {"redrivePermission": "allowAll", "sourceQueueArns": [arn_of(mine)]},
            "only when the permission type is byQueue.",
        ),
        ({"redrivePermission": "allowAll", "x": 1}, "unknown attributes."),
    ]
    for policy, end in bad:
        given = {"RedriveAllowPolicy": json.dumps(policy)}
        code, message = refused(sqs.set_queue_attributes, QueueUrl=letters, Attributes=given)
        assert (code, message.endswith(end)) == ("InvalidParameterValue", True), message


def test_sources_are_listed(sqs: Any, make: Make) -> None:
    letters = make("letters")
    sources = sorted(make("source", RedrivePolicy=redrive(letters)) for _ in range(3))
    assert sqs.list_dead_letter_source_queues(QueueUrl=letters)["queueUrls"] == sources
    first = sqs.list_dead_letter_source_queues(QueueUrl=letters, MaxResults=2)
    rest = sqs.list_dead_letter_source_queues(QueueUrl=letters, MaxResults=2, NextToken=first["NextToken"])
    assert first["queueUrls"] + rest["queueUrls"] == sources
    assert "NextToken" not in rest
    assert sqs.list_dead_letter_source_queues(QueueUrl=sources[0])["queueUrls"] == []


def buried(sqs: Any, url: str, *words: str) -> None:
    """Have messages received until they are dead letters."""
    for word in words:
        given = {"MessageGroupId": "g", "MessageDeduplicationId": word} if url.endswith(".fifo") else {}
        sqs.send_message(QueueUrl=url, MessageBody=word, **given)
    for _ in range(20):
        if not received(sqs, url):
            return


def finished(sqs: Any, letters: str) -> dict[str, Any]:
    def look() -> dict[str, Any] | None:
        (task,) = sqs.list_message_move_tasks(SourceArn=arn_of(letters))["Results"]
        return task if task["Status"] != "RUNNING" else None

    found = until(look, "the redrive")
    assert found is not None
    return found


def test_a_redrive_takes_messages_back_to_where_they_came_from(served: Served, sqs: Any, make: Make) -> None:
    url, letters = pair(make)
    other = make(VisibilityTimeout="0", RedrivePolicy=redrive(letters, 1))
    buried(sqs, url, "1", "2")
    buried(sqs, other, "3")
    old = {message["MessageId"] for message in received(sqs, letters, VisibilityTimeout=0)}
    assert sqs.start_message_move_task(SourceArn=arn_of(letters))["TaskHandle"]
    task = finished(sqs, letters)
    assert (task["Status"], task["SourceArn"]) == ("COMPLETED", arn_of(letters))
    assert (task["ApproximateNumberOfMessagesMoved"], task["ApproximateNumberOfMessagesToMove"]) == (3, 3)
    assert "TaskHandle" not in task
    back = received(sqs, url, AttributeNames=["All"])
    assert sorted(message["Body"] for message in back) == ["1", "2"]
    assert {message["Attributes"]["ApproximateReceiveCount"] for message in back} == {"1"}
    assert all("DeadLetterQueueSourceArn" not in message["Attributes"] for message in back)
    assert not old & {message["MessageId"] for message in back}
    assert bodies(sqs, other) == ["3"]
    assert counts(sqs, letters) == (0, 0, 0)


def test_a_redrive_to_another_queue(sqs: Any, make: Make) -> None:
    url, letters = pair(make)
    there = make()
    buried(sqs, url, "1", "2")
    sqs.send_message(QueueUrl=letters, MessageBody="sent here")
    sqs.start_message_move_task(SourceArn=arn_of(letters), DestinationArn=arn_of(there))
    task = finished(sqs, letters)
    assert (task["Status"], task["DestinationArn"]) == ("COMPLETED", arn_of(there))
    assert sorted(bodies(sqs, there)) == ["1", "2", "sent here"]


def test_a_redrive_keeps_the_order_of_groups(sqs: Any, make: Make) -> None:
    url, letters = pair(make, fifo=True)
    buried(sqs, url, "1", "2", "3")
    assert counts(sqs, letters) == (3, 0, 0)
    sqs.start_message_move_task(SourceArn=arn_of(letters))
    assert finished(sqs, letters)["Status"] == "COMPLETED"
    assert bodies(sqs, url) == ["1", "2", "3"]


def test_a_message_that_came_from_nowhere_cannot_go_back(sqs: Any, make: Make) -> None:
    _, letters = pair(make)
    sqs.send_message(QueueUrl=letters, MessageBody="sent here")
    sqs.start_message_move_task(SourceArn=arn_of(letters))
    task = finished(sqs, letters)
    assert (task["Status"], task["FailureReason"]) == ("FAILED", "CouldNotDetermineMessageSource")
    assert counts(sqs, letters) == (1, 0, 0)


def test_a_slow_redrive_is_cancelled(served: Served, sqs: Any, make: Make) -> None:
    url, letters = pair(make)
    buried(sqs, url, *map(str, range(40)))
    handle = sqs.start_message_move_task(SourceArn=arn_of(letters), MaxNumberOfMessagesPerSecond=1)["TaskHandle"]
    until(lambda: counts(sqs, url)[0] >= 1, "the first message")
    (task,) = sqs.list_message_move_tasks(SourceArn=arn_of(letters))["Results"]
    assert (task["Status"], task["TaskHandle"], task["MaxNumberOfMessagesPerSecond"]) == ("RUNNING", handle, 1)
    assert refused(sqs.start_message_move_task, SourceArn=arn_of(letters)) == (
        "InvalidParameterValue",
        "There is already a task running. Only one active task is allowed for a source queue arn at a given time.",
    )
    moved = sqs.cancel_message_move_task(TaskHandle=handle)["ApproximateNumberOfMessagesMoved"]
    assert 1 <= moved < 40
    assert finished(sqs, letters)["Status"] == "CANCELLED"
    assert refused(sqs.cancel_message_move_task, TaskHandle=handle)[0] == "InvalidParameterValue"
    came, stayed = counts(sqs, url)[0], counts(sqs, letters)[0]
    assert came + stayed == 40
    served.clock.advance(5)
    time.sleep(0.1)
    assert (counts(sqs, url)[0], counts(sqs, letters)[0]) == (came, stayed)


def test_a_redrive_ends_with_what_was_there_at_its_start(served: Served, sqs: Any, make: Make) -> None:
    """Also where messages that fail again while it runs are older than what it has yet to move."""
    url, letters = pair(make)
    for word in ("old", "1", "2", "3"):
        sqs.send_message(QueueUrl=url, MessageBody=word)
    (old,) = [message for message in received(sqs, url, VisibilityTimeout=5) if message["Body"] == "old"]
    sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=old["ReceiptHandle"], VisibilityTimeout=600)
    served.clock.advance(6)
    for _ in range(3):
        received(sqs, url)
    assert counts(sqs, letters) == (3, 0, 0)
    sqs.start_message_move_task(SourceArn=arn_of(letters), MaxNumberOfMessagesPerSecond=1)
    until(lambda: counts(sqs, url)[0] >= 1, "the first message")
    served.clock.advance(595)
    for _ in range(20):
        received(sqs, url)  # "old" and whatever came back are dead letters now
    task = until(lambda: served.clock.advance(1.1) or _ended(sqs, letters), "the redrive")
    assert (task["Status"], task["ApproximateNumberOfMessagesMoved"]) == ("COMPLETED", 3)
    assert counts(sqs, letters)[0] >= 1


def test_a_redrive_waits_for_what_is_in_flight(served: Served, sqs: Any, make: Make) -> None:
    """Also where it is deleted instead of coming back."""
    url, letters = pair(make)
    buried(sqs, url, "1", "2", "3")
    held = received(sqs, letters, 2, VisibilityTimeout=600)
    assert len(held) == 2
    sqs.start_message_move_task(SourceArn=arn_of(letters))
    until(lambda: counts(sqs, url)[0] == 1, "the one that is visible")
    served.clock.advance(2)
    time.sleep(0.1)
    (task,) = sqs.list_message_move_tasks(SourceArn=arn_of(letters))["Results"]
    assert (task["Status"], task["ApproximateNumberOfMessagesToMove"]) == ("RUNNING", 3)
    sqs.change_message_visibility(QueueUrl=letters, ReceiptHandle=held[0]["ReceiptHandle"], VisibilityTimeout=0)
    until(lambda: served.clock.advance(1.1) or counts(sqs, url)[0] == 2, "the one that was given back")
    assert _ended(sqs, letters) is None
    sqs.delete_message(QueueUrl=letters, ReceiptHandle=held[1]["ReceiptHandle"])
    task = until(lambda: served.clock.advance(1.1) or _ended(sqs, letters), "the redrive")
    assert (task["Status"], task["ApproximateNumberOfMessagesMoved"]) == ("COMPLETED", 2)
    assert (counts(sqs, url), counts(sqs, letters)) == ((2, 0, 0), (0, 0, 0))


def _sent_in_order(sqs: Any, url: str, word: str, group: str, deduplication_id: str) -> Any:
    given = {"MessageGroupId": group, "MessageDeduplicationId": deduplication_id}
    return sqs.send_message(QueueUrl=url, MessageBody=word, **given)


def test_a_redrive_in_order_waits_for_the_first_of_a_group(served: Served, sqs: Any, make: Make) -> None:
    """Others of other groups go on. The old names are the deduplication ids of the new messages."""
    _, letters = pair(make, fifo=True)
    there = make(fifo=True)
    names = {"a0": _sent_in_order(sqs, letters, "a0", "a", "0")["MessageId"]}
    (held,) = received(sqs, letters, VisibilityTimeout=600)
    for word in ("a1", "b0"):
        names[word] = _sent_in_order(sqs, letters, word, word[0], word)["MessageId"]
    sqs.start_message_move_task(SourceArn=arn_of(letters), DestinationArn=arn_of(there))
    until(lambda: counts(sqs, there)[0] == 1, "the other group's")
    served.clock.advance(2)
    time.sleep(0.1)
    found = received(sqs, there, AttributeNames=["All"])
    assert [message["Body"] for message in found] == ["b0"]
    sqs.change_message_visibility(QueueUrl=letters, ReceiptHandle=held["ReceiptHandle"], VisibilityTimeout=0)
    until(lambda: served.clock.advance(1.1) or _ended(sqs, letters), "the redrive")
    found += received(sqs, there, AttributeNames=["All"])
    assert [message["Body"] for message in found] == ["b0", "a0", "a1"]
    for message in found:
        old, told = names[message["Body"]], message["Attributes"]
        assert (told["MessageDeduplicationId"], message["MessageId"] == old) == (old, False)
        sqs.delete_message(QueueUrl=there, ReceiptHandle=message["ReceiptHandle"])
        twin = _sent_in_order(sqs, there, "twin", told["MessageGroupId"], old)
        assert (twin["MessageId"], twin["SequenceNumber"]) == (message["MessageId"], told["SequenceNumber"])
    assert bodies(sqs, there) == []


@pytest.mark.parametrize(("scope", "moved"), [("queue", 0), ("messageGroup", 1)])
def test_a_redrive_does_not_bring_twins(sqs: Any, make: Make, scope: str, moved: int) -> None:
    """What is one of a message that came lately goes, and is not counted."""
    _, letters = pair(make, fifo=True)
    there = make(fifo=True, DeduplicationScope=scope)
    name = _sent_in_order(sqs, letters, "late", "a", "0")["MessageId"]
    _sent_in_order(sqs, there, "early", "b", name)
    sqs.start_message_move_task(SourceArn=arn_of(letters), DestinationArn=arn_of(there))
    task = finished(sqs, letters)
    assert (task["Status"], task["ApproximateNumberOfMessagesMoved"]) == ("COMPLETED", moved)
    assert sorted(bodies(sqs, there)) == ["early", "late"][: moved + 1]
    assert counts(sqs, letters) == (0, 0, 0)


def test_what_is_sent_under_the_name_of_a_dead_letter_is_its_twin(sqs: Any, make: Make) -> None:
    url, letters = pair(make, 1, fifo=True)
    buried(sqs, url, "dead")
    (dead,) = received(sqs, letters, AttributeNames=["All"])
    sqs.delete_message(QueueUrl=letters, ReceiptHandle=dead["ReceiptHandle"])
    twin = _sent_in_order(sqs, letters, "twin", "g", dead["MessageId"])
    assert (twin["MessageId"], twin["SequenceNumber"]) == (dead["MessageId"], dead["Attributes"]["SequenceNumber"])
    assert bodies(sqs, letters) == []


def _ended(sqs: Any, letters: str) -> Any:
    (task,) = sqs.list_message_move_tasks(SourceArn=arn_of(letters))["Results"]
    return task if task["Status"] != "RUNNING" else None


def test_redrives_that_cannot_be(sqs: Any, make: Make) -> None:
    _, letters = pair(make)
    plain, fifo = make(), make(fifo=True)
    nobody = arn_of(plain) + "x"
    cases: list[tuple[dict[str, Any], str]] = [
        ({"SourceArn": arn_of(plain)}, "InvalidParameterValue"),
        ({"SourceArn": "x"}, "InvalidParameterValue"),
        ({"SourceArn": nobody}, "ResourceNotFoundException"),
        ({"SourceArn": arn_of(letters), "DestinationArn": nobody}, "ResourceNotFoundException"),
        ({"SourceArn": arn_of(letters), "DestinationArn": arn_of(fifo)}, "InvalidParameterValue"),
        ({"SourceArn": arn_of(letters), "DestinationArn": arn_of(letters)}, "InvalidParameterValue"),
        ({"SourceArn": arn_of(letters), "MaxNumberOfMessagesPerSecond": 0}, "InvalidParameterValue"),
        ({"SourceArn": arn_of(letters), "MaxNumberOfMessagesPerSecond": 501}, "InvalidParameterValue"),
    ]
    for asked, code in cases:
        assert refused(sqs.start_message_move_task, **asked)[0] == code
    assert refused(sqs.cancel_message_move_task, TaskHandle="x")[0] == "InvalidParameterValue"
    assert refused(sqs.list_message_move_tasks, SourceArn=arn_of(letters), MaxResults=11)[0] == "InvalidParameterValue"
    assert sqs.list_message_move_tasks(SourceArn=arn_of(letters)).get("Results", []) == []


def test_a_redrive_knows_only_queues_of_its_region(served: Served, sqs: Any, make: Make) -> None:
    """Each region's endpoint answers for itself, whatever an ARN says."""
    _, letters = pair(make)
    afar = served.client(region="eu-west-1")
    there = name_of(afar.create_queue(QueueName="afar")["QueueUrl"])
    target = f"arn:aws:sqs:eu-west-1:000000000000:{there}"
    for call, asked in (
        (afar.start_message_move_task, {}),
        (afar.list_message_move_tasks, {}),
        (sqs.start_message_move_task, {"DestinationArn": target}),
    ):
        assert refused(call, SourceArn=arn_of(letters), **asked)[0] == "ResourceNotFoundException"


def test_a_redrive_goes_on_after_a_restart(tmp_path: Path) -> None:
    clock = MovableClock()
    source, letters = QueueKey("0", "r", "source"), QueueKey("0", "r", "letters")

    async def main() -> None:
        async with opened(tmp_path / "bulb.db", clock) as api:
            store = api._store
            policy = json.dumps({"deadLetterTargetArn": letters.arn, "maxReceiveCount": 1})
            there = await store.queues.create(Queue(0, letters, False, 1.0, 1.0))
            await store.queues.create(Queue(0, source, False, 1.0, 1.0, attributes={"RedrivePolicy": policy}))
            new = [NewMessage(str(number), str(number), "md5", "me") for number in range(5)]
            await store.sending.send_all(there, new, clock.now())
            api._moves.begin(await store.tasks.start("handle", there, source.arn, 2, clock.now()))
            for _ in range(3_000):
                if (await store.looking.counts(there, clock.now())).visible < 5:
                    break
                await asyncio.sleep(0.01)
        async with opened(tmp_path / "bulb.db", clock) as api:
            store = api._store
            for _ in range(3_000):
                clock.advance(1.0)
                await asyncio.sleep(0.01)
                (task,) = await store.tasks.of(letters.arn, 1)
                if task.status != "RUNNING":
                    break
            assert (task.status, task.moved) == ("COMPLETED", 5)
            back = store.queues.find(source)
            assert back is not None
            assert (await store.looking.counts(back, clock.now())).visible == 5

    asyncio.run(main())


def test_only_ten_redrives_are_remembered(sqs: Any, make: Make) -> None:
    _, letters = pair(make)
    for _ in range(12):
        sqs.start_message_move_task(SourceArn=arn_of(letters))
        finished(sqs, letters)
    assert len(sqs.list_message_move_tasks(SourceArn=arn_of(letters), MaxResults=10)["Results"]) == 10
