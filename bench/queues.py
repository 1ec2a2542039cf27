"""SQS: messages sent, received and deleted a second, one by one and in batches, over SQS's JSON protocol."""

import asyncio
import json
import time
from collections.abc import Callable
from typing import Any

from bench.client import Connection, rate
from bench.server import Server

_CREDENTIAL = (
    "AWS4-HMAC-SHA256 Credential=000000000000/20260101/us-east-1/sqs/aws4_request, "
    "SignedHeaders=host;x-amz-date, Signature=" + "0" * 64
)
_BODY = "x" * 100
_RATE_S = 3.0
Row = Callable[[str, str], None]


def request(operation: str, params: dict[str, Any]) -> bytes:
    """The bytes of one call."""
    body = json.dumps(params).encode()
    return (
        f"POST / HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: {_CREDENTIAL}\r\nx-amz-date: 20260101T000000Z\r\n"
        f"x-amz-target: AmazonSQS.{operation}\r\ncontent-type: application/x-amz-json-1.0\r\n"
        f"content-length: {len(body)}\r\n\r\n"
    ).encode() + body


async def call(client: Connection, operation: str, params: dict[str, Any]) -> dict[str, Any]:
    """One call's answer. Raises when it is refused."""
    status, body = await client.send(request(operation, params))
    if status != 200:
        raise RuntimeError(f"{operation}: {status} {body[:300]!r}")
    answer: dict[str, Any] = json.loads(body or b"{}")
    return answer


def _tens(url: str) -> bytes:
    entries = [{"Id": str(number), "MessageBody": _BODY} for number in range(10)]
    return request("SendMessageBatch", {"QueueUrl": url, "Entries": entries})


async def _drained(port: int, url: str, clients: int, batch: int, seconds: float) -> float:
    """Messages a second received and deleted, `batch` at a time, for some seconds or until the queue is empty."""
    connections = [await Connection.open(port) for _ in range(clients)]
    deleted, end = 0, time.perf_counter() + seconds

    async def work(client: Connection) -> None:
        nonlocal deleted
        while time.perf_counter() < end:
            asked = {"QueueUrl": url, "MaxNumberOfMessages": batch, "VisibilityTimeout": 600}
            found = (await call(client, "ReceiveMessage", asked)).get("Messages", [])
            if not found:
                return
            if batch == 1:
                await call(client, "DeleteMessage", {"QueueUrl": url, "ReceiptHandle": found[0]["ReceiptHandle"]})
            else:
                entries = [{"Id": str(at), "ReceiptHandle": one["ReceiptHandle"]} for at, one in enumerate(found)]
                await call(client, "DeleteMessageBatch", {"QueueUrl": url, "Entries": entries})
            deleted += len(found)

    began = time.perf_counter()
    await asyncio.gather(*(work(client) for client in connections))
    elapsed = time.perf_counter() - began
    for client in connections:
        await client.close()
    return deleted / elapsed


async def queues(server: Server, row: Row) -> None:
    """The rows of the table."""
    port = server.port
    client = await Connection.open(port)
    url = (await call(client, "CreateQueue", {"QueueName": "bench"}))["QueueUrl"]
    for clients in (1, 16):
        sent = await rate(port, request("SendMessage", {"QueueUrl": url, "MessageBody": _BODY}), clients, _RATE_S, 200)
        row(f"SQS messages sent/s, fsynced, {clients} clients", f"{sent:,.0f}")
    sent = 10 * await rate(port, _tens(url), 16, _RATE_S, 200)
    row("SQS messages sent/s, in tens, 16 clients", f"{sent:,.0f}")
    for clients in (1, 16):
        done = await _drained(port, url, clients, 1, _RATE_S)
        row(f"SQS messages received and deleted/s, {clients} clients", f"{done:,.0f}")
    for clients in (1, 16):
        done = await _drained(port, url, clients, 10, _RATE_S)
        row(f"SQS messages received and deleted/s, in tens, {clients} clients", f"{done:,.0f}")
    await client.close()
    await _fifo(port, row)


async def _fifo(port: int, row: Row) -> None:
    """High throughput: a hundred groups."""
    client = await Connection.open(port)
    attributes = {
        "FifoQueue": "true",
        "DeduplicationScope": "messageGroup",
        "FifoThroughputLimit": "perMessageGroupId",
    }
    url = (await call(client, "CreateQueue", {"QueueName": "bench.fifo", "Attributes": attributes}))["QueueUrl"]
    await client.close()
    connections = [await Connection.open(port) for _ in range(16)]
    sent, end = 0, time.perf_counter() + _RATE_S

    async def send(client: Connection, name: int) -> None:
        nonlocal sent
        number = 0
        while time.perf_counter() < end:
            entries = [
                {
                    "Id": str(at),
                    "MessageBody": _BODY,
                    "MessageGroupId": str((number * 10 + at) % 100),
                    "MessageDeduplicationId": f"{name}-{number}-{at}",
                }
                for at in range(10)
            ]
            await call(client, "SendMessageBatch", {"QueueUrl": url, "Entries": entries})
            number, sent = number + 1, sent + 10

    began = time.perf_counter()
    await asyncio.gather(*(send(client, name) for name, client in enumerate(connections)))
    elapsed = time.perf_counter() - began
    for client in connections:
        await client.close()
    row("SQS FIFO messages sent/s, in tens, 100 groups, 16 clients", f"{sent / elapsed:,.0f}")
    done = await _drained(port, url, 16, 10, _RATE_S)
    row("SQS FIFO messages received and deleted/s, in tens, 16 clients", f"{done:,.0f}")
