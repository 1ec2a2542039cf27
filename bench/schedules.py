"""Schedules: 10,000 that are due in the same second, and how long after it the first and the last reach their target.

Messages say themselves when they arrived; so do events that wait for a busy function, in the server's own
database. Both are stamped before they are on disk, so the time at which all of them can be counted is printed too.
"""

import asyncio
import json
import sqlite3
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench import functions
from bench.client import Connection
from bench.queues import call
from bench.server import Server

_COUNT, _CLIENTS = 10_000, 16
_CREDENTIAL = (
    "AWS4-HMAC-SHA256 Credential=000000000000/20260101/us-east-1/scheduler/aws4_request, "
    "SignedHeaders=host;x-amz-date, Signature=" + "0" * 64
)
_QUEUE = "arn:aws:sqs:us-east-1:000000000000:ticks"
_FUNCTION = "arn:aws:lambda:us-east-1:000000000000:function:ticked"
Row = Callable[[str, str], None]


def _creation(name: str, due: int, target_arn: str) -> bytes:
    """The bytes of one CreateSchedule."""
    at = datetime.fromtimestamp(due, UTC).strftime("at(%Y-%m-%dT%H:%M:%S)")
    target = {"Arn": target_arn, "RoleArn": functions.ROLE, "Input": '{"at": "<aws.scheduler.scheduled-time>"}'}
    given = {"ScheduleExpression": at, "FlexibleTimeWindow": {"Mode": "OFF"}, "Target": target}
    body = json.dumps({**given, "ActionAfterCompletion": "DELETE"}).encode()
    return (
        f"POST /schedules/{name} HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: {_CREDENTIAL}\r\n"
        f"x-amz-date: 20260101T000000Z\r\ncontent-length: {len(body)}\r\n\r\n"
    ).encode() + body


async def _create(port: int, names: list[str], due: int, target_arn: str) -> float:
    """Create the schedules, as many clients at once as there are; how many a second."""
    waiting = iter(names)

    async def work(client: Connection) -> None:
        for name in waiting:
            status, body = await client.send(_creation(name, due, target_arn))
            if status != 200:
                raise RuntimeError(f"{status} {body[:300]!r}")

    clients = [await Connection.open(port) for _ in range(_CLIENTS)]
    began = time.perf_counter()
    await asyncio.gather(*(work(client) for client in clients))
    elapsed = time.perf_counter() - began
    for client in clients:
        await client.close()
    return len(names) / elapsed


async def _due(port: int, label: str, target_arn: str, row: Row) -> int:
    """When 10,000 schedules are due that now exist."""
    trial = [f"trial-{label}-{number}" for number in range(500)]
    pace = await _create(port, trial, 4_070_908_800, target_arn)
    due = int(time.time() + _COUNT / pace * 1.5) + 3
    names = [f"{label}-{number}" for number in range(_COUNT)]
    pace = await _create(port, names, due, target_arn)
    if time.time() > due - 1:
        raise RuntimeError("the schedules were due before all of them existed; this machine is too busy")
    row(f"schedules created a second, {_CLIENTS} connections, target {label}", f"{pace:,.0f}")
    return due


async def _counted(look: Callable[[], Awaitable[int]], due: int) -> float:
    """How long after `due` all have arrived, in seconds."""
    await asyncio.sleep(max(due - time.time(), 0))
    while await look() < _COUNT:
        if time.time() > due + 120:
            raise RuntimeError(f"{await look():,} of {_COUNT:,} arrived within two minutes")
        await asyncio.sleep(0.02)
    return time.time() - due


def _print(row: Row, label: str, stamps: list[float], due: int, counted: float) -> None:
    row(
        f"{_COUNT:,} schedules due in one second, {label}: first / last arrived after",
        f"{min(stamps) - due:.2f} / {max(stamps) - due:.2f} s",
    )
    row("  until all of them could be counted (must: 3 s)", f"{counted:.2f} s")


async def schedules(server: Server, row: Row) -> None:
    """Queues, then functions."""
    await _to_queue(server, row)
    await _to_function(server, row)


async def _to_queue(server: Server, row: Row) -> None:
    client = await Connection.open(server.port)
    url = (await call(client, "CreateQueue", {"QueueName": "ticks"}))["QueueUrl"]
    await client.close()
    due = await _due(server.port, "SQS", _QUEUE, row)
    await asyncio.sleep(max(due - 0.5 - time.time(), 0))
    client, name = await Connection.open(server.port), "ApproximateNumberOfMessages"

    async def count() -> int:
        asked = {"QueueUrl": url, "AttributeNames": [name]}
        return int((await call(client, "GetQueueAttributes", asked))["Attributes"][name])

    counted = await _counted(count, due)
    stamps: list[float] = []
    asked: dict[str, Any] = {
        "QueueUrl": url,
        "MaxNumberOfMessages": 10,
        "VisibilityTimeout": 600,
        "AttributeNames": ["SentTimestamp"],
    }
    while found := (await call(client, "ReceiveMessage", asked)).get("Messages"):
        stamps += [int(message["Attributes"]["SentTimestamp"]) / 1000 for message in found]
    await client.close()
    if len(stamps) != _COUNT:
        raise RuntimeError(f"{len(stamps):,} messages of {_COUNT:,} schedules")
    _print(row, "SQS", stamps, due, counted)


async def _to_function(server: Server, row: Row) -> None:
    """The events stay in the queue of a function that takes its time with the first of them."""
    aws = functions.client(server.port)
    source = "import time\ndef handler(event, context):\n    time.sleep(300)\n"
    functions.create(aws, "ticked", functions.PYTHON_RUNTIME, source, Timeout=300)
    aws.put_function_concurrency(FunctionName="ticked", ReservedConcurrentExecutions=1)
    due = await _due(server.port, "Lambda", _FUNCTION, row)
    database = sqlite3.connect(f"file:{Path(server.line.rpartition('data: ')[2]) / 'bulb.db'}?mode=ro", uri=True)
    queued = "FROM storage_queue WHERE lane LIKE '%ticked%'"

    async def count() -> int:
        return int(database.execute(f"SELECT count(*) {queued}").fetchone()[0])

    counted = await _counted(count, due)
    stamps = [float(enqueued) for (enqueued,) in database.execute(f"SELECT enqueued_at {queued}")]
    database.close()
    _print(row, "Lambda", stamps, due, counted)
