"""Very many of everything, and everything at once: what was acknowledged is there, and a neighbour notices nothing."""

import contextlib
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.exceptions import BotoCoreError, ClientError

from tests.e2e.messages import House, Neighbour, queue_arn, refused, watched
from tests.support.bulb import Process, Running
from tests.support.waiting import until


@pytest.fixture(scope="module")
def bulb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with watched(tmp_path_factory.mktemp("crowds") / "data") as running:
        yield running


@pytest.fixture(scope="module")
def house(bulb: Running) -> House:
    return House(bulb)


@pytest.fixture(scope="module")
def neighbour(bulb: Running) -> Neighbour:
    return Neighbour(bulb)


@pytest.fixture(autouse=True)
def the_neighbour_is_served(neighbour: Neighbour) -> Iterator[None]:
    yield
    neighbour.assert_served()


def together(threads: int, work: Callable[[int], Any], count: int) -> list[Any]:
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(work, range(count)))


def test_two_hundred_queues_and_subscriptions_and_a_full_bus(house: House, neighbour: Neighbour) -> None:
    """One message for all of them is in each of them, once; listing names them all."""
    together(8, lambda n: house.sqs.create_queue(QueueName=f"many-{n:04}"), 200)
    topic = house.topic("many")
    together(8, lambda n: house.subscribe(topic, "sqs", queue_arn(f"many-{n:04}"), RawMessageDelivery="true"), 200)
    neighbour.assert_served()
    house.sns.publish(TopicArn=topic, Message="to all")
    neighbour.assert_served(30)
    urls = [
        url
        for page in house.sqs.get_paginator("list_queues").paginate(
            QueueNamePrefix="many-", PaginationConfig={"PageSize": 60}
        )
        for url in page["QueueUrls"]
    ]
    assert len(set(urls)) == 200
    counts = {"ApproximateNumberOfMessages"}

    def waiting(url: str) -> int:
        found = house.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=list(counts))
        return int(found["Attributes"]["ApproximateNumberOfMessages"])

    until(lambda: waiting(urls[-1]) and waiting(urls[0]), "the messages", 60)
    until(lambda: sum(together(8, lambda n: waiting(urls[n * 2]), 100)) == 100, "a message in each queue", 60)
    for number in range(99):
        house.rule(
            f"many-{number}", {"source": [f"many-{number % 10}"]}, queue_arn("many-0000"), EventBusName="default"
        )
    before = waiting(urls[0])
    house.put("many-3", {})
    until(lambda: waiting(urls[0]) == before + 10, "an event by ten rules", 60)


