"""Subscription filters: which are accepted, and what they leave in the outbox in the transaction of the events."""

import asyncio
import base64
import gzip
import json
import random
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from botocore import xform_name
from sqlalchemy import Connection

from bulb.core.calls import Answer, Call, Caller
from bulb.core.clock import SystemClock
from bulb.core.errors import AwsError
from bulb.delivery.model import Refusal
from bulb.services.logs import messages
from bulb.services.logs.api import Logs
from bulb.services.logs.arrivals import Arrivals
from bulb.services.logs.field_patterns import extractor
from bulb.services.logs.messages import LogEvent, Source
from bulb.services.logs.subscriptions import Subscriptions
from bulb.storage import outbox
from bulb.storage.database import Database
from bulb.storage.outbox import Entry
from bulb.storage.writebehind import WriteBehind
from bulb.telemetry.log_store import LogStore

ACCOUNT = "000000000000"
FUNCTION = "arn:aws:lambda:us-east-1:000000000000:function:told"
GROUP = "/my/group"


class Room:
    """CloudWatch Logs without HTTP. `refusal` is what every function answers."""

    def __init__(self, database: Database, store: LogStore) -> None:
        self.database, self.store, self.clock = database, store, SystemClock()
        self.refusal: Refusal | None = None
        self.subscriptions = Subscriptions(database, self, self.clock)
        self.api = Logs(store, self.subscriptions)

    def check(self, connection: Connection, entry: Entry) -> Refusal | None:
        return self.refusal

    async def __call__(self, operation: str, **params: Any) -> Answer:
        caller = Caller(ACCOUNT, ACCOUNT, f"arn:aws:iam::{ACCOUNT}:root", ACCOUNT)
        call = Call("logs", operation, params, caller, "us-east-1", "R", self.clock.now(), {}, "http://x")
        method: Callable[[Call], Coroutine[Any, Any, Answer]] = getattr(self.api, xform_name(operation))
        return await method(call)

    async def put_filter(self, name: str = "one", pattern: str = "", **params: Any) -> None:
        given = {"logGroupName": GROUP, "filterName": name, "filterPattern": pattern, "destinationArn": FUNCTION}
        await self("PutSubscriptionFilter", **{**given, **params})

    async def write(self, *texts: str, stream: str = "s") -> int:
        now = int(self.clock.now() * 1000)
        events = [{"timestamp": now, "message": text} for text in texts]
        await self("PutLogEvents", logGroupName=GROUP, logStreamName=stream, logEvents=events)
        return now

    async def sent(self) -> list[dict[str, Any]]:
        """What is in the outbox, taken out of its wrapping; the outbox is emptied."""

        def take(connection: Connection) -> list[Entry]:
            entries = outbox.pending(connection, 1000)
            outbox.remove(connection, [entry.id for entry in entries])
            return entries

        entries = await self.database.write(take)
        for entry in entries:
            assert entry.destination_arn == FUNCTION
            assert len(entry.payload) <= 1_048_576
            about = {**entry.attributes}
            # The group is told by the source already.
            assert GROUP not in str(about.pop("about"))
            assert about == {
                "source": "logs",
                "source_arn": f"arn:aws:logs:us-east-1:000000000000:log-group:{GROUP}:*",
                "account": ACCOUNT,
                "trace_header": None,
            }
        return [unwrapped(entry.payload) for entry in entries]


def unwrapped(payload: bytes) -> dict[str, Any]:
    outer = json.loads(payload)
    assert list(outer) == ["awslogs"] and list(outer["awslogs"]) == ["data"]
    found: dict[str, Any] = json.loads(gzip.decompress(base64.b64decode(outer["awslogs"]["data"])))
    return found


def in_room(folder: Path, scenario: Callable[[Room], Coroutine[Any, Any, None]]) -> None:
    @asynccontextmanager
    async def opened() -> AsyncIterator[Room]:
        database = await Database.open(folder / "bulb.db")
        writebehind = WriteBehind(database, SystemClock())
        room = Room(database, LogStore(database, writebehind, SystemClock()))
        await room.subscriptions.load()
        yield room
        await writebehind.close()
        await database.close()

    async def run() -> None:
        async with opened() as room:
            await scenario(room)

    asyncio.run(run())


