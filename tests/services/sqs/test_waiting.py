"""Long polls: they wake at once, take turns, and leave nothing behind when their client leaves."""

import asyncio
import http.client
import json
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from bulb.services.sqs import Waiting
from bulb.services.sqs.model import NewMessage, Queue, QueueKey
from bulb.services.sqs.store.receiving import Asked
from tests.services.sqs.conftest import Served, bodies, counts, opened, received
from tests.support.clock import MovableClock
from tests.support.waiting import until

Make = Callable[..., str]


class Poll:
    """A receive in a thread of its own."""

    def __init__(self, served: Served, url: str, seconds: int | None = 20, limit: int = 10) -> None:
        self.found: list[str] = []
        self._began = time.monotonic()
        self.took = 0.0
        options = {} if seconds is None else {"WaitTimeSeconds": seconds}
        sqs = served.client(read_timeout=40)

        def receive() -> None:
            self.found = bodies(sqs, url, limit, **options)
            self.took = time.monotonic() - self._began

        self._thread = threading.Thread(target=receive)
        self._thread.start()

    @property
    def is_over(self) -> bool:
        return not self._thread.is_alive()

    def end(self) -> list[str]:
        self._thread.join(30)
        assert self.is_over
        return self.found


def settled(served: Served, polls: int = 1) -> None:
    """So many polls wait, and have waited for long enough to see that they go on waiting."""
    until(lambda: served.polls() == polls, f"{polls} polls")
    time.sleep(0.2)


def test_a_poll_wakes_when_something_is_sent(served: Served, sqs: Any, make: Make) -> None:
    url = make()
    poll = Poll(served, url)
    settled(served)
    assert not poll.is_over
    sqs.send_message(QueueUrl=url, MessageBody="x")
    assert poll.end() == ["x"]
    assert poll.took < 15


def test_a_poll_ends_by_the_clock(served: Served, make: Make) -> None:
    poll = Poll(served, make())
    settled(served)
    assert not poll.is_over
    served.clock.advance(21)
    assert poll.end() == []
    assert poll.took < 15


def test_the_queue_says_how_long_to_wait(served: Served, sqs: Any, make: Make) -> None:
    url = make(ReceiveMessageWaitTimeSeconds="20")
    poll = Poll(served, url, None)
    settled(served)
    assert not poll.is_over
    assert bodies(sqs, url, WaitTimeSeconds=0) == []  # the call's own word counts
    sqs.send_message(QueueUrl=url, MessageBody="x")
    assert poll.end() == ["x"]


def test_a_poll_wakes_when_a_message_becomes_visible(served: Served, sqs: Any, make: Make) -> None:
    url = make()
    sqs.send_message(QueueUrl=url, MessageBody="delayed", DelaySeconds=10)
    poll = Poll(served, url)
    settled(served)
    assert not poll.is_over
    served.clock.advance(11)
    assert poll.end() == ["delayed"]
    again = Poll(served, url)
    settled(served)
    served.clock.advance(21)
    assert again.end() == []  # 30 s hidden, 20 s waited for
    third = Poll(served, url)
    settled(served)
    assert not third.is_over
    served.clock.advance(12)
    assert third.end() == ["delayed"]


def test_a_poll_wakes_when_a_message_is_given_back(served: Served, sqs: Any, make: Make) -> None:
    url = make()
    sqs.send_message(QueueUrl=url, MessageBody="x")
    (message,) = received(sqs, url)
    poll = Poll(served, url)
    settled(served)
    sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=0)
    assert poll.end() == ["x"]
    assert poll.took < 15


def test_a_poll_wakes_when_a_group_is_free(served: Served, sqs: Any, make: Make) -> None:
    url = make(fifo=True)
    for word in "12":
        sqs.send_message(QueueUrl=url, MessageBody=word, MessageGroupId="g", MessageDeduplicationId=word)
    (message,) = received(sqs, url, 1)
    poll = Poll(served, url)
    settled(served)
    assert not poll.is_over
    sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    assert poll.end() == ["2"]
    assert poll.took < 15


def test_polls_take_turns(served: Served, sqs: Any, make: Make) -> None:
    url = make()
    polls = [Poll(served, url, limit=1) for _ in range(4)]
    settled(served, 4)
    entries = [{"Id": word, "MessageBody": word} for word in "abc"]
    sqs.send_message_batch(QueueUrl=url, Entries=entries)  # one commit, three messages
    until(lambda: sum(poll.is_over for poll in polls) == 3, "three polls")
    sqs.send_message(QueueUrl=url, MessageBody="d")
    assert sorted(word for poll in polls for word in poll.end()) == ["a", "b", "c", "d"]


