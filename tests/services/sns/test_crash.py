"""kill -9 right after Publish was answered: every subscriber gets the message all the same, and replays go on."""

import json
import threading
from pathlib import Path
from typing import Any

import pytest

from tests.services.sns.room import Queue
from tests.support.bulb import Process
from tests.support.gateway import client
from tests.support.waiting import until

PUBLISHERS = 4
REPLAYED = 120  # more than one transaction puts


def test_what_was_answered_is_delivered(tmp_path: Path) -> None:
    server = Process(tmp_path / "data", "--stock", "0", "--egress", "none", "--isolation", "plain")
    server.start()
    port = server.port
    sns = server.client("sns")
    arn = sns.create_topic(Name="t")["TopicArn"]
    queues = [Queue(server, f"q{number}") for number in range(2)]  # type: ignore[arg-type]
    for queue in queues:
        sns.subscribe(TopicArn=arn, Protocol="sqs", Endpoint=queue.arn, Attributes={"RawMessageDelivery": "true"})
    archive, late = _archive(sns), Queue(server, "late.fifo")  # type: ignore[arg-type]
    answered: set[str] = set()
    for round_ in range(2):
        stop = threading.Event()
        threads = [
            threading.Thread(target=_publish, args=(server.url, arn, f"{round_}-{one}", answered, stop))
            for one in range(PUBLISHERS)
        ]
        for thread in threads:
            thread.start()
        wanted = len(answered) + 20
        until(lambda wanted=wanted: len(answered) >= wanted, "messages are published")  # type: ignore[misc]
        if round_ == 1:
            _replay(sns, archive, late)
        server.kill()
        stop.set()
        for thread in threads:
            thread.join(30)
        server.start(port)
    try:
        for queue in queues:
            queue.sqs = server.client("sqs")
            assert answered <= _all(queue, len(answered))
        late.sqs = server.client("sqs")
        documents = late.documents(REPLAYED)
        assert [one["Message"] for one in documents] == [f"m{number}" for number in range(REPLAYED)]
        assert {one["UnsubscribeURL"].partition("/?")[0] for one in documents} == {server.url}
    finally:
        server.stop()


def _archive(sns: Any) -> str:
    """A topic with messages in its archive, which nobody has got yet."""
    policy = {
        "FifoTopic": "true",
        "ContentBasedDeduplication": "true",
        "ArchivePolicy": '{"MessageRetentionPeriod": 1}',
    }
    arn: str = sns.create_topic(Name="kept.fifo", Attributes=policy)["TopicArn"]
    for start in range(0, REPLAYED, 10):
        entries = [{"Id": str(n), "Message": f"m{n}", "MessageGroupId": "g"} for n in range(start, start + 10)]
        sns.publish_batch(TopicArn=arn, PublishBatchRequestEntries=entries)
    return arn


def _replay(sns: Any, topic_arn: str, queue: Queue) -> None:
    begins = sns.get_topic_attributes(TopicArn=topic_arn)["Attributes"]["BeginningArchiveTime"]
    policy = json.dumps({"PointType": "Timestamp", "StartingPoint": begins})
    sns.subscribe(TopicArn=topic_arn, Protocol="sqs", Endpoint=queue.arn, Attributes={"ReplayPolicy": policy})


def _publish(url: str, arn: str, name: str, answered: set[str], stop: threading.Event) -> None:
    sns = client("sns", url)
    for number in range(10_000):
        if stop.is_set():
            return
        text = f"{name}-{number}"
        try:
            sns.publish(TopicArn=arn, Message=text)
        except Exception:  # the server was killed: nothing was answered
            return
        answered.add(text)


def _all(queue: Queue, least: int) -> set[str]:
    found: set[str] = set()
    empty = 0
    while empty < 20:
        messages = queue.sqs.receive_message(QueueUrl=queue.url, MaxNumberOfMessages=10, WaitTimeSeconds=1)
        got = messages.get("Messages", [])
        empty = 0 if got else empty + 1
        found |= {one["Body"] for one in got}
        entries = [{"Id": str(n), "ReceiptHandle": one["ReceiptHandle"]} for n, one in enumerate(got)]
        if entries:
            queue.sqs.delete_message_batch(QueueUrl=queue.url, Entries=entries)
        if len(found) >= least and not got:
            return found
    pytest.fail(f"{len(found)} of {least} messages came")
