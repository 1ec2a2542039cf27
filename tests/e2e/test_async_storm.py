"""Ten thousand events, a server that is killed twenty times: what was accepted ends, and its end is told."""

import http.client
import json
import random
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from tests.support.bulb import Process
from tests.support.functions import create
from tests.support.queues import Queue
from tests.support.waiting import until

EVENTS, KILLS, SENDERS, SEED = 10_000, 20, 8, 20_261_121


class Senders:
    """Send every number until each was accepted once; a request that broke off is sent again."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._numbers = iter(range(EVENTS))
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self.accepted: dict[str, int] = {}
        self._threads = [threading.Thread(target=self._send, daemon=True) for _ in range(SENDERS)]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def join(self) -> None:
        for thread in self._threads:
            thread.join(300)

    def stop(self) -> None:
        self._stop.set()

    def _send(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=5)
        while not self._stop.is_set():
            with self._lock:
                number = next(self._numbers, None)
            if number is None:
                return
            while (request_id := self._once(connection, number)) is None and not self._stop.is_set():
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


class Told:
    """The request ids of the ends told in a queue, taken out of it."""

    def __init__(self, queue: Queue) -> None:
        self._queue = queue
        self.ids: Counter[str] = Counter()

    def has(self, wanted: set[str]) -> bool:
        with ThreadPoolExecutor(4) as takers:
            for messages in takers.map(lambda _: self._queue.all(), range(4)):
                self.ids.update(map(request_id_of, messages))
        return wanted <= self.ids.keys()


def request_id_of(message: dict[str, Any]) -> str:
    """Of an event whose end a record or a dead letter tells."""
    if "RequestID" in message.get("MessageAttributes", {}):
        return str(message["MessageAttributes"]["RequestID"]["StringValue"])
    return str(json.loads(message["Body"])["requestContext"]["requestId"])


def written(s3: Any) -> Counter[str]:
    """The request ids of the records in the bucket."""
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket="failures")
    keys = [item["Key"] for page in pages for item in page.get("Contents", ())]
    bodies = (s3.get_object(Bucket="failures", Key=key)["Body"].read() for key in keys)
    return Counter(json.loads(body)["requestContext"]["requestId"] for body in bodies)


def test_every_accepted_event_ends_although_the_server_is_killed_twenty_times(tmp_path: Path) -> None:
    server = Process(tmp_path / "data")
    server.start()
    senders = Senders(server.port)
    try:
        aws = server.client("lambda")
        server.client("s3").create_bucket(Bucket="failures")
        succeeded, dead = Queue.make(server, "good"), Queue.make(server, "dead")
        source = "def handler(event, context):\n    if event['n'] % 25 == 0:\n        raise ValueError('no')"
        create(aws, "storm", source, DeadLetterConfig={"TargetArn": dead.arn})
        aws.put_function_event_invoke_config(
            FunctionName="storm",
            MaximumRetryAttempts=0,
            DestinationConfig={
                "OnSuccess": {"Destination": succeeded.arn},
                "OnFailure": {"Destination": "arn:aws:s3:::failures"},
            },
        )
        senders.start()
        for moment in sorted(random.Random(SEED).sample(range(100, EVENTS - 100), KILLS)):
            until(lambda m=moment: len(senders.accepted) >= m, f"{moment} accepted", seconds=120, every=0.001)
            port = server.port
            server.kill()
            server.start(port)
        senders.join()
        assert len(senders.accepted) == EVENTS
        bad = {request_id for request_id, number in senders.accepted.items() if number % 25 == 0}
        good = set(senders.accepted) - bad

        ends, letters = Told(succeeded), Told(dead)
        until(lambda: ends.has(good), "every success told", seconds=180, every=0.2)
        until(lambda: letters.has(bad), "every dead letter", seconds=180, every=0.2)
        s3 = server.client("s3")
        until(lambda: bad <= written(s3).keys(), "every failure in the bucket", seconds=60, every=0.5)
        records = written(s3)
        assert not ends.ids.keys() & bad
        assert not good & (letters.ids.keys() | records.keys())
        for found in (ends.ids, letters.ids, records):
            assert set(found.values()) == {1}, "every end is told once"
        # More than were answered: those whose sender was cut off before the answer.
        print(
            f"\n{EVENTS} events, {KILLS} kills: {len(ends.ids)} successes, {len(letters.ids)} failures, each told once"
        )
    finally:
        senders.stop()
        server.kill()