async def made(room: Room) -> None:
    await room("CreateLogGroup", logGroupName=GROUP)
    await room("CreateLogStream", logGroupName=GROUP, logStreamName="s")


def test_a_new_filter_is_tried_out_and_then_told_what_matches(tmp_path: Path) -> None:
    async def scenario(room: Room) -> None:
        await made(room)
        await room.put_filter(pattern="ERROR")
        [control] = await room.sent()
        timestamp = control["logEvents"][0]["timestamp"]
        assert control == {
            "messageType": "CONTROL_MESSAGE",
            "owner": "CloudwatchLogs",
            "logGroup": "",
            "logStream": "",
            "subscriptionFilters": [],
            "logEvents": [
                {
                    "id": "",
                    "timestamp": timestamp,
                    "message": "CWL CONTROL MESSAGE: Checking health of destination Lambda.",
                }
            ],
        }
        now = await room.write("ERROR one", "fine", "ERROR two")
        found = await room("FilterLogEvents", logGroupName=GROUP, filterPattern="ERROR")
        ids = [event["eventId"] for event in found["events"]]
        assert await room.sent() == [
            {
                "messageType": "DATA_MESSAGE",
                "owner": ACCOUNT,
                "logGroup": GROUP,
                "logStream": "s",
                "subscriptionFilters": ["one"],
                "logEvents": [
                    {"id": ids[0], "timestamp": now, "message": "ERROR one"},
                    {"id": ids[1], "timestamp": now, "message": "ERROR two"},
                ],
            }
        ]
        await room.write("fine")
        assert await room.sent() == []

    in_room(tmp_path, scenario)


def test_what_functions_print_is_told_with_the_flush_that_stores_it(tmp_path: Path) -> None:
    async def scenario(room: Room) -> None:
        await room("CreateLogGroup", logGroupName=GROUP)
        await room.put_filter()
        await room.sent()
        now = int(room.clock.now() * 1000)
        for stream in ("a", "b"):
            room.store.open_stream(ACCOUNT, "us-east-1", GROUP, stream).write(now, f"line of {stream}")
        found = await room("FilterLogEvents", logGroupName=GROUP)  # reading flushes
        told = await room.sent()
        assert [(each["logStream"], each["logEvents"][0]["message"]) for each in told] == [
            ("a", "line of a"),
            ("b", "line of b"),
        ]
        assert [each["logEvents"][0]["id"] for each in told] == [event["eventId"] for event in found["events"]]
        await room("DeleteSubscriptionFilter", logGroupName=GROUP, filterName="one")
        room.store.open_stream(ACCOUNT, "us-east-1", GROUP, "a").write(now, "more")
        await room("FilterLogEvents", logGroupName=GROUP)
        assert await room.sent() == []

    in_room(tmp_path, scenario)


