"""kill -9 while messages are sent, received and deleted: what was answered is so, nothing is lost or comes back."""

import random
import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import BotoCoreError, ClientError

from tests.services.sqs.conftest import received
from tests.support.bulb import Process
from tests.support.waiting import until

SENDERS, RECEIVERS, ROUNDS = 4, 3, 2


@pytest.fixture
def process(tmp_path: Path) -> Iterator[Process]:
    process = Process(tmp_path / "data", "--stock", "0", "--egress", "none")
    yield process
    process.kill()


class Traffic:
    """What clients were told: bodies whose sending was answered, and those whose delete was."""

    def __init__(self) -> None:
        self.sent: set[str] = set()
        self.tried_to_delete: set[str] = set()
        self.deleted: set[str] = set()
        self.seen_after_delete: set[str] = set()
        self._stop = threading.Event()

    def run(self, process: Process, urls: list[str], round_: int) -> None:
        """Clients at work; the server is killed under them."""
        self._stop.clear()
        senders = [
            threading.Thread(target=self._send, args=(process.client("sqs"), urls, f"{round_}-{number}"))
            for number in range(SENDERS)
        ]
        receivers = [
            threading.Thread(target=self._receive, args=(process.client("sqs"), urls)) for _ in range(RECEIVERS)
        ]
        for thread in (*senders, *receivers):
            thread.start()
        sent, deleted = len(self.sent) + 20, len(self.deleted) + 5
        until(lambda: len(self.sent) > sent and len(self.deleted) > deleted, "clients at work")
        time.sleep(random.uniform(0.5, 1.5))
        process.kill()
        self._stop.set()
        for thread in (*senders, *receivers):
            thread.join(30)

    def _send(self, sqs: Any, urls: list[str], name: str) -> None:
        for number in range(100_000):
            if self._stop.is_set():
                return
            bodies = [f"{name}.{number}.{at}" for at in range(3)]
            fifo = {"MessageGroupId": name}
            try:
                sqs.send_message(QueueUrl=urls[0], MessageBody=bodies[0])
                self.sent.add(bodies[0])
                sqs.send_message(QueueUrl=urls[1], MessageBody=bodies[1], MessageDeduplicationId=bodies[1], **fifo)
                self.sent.add(bodies[1])
                entries = [{"Id": "a", "MessageBody": bodies[2]}]
                sqs.send_message_batch(QueueUrl=urls[0], Entries=entries)
                self.sent.add(bodies[2])
            except (BotoCoreError, ClientError):
                return

    def _receive(self, sqs: Any, urls: list[str]) -> None:
        while not self._stop.is_set():
            try:
                for url in urls:
                    found = received(sqs, url, 5, VisibilityTimeout=600)
                    for message in found:
                        if message["Body"] in self.deleted:
                            self.seen_after_delete.add(message["Body"])
                    for message in found[:-1]:
                        self.tried_to_delete.add(message["Body"])
                        sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
                        self.deleted.add(message["Body"])
            except (BotoCoreError, ClientError):
                return


def left(process: Process, urls: list[str]) -> list[str]:
    """The bodies of all that is there, in the order they are received."""
    sqs, found = process.client("sqs"), []
    for url in urls:
        while messages := received(sqs, url, 10, VisibilityTimeout=600):
            found += [message["Body"] for message in messages]
            entries = [{"Id": str(at), "ReceiptHandle": one["ReceiptHandle"]} for at, one in enumerate(messages)]
            assert not sqs.delete_message_batch(QueueUrl=url, Entries=entries).get("Failed")
    return found


def test_what_was_answered_survives(process: Process) -> None:
    process.start()
    sqs = process.client("sqs")
    urls = [
        sqs.create_queue(QueueName="q")["QueueUrl"],
        sqs.create_queue(
            QueueName="q.fifo",
            Attributes={
                "FifoQueue": "true",
                "DeduplicationScope": "messageGroup",
                "FifoThroughputLimit": "perMessageGroupId",
            },
        )["QueueUrl"],
    ]
    paths = [url.partition("//")[2].partition("/")[2] for url in urls]
    traffic = Traffic()
    for round_ in range(ROUNDS):
        traffic.run(process, urls, round_)
        if round_ == ROUNDS - 1:
            assert free(process.data / "bulb.db") > 0
        process.start()
        urls = [f"{process.url}/{path}" for path in paths]
    assert len(traffic.sent) > 20
    assert len(traffic.deleted) > 5
    assert not traffic.seen_after_delete
    there = left(process, urls)
    assert len(there) == len(set(there))
    assert traffic.sent - traffic.tried_to_delete <= set(there)
    assert not traffic.deleted & set(there)
    ordered: dict[str, list[int]] = {}
    for body in there:
        name, number, at = body.split(".")
        if at == "1":
            ordered.setdefault(name, []).append(int(number))
    assert ordered
    assert all(numbers == sorted(numbers) for numbers in ordered.values())


def free(database: Path) -> int:
    """Make visible what is in flight, for the clock of a process cannot be moved; how many those are."""
    connection = sqlite3.connect(database)
    with connection:
        freed = connection.execute("UPDATE sqs_messages SET visible_at = 0 WHERE claim <> 0").rowcount
        connection.execute("UPDATE sqs_groups SET ready_at = 0")
    connection.close()
    return freed