def test_a_poll_ends_with_its_queue(served: Served, sqs: Any, make: Make) -> None:
    url = make()
    poll = Poll(served, url)
    settled(served)
    sqs.delete_queue(QueueUrl=url)
    assert poll.end() == []
    assert poll.took < 15


def test_every_poll_ends_with_its_queue(served: Served, sqs: Any, make: Make) -> None:
    url = make()
    polls = [Poll(served, url) for _ in range(3)]
    settled(served, 3)
    sqs.delete_queue(QueueUrl=url)
    assert [poll.end() for poll in polls] == [[], [], []]
    assert all(poll.took < 15 for poll in polls)


def test_who_leaves_in_the_moment_it_is_woken_wakes_the_next(tmp_path: Path) -> None:
    """The message it was woken for is the other's, at once."""

    async def main() -> None:
        async with opened(tmp_path / "bulb.db", MovableClock()) as api:
            store, waiting = api._store, api._waiting
            queue = await store.queues.create(Queue(0, QueueKey("0", "r", "q"), False, 1.0, 1.0))
            asking, leave = Asked(10, 30.0), []

            def leaving(how: Callable[[], None]) -> Callable[[], None]:
                leave.append(how)
                return leave.clear

            gone = asyncio.create_task(waiting.receive(queue, asking, 3_600.0, leaving))
            await in_line(waiting, 1)
            other = asyncio.create_task(waiting.receive(queue, asking, 3_600.0, None))
            await in_line(waiting, 2)
            store.database.on_commit(queue.channel, leave[0])  # told after the line
            await store.sending.send_all(queue, [NewMessage("m", "x", "md5", "me")], api._clock.now())
            assert (await asyncio.wait_for(gone, 20)).messages == ()
            assert [message.body for message in (await asyncio.wait_for(other, 20)).messages] == ["x"]

    asyncio.run(main())


async def in_line(waiting: Waiting, count: int) -> None:
    """So many wait, and have looked for messages once."""
    async with asyncio.timeout(20):
        while sum(len(line.waiters) for line in waiting._lines.values()) != count:  # noqa: ASYNC110 - a plain value
            await asyncio.sleep(0.01)
    await asyncio.sleep(0.2)


def asked(url: str, seconds: int) -> bytes:
    body = json.dumps({"QueueUrl": url, "WaitTimeSeconds": seconds}).encode()
    scope = "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/sqs/aws4_request, SignedHeaders=host, Signature=00"
    return (
        f"POST / HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: {scope}\r\nx-amz-date: 20260101T000000Z\r\n"
        f"x-amz-target: AmazonSQS.ReceiveMessage\r\ncontent-type: application/x-amz-json-1.0\r\n"
        f"content-length: {len(body)}\r\n\r\n"
    ).encode() + body


@pytest.mark.parametrize("how", ["close", "reset", "shutdown"])
def test_a_client_that_leaves_takes_no_message(served: Served, sqs: Any, make: Make, how: str) -> None:
    url, place = make(), urlsplit(served.url)
    client = socket.create_connection((str(place.hostname), place.port))
    client.sendall(asked(url, 20))
    settled(served)
    if how == "reset":
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
    if how == "shutdown":
        client.shutdown(socket.SHUT_WR)
        client.settimeout(30)
        assert client.recv(100).startswith(b"HTTP/1.1 200")  # it still gets an answer
    client.close()
    settled(served, 0)
    sqs.send_message(QueueUrl=url, MessageBody="x")
    assert counts(sqs, url) == (1, 0, 0)
    (message,) = received(sqs, url, AttributeNames=["ApproximateReceiveCount"])
    assert message["Attributes"]["ApproximateReceiveCount"] == "1"


def test_a_client_may_go_on_with_its_connection(served: Served, sqs: Any, make: Make) -> None:
    """Waiting leaves nothing behind: the next call on the same connection waits as well as the first."""
    url, place = make(), urlsplit(served.url)
    connection = http.client.HTTPConnection(str(place.hostname), place.port, timeout=30)
    for word in "ab":
        timer = threading.Timer(0.3, lambda word=word: sqs.send_message(QueueUrl=url, MessageBody=word))
        timer.start()
        body = json.dumps({"QueueUrl": url, "WaitTimeSeconds": 20})
        headers = {"x-amz-target": "AmazonSQS.ReceiveMessage", "content-type": "application/x-amz-json-1.0"}
        connection.request("POST", "/", body, headers)
        assert [one["Body"] for one in json.loads(connection.getresponse().read())["Messages"]] == [word]
        timer.join()
    connection.close()
