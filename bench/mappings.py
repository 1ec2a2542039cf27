"""What a queue in front of a function costs: from send to handler, and how fast a backlog is worked off."""

import asyncio
import json
import time
from typing import Any

import boto3
from botocore.config import Config

from bench import functions
from bench.client import Connection
from bench.server import Server

SENDS, BACKLOG, BATCH = 500, 20_000, 10
_CREDENTIAL = (
    "AWS4-HMAC-SHA256 Credential=000000000000/20260101/us-east-1/sqs/aws4_request, "
    "SignedHeaders=host;x-amz-date, Signature=" + "0" * 64
)
# Of a message that asks for it, tells when it began; of others nothing.
HANDLER = """
import time
began = time.time
def handler(event, context):
    now = began()
    if event["Records"][0]["body"] == "tell":
        return now
"""
_ATTRIBUTES = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]


def queue_client(port: int) -> Any:
    """A boto3 client for setting up."""
    return boto3.client(
        "sqs",
        endpoint_url=f"http://127.0.0.1:{port}",
        region_name="us-east-1",
        aws_access_key_id="000000000000",
        aws_secret_access_key="bench",
        config=Config(retries={"max_attempts": 1}),
    )


def request(operation: str, document: dict[str, Any]) -> bytes:
    """The bytes of one call."""
    body = json.dumps(document).encode()
    return (
        f"POST / HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: {_CREDENTIAL}\r\nx-amz-date: 20260101T000000Z\r\n"
        f"content-type: application/x-amz-json-1.0\r\nx-amz-target: AmazonSQS.{operation}\r\n"
        f"content-length: {len(body)}\r\n\r\n"
    ).encode() + body


async def prepare(server: Server, name: str, source: str, fifo: bool) -> tuple[str, str]:
    """The queue's URL and the mapping's id."""
    aws, sqs = functions.client(server.port), queue_client(server.port)
    functions.create(aws, name, functions.PYTHON_RUNTIME, source, MemorySize=1769)
    # High throughput: a FIFO queue takes three hundred calls a second otherwise.
    high = {"DeduplicationScope": "messageGroup", "FifoThroughputLimit": "perMessageGroupId"}
    attributes = {"FifoQueue": "true", **high} if fifo else {}
    queue = f"{name}.fifo" if fifo else name
    url = sqs.create_queue(QueueName=queue, Attributes=attributes)["QueueUrl"]
    arn = f"arn:aws:sqs:us-east-1:000000000000:{queue}"
    uuid = aws.create_event_source_mapping(FunctionName=name, EventSourceArn=arn, BatchSize=BATCH)["UUID"]
    await settled(aws, uuid, "Enabled")
    return url, uuid


async def settled(aws: Any, uuid: str, state: str) -> None:
    """Return when the mapping is in the state."""
    for _ in range(500):
        if aws.get_event_source_mapping(UUID=uuid)["State"] == state:
            return
        await asyncio.sleep(0.01)
    raise RuntimeError(f"the mapping is not {state}")


async def latency(server: Server) -> list[float]:
    """Milliseconds from the answer to a send to the start of a warm handler, on a server with nothing else to do.

    The handler sends the time it began to a second queue, which is asked for it.
    """
    source = HANDLER.replace("        return now", "        tell(now)") + _TELLING
    url, _ = await prepare(server, "latency", source, fifo=False)
    told = queue_client(server.port).create_queue(QueueName="told")["QueueUrl"]
    client = await Connection.open(server.port)
    send = request("SendMessage", {"QueueUrl": url, "MessageBody": "tell"})
    receive = request("ReceiveMessage", {"QueueUrl": told, "WaitTimeSeconds": 20})
    waits = []
    for number in range(SENDS + 20):
        await client.send(send)
        sent = time.time()
        _, body = await client.send(receive)
        (message,) = json.loads(body)["Messages"]
        await client.send(request("DeleteMessage", {"QueueUrl": told, "ReceiptHandle": message["ReceiptHandle"]}))
        if number >= 20:
            waits.append((float(message["Body"]) - sent) * 1000)
        await asyncio.sleep(0.01)
    await client.close()
    return waits


# Without an SDK, which would begin in the first call.
_TELLING = """
import http.client, json, os, urllib.parse
server = urllib.parse.urlsplit(os.environ["AWS_ENDPOINT_URL"])
headers = HEADERS
def tell(now):
    connection = http.client.HTTPConnection(server.hostname, server.port, timeout=5)
    url = "http://127.0.0.1/000000000000/told"
    connection.request("POST", "/", json.dumps({"QueueUrl": url, "MessageBody": repr(now)}), headers)
    connection.getresponse().read()
    connection.close()
""".replace(
    "HEADERS",
    repr(
        {
            "authorization": _CREDENTIAL,
            "x-amz-date": "20260101T000000Z",
            "content-type": "application/x-amz-json-1.0",
            "x-amz-target": "AmazonSQS.SendMessage",
        }
    ),
)


async def drain(server: Server, *, fifo: bool) -> float:
    """Messages a second, of a backlog that was there when the mapping was enabled."""
    name = "drain-fifo" if fifo else "drain"
    url, uuid = await prepare(server, name, HANDLER, fifo)
    aws, sqs = functions.client(server.port), queue_client(server.port)
    aws.update_event_source_mapping(UUID=uuid, Enabled=False)
    await settled(aws, uuid, "Disabled")
    clients = [await Connection.open(server.port) for _ in range(8)]

    async def fill(client: Connection, numbers: range) -> None:
        for start in numbers:
            entries = [entry(number, fifo) for number in range(start, start + 10)]
            status, body = await client.send(request("SendMessageBatch", {"QueueUrl": url, "Entries": entries}))
            if status != 200:
                raise RuntimeError(body[:300])

    await asyncio.gather(*(fill(client, range(n * 10, BACKLOG, 80)) for n, client in enumerate(clients)))
    began = time.perf_counter()
    aws.update_event_source_mapping(UUID=uuid, Enabled=True)
    while True:
        shown = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=_ATTRIBUTES)["Attributes"]
        if not any(int(shown[name]) for name in _ATTRIBUTES):
            break
        await asyncio.sleep(0.05)
    elapsed = time.perf_counter() - began
    for client in clients:
        await client.close()
    return BACKLOG / elapsed


def entry(number: int, fifo: bool) -> dict[str, str]:
    """One message of the backlog."""
    plain = {"Id": str(number), "MessageBody": f"message {number}"}
    return plain | {"MessageGroupId": f"g{number % 500}", "MessageDeduplicationId": str(number)} if fifo else plain