def test_filters_are_replaced_listed_and_removed_with_their_group(tmp_path: Path) -> None:
    async def scenario(room: Room) -> None:
        await made(room)
        await room.put_filter("one", "ERROR")
        await room.put_filter("two", '{ $.level = "WARN" }', distribution="Random")
        with pytest.raises(AwsError, match="LimitExceededException: Resource limit exceeded"):
            await room.put_filter("three")
        await room.put_filter("one", "[ip, user, status = 5*]")
        shown = (await room("DescribeSubscriptionFilters", logGroupName=GROUP))["subscriptionFilters"]
        created = [each.pop("creationTime") for each in shown]
        assert created == sorted(created, reverse=True), "one was put again after two"
        common = {"logGroupName": GROUP, "destinationArn": FUNCTION, "applyOnTransformedLogs": False}
        assert shown == [
            {**common, "filterName": "one", "filterPattern": "[ip, user, status = 5*]", "distribution": "ByLogStream"},
            {**common, "filterName": "two", "filterPattern": '{ $.level = "WARN" }', "distribution": "Random"},
        ]
        await room.sent()
        await room.write("1.2.3.4 - 503", '{"level":"WARN"}', "ERROR")
        [one, two] = await room.sent()
        assert one["subscriptionFilters"] == ["one"]
        assert one["logEvents"][0]["extractedFields"] == {"ip": "1.2.3.4", "user": "-", "status": "503"}
        assert [event["message"] for event in two["logEvents"]] == ['{"level":"WARN"}']
        assert "extractedFields" not in two["logEvents"][0]
        page = await room("DescribeSubscriptionFilters", logGroupName=GROUP, limit=1)
        assert [each["filterName"] for each in page["subscriptionFilters"]] == ["one"]
        rest = await room("DescribeSubscriptionFilters", logGroupName=GROUP, nextToken=page["nextToken"])
        assert [each["filterName"] for each in rest["subscriptionFilters"]] == ["two"]
        assert "nextToken" not in rest
        await room("DeleteLogGroup", logGroupName=GROUP)
        await made(room)
        assert (await room("DescribeSubscriptionFilters", logGroupName=GROUP))["subscriptionFilters"] == []
        await room.write("1.2.3.4 - 503")
        assert await room.sent() == []

    in_room(tmp_path, scenario)


def test_filters_are_known_after_a_restart(tmp_path: Path) -> None:
    async def before(room: Room) -> None:
        await made(room)
        await room.put_filter()
        await room.sent()

    async def after(room: Room) -> None:
        await room.write("x")
        assert len(await room.sent()) == 1

    in_room(tmp_path, before)
    in_room(tmp_path, after)


@pytest.mark.parametrize(
    ("params", "code", "message"),
    [
        ({"logGroupName": "nobody"}, "ResourceNotFoundException", "The specified log group does not exist."),
        ({"filterPattern": "{ no"}, "InvalidParameterException", "Invalid filter pattern"),
        (
            {"filterPattern": "[a, b"},
            "InvalidParameterException",
            r"If a filter pattern starts with '\[' it must end with '\]'",
        ),
        ({"destinationArn": "nonsense"}, "InvalidParameterException", "Invalid destinationArn"),
        ({"destinationArn": "arn:aws:sqs:us-east-1:0:q"}, "InvalidParameterException", "for vendor sqs"),
        ({"destinationArn": FUNCTION.replace("us-east-1", "eu-west-1")}, "InvalidParameterException", "region"),
        ({"roleArn": "arn:aws:iam::0:role/r"}, "InvalidParameterException", "lambda cannot be used with roleArn"),
        (
            {"destinationArn": FUNCTION.replace(ACCOUNT, "111122223333"), "logGroupName": "nobody"},
            "AccessDeniedException",
            "Cross-account lambda invocation passing is not allowed. You must use DestinationPolicies to create cross "
            "account lambda triggers.",
        ),
        (
            {"destinationArn": "arn:aws:kinesis:us-east-1:0:stream/s"},
            "InvalidParameterException",
            "destinationArn for vendor kinesis cannot be used without roleArn",
        ),
        (
            {"destinationArn": "arn:aws:kinesis:us-east-1:0:stream/s", "roleArn": "arn:aws:iam::0:role/r"},
            "NotImplementedException",
            "Kinesis streams",
        ),
        (
            {"destinationArn": "arn:aws:firehose:us-east-1:0:deliverystream/s", "roleArn": "arn:aws:iam::0:role/r"},
            "NotImplementedException",
            "Firehose",
        ),
        ({"applyOnTransformedLogs": True}, "NotImplementedException", "applyOnTransformedLogs"),
    ],
)
def test_what_is_refused(tmp_path: Path, params: dict[str, Any], code: str, message: str) -> None:
    async def scenario(room: Room) -> None:
        await made(room)
        with pytest.raises(AwsError, match=message) as refused:
            await room.put_filter(**params)
        assert refused.value.code == code
        assert await room.sent() == []

    in_room(tmp_path, scenario)


