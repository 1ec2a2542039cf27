"""Event streams, read by botocore's own decoder."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from botocore.eventstream import EventStreamBuffer

from bulb.core.errors import AwsError
from bulb.http.message import Response
from bulb.wire import protocols
from bulb.wire.eventstream import encode_event

from .clients import CATALOG


async def events(*items: Any) -> AsyncIterator[dict[str, Any]]:
    for item in items:
        if isinstance(item, AwsError):
            raise item
        yield item


def messages(response: Response) -> list[tuple[dict[str, Any], bytes]]:
    async def collect() -> bytes:
        return b"".join([part async for part in response.body])  # type: ignore[union-attr]

    buffer = EventStreamBuffer()
    buffer.add_data(asyncio.run(collect()))
    return [(event.headers, event.payload) for event in buffer]


def test_a_message_is_what_botocore_reads() -> None:
    buffer = EventStreamBuffer()
    buffer.add_data(encode_event({"text": "ü", "yes": True, "no": False, "number": -5, "bytes": b"\x00"}, b"payload"))
    (event,) = list(buffer)
    assert event.headers == {"text": "ü", "yes": True, "no": False, "number": -5, "bytes": b"\x00"}
    assert event.payload == b"payload"


def test_lambda_response_stream() -> None:
    stream = events({"PayloadChunk": {"Payload": b"one"}}, {"InvokeComplete": {"LogResult": "bG9n"}})
    answer = {"StatusCode": 200, "ExecutedVersion": "$LATEST", "EventStream": stream}
    response = protocols.respond(CATALOG.service("lambda"), "InvokeWithResponseStream", answer, "id")
    assert response.header("content-type") == "application/vnd.amazon.eventstream"
    (chunk, payload), (complete, body) = messages(response)
    assert (chunk[":event-type"], payload) == ("PayloadChunk", b"one")
    assert (complete[":event-type"], body) == ("InvokeComplete", b'{"LogResult":"bG9n"}')


@pytest.mark.parametrize("code", ["ResourceNotFoundException", "Unmodelled"])
def test_kinesis_begins_with_its_other_members_and_may_end_with_an_error(code: str) -> None:
    record = {"Data": b"d", "PartitionKey": "p", "SequenceNumber": "1"}
    event = {"SubscribeToShardEvent": {"Records": [record], "ContinuationSequenceNumber": "1", "MillisBehindLatest": 0}}
    answer = {"EventStream": events(event, AwsError(code, "gone"))}
    response = protocols.respond(CATALOG.service("kinesis"), "SubscribeToShard", answer, "id")
    first, second, last = messages(response)
    assert first[0][":event-type"] == "initial-response"
    assert b'"Data":"ZA=="' in second[1]
    assert last[0].get(":exception-type", last[0].get(":error-code")) == code