def test_long_pollers_that_leave_take_nothing_with_them(bulb: Running, house: House) -> None:
    """Two hundred that ask and hang up; then messages come: whoever is still there gets them, and none is in flight."""
    url = house.queue("pollers", VisibilityTimeout="600")
    place = urlsplit(bulb.url)
    body = json.dumps({"QueueUrl": url, "WaitTimeSeconds": 20, "MaxNumberOfMessages": 10}).encode()
    head = (
        "POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/x-amz-json-1.0\r\n"
        "X-Amz-Target: AmazonSQS.ReceiveMessage\r\nAuthorization: AWS4-HMAC-SHA256 "
        "Credential=test/20260101/us-east-1/sqs/aws4_request, SignedHeaders=host, Signature=0\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    ).encode()
    pollers = []
    for _ in range(200):
        connection = socket.create_connection((str(place.hostname), int(place.port or 0)))
        connection.sendall(head + body)
        pollers.append(connection)
    time.sleep(0.5)
    for connection in pollers:
        connection.close()
    time.sleep(0.5)
    for number in range(20):
        house.sqs.send_message(QueueUrl=url, MessageBody=str(number))
    found: list[str] = []

    def all_there() -> bool:
        found.extend(house.take(url))
        return len(found) >= 20

    until(all_there, "messages that nobody took away")
    assert sorted(found, key=int) == [str(number) for number in range(20)]


def test_queues_that_are_made_and_deleted_while_messages_are_on_their_way(house: House, neighbour: Neighbour) -> None:
    """Deliveries to what is gone are dropped; those to what stays all arrive, each once."""
    url = house.queue("stays")
    topic = house.topic("coming-and-going", "stays")
    stop = threading.Event()
    errors: list[str] = []

    def come_and_go(number: int) -> None:
        turn = 0
        while not stop.is_set():
            turn += 1
            name = f"goes-{number}-{turn}"
            try:
                gone = house.sqs.create_queue(QueueName=name)["QueueUrl"]
                subscription = house.subscribe(topic, "sqs", queue_arn(name), RawMessageDelivery="true")
                house.rule(f"goes-{number}", {"source": ["going"]}, queue_arn(name))
                house.sqs.delete_queue(QueueUrl=gone)
                house.sns.unsubscribe(SubscriptionArn=subscription)
                house.events.remove_targets(Rule=f"goes-{number}", Ids=["0"])
                house.events.delete_rule(Name=f"goes-{number}")
            except ClientError as error:
                if error.response["ResponseMetadata"]["HTTPStatusCode"] >= 500:
                    errors.append(str(error))

    threads = [threading.Thread(target=come_and_go, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    try:
        for number in range(30):
            house.sns.publish(TopicArn=topic, Message=str(number))
            house.put("going", {"n": number})
        neighbour.assert_served(30)
    finally:
        stop.set()
        for thread in threads:
            thread.join(30)
    assert not errors, errors[0]
    assert sorted(house.take_all(url, 30, 60), key=int) == [str(number) for number in range(30)]


def test_deleting_and_receiving_at_once_gives_no_message_twice(house: House) -> None:
    """Eight receivers, a sender and a purger of another queue: each message is had by one of them."""
    url, other = house.queue("shared"), house.queue("purged")
    found: list[str] = []
    done = threading.Event()

    def receive(_: int) -> None:
        while not done.is_set():
            found.extend(house.take(url))

    threads = [threading.Thread(target=receive, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    try:
        house.sqs.send_message(QueueUrl=other, MessageBody="x")
        for number in range(0, 300, 10):
            entries = [{"Id": str(n), "MessageBody": str(number + n)} for n in range(10)]
            assert len(house.sqs.send_message_batch(QueueUrl=url, Entries=entries)["Successful"]) == 10
        house.sqs.purge_queue(QueueUrl=other)
        until(lambda: len(found) >= 300, f"all messages, {len(found)} came", 60)
    finally:
        done.set()
        for thread in threads:
            thread.join(30)
    assert sorted(found, key=int) == [str(number) for number in range(300)]


def test_a_queue_that_is_its_own_dead_letter_queue_and_queues_in_a_circle(house: House, neighbour: Neighbour) -> None:
    """Refused, or harmless: a message is in one of them at a time, and is not lost."""
    url = house.queue("selfish", VisibilityTimeout="0")

    def redrive(name: str) -> dict[str, str]:
        return {"RedrivePolicy": json.dumps({"deadLetterTargetArn": queue_arn(name), "maxReceiveCount": 1})}

    with contextlib.suppress(ClientError):
        house.sqs.set_queue_attributes(QueueUrl=url, Attributes=redrive("selfish"))
    first, second = house.queue("circle-1", VisibilityTimeout="0"), house.queue("circle-2", VisibilityTimeout="0")
    house.sqs.set_queue_attributes(QueueUrl=first, Attributes=redrive("circle-2"))
    house.sqs.set_queue_attributes(QueueUrl=second, Attributes=redrive("circle-1"))
    for place in (url, first, second):
        house.sqs.send_message(QueueUrl=place, MessageBody=place.rpartition("/")[2])
    for _ in range(12):
        for place in (url, first, second):
            house.sqs.receive_message(QueueUrl=place, MaxNumberOfMessages=10)
    neighbour.assert_served()
    found: set[str] = set()

    def all_there() -> bool:
        for place in (url, first, second):
            found.update(house.take(place))
        return len(found) == 3

    until(all_there, "three messages")
    assert found == {"selfish", "circle-1", "circle-2"}


def test_a_task_that_moves_messages_where_they_come_from(house: House) -> None:
    """Moving from a dead-letter queue into itself, or into a queue whose letters go back there, ends."""
    url, letters = house.queue("source"), house.queue("letters", VisibilityTimeout="0")
    redrive = {"deadLetterTargetArn": queue_arn("letters"), "maxReceiveCount": 1}
    house.sqs.set_queue_attributes(QueueUrl=url, Attributes={"RedrivePolicy": json.dumps(redrive)})
    for number in range(5):
        house.sqs.send_message(QueueUrl=letters, MessageBody=str(number))
    refused(house.sqs.start_message_move_task, SourceArn=queue_arn("letters"), DestinationArn=queue_arn("letters"))
    refused(house.sqs.start_message_move_task, SourceArn=queue_arn("source"), DestinationArn=queue_arn("letters"))
    refused(house.sqs.cancel_message_move_task, TaskHandle="forged")
    task = {"SourceArn": queue_arn("letters"), "DestinationArn": queue_arn("source")}
    house.sqs.start_message_move_task(**task, MaxNumberOfMessagesPerSecond=1)
    refused(house.sqs.start_message_move_task, **task)
    assert sorted(house.take_all(url, 5, 30)) == list("01234")


def test_a_rule_that_feeds_its_own_bus(house: House, neighbour: Neighbour) -> None:
    """Whatever it makes of it, it does not go round for ever, and it can be taken away."""
    url = house.queue("round")
    bus = "arn:aws:events:us-east-1:000000000000:event-bus/default"
    house.rule("round-copy", {"source": ["round"]}, queue_arn("round"))
    try:
        house.rule("round", {"source": ["round"]}, bus)
    except ClientError as error:
        assert error.response["ResponseMetadata"]["HTTPStatusCode"] < 500
    house.events.create_event_bus(Name="ping")
    house.events.create_event_bus(Name="pong")
    for one, other in (("ping", "pong"), ("pong", "ping")):
        target = bus.replace("default", other)
        house.rule("round", {"source": ["round"]}, target, queue_arn("round"), EventBusName=one)
    house.put("round", {})
    house.put("round", {}, EventBusName="ping")
    neighbour.assert_served()
    copies = 0

    def came() -> bool:
        nonlocal copies
        copies += len(house.take(url, wait=1))
        return copies >= 2

    until(came, "both events")
    neighbour.assert_served()
    while taken := house.take(url, wait=2):
        copies += len(taken)
        assert copies <= 8, "it goes round"
    neighbour.assert_served()
    assert copies + len(house.take(url)) <= 8


@pytest.mark.parametrize("kind", ["topic", "dead letters"])
def test_loops_through_topics_and_queues_end_or_do_no_harm(house: House, neighbour: Neighbour, kind: str) -> None:
    """A topic whose dead letters go to a queue that is gone; a topic that tells itself."""
    topic = house.topic(f"loop-{kind.split(maxsplit=1)[0]}")
    if kind == "topic":
        with contextlib.suppress(ClientError):
            house.subscribe(topic, "http", f"{house.bulb.url}/?Action=Publish&TopicArn={topic}&Message=x")
    else:
        policy = json.dumps({"deadLetterTargetArn": queue_arn("loop-nowhere")})
        house.sqs.create_queue(QueueName="loop-nowhere")
        house.subscribe(topic, "sqs", queue_arn("loop-gone"), RedrivePolicy=policy)
        house.sqs.delete_queue(QueueUrl=house.sqs.get_queue_url(QueueName="loop-nowhere")["QueueUrl"])
    for _ in range(5):
        house.sns.publish(TopicArn=topic, Message="round")
    neighbour.assert_served()
    house.sns.delete_topic(TopicArn=topic)
    neighbour.assert_served()


def test_killed_among_all_of_it_nothing_acknowledged_is_lost(tmp_path: Path) -> None:
    """Messages sent, published and put until the server is killed: all that were answered are there when it is back."""
    process = Process(tmp_path / "data")
    process.start()
    try:
        acknowledged = _until_killed(process)
        process.start()
        house = House(process)  # type: ignore[arg-type] # it has what is used of it: clients
        found: list[str] = []
        url = house.sqs.get_queue_url(QueueName="kept")["QueueUrl"]

        def all_there() -> bool:
            found.extend(house.take(url, wait=1))
            return acknowledged <= {_marked(body) for body in found}

        assert len(acknowledged) >= 30
        until(all_there, "what was acknowledged", 60)
    finally:
        process.kill()


def _until_killed(process: Process) -> set[str]:
    house = House(process)  # type: ignore[arg-type] # as above
    url = house.queue("kept")
    topic = house.topic("kept", "kept")
    house.rule("kept", {"source": ["kept"]}, queue_arn("kept"))
    acknowledged: set[str] = set()

    def keep(number: int) -> None:
        ways: list[Callable[[str], Any]] = [
            lambda text: house.sqs.send_message(QueueUrl=url, MessageBody=text),
            lambda text: house.sns.publish(TopicArn=topic, Message=text),
            lambda text: house.put("kept", {"marked": text}),
        ]
        with contextlib.suppress(ClientError, BotoCoreError):
            for turn in range(1_000):
                text = f"{number}-{turn}"
                ways[turn % 3](text)
                acknowledged.add(text)

    threads = [threading.Thread(target=keep, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    until(lambda: len(acknowledged) >= 60, "some messages", 60)
    process.kill()
    for thread in threads:
        thread.join(60)
    return acknowledged


def _marked(body: str) -> str:
    return str(json.loads(body)["detail"]["marked"]) if body.startswith("{") else body
