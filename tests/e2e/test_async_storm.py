"""Ten thousand events, a server that is killed twenty times: what was accepted ends, and its end is told."""

import contextlib
import http.client
import json
import random
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

from tests.support.bulb import Process
from tests.support.functions import create
from tests.support.waiting import until

EVENTS, KILLS, SENDERS, SEED = 10_000, 20, 8, 20_261_121
SQS = "arn:aws:sqs:us-east-1:000000000000"


class QueueServer(Process):
    module = ("tests.support.queue_server",)


class Senders:
    """Send every number until each was accepted once; a request that broke off is sent again."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._numbers = iter(range(EVENTS))
        self._lock = threading.Lock()
        self.accepted: dict[str, int] = {}
        self._threads = [threading.Thread(target=self._send, daemon=True) for _ in range(SENDERS)]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def join(self) -> None:
        for thread in self._threads:
            thread.join(60)

    def _send(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=5)
        deadline = time.monotonic() + 100
        while time.monotonic() < deadline:
            with self._lock:
                number = next(self._numbers, None)
            if number is None:
                return
            while (request_id := self._once(connection, number)) is None and time.monotonic() < deadline:
                time.sleep(0.02)
            if request_id:
                self.accepted[request_id] = number

    def _once(self, connection: http.client.HTTPConnection, number: int) -> str | None:
        path, headers = "/2015-03-31/functions/storm/invocations", {"X-Amz-Invocation-Type": "Event"}
        try:
            connection.request("POST", path, json.dumps({"n": number}), headers)
            answer = connection.getresponse()
            answer.read()
            return answer.headers["x-amzn-RequestId"] if answer.status == 202 else None
        except (OSError, http.client.HTTPException):
            connection.close()
            return None


def told(folder: Path) -> Counter[tuple[str, str]]:
    with contextlib.suppress(FileNotFoundError):
        lines = (folder / "told").read_text().splitlines()
        return Counter((kind, request_id) for kind, _, request_id in (line.partition(" ") for line in lines))
    return Counter()


def written(s3: Any) -> Counter[str]:
    """The request ids of the records in the bucket."""
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket="failures")
    keys = [item["Key"] for page in pages for item in page.get("Contents", ())]
    bodies = (s3.get_object(Bucket="failures", Key=key)["Body"].read() for key in keys)
    return Counter(json.loads(body)["requestContext"]["requestId"] for body in bodies)


def test_every_accepted_event_ends_although_the_server_is_killed_twenty_times(tmp_path: Path) -> None:
    server = QueueServer(tmp_path / "data")
    server.start()
    try:
        aws = server.client("lambda")
        server.client("s3").create_bucket(Bucket="failures")
        source = "def handler(event, context):\n    if event['n'] % 25 == 0:\n        raise ValueError('no')"
        create(aws, "storm", source, DeadLetterConfig={"TargetArn": f"{SQS}:dead"})
        aws.put_function_event_invoke_config(
            FunctionName="storm",
            MaximumRetryAttempts=0,
            DestinationConfig={
                "OnSuccess": {"Destination": f"{SQS}:good"},
                "OnFailure": {"Destination": "arn:aws:s3:::failures"},
            },
        )
        senders = Senders(server.port)
        senders.start()
        for moment in sorted(random.Random(SEED).sample(range(100, EVENTS - 100), KILLS)):
            until(lambda m=moment: len(senders.accepted) >= m, f"{moment} accepted", seconds=60, every=0.001)
            port = server.port
            server.kill()
            server.start(port)
        senders.join()
        assert len(senders.accepted) == EVENTS
        bad = {request_id for request_id, number in senders.accepted.items() if number % 25 == 0}
        good = senders.accepted.keys() - bad

        def ended() -> bool:
            ends = told(tmp_path)
            return all(("OnSuccess", id_) in ends for id_ in good) and all(("DeadLetter", id_) in ends for id_ in bad)

        until(ended, "every end told", seconds=60, every=0.2)
        s3 = server.client("s3")
        until(lambda: bad <= written(s3).keys(), "every failure in the bucket", seconds=20, every=0.5)
        ends, records = told(tmp_path), written(s3)
        assert not {id_ for kind, id_ in ends if kind == "OnSuccess"} & bad
        assert set(records.values()) == {1}, "a record is written once"
        print(f"\n{EVENTS} events, {KILLS} kills: {ends.total() - len(ends)} duplicates of {len(ends)} messages")
    finally:
        server.kill()
