"""Fifty thousand messages, a server that is killed ten times: each was processed or is a dead letter, groups in order.

A handler writes what it processed into a queue of its own before it answers: what it wrote is as durable as the
messages themselves, whenever the server dies. A message may be processed more than once, for its batch may have been
written down and not yet deleted. Order is that of first times: in the log of a group no message is processed for the
first time after one that was sent later, but for those that became dead letters.
"""

import http.client
import json
import random
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.support.bulb import Process
from tests.support.functions import create
from tests.support.waiting import until

LOOSE, GROUPED, GROUPS, KILLS, SENDERS, SEED = 45_000, 5_000, 50, 10, 5, 20_261_129
ACCOUNT = "000000000000"
# One in fifty fails, by chance, each time it is received; one in a thousand always, hardly two of them in one group:
# each holds its group up for as long as it takes to become a dead letter.
# It speaks to the queue without an SDK, for loading one would be most of what a test with hundreds of starts does.
HANDLER = """
import http.client, json, os, urllib.parse, zlib

def fails(record):
    attempt = record["attributes"]["ApproximateReceiveCount"]
    return int(record["body"]) % 999 == 7 or zlib.crc32(f"{record['body']}:{attempt}".encode()) % 50 == 0

def handler(event, context):
    done, failed, stopped = [], [], set()
    for record in event["Records"]:
        group = record["attributes"].get("MessageGroupId")
        if group in stopped or fails(record):
            failed.append({"itemIdentifier": record["messageId"]})
            stopped.add(group or "-")
        else:
            done.append(record["body"])
    if done:
        say({"QueueUrl": os.environ["LOG"], "MessageBody": " ".join(done)}, context.aws_request_id)
    return {"batchItemFailures": failed}

def say(message, id):
    if os.environ["LOG"].endswith(".fifo"):
        message |= {"MessageGroupId": "log", "MessageDeduplicationId": id}
    server = urllib.parse.urlsplit(os.environ["AWS_ENDPOINT_URL"])
    connection = http.client.HTTPConnection(server.hostname, server.port, timeout=3)
    connection.request("POST", "/", json.dumps(message), json.loads(os.environ["HEADERS"]))
    answer = connection.getresponse()
    text = answer.read()
    connection.close()
    if answer.status != 200:
        raise RuntimeError(text)
"""
_CREDENTIAL = (
    f"AWS4-HMAC-SHA256 Credential={ACCOUNT}/20260101/us-east-1/sqs/aws4_request, "
    "SignedHeaders=host;x-amz-date, Signature=" + "0" * 64
)


def headers(operation: str) -> dict[str, str]:
    return {
        "authorization": _CREDENTIAL,
        "x-amz-date": "20260101T000000Z",
        "content-type": "application/x-amz-json-1.0",
        "x-amz-target": f"AmazonSQS.{operation}",
    }


def group_of(number: int) -> str:
    return f"g{number % GROUPS}"


class Senders:
    """Send every number, ten at a time, until they were accepted; what broke off is sent again.

    Numbers from LOOSE on go to the FIFO queue, those of a group by one sender and in order.
    """

    def __init__(self, port: int, loose: str, grouped: str) -> None:
        self._port = port
        self._loose, self._grouped = loose, grouped
        self.accepted: set[int] = set()
        self._threads = [threading.Thread(target=self._send, args=(n,), daemon=True) for n in range(SENDERS)]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def join(self) -> None:
        for thread in self._threads:
            thread.join(800)

    def _batches(self, sender: int) -> Iterator[tuple[str, list[int]]]:
        """A tenth of the batches are of the FIFO queue, so that both are busy all the time."""
        loose, grouped = range(sender, LOOSE, SENDERS), range(LOOSE + sender, LOOSE + GROUPED, SENDERS)
        pieces = [(self._grouped, list(grouped[at : at + 10])) for at in range(0, len(grouped), 10)]
        for at in range(0, len(loose), 10):
            yield self._loose, list(loose[at : at + 10])
            if at % 90 == 0 and pieces:
                yield pieces.pop(0)
        yield from pieces

    def _send(self, sender: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=5)
        deadline = time.monotonic() + 800
        for url, numbers in self._batches(sender):
            entries: list[dict[str, str]] = [{"Id": str(n), "MessageBody": str(n)} for n in numbers]
            if url == self._grouped:
                for entry, number in zip(entries, numbers, strict=True):
                    entry |= {"MessageGroupId": group_of(number), "MessageDeduplicationId": str(number)}
            body = json.dumps({"QueueUrl": url, "Entries": entries})
            while not self._once(connection, body):
                if time.monotonic() > deadline:
                    return
                time.sleep(0.02)
            self.accepted.update(numbers)

    def _once(self, connection: http.client.HTTPConnection, body: str) -> bool:
        try:
            connection.request("POST", "/", body, headers("SendMessageBatch"))
            answer = connection.getresponse()
            text = answer.read()
            return answer.status == 200 and not json.loads(text).get("Failed")
        except (OSError, http.client.HTTPException):
            connection.close()
            return False


