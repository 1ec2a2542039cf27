"""Endpoints that do not answer, never stop answering, send elsewhere or hang up; a neighbour notices nothing."""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

import pytest

from tests.e2e.messages import House, Neighbour, queue_arn, watched
from tests.support.bulb import Running
from tests.support.waiting import until


@pytest.fixture(scope="module")
def bulb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with watched(tmp_path_factory.mktemp("endpoints") / "data") as running:
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


@dataclass
class Bad:
    """A server that reads a request's head and then does as it likes."""

    url: str
    requests: list[bytes] = field(default_factory=list)


def silent(connection: socket.socket, stop: threading.Event) -> None:
    stop.wait(60)


def endless(connection: socket.socket, stop: threading.Event) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while not stop.is_set():
        connection.sendall(b"10000\r\n" + b"x" * 65_536 + b"\r\n")


def endless_head(connection: socket.socket, stop: threading.Event) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\n")
    while not stop.is_set():
        connection.sendall(b"X-More: " + b"y" * 8_000 + b"\r\n")


def trickle(connection: socket.socket, stop: threading.Event) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    while not stop.wait(0.05):
        connection.sendall(b"x")


def hang_up(connection: socket.socket, stop: threading.Event) -> None:
    pass


def garbage(connection: socket.socket, stop: threading.Event) -> None:
    connection.sendall(b"\x00\xff\x16\x03 nonsense\r\n\r\n\r\n" * 50)


def too_short(connection: socket.socket, stop: threading.Event) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc")


def wrong_length(connection: socket.socket, stop: threading.Event) -> None:
    connection.sendall(b"HTTP/1.1 500 No\r\nContent-Length: -5\r\nContent-Length: 99999999999999999999\r\n\r\n")


def elsewhere(connection: socket.socket, stop: threading.Event) -> None:
    host, port = connection.getsockname()[:2]
    connection.sendall(
        f"HTTP/1.1 302 Found\r\nLocation: http://{host}:{port}/again\r\nContent-Length: 0\r\n\r\n".encode()
    )


BEHAVIOURS = [silent, endless, endless_head, trickle, hang_up, garbage, too_short, wrong_length, elsewhere]


@contextmanager
def bad_server(behave: Callable[[socket.socket, threading.Event], None]) -> Iterator[Bad]:
    stop = threading.Event()
    listener = socket.create_server(("127.0.0.1", 0), backlog=100)
    bad = Bad(f"http://127.0.0.1:{listener.getsockname()[1]}/x")

    def serve(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            connection.settimeout(60)
            bad.requests.append(connection.recv(65_536))
            behave(connection, stop)

    def accept() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                threading.Thread(target=serve, args=(connection,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield bad
    finally:
        stop.set()
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()


FEW_RETRIES = json.dumps({"healthyRetryPolicy": {"minDelayTarget": 1, "maxDelayTarget": 1, "numRetries": 2}})


@pytest.mark.parametrize("behave", BEHAVIOURS, ids=lambda behave: str(behave.__name__))
def test_a_subscriber_that_misbehaves(
    house: House, neighbour: Neighbour, behave: Callable[[socket.socket, threading.Event], None]
) -> None:
    """It is asked to confirm, and delays nobody: not the topic's other subscriber, not a neighbour."""
    name = f"sub-{behave.__name__.replace('_', '-')}"
    url = house.queue(name)
    topic = house.topic(name, name)
    with bad_server(behave) as bad:
        house.subscribe(topic, "http", bad.url)
        until(lambda: bad.requests, "somebody to ask for confirmation", 20)
        assert b"SubscriptionConfirmation" in bad.requests[0]
        for number in range(5):
            house.sns.publish(TopicArn=topic, Message=str(number))
        neighbour.assert_served(10)
        assert sorted(house.take_all(url, 5)) == list("01234")
        time.sleep(0.3)
        assert not [request for request in bad.requests if b"/again" in request], "a redirection was followed"
        house.sns.delete_topic(TopicArn=topic)


@pytest.mark.parametrize("behave", [silent, endless, hang_up, garbage, elsewhere], ids=lambda one: str(one.__name__))
def test_an_api_destination_that_misbehaves(
    bulb: Running, house: House, neighbour: Neighbour, behave: Callable[[socket.socket, threading.Event], None]
) -> None:
    """What it does not take ends in the dead-letter queue; the rule's other target has it at once."""
    name = f"api-{behave.__name__.replace('_', '-')}"
    url, letters = house.queue(name), house.queue(f"{name}-dlq")
    key = {"ApiKeyAuthParameters": {"ApiKeyName": "x", "ApiKeyValue": "y"}}
    connection = house.events.create_connection(Name=name, AuthorizationType="API_KEY", AuthParameters=key)
    with bad_server(behave) as bad:
        destination = house.events.create_api_destination(
            Name=name,
            ConnectionArn=connection["ConnectionArn"],
            InvocationEndpoint=bad.url,
            HttpMethod="POST",
            InvocationRateLimitPerSecond=300,
        )
        house.rule(name, {"source": [name]}, queue_arn(name))
        target = {
            "Id": "bad",
            "Arn": destination["ApiDestinationArn"],
            "RoleArn": "arn:aws:iam::000000000000:role/r",
            "RetryPolicy": {"MaximumRetryAttempts": 0, "MaximumEventAgeInSeconds": 60},
            "DeadLetterConfig": {"Arn": queue_arn(f"{name}-dlq")},
        }
        answer = house.events.put_targets(Rule=name, Targets=[target])
        assert answer["FailedEntryCount"] == 0, answer
        for number in range(4):
            house.put(name, {"n": number})
        neighbour.assert_served(10)
        assert len(house.take_all(url, 4)) == 4
        until(lambda: bad.requests, "a request", 20)
        assert not [request for request in bad.requests if b"/again" in request], "a redirection was followed"
        if behave is silent:
            return  # It has as long as its timeout, and nobody waits for it.
        if behave is endless:  # It said 200, which is what counts: no more of it is read than is kept.
            until(lambda: len(bad.requests) == 4, "four requests", 20)
            assert house.take(letters, wait=1) == []
            return
        found: list[str] = []

        def arrived() -> bool:
            found.extend(house.take(letters, wait=1))
            return len(found) >= 4

        until(arrived, f"letters of {name}", 40)
        assert sorted(json.loads(body)["detail"]["n"] for body in found) == [0, 1, 2, 3]


def test_many_subscribers_that_never_answer_delay_nobody(house: House, neighbour: Neighbour) -> None:
    """A hundred of them, with messages waiting for each; and an end to them."""
    url = house.queue("hundred")
    topic = house.topic("hundred", "hundred")
    with bad_server(silent) as bad:
        for number in range(100):
            house.subscribe(topic, "http", f"{bad.url}/{number}")
        for number in range(5):
            house.sns.publish(TopicArn=topic, Message=str(number))
        neighbour.assert_served(10)
        assert sorted(house.take_all(url, 5)) == list("01234")
        house.sns.delete_topic(TopicArn=topic)
        neighbour.assert_served(10)
