"""Telemetry reaches its subscriber in batches and in order; what it does not take in time is counted."""

import asyncio
import json
import socket
from collections.abc import Awaitable, Callable
from typing import Any

from tests.telemetry.facts import BEGUN, ENVIRONMENT, FINISHED, STARTED, finished

from bulb.core.clock import SystemClock
from bulb.core.facts import EnvironmentRef, Facts, TelemetryDropped, TelemetrySubscribed
from bulb.environments.deliveries import Delivery, Loss
from bulb.environments.extensions_api import ExtensionsSession, FunctionFacts
from bulb.environments.subscriptions import parse
from bulb.environments.telemetry_api import TelemetryHub
from bulb.http.message import BufferedBody, Request, Response
from bulb.telemetry import events
from bulb.telemetry.events import Entry

LINE = Entry(0.0, "function", "hello\n")


class Subscriber:
    """A listener of an extension's: takes batches while `answers` is true; refuses the first `failures`."""

    def __init__(self) -> None:
        self.batches: list[list[Any]] = []
        self.requests: list[str] = []
        self.failures = 0
        self.came = asyncio.Event()
        self.blocked = asyncio.Event()
        self.blocked.set()

    async def open(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self.blocked.wait()
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        size = int(head.lower().split("content-length: ")[1].split("\r\n")[0])
        body = await reader.readexactly(size)
        self.requests.append(head.split(" HTTP")[0])
        if self.failures > 0:
            self.failures -= 1
            writer.write(b"HTTP/1.1 500 no\r\ncontent-length: 0\r\n\r\n")
        else:
            self.batches.append(json.loads(body))
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
            self.came.set()
        await writer.drain()
        writer.close()

    async def connect(self, port: int) -> socket.socket:
        found = socket.socket()
        found.setblocking(False)
        await asyncio.get_running_loop().sock_connect(found, ("127.0.0.1", self.port))
        return found

    def kinds(self) -> list[str]:
        return [event["type"] for batch in self.batches for event in batch]

    async def received(self, count: int) -> None:
        while len(self.kinds()) < count:
            self.came.clear()
            await self.came.wait()

    def close(self) -> None:
        self._server.close()


def run(test: Callable[[Subscriber], Awaitable[None]]) -> None:
    async def main() -> None:
        subscriber = Subscriber()
        await subscriber.open()
        await test(subscriber)
        subscriber.close()

    asyncio.run(asyncio.wait_for(main(), 60))


def delivery(subscriber: Subscriber, lost: Callable[[Loss], None] = lambda _: None, **changes: Any) -> Delivery:
    body: dict[str, Any] = {
        "schemaVersion": "2022-12-13",
        "types": ["platform", "function", "extension"],
        "buffering": {"timeoutMs": 25},
        "destination": {"protocol": "HTTP", "URI": "http://sandbox.localdomain:8080/in", "method": "PUT"},
    }
    subscription = parse("telemetry", json.dumps(body | changes).encode())
    return Delivery(subscription, subscriber.connect, SystemClock(), lost)


def test_a_batch_leaves_when_its_time_has_come() -> None:
    async def test(subscriber: Subscriber) -> None:
        road = delivery(subscriber)
        road.take(events.start(BEGUN))
        road.take(LINE)
        await subscriber.received(2)
        assert subscriber.requests == ["PUT /in"]
        assert subscriber.batches == [
            [
                events.document(events.start(BEGUN)),
                {"time": "1970-01-01T00:00:00.000Z", "type": "function", "record": "hello\n"},
            ]
        ]
        await road.close()

    run(test)


def test_a_full_buffer_does_not_wait() -> None:
    async def test(subscriber: Subscriber) -> None:
        road = delivery(subscriber, buffering={"timeoutMs": 30_000, "maxItems": 1_000})
        for _ in range(1_000):
            road.take(LINE)
        await subscriber.received(1_000)
        await road.close()

    run(test)


def test_what_nobody_asked_for_is_left_out() -> None:
    async def test(subscriber: Subscriber) -> None:
        road = delivery(subscriber, types=["extension"])
        road.take(LINE)
        road.take(events.start(BEGUN))
        road.take(Entry(0.0, "extension", "mine\n"))
        await subscriber.received(1)
        assert subscriber.kinds() == ["extension"]
        await road.close()

    run(test)


def test_a_refused_batch_is_sent_again_before_what_follows() -> None:
    async def test(subscriber: Subscriber) -> None:
        subscriber.failures = 2
        road = delivery(subscriber)
        road.take(events.start(BEGUN))
        await road.drained(0)
        road.take(LINE)
        await subscriber.received(2)
        assert subscriber.kinds() == ["platform.start", "function"]
        await road.close()

    run(test)


def test_what_is_too_much_is_dropped_and_said() -> None:
    async def test(subscriber: Subscriber) -> None:
        losses: list[Loss] = []
        subscriber.blocked.clear()
        road = delivery(subscriber, losses.append, buffering={"timeoutMs": 25, "maxItems": 1_000})
        road.take(LINE)
        await road.drained(0)
        await asyncio.sleep(0)
        for _ in range(2_005):
            road.take(LINE)
        subscriber.blocked.set()
        await subscriber.received(2_002)
        assert [loss.records for loss in losses] == [5]
        place = subscriber.kinds().index("platform.logsDropped")
        told = [event for batch in subscriber.batches for event in batch][place]["record"]
        assert told == {
            "reason": "Consumer seems to have fallen behind as it has not acknowledged receipt of logs.",
            "droppedRecords": 5,
            "droppedBytes": losses[0].bytes,
        }
        assert place == 1  # where the dropped ones would have been
        await road.close()

    run(test)


def test_json_lines_are_objects_in_the_newer_schemas() -> None:
    async def test(subscriber: Subscriber) -> None:
        road = delivery(subscriber)
        road.take(Entry(0.0, "function", '{"level":"INFO"}\n'))
        road.take(Entry(0.0, "function", "{broken\n"))
        await subscriber.received(2)
        assert [event["record"] for event in subscriber.batches[0]] == [{"level": "INFO"}, "{broken\n"]
        await road.close()

    run(test)


def test_tcp_is_one_event_a_line() -> None:
    async def test(subscriber: Subscriber) -> None:
        received: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            received.set_result(await reader.read())
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        subscriber.port = server.sockets[0].getsockname()[1]
        road = delivery(subscriber, destination={"protocol": "TCP", "port": 5000})
        road.take(events.start(BEGUN))
        road.take(LINE)
        data = await received
        assert data.endswith(b"\n")
        assert [json.loads(line)["type"] for line in data.splitlines()] == ["platform.start", "function"]
        await road.close()
        server.close()

    run(test)


def put(path: str, identifier: str, body: dict[str, Any]) -> Request:
    headers = {"lambda-extension-identifier": identifier}
    return Request("PUT", path, "", headers, BufferedBody(json.dumps(body).encode()), ("127.0.0.1", 1))


async def hub_and_identifier(subscriber: Subscriber, told: list[Any]) -> tuple[TelemetryHub, str]:
    facts = Facts()
    facts.add(told.append)
    session = ExtensionsSession(asyncio.get_running_loop(), FunctionFacts("f", "1", "h", "000000000000"))
    session.expect(["monitor"])
    registration = Request(
        "POST",
        "/2020-01-01/extension/register",
        "",
        {"lambda-extension-name": "monitor"},
        BufferedBody(b"{}"),
        ("127.0.0.1", 1),
    )
    answer = await session.handle(registration)
    environment: EnvironmentRef = ENVIRONMENT
    hub = TelemetryHub(environment, session, subscriber.connect, facts, SystemClock(), lambda: None)
    return hub, answer.header("lambda-extension-identifier") or ""


LOGS = {
    "types": ["platform"],
    "buffering": {"timeoutMs": 25},
    "destination": {"protocol": "HTTP", "URI": "http://sandbox:8080"},
}


def error_type(response: Response) -> str:
    assert isinstance(response.body, bytes)
    return str(json.loads(response.body)["errorType"])


def test_a_subscriber_is_told_what_came_before_it() -> None:
    async def test(subscriber: Subscriber) -> None:
        told: list[Any] = []
        hub, identifier = await hub_and_identifier(subscriber, told)
        hub.take(events.init_start(STARTED))
        answer = await hub.handle(put("/2022-07-01/telemetry", identifier, LOGS | {"schemaVersion": "2022-07-01"}))
        assert (answer.status, answer.body) == (200, b'"OK"')
        assert [type(fact) for fact in told] == [TelemetrySubscribed]
        hub.take(events.start(BEGUN))
        await subscriber.received(2)
        assert subscriber.kinds() == ["platform.initStart", "platform.start"]
        await hub.close()

    run(test)


def test_the_older_api_uses_older_words() -> None:
    async def test(subscriber: Subscriber) -> None:
        hub, identifier = await hub_and_identifier(subscriber, [])
        hub.take(events.init_start(STARTED))
        await hub.handle(put("/2020-08-15/logs", identifier, LOGS))
        hub.take(events.start(BEGUN))
        hub.take(events.runtime_done(FINISHED))
        hub.take(events.report(finished(status="error", error_type="Runtime.ExitError")))
        await subscriber.received(5)
        records = [(event["type"], event["record"]) for batch in subscriber.batches for event in batch]
        assert records[:4] == [
            ("platform.start", {"requestId": "A", "version": "$LATEST"}),
            ("platform.runtimeDone", {"requestId": "A", "status": "success"}),
            ("platform.fault", "RequestId: A Process exited before completing request"),
            ("platform.end", {"requestId": "A"}),
        ]
        assert records[4][0] == "platform.report"
        assert set(records[4][1]) == {"requestId", "metrics"}
        await hub.close()

    run(test)


def test_subscriptions_are_for_extensions_and_for_the_time_of_init() -> None:
    async def test(subscriber: Subscriber) -> None:
        hub, identifier = await hub_and_identifier(subscriber, [])
        nobody = await hub.handle(put("/2020-08-15/logs", "", LOGS))
        assert (nobody.status, error_type(nobody)) == (403, "Extension.MissingExtensionIdentifier")
        invalid = await hub.handle(put("/2020-08-15/logs", identifier, {}))
        assert (invalid.status, error_type(invalid)) == (400, "Logs.ValidationError")
        invalid = await hub.handle(put("/2022-07-01/telemetry/", identifier, LOGS))
        assert (invalid.status, error_type(invalid)) == (400, "ValidationError")
        hub.close_subscription()
        late = await hub.handle(put("/2020-08-15/logs", identifier, LOGS))
        assert (late.status, error_type(late)) == (403, "Logs.SubscriptionClosed")
        late = await hub.handle(put("/2022-07-01/telemetry", identifier, LOGS | {"schemaVersion": "2022-07-01"}))
        assert (late.status, error_type(late)) == (403, "Telemetry.SubscriptionClosed")

    run(test)


def test_a_loss_is_a_fact() -> None:
    async def test(subscriber: Subscriber) -> None:
        told: list[Any] = []
        hub, identifier = await hub_and_identifier(subscriber, told)
        subscriber.blocked.clear()
        await hub.handle(put("/2020-08-15/logs", identifier, LOGS | {"types": ["function"]}))
        for _ in range(20_002):
            hub.take(LINE)
        await asyncio.sleep(0)
        for _ in range(20_000):
            hub.take(LINE)
        subscriber.blocked.set()
        await hub.drain(30)
        assert any(isinstance(fact, TelemetryDropped) and fact.records > 0 for fact in told)
        await hub.close()

    run(test)
