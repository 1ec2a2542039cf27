"""How long it takes from an upload, a message or an event to the first line of the function it wakes.

The machine is idle and the function warm: one thing happens at a time. The handler notes when it was
entered and is asked for its note a moment later, so that nothing is measured but the way there.
"""

import asyncio
import json
import time
from collections.abc import Callable
from urllib.parse import urlencode

import boto3
from botocore.config import Config

from bench import functions
from bench.client import Connection, invoke_request
from bench.server import Server

TIMES, WARMING, PAUSE_S = 300, 20, 0.03
FUNCTION = "noting"
NOTES = """
import time
STARTED = {}

def handler(event, context):
    now = time.time()
    if "tell" in event:
        return STARTED.pop(event["tell"], None) if event["tell"] else now
    if "detail" in event:
        name = "PutEvents " + str(event["detail"]["n"])
    elif "Sns" in event["Records"][0]:
        name = "SNS publish " + event["Records"][0]["Sns"]["Message"]
    else:
        name = "S3 PUT " + event["Records"][0]["s3"]["object"]["key"]
    STARTED[name] = now
"""


def _request(service: str, method: str, target: str, body: bytes, *headers: str) -> bytes:
    """The bytes of a request that a server on loopback takes; its signature is none."""
    credential = f"AWS4-HMAC-SHA256 Credential=000000000000/20260101/us-east-1/{service}/aws4_request"
    lines = [
        f"{method} {target} HTTP/1.1",
        "host: 127.0.0.1",
        f"authorization: {credential}, SignedHeaders=host;x-amz-date, Signature={'0' * 64}",
        "x-amz-date: 20260101T000000Z",
        f"content-length: {len(body)}",
        *headers,
    ]
    return "\r\n".join([*lines, "", ""]).encode() + body


def _sources(server: Server) -> dict[str, Callable[[int], bytes]]:
    """Everything that wakes the function, and what makes it happen for the nth time."""

    def aws(service: str) -> boto3.client:
        return boto3.client(
            service,
            endpoint_url=f"http://127.0.0.1:{server.port}",
            region_name="us-east-1",
            aws_access_key_id="000000000000",
            aws_secret_access_key="bench",
            config=Config(retries={"max_attempts": 1}),
        )

    functions.create(aws("lambda"), FUNCTION, functions.PYTHON_RUNTIME, NOTES, MemorySize=1769, Timeout=60)
    arn = aws("lambda").get_function_configuration(FunctionName=FUNCTION)["FunctionArn"]
    s3, sns, events = aws("s3"), aws("sns"), aws("events")
    s3.create_bucket(Bucket="bench-edges")
    wanted = {"LambdaFunctionConfigurations": [{"LambdaFunctionArn": arn, "Events": ["s3:ObjectCreated:*"]}]}
    s3.put_bucket_notification_configuration(Bucket="bench-edges", NotificationConfiguration=wanted)
    topic = sns.create_topic(Name="bench-edges")["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="lambda", Endpoint=arn)
    events.put_rule(Name="bench-edges", EventPattern=json.dumps({"source": ["bench"]}))
    events.put_targets(Rule="bench-edges", Targets=[{"Id": "1", "Arn": arn}])

    def upload(number: int) -> bytes:
        return _request("s3", "PUT", f"/bench-edges/{number}", b"hello", "x-amz-content-sha256: UNSIGNED-PAYLOAD")

    def publish(number: int) -> bytes:
        form = {"Action": "Publish", "Version": "2010-03-31", "TopicArn": topic, "Message": str(number)}
        return _request("sns", "POST", "/", urlencode(form).encode(), "content-type: application/x-www-form-urlencoded")

    def put(number: int) -> bytes:
        entry = {"Source": "bench", "DetailType": "d", "Detail": json.dumps({"n": number})}
        return _request(
            "events",
            "POST",
            "/",
            json.dumps({"Entries": [entry]}).encode(),
            "content-type: application/x-amz-json-1.1",
            "x-amz-target: AWSEvents.PutEvents",
        )

    return {"S3 PUT": upload, "SNS publish": publish, "PutEvents": put}


async def latencies(server: Server) -> dict[str, list[float]]:
    """Milliseconds from just before each request was sent to the handler's first line, by what was requested."""
    sources = await asyncio.to_thread(_sources, server)
    client = await Connection.open(server.port)
    await _noted(client, None)  # and the environment is warm
    found: dict[str, list[float]] = {}
    for source, request in sources.items():
        found[source] = []
        for number in range(WARMING + TIMES):
            message, began = request(number), time.time()
            status, body = await client.send(message)
            if status != 200:
                raise RuntimeError(f"{status} {body!r}")
            await asyncio.sleep(PAUSE_S)
            started = await _noted(client, f"{source} {number}")
            if number >= WARMING and started is not None:
                found[source].append((started - began) * 1000)
        if len(found[source]) < TIMES * 0.9:
            raise RuntimeError("the machine is too busy: events and questions meet, and go to different environments")
    await client.close()
    return found


async def _noted(client: Connection, name: str | None) -> float | None:
    """When the handler was entered for something; None when another environment did it."""
    for _ in range(20):
        status, told = await client.send(invoke_request(FUNCTION, json.dumps({"tell": name}).encode()))
        if status != 200:
            raise RuntimeError(f"{status} {told!r}")
        if told != b"null":
            return float(told)
        await asyncio.sleep(PAUSE_S)
    return None