class Storm:
    """The queues, functions and mappings."""

    def __init__(self, server: Process) -> None:
        self.server = server
        sqs, aws = server.client("sqs"), server.client("lambda")
        self.urls: dict[str, str] = {}
        for kind in ("loose", "grouped.fifo"):
            name, _, fifo = kind.partition(".")
            end, is_fifo = (".fifo", {"FifoQueue": "true"}) if fifo else ("", {})
            for use in ("log", "dead"):
                queue = f"{name}-{use}{end}"
                self.urls[queue] = sqs.create_queue(QueueName=queue, Attributes=is_fifo)["QueueUrl"]
            letters = {"deadLetterTargetArn": f"arn:aws:sqs:us-east-1:{ACCOUNT}:{name}-dead{end}", "maxReceiveCount": 4}
            settings = {"VisibilityTimeout": "3", "RedrivePolicy": json.dumps(letters), **is_fifo}
            self.urls[kind] = sqs.create_queue(QueueName=kind, Attributes=settings)["QueueUrl"]
            variables = {"LOG": self.urls[f"{name}-log{end}"], "HEADERS": json.dumps(headers("SendMessage"))}
            create(aws, name, HANDLER, Timeout=3, MemorySize=512, Environment={"Variables": variables})
            size = {} if fifo else {"BatchSize": 50, "MaximumBatchingWindowInSeconds": 1}
            aws.create_event_source_mapping(
                FunctionName=name,
                EventSourceArn=f"arn:aws:sqs:us-east-1:{ACCOUNT}:{kind}",
                FunctionResponseTypes=["ReportBatchItemFailures"],
                **size,
            )

    def left(self) -> int:
        """Messages that are in the two queues."""
        sqs, count = self.server.client("sqs"), 0
        for kind in ("loose", "grouped.fifo"):
            shown = sqs.get_queue_attributes(QueueUrl=self.urls[kind], AttributeNames=["All"])["Attributes"]
            count += int(shown["ApproximateNumberOfMessages"]) + int(shown["ApproximateNumberOfMessagesNotVisible"])
        return count

    def read(self, queue: str) -> list[str]:
        """The bodies in a queue, in its order."""
        sqs, url, found = self.server.client("sqs"), self.urls[queue], list[str]()
        while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
            found += [message["Body"] for message in messages]
            entries = [{"Id": str(n), "ReceiptHandle": m["ReceiptHandle"]} for n, m in enumerate(messages)]
            sqs.delete_message_batch(QueueUrl=url, Entries=entries)
        return found


def kill(server: Process) -> None:
    port = server.port
    server.kill()
    server.start(port)


def in_order(log: list[int], dead: set[int]) -> dict[str, Any]:
    """Groups of which a message was processed for the first time after a later one."""
    seen: set[int] = set()
    latest: dict[str, int] = {}
    wrong: dict[str, Any] = {}
    for number in log:
        if number not in seen and number not in dead:
            seen.add(number)
            group = group_of(number)
            if number < latest.get(group, -1):
                wrong[group] = (number, latest[group])
            latest[group] = max(number, latest.get(group, -1))
    return wrong


def test_every_message_is_processed_or_a_dead_letter_although_the_server_is_killed_ten_times(tmp_path: Path) -> None:
    server, chance, began = Process(tmp_path / "data"), random.Random(SEED), time.monotonic()
    server.start()
    try:
        storm = Storm(server)
        senders = Senders(server.port, storm.urls["loose"], storm.urls["grouped.fifo"])
        senders.start()
        for moment in sorted(chance.sample(range(1_000, LOOSE), KILLS - 2)):
            until(lambda m=moment: len(senders.accepted) >= m, f"{moment} accepted", seconds=400, every=0.001)
            kill(server)
        senders.join()
        assert len(senders.accepted) == LOOSE + GROUPED
        sent = time.monotonic() - began
        for _ in range(2):
            time.sleep(chance.uniform(0.2, 1.5))
            kill(server)
        until(lambda: storm.left() == 0, "the queues are empty", seconds=400, every=0.5)
        drained = time.monotonic() - began
        logs = {
            name: [int(n) for line in storm.read(name) for n in line.split()]
            for name in ("loose-log", "grouped-log.fifo")
        }
        dead = {name: {int(body) for body in storm.read(name)} for name in ("loose-dead", "grouped-dead.fifo")}
        for log, letters, numbers in (
            (logs["loose-log"], dead["loose-dead"], range(LOOSE)),
            (logs["grouped-log.fifo"], dead["grouped-dead.fifo"], range(LOOSE, LOOSE + GROUPED)),
        ):
            done = set(log)
            assert not set(numbers) - done - letters, "lost"
            assert {n for n in numbers if n % 999 == 7} <= letters, "what always fails is a dead letter"
            print(
                f"\n{len(numbers)} messages: {len(done)} processed, {len(log) - len(done)} times again, "
                f"{len(letters)} dead letters, {len(letters & done)} of them processed too"
            )
        assert not in_order(logs["grouped-log.fifo"], dead["grouped-dead.fifo"])
        print(f"{KILLS} kills, all sent after {sent:.0f} s, empty after {drained:.0f} s")
    finally:
        server.kill()