def test_a_function_that_may_not_be_told_is_not_subscribed(tmp_path: Path) -> None:
    async def scenario(room: Room) -> None:
        await made(room)
        room.refusal = Refusal("NO_PERMISSIONS", "")
        with pytest.raises(AwsError) as refused:
            await room.put_filter()
        assert (refused.value.code, refused.value.message) == (
            "InvalidParameterException",
            "Could not execute the lambda function. Make sure you have given CloudWatch Logs permission to execute "
            "your function.",
        )
        assert (await room("DescribeSubscriptionFilters", logGroupName=GROUP))["subscriptionFilters"] == []
        assert await room.sent() == []
        with pytest.raises(AwsError, match="The specified subscription filter does not exist"):
            await room("DeleteSubscriptionFilter", logGroupName=GROUP, filterName="one")

    in_room(tmp_path, scenario)


def noise(characters: int) -> str:
    """Text that gzip makes hardly smaller."""
    chance = random.Random(characters)
    return "".join(chance.choices([chr(number) for number in range(0x100, 0x500)], k=characters))


LARGE = noise(900_000)


@pytest.mark.parametrize("texts", [["x" * 1000] * 5000, [noise(1000)] * 3, [noise(100_000)] * 30, ["a", LARGE]])
def test_messages_fit_into_events_and_carry_everything_in_order(texts: list[str]) -> None:
    source = Source(ACCOUNT, GROUP, "s", "one")
    events = [LogEvent(str(number), number, text) for number, text in enumerate(texts)]
    payloads = list(messages.data(source, events))
    assert all(len(payload) <= 1_048_576 for payload in payloads)
    got = [event for payload in payloads for event in unwrapped(payload)["logEvents"]]
    assert [event["id"] for event in got] == [event.id for event in events]
    for event, text in zip(got, texts, strict=True):
        if text is LARGE:
            assert len(event["message"]) > 200_000
            assert text.startswith(event["message"])
        else:
            assert event["message"] == text


@pytest.mark.parametrize(
    ("pattern", "message", "fields"),
    [
        ("[a, b, c]", 'x "y z" [w]', {"a": "x", "b": "y z", "c": "w"}),
        ("[,,]", "x y z", {"1": "x", "2": "y", "3": "z"}),
        ("[..., size]", "x y z", {"1": "x", "2": "y", "size": "z"}),
        ("[ip, ..., status = 4* || status = 5*]", "x y 404", {"ip": "x", "2": "y", "status": "404"}),
    ],
)
def test_fields_are_found_by_name_or_number(pattern: str, message: str, fields: dict[str, str]) -> None:
    extract = extractor(pattern)
    assert extract is not None and extract(message) == fields
    assert extractor("ERROR") is None


def test_what_is_sent_to_a_group_is_an_event_of_it(tmp_path: Path) -> None:
    async def scenario(room: Room) -> None:
        await room("CreateLogGroup", logGroupName=GROUP)
        await room.put_filter()
        await room.sent()
        arrivals = Arrivals(room.store)
        about = {"source": "events", "source_arn": "arn:aws:events:us-east-1:000000000000:rule/r", "account": ACCOUNT}

        async def send(arn: str, payload: bytes, **more: str) -> str | None:
            entry = Entry(1, arn, payload, {**about, **more}, 1.0, "d")
            refusal = await room.database.write(lambda connection: arrivals.take(connection, entry, room.clock.now()))
            return None if refusal is None else refusal.code

        arn = f"arn:aws:logs:us-east-1:000000000000:log-group:{GROUP}"
        assert await send(arn, b'{"n":1}') is None
        assert await send(f"{arn}:*", b'{"n":2}') is None
        assert await send(f"{arn}-2", b"") == "NO_RESOURCE"
        assert await send("arn:aws:logs:us-east-1:000000000000:destination:d", b"") == "NO_RESOURCE"
        assert await send(arn, b"", account="111111111111") == "NO_PERMISSIONS"
        found = (await room("FilterLogEvents", logGroupName=GROUP))["events"]
        assert [event["message"] for event in found] == ['{"n":1}', '{"n":2}']
        assert len({event["logStreamName"] for event in found}) == 1
        assert len(await room.sent()) == 2

    in_room(tmp_path, scenario)
